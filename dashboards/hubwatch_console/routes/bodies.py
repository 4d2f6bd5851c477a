"""What requests hold. Unknown keys are refused; texts are bounded before anything is done with them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from hubwatch_core.enrolment import MOST_TOKEN_S
from hubwatch_core.ids import is_id
from hubwatch_core.permission import Role
from hubwatch_store.alarms import ExpectedKind


def _name(text: str) -> str:
    if not is_id(text):
        raise ValueError("must be 1 to 63 of a-z, 0-9, dots, dashes and underscores")
    return text


ShortText = Annotated[str, Field(max_length=256)]
LongText = Annotated[str, Field(max_length=1000)]
Name = Annotated[str, AfterValidator(_name)]
"""Of a hub, an agent, a sensor or a zone."""
UserName = Annotated[str, Field(min_length=1, max_length=63)]
HubsOfRoles = Annotated[dict[ShortText, Annotated[list[ShortText], Field(max_length=100)]], Field(max_length=20)]
AlarmNumber = Annotated[int, Field(ge=1, lt=10**18)]


class Body(BaseModel):
    """A request's body."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class LoginBody(Body):
    """Who logs in and how they show it."""

    user: ShortText
    password: ShortText
    code: ShortText | None = None


class PasswordBody(Body):
    """A new password, and the one before it."""

    former: ShortText
    password: ShortText


class CodeBody(Body):
    """A code of the second factor."""

    code: ShortText


class TokenBody(Body):
    """An API token: what it is for, how long it is good, and what it is limited to."""

    label: Annotated[str, Field(min_length=1, max_length=100)]
    valid_s: Annotated[float, Field(gt=0)]
    role: Role | None = None
    hubs: Annotated[list[ShortText], Field(min_length=1, max_length=100)] | None = None


class OidcStartBody(Body):
    """Where the identity provider sends the person back to."""

    redirect_uri: Annotated[str, Field(max_length=1000)]


class OidcFinishBody(Body):
    """What the identity provider sent back, and what `start` gave to nobody but the caller."""

    state: ShortText
    code: Annotated[str, Field(max_length=4000)]
    binding: ShortText


class NoteBody(Body):
    """What a person found or did."""

    note: LongText | None = None


class ReasonBody(Body):
    """Why a person does something that needs a reason."""

    reason: LongText


class ShelveBody(Body):
    """For how long an alarm is set aside, and why."""

    duration_s: Annotated[float, Field(gt=0, le=7 * 86_400)]
    note: LongText


class AdjudicationBody(Body):
    """What an alarm was."""

    verdict: ShortText
    note: LongText | None = None


class LevelBody(Body):
    """A security level, why, and when the one before is in force again."""

    level: Annotated[int, Field(ge=1, le=3)]
    note: LongText
    until: datetime | None = None


class EnrolBody(Body):
    """How long leave to enrol may be used."""

    valid_s: Annotated[float, Field(gt=0, le=MOST_TOKEN_S)] = 3600


class ReplaceBody(ReasonBody):
    """From which moment on another device measures, and why."""

    since: datetime | None = None


class MoveBody(ReplaceBody):
    """Where a sensor stands now, or whose it is."""

    zone: Name | None = None
    agent: Name | None = None


class ShareBody(ReasonBody):
    """Which agent may list a sensor, too."""

    agent: Name


class RenameBody(ReasonBody):
    """How a sensor is called now."""

    name: Name


class SiteBody(Body):
    """A site's file as it stands, and why it is put in force."""

    file: str
    note: LongText


class HoldBody(ReasonBody):
    """What is held: from when to when, of which sensor; without one, of the whole hub."""

    since: datetime
    until: datetime | None = None
    sensor: Name | None = None


class GrantsBody(Body):
    """Roles, each with its hubs; `*` is every hub."""

    grants: HubsOfRoles


class UserBody(GrantsBody):
    """Somebody who is to have a login."""

    name: UserName
    full_name: Annotated[str, Field(max_length=200)] = ""


class SuppressionBody(Body):
    """What is expected, so that nobody is told of it."""

    kind: ExpectedKind
    hub: ShortText
    note: LongText
    duration_s: Annotated[float, Field(gt=0, le=365 * 86_400, allow_inf_nan=False)]
    starts: datetime | None = None
    zone: ShortText | None = None
    sensor: ShortText | None = None
    types: Annotated[list[ShortText], Field(max_length=100)] = []
    critical: bool = False


class CommentBody(Body):
    """What a person has to say of an incident."""

    text: LongText


class AssignBody(NoteBody):
    """Who is to see to an incident; null takes it from whoever has it."""

    to: UserName | None


class MergeBody(NoteBody):
    """Which other incident becomes a part of this one."""

    other: AlarmNumber


class SplitBody(NoteBody):
    """Which alarms make an incident of their own."""

    alarms: Annotated[list[AlarmNumber], Field(min_length=1, max_length=1000)]


class IncidentCloseBody(AdjudicationBody):
    """What an incident was, and whether alarms that are still open end with it."""

    end_alarms: bool = False


class HandoverBody(Body):
    """Which hub is handed over."""

    hub: Name


class NotesBody(Body):
    """What people have to say beside the facts of a handover."""

    notes: Annotated[str, Field(max_length=8000)]


class SignBody(Body):
    """The digest of the handover that was read, as it was shown."""

    digest: Annotated[str, Field(min_length=64, max_length=64)]
