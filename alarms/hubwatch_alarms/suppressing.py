"""What people say is expected before there is an alarm, so that nobody is told of it: works, repairs, maintenance.

Nothing is expected for ever, and nobody alone can blind a zone or a guard against the gravest: that takes two persons.
Works inside the transaction of the caller.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from hubwatch_alarms.acts import named_second
from hubwatch_alarms.settings import ExpectingSection
from hubwatch_core.clock import to_datetime
from hubwatch_core.errors import Permanent
from hubwatch_core.permission import RADIATION, Actor, UserAct, may, refusal
from hubwatch_store.alarms import ExpectedAlarms, ExpectedKind, expected
from hubwatch_store.database import DatabaseConnection, database_clock
from hubwatch_store.users import Approval, NotAllowed, approvals, record


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody says is expected; without `starts` it is from now on."""

    kind: ExpectedKind
    hub: str
    reason: str
    duration_s: float
    starts: datetime | None = None
    zone: str | None = None
    sensor: str | None = None
    types: tuple[str, ...] = ()
    critical: bool = False

    def facts(self) -> dict[str, object]:
        """Return it as JSON values."""
        return {
            "kind": str(self.kind),
            "duration_s": self.duration_s,
            "starts": None if self.starts is None else self.starts.isoformat(),
            "zone": self.zone,
            "sensor": self.sensor,
            "types": list(self.types),
            "critical": self.critical,
        }

    @classmethod
    def of_facts(cls, hub: str, reason: str, facts: Mapping[str, Any]) -> Wish:
        """Return it of its JSON values."""
        starts = facts["starts"]
        return cls(
            ExpectedKind(facts["kind"]),
            hub,
            reason,
            float(facts["duration_s"]),
            None if starts is None else datetime.fromisoformat(starts),
            facts["zone"],
            facts["sensor"],
            tuple(facts["types"]),
            bool(facts["critical"]),
        )

    def subject(self) -> str:
        """Return how it is called in the journal of acts."""
        where = self.sensor or self.zone or "all of it"
        return f"{self.kind} at {where}"


async def expect(
    connection: DatabaseConnection,
    person: Actor,
    wish: Wish,
    limits: ExpectingSection,
    *,
    approval_s: float = 0,
    agreed_by: str | None = None,
) -> ExpectedAlarms | int:
    """Say what is expected; return instead the number of the approval that it waits for.

    A second person is needed for alarms of priority 1, for radiation, and where no sensor of a zone would be heard:
    without a directory whoever is named as `agreed_by`. Raises NotAllowed, or Permanent when it may not be so.
    """
    now = to_datetime(await database_clock(connection))
    starts, ends = _times(wish, now)
    await _check(connection, person, wish, limits, starts, ends, now)
    why = await _why_two(connection, wish, starts, ends)
    if why is None:
        return await _add(connection, person, wish, starts, ends, None)
    if not person.verified:
        return await _add(connection, person, wish, starts, ends, named_second(person, agreed_by, why))
    return await approvals.ask(
        connection, person, UserAct.ALARM_SUPPRESS_BLIND, hub=wish.hub, subject=wish.subject(), reason=wish.reason,
        valid_s=approval_s, details=wish.facts(),
    )  # fmt: skip


async def expect_as_agreed(
    connection: DatabaseConnection, first: Actor, second: Actor, agreed: Approval
) -> ExpectedAlarms:
    """Say what two persons want to be expected; without a beginning its time counts from now."""
    assert agreed.hub is not None, "it was asked for at a hub"
    wish = Wish.of_facts(agreed.hub, agreed.reason, agreed.details)
    starts, ends = _times(wish, to_datetime(await database_clock(connection)))
    return await _add(connection, first, wish, starts, ends, second.name)


async def lift(connection: DatabaseConnection, person: Actor, number: int) -> ExpectedAlarms:
    """End what is expected before its time; raises NotAllowed, or Permanent when it is over or was never there."""
    found = await expected.one(connection, number)
    if found is None or (person.verified and not may(person, UserAct.ALARM_SEE, found.hub)):
        raise Permanent(f"there is no suppression {number}; `hubwatch alarms suppressions` shows those there are")
    if person.verified and not may(person, UserAct.ALARM_LIFT, found.hub):
        raise NotAllowed(refusal(person, UserAct.ALARM_LIFT, found.hub))
    lifted = await expected.lift(connection, number, person.name)
    if lifted is None:
        raise Permanent(f"suppression {number} is over already")
    await record(connection, person, str(UserAct.ALARM_LIFT), f"suppression {number}", hub=found.hub)
    return lifted


def _times(wish: Wish, now: datetime) -> tuple[datetime, datetime]:
    starts = wish.starts or now
    try:
        return starts, starts + timedelta(seconds=wish.duration_s)
    except (OverflowError, ValueError):
        raise Permanent("that would end after the last day there is") from None


async def _check(
    connection: DatabaseConnection,
    person: Actor,
    wish: Wish,
    limits: ExpectingSection,
    starts: datetime,
    ends: datetime,
    now: datetime,
) -> None:
    if person.verified and not may(person, UserAct.ALARM_SUPPRESS, wish.hub):
        raise NotAllowed(refusal(person, UserAct.ALARM_SUPPRESS, wish.hub))
    longest_s = limits.max_s(wish.kind, critical=wish.critical)
    if not 0 < wish.duration_s <= longest_s:
        raise Permanent(f"{wish.kind} may last at most {longest_s / 3600:g} h (section expecting)")
    if ends <= now:
        raise Permanent(f"that is over already: it would end at {ends.isoformat(timespec='seconds')}")
    missing = await expected.unknown(connection, wish.hub, wish.zone, wish.sensor)
    if missing is not None:
        raise Permanent(missing)
    if wish.kind is ExpectedKind.MAINTENANCE and (wish.zone is None or wish.sensor is not None):
        raise Permanent("maintenance is of a zone: give --zone and no --sensor")


async def _why_two(connection: DatabaseConnection, wish: Wish, starts: datetime, ends: datetime) -> str | None:
    """Return why one person cannot say so alone, None when they can."""
    if wish.critical:
        return "alarms of priority 1 would be told to nobody"
    if _means(wish.types, RADIATION) and await expected.measures_radiation(
        connection, wish.hub, wish.zone, wish.sensor
    ):
        return "alarms of radiation would be told to nobody"
    zones = await expected.blinded(connection, wish.hub, wish.zone, wish.sensor, starts, ends)
    return f"no sensor of zone {', '.join(zones)} would be heard" if zones else None


def _means(types: Sequence[str], family: str) -> bool:
    """Return whether some types, or all where there are none, are of a family."""
    return not types or any(each == family or each.startswith(f"{family}.") for each in types)


async def _add(
    connection: DatabaseConnection,
    person: Actor,
    wish: Wish,
    starts: datetime,
    ends: datetime,
    agreed_by: str | None,
) -> ExpectedAlarms:
    added = await expected.add(
        connection, kind=str(wish.kind), hub=wish.hub, zone=wish.zone, sensor=wish.sensor, types=list(wish.types),
        starts=starts, ends=ends, critical=wish.critical, by=person.name, verified=person.verified, reason=wish.reason,
        agreed_by=agreed_by,
    )  # fmt: skip
    details = {**wish.facts(), "suppression": added.id, "reason": wish.reason, "agreed_by": agreed_by}
    await record(connection, person, str(UserAct.ALARM_SUPPRESS), wish.subject(), hub=wish.hub, details=details)
    return added
