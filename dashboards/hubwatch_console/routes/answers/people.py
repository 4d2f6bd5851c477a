"""Answers about people: logins, tokens, users."""

from __future__ import annotations

from hubwatch_console.routes.answers.words import Hub, Moment, Next, Number, Person, SaidAnswer, Seconds, Secret, Text


class NoticeAnswer(SaidAnswer):
    """What is said to everybody before they log in."""

    notice: Text | None


class GrantAnswer(SaidAnswer):
    """A role at some hubs; `*` is every hub."""

    role: str
    hubs: list[Hub]


class UserAnswer(SaidAnswer):
    """Who somebody is, and what they may do."""

    name: Person
    full_name: str
    grants: list[GrantAnswer]
    needs: list[str]
    """What they have to set up before anything else."""
    issuer: str | None
    """The identity provider that vouches for them."""


class MeAnswer(UserAnswer):
    """Who is logged in."""

    kind: str
    """`session` or `token`."""
    scope: GrantAnswer | None
    """What the token is limited to."""


class ListedUserAnswer(UserAnswer):
    """A user as administrators see them."""

    disabled: Moment | None
    used: Moment | None


class UserListAnswer(SaidAnswer):
    """A page of users, by name."""

    users: list[ListedUserAnswer]
    next: Next


class LoginAnswer(SaidAnswer):
    """A session that has begun; the only answer that holds its token."""

    token: Secret
    expires: Moment
    idle_s: Seconds
    user: UserAnswer


class SecondFactorAnswer(SaidAnswer):
    """A key for an authenticator app."""

    key: Secret
    address: str


class TokenAnswer(SaidAnswer):
    """An API token, without what is secret of it."""

    id: Number
    label: Text
    scope: GrantAnswer | None
    created: Moment
    used: Moment
    expires: Moment


class TokenListAnswer(SaidAnswer):
    """A page of one's own API tokens."""

    tokens: list[TokenAnswer]
    next: Next


class NewTokenAnswer(SaidAnswer):
    """A new API token; it is shown once."""

    id: Number
    token: Secret
    expires: Moment


class OneTimeAnswer(SaidAnswer):
    """A one-time password; it is shown once."""

    name: Person
    one_time_password: Secret


class OidcStartAnswer(SaidAnswer):
    """Where to send a person who logs in at the identity provider."""

    url: str
    state: Secret
    binding: Secret
    """The caller keeps it to itself until they come back."""
