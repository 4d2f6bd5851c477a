"""Who may do what, at which hub: pure, the same answer for pages, commands and the API.

A grant is a role at some hubs. A role includes others, so an act names the least role that may do it; acts that concern
no single hub need a grant at every hub.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

EVERY_HUB = "*"
RADIATION = "radiation"
"""The family of alarms that nobody alone may set aside."""


class Role(StrEnum):
    """What a person is at a hub."""

    VIEWER = "viewer"
    GUARD = "guard"
    RESPONDER = "responder"
    TECHNICIAN = "technician"
    SUPERVISOR = "supervisor"
    ADMINISTRATOR = "administrator"


INCLUDES: Mapping[Role, frozenset[Role]] = MappingProxyType(
    {
        Role.VIEWER: frozenset({Role.VIEWER}),
        Role.GUARD: frozenset({Role.VIEWER, Role.GUARD}),
        Role.RESPONDER: frozenset({Role.VIEWER, Role.GUARD, Role.RESPONDER}),
        Role.TECHNICIAN: frozenset({Role.VIEWER, Role.TECHNICIAN}),
        Role.SUPERVISOR: frozenset(Role) - {Role.ADMINISTRATOR},
        Role.ADMINISTRATOR: frozenset(Role),
    }
)
"""The roles that each role includes. A technician looks after devices and takes no alarms."""

SECOND_FACTOR_ROLES = frozenset({Role.SUPERVISOR, Role.ADMINISTRATOR})
"""Who must show a second factor: their acts blind a hub or let others in."""


class UserAct(StrEnum):
    """What a person can do; the word stands in the journal."""

    ALARM_SEE = "alarm.see"
    ALARM_ACKNOWLEDGE = "alarm.acknowledge"
    ALARM_ADJUDICATE = "alarm.adjudicate"
    ALARM_SHELVE = "alarm.shelve"
    ALARM_SHELVE_RADIATION = "alarm.shelve_radiation"
    ALARM_SHELVE_LAST = "alarm.shelve_last"
    ALARM_SUPPRESS = "alarm.suppress"
    ALARM_SUPPRESS_BLIND = "alarm.suppress_blind"
    ALARM_LIFT = "alarm.lift"
    ALARM_UNSHELVE = "alarm.unshelve"
    ALARM_CLOSE = "alarm.close"
    INCIDENT_COMMENT = "incident.comment"
    INCIDENT_ASSIGN = "incident.assign"
    INCIDENT_MERGE = "incident.merge"
    INCIDENT_SPLIT = "incident.split"
    INCIDENT_CLOSE = "incident.close"
    HANDOVER_DRAFT = "handover.draft"
    HANDOVER_SIGN = "handover.sign"
    ALARM_DRILL = "alarm.drill"
    ALARM_DRILL_END = "alarm.drill_end"
    APPROVAL_SEE = "approval.see"
    DEVICE_COMMAND = "device.command"
    SENSOR_CHANGE = "sensor.change"
    AGENT_ENROL = "agent.enrol"
    CERTIFICATE_REVOKE = "certificate.revoke"
    SITE_APPLY = "site.apply"
    CARDHOLDER_NAMES_SEE = "cardholder.names_see"
    CARDHOLDER_IMPORT = "cardholder.import"
    DEAD_LETTER_SEE = "dead_letter.see"
    DEAD_LETTER_REPLAY = "dead_letter.replay"
    LEVEL_RAISE = "level.raise"
    LEVEL_LOWER = "level.lower"
    CHECKLIST_TICK = "checklist.tick"
    HOLD_MAKE = "hold.make"
    HOLD_RELEASE = "hold.release"
    RETENTION_SEE = "retention.see"
    RETENTION_CHANGE = "retention.change"
    PERSON_EXPORT = "person.export"
    PERSON_ERASE = "person.erase"
    JOURNAL_SEE = "journal.see"
    USER_SEE = "user.see"
    USER_CHANGE = "user.change"


LEAST_ROLE: Mapping[UserAct, Role] = MappingProxyType(
    {
        UserAct.ALARM_SEE: Role.VIEWER,
        UserAct.ALARM_ACKNOWLEDGE: Role.GUARD,
        UserAct.ALARM_ADJUDICATE: Role.RESPONDER,
        UserAct.ALARM_SHELVE: Role.RESPONDER,
        UserAct.ALARM_SHELVE_RADIATION: Role.RESPONDER,
        UserAct.ALARM_SHELVE_LAST: Role.RESPONDER,
        UserAct.ALARM_SUPPRESS: Role.RESPONDER,
        UserAct.ALARM_SUPPRESS_BLIND: Role.RESPONDER,
        UserAct.ALARM_LIFT: Role.GUARD,
        UserAct.ALARM_UNSHELVE: Role.GUARD,
        UserAct.ALARM_CLOSE: Role.SUPERVISOR,
        UserAct.INCIDENT_COMMENT: Role.GUARD,
        UserAct.INCIDENT_ASSIGN: Role.GUARD,
        UserAct.INCIDENT_MERGE: Role.RESPONDER,
        UserAct.INCIDENT_SPLIT: Role.RESPONDER,
        UserAct.INCIDENT_CLOSE: Role.RESPONDER,
        UserAct.HANDOVER_DRAFT: Role.GUARD,
        UserAct.HANDOVER_SIGN: Role.GUARD,
        UserAct.ALARM_DRILL: Role.SUPERVISOR,
        UserAct.ALARM_DRILL_END: Role.GUARD,
        UserAct.APPROVAL_SEE: Role.VIEWER,
        UserAct.DEVICE_COMMAND: Role.TECHNICIAN,
        UserAct.SENSOR_CHANGE: Role.TECHNICIAN,
        UserAct.AGENT_ENROL: Role.TECHNICIAN,
        UserAct.CERTIFICATE_REVOKE: Role.TECHNICIAN,
        UserAct.SITE_APPLY: Role.SUPERVISOR,
        UserAct.CARDHOLDER_NAMES_SEE: Role.SUPERVISOR,
        UserAct.CARDHOLDER_IMPORT: Role.SUPERVISOR,
        UserAct.DEAD_LETTER_SEE: Role.TECHNICIAN,
        UserAct.DEAD_LETTER_REPLAY: Role.TECHNICIAN,
        UserAct.LEVEL_RAISE: Role.SUPERVISOR,
        UserAct.LEVEL_LOWER: Role.SUPERVISOR,
        UserAct.CHECKLIST_TICK: Role.GUARD,
        UserAct.HOLD_MAKE: Role.SUPERVISOR,
        UserAct.HOLD_RELEASE: Role.SUPERVISOR,
        UserAct.RETENTION_SEE: Role.SUPERVISOR,
        UserAct.RETENTION_CHANGE: Role.ADMINISTRATOR,
        UserAct.PERSON_EXPORT: Role.ADMINISTRATOR,
        UserAct.PERSON_ERASE: Role.ADMINISTRATOR,
        UserAct.JOURNAL_SEE: Role.SUPERVISOR,
        UserAct.USER_SEE: Role.ADMINISTRATOR,
        UserAct.USER_CHANGE: Role.ADMINISTRATOR,
    }
)

TWO_PERSONS: Mapping[UserAct, Role] = MappingProxyType(
    {
        UserAct.ALARM_SHELVE_RADIATION: Role.SUPERVISOR,
        UserAct.ALARM_SHELVE_LAST: Role.SUPERVISOR,
        UserAct.ALARM_SUPPRESS_BLIND: Role.SUPERVISOR,
        UserAct.LEVEL_LOWER: Role.SUPERVISOR,
        UserAct.HOLD_RELEASE: Role.SUPERVISOR,
        UserAct.CERTIFICATE_REVOKE: Role.SUPERVISOR,
    }
)
"""Acts that wait for a second person, and the least role of that one. The first one needs `LEAST_ROLE`."""


@dataclass(frozen=True, slots=True)
class Grant:
    """A role at some hubs; EVERY_HUB stands for those there are and those to come."""

    role: Role
    hubs: frozenset[str]

    def reaches(self, least: Role, hub: str | None) -> bool:
        """Return whether it gives role `least` at a hub; None asks for every hub."""
        here = EVERY_HUB in self.hubs or (hub is not None and hub in self.hubs)
        return here and least in INCLUDES[self.role]


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts. `verified` tells that they have shown it; without a directory people are taken at their word."""

    name: str
    grants: tuple[Grant, ...] = ()
    verified: bool = True
    scope: Grant | None = None
    """What their API token is limited to, whatever else they may do."""
    needs: tuple[str, ...] = ()
    """What they have to do before they may do anything: `password`, `second_factor`."""

    @property
    def roles(self) -> frozenset[Role]:
        """Return the roles of all grants."""
        return frozenset(grant.role for grant in self.grants)


def may(person: Actor, act: UserAct, hub: str | None) -> bool:
    """Return whether a person may do that at a hub; None for what concerns every hub."""
    return _reaches(person, LEAST_ROLE[act], hub)


def may_agree(person: Actor, act: UserAct, hub: str | None, asked_by: str) -> bool:
    """Return whether a person may be the second of two: another one than the first, with the right role."""
    return act in TWO_PERSONS and person.name != asked_by and _reaches(person, TWO_PERSONS[act], hub)


def hubs_where(person: Actor, act: UserAct) -> frozenset[str]:
    """Return the hubs where a person may do that; EVERY_HUB among them when it is all."""
    named = {hub for grant in person.grants for hub in grant.hubs}
    if person.scope is not None:
        named |= person.scope.hubs
    return frozenset(hub for hub in named if may(person, act, None if hub == EVERY_HUB else hub))


def refusal(person: Actor, act: UserAct, hub: str | None) -> str | None:
    """Return in words why a person may not do that, None when they may."""
    if may(person, act, hub):
        return None
    if person.needs:
        return f"{person.name} must set up first: {', '.join(person.needs)}"
    where = "every hub" if hub is None else f"hub {hub}"
    limited = "" if person.scope is None else ", and this token must reach so far"
    return f"{act} at {where} needs the role {LEAST_ROLE[act]} there{limited}"


def shelving(alarm_type: str) -> UserAct:
    """Return which act it is to shelve an alarm of that type."""
    radiation = alarm_type.split(".", 1)[0] == RADIATION
    return UserAct.ALARM_SHELVE_RADIATION if radiation else UserAct.ALARM_SHELVE


def changing_level(former: int, level: int) -> UserAct:
    """Return which act it is to set a security level."""
    return UserAct.LEVEL_LOWER if level < former else UserAct.LEVEL_RAISE


def needs_second_factor(grants: tuple[Grant, ...]) -> bool:
    """Return whether whoever has these grants must show a second factor."""
    return any(grant.role in SECOND_FACTOR_ROLES for grant in grants)


def _reaches(person: Actor, least: Role, hub: str | None) -> bool:
    if person.needs:
        return False
    granted = any(grant.reaches(least, hub) for grant in person.grants)
    return granted and (person.scope is None or person.scope.reaches(least, hub))
