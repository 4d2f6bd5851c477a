"""What requests hold. Unknown keys are refused; texts are bounded before anything is done with them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from hubwatch_core.enrolment import MOST_TOKEN_S
from hubwatch_core.ids import ID_PATTERN, is_id
from hubwatch_core.permission import Role
from hubwatch_core.wire import LATEST_US
from hubwatch_store.alarms import ExpectedKind

NAME_PATTERN = ID_PATTERN.replace(r"\Z", "$")
"""As JSON Schema writes it."""


def _whole(text: str) -> str:
    if not text.strip() or "\0" in text:
        raise ValueError("must be text without NUL")
    return text


def _name(text: str) -> str:
    if not is_id(text):
        raise ValueError("must be 1 to 63 of a-z, 0-9, dots, dashes and underscores")
    return text


def _plain(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError("must be printable text")
    return text


PlainText = Annotated[str, Field(max_length=200), AfterValidator(_plain)]
Subject = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_whole)]
"""May be raw where a hub keeps no pseudonyms: anything that can be stored."""
ShortText = Annotated[str, Field(max_length=256)]
LongText = Annotated[str, Field(max_length=1000)]
Name = Annotated[
    str, Field(json_schema_extra={"minLength": 1, "maxLength": 63, "pattern": NAME_PATTERN}), AfterValidator(_name)
]
"""Of a hub, an agent, a sensor or a zone."""
UserName = Annotated[str, Field(min_length=1, max_length=63)]
HubsOfRoles = Annotated[dict[ShortText, Annotated[list[ShortText], Field(max_length=100)]], Field(max_length=20)]
Days = Annotated[int, Field(ge=1, le=36_525)]
Moment = Annotated[int, Field(ge=0, le=LATEST_US)]
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


class TickBody(NoteBody):
    """Whether a check is done, and with which change of the level the list began that was looked at."""

    done: bool = True
    """Whether it is ticked; false takes its tick away."""
    began: AlarmNumber | None
    """What `GET` of the list gave as `began`."""


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


class PersonBody(Body):
    """Somebody as events name them, mostly the pseudonym of a badge."""

    subject: Subject


class ErasureBody(PersonBody, ReasonBody):
    """Who is to be forgotten, and why."""


class ErasuresBody(Body):
    """About whom a record is looked for; without it every record."""

    subject: Subject | None = None


class RuleBody(ReasonBody):
    """For how many days what is kept of a kind of sensor, null for ever; what is left out stays as it is."""

    raw: Days | None = None
    minute: Days | None = None
    hour: Days | None = None
    event: Days | None = None


class EvidenceBody(ReasonBody):
    """How much around a detection is kept, and for how many days; null is for ever."""

    before_s: Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)]
    after_s: Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)]
    days: Days | None


class PersonDaysBody(ReasonBody):
    """For how many days detections and alarms name persons; null is for ever."""

    days: Days | None


class ReplayBody(Body):
    """Which dead letters are to be tried again: of one hub, those whose reason contains a text."""

    hub: Name | None = None
    reason: ShortText | None = None


class CardholderBody(Body):
    """Somebody with a badge; times are µs UTC."""

    subject: Subject
    home_zone: Name | None = None
    shift: PlainText | None = None
    on_call: bool = False
    clearance: Annotated[int, Field(ge=0, le=100)] = 0
    valid_from: Moment | None = None
    valid_to: Moment | None = None
    name: PlainText | None = None


class CardholdersBody(Body):
    """A whole list of people with badges, and why it is put in force."""

    people: Annotated[list[CardholderBody], Field(min_length=1, max_length=1_000_000)]
    with_names: bool = False
    note: LongText


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
    """What people have to say beside the facts of a handover, and the digest of the handover that they read."""

    notes: Annotated[str, Field(max_length=8000)]
    digest: Annotated[str, Field(min_length=64, max_length=64)] | None = None


class SignBody(Body):
    """The digest of the handover that was read, as it was shown."""

    digest: Annotated[str, Field(min_length=64, max_length=64)]
