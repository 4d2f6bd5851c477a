"""Handing over to the next shift: what stands is drafted from the database, and signed by two persons.

Nothing is called calm that nobody has looked at: where the programs that would have said so are silent or behind, their
part says NOT KNOWN. Whoever has shown who they are does what their roles allow; where there is no directory people are
taken at their word. Each act stands in the journal of acts, each signature with the digest of what was signed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from hubwatch_alarms.facts import iso
from hubwatch_alarms.handover_text import text_of
from hubwatch_alarms.instructions import Instructions
from hubwatch_core.alarm import EXERCISE
from hubwatch_core.clock import SECOND_US, to_datetime, to_us
from hubwatch_core.errors import BadCall, ConfigError, Permanent
from hubwatch_core.permission import Actor, UserAct, may
from hubwatch_core.plain_text import is_text
from hubwatch_site import parse_site
from hubwatch_store.alarms import Beats, Handover, HubLag, handovers
from hubwatch_store.database import DatabaseConnection, database_clock
from hubwatch_store.users import check_may, record

LOOK_S = 0.25
LIVES_WITHIN_S = 5.0
"""A process that does its work shows in this time that it lives: more than twice as long as between two beats."""
HEARD_WITHIN_S = 180.0
"""Some agent of a hub is heard in this time: each has a heartbeat, of which three may be lost."""
BEHIND_S = 120.0
"""Detectors keep what they have judged with every save; older than that, frames wait for them."""
WAITS_S = 30.0
"""Findings become alarms within a second; one that waits longer waits for somebody."""
OLD_S = 2 * 3600.0
"""A draft that is older says nothing of now. Our choice: longer than any walk round the hub at the change of shifts."""
LONGEST_NOTES = 8000


class NoSuchHandover(Permanent):
    """There is no handover of that number, or it is of a hub that the person does not see."""

    def __init__(self, number: int) -> None:
        super().__init__(f"there is no handover {number}; `hubwatch alarms handover list` shows those there are")


async def gathered(
    connection: DatabaseConnection, person: Actor, hub: str, instructions: Instructions
) -> dict[str, object]:
    """Return what stands at a hub, as JSON values; waits some seconds for signs of life of its programs.

    Not inside a transaction: none is kept open for so long. Raises NotAllowed, or Permanent where there is no such hub.
    """
    check_may(person, UserAct.HANDOVER_DRAFT, hub)
    before = await handovers.beats(connection, hub)
    level = await handovers.level(connection, hub)
    if level is None:
        raise Permanent("there is no hub of that name")
    sections = await handovers.listed(connection, hub)
    now = await database_clock(connection)
    living = await _living(connection, hub, before)
    behind = await handovers.behind(connection, hub)
    unknown = unknown_of(before, living, behind)
    return {
        "at": iso(now),
        "time_zone": _time_zone(await handovers.site_file(connection, hub)),
        "level": _plain(level),
        **{
            name: {
                "not_known": unknown.get(name),
                "whole": of.whole,
                "rows": [_row(row, instructions, hub) for row in of.rows],
            }
            for name, of in sections.items()
        },
    }


def unknown_of(before: Beats, living: frozenset[str], behind: HubLag) -> dict[str, str]:
    """Return of each section that nobody can speak for why that is so."""
    kinds = {kind for kind, _ in before}
    silent = {
        kind: f"no process {does} this hub" if kind not in kinds else f"the process that {does} this hub shows no life"
        for kind, does in (
            ("collector", "stores what comes from"),
            ("detectors", "judges"),
            ("alarms", "moves alarms of"),
        )
        if kind not in living
    }
    found: dict[str, list[str]] = {name: [] for name in handovers.SECTIONS}
    blind = _unheard(silent, behind)
    found["blind"] += blind
    judging = [
        *blind,
        *([silent["detectors"]] if "detectors" in silent else _late("detectors", behind.judged_s, BEHIND_S)),
    ]
    moving = [silent["alarms"]] if "alarms" in silent else []
    if behind.waiting_s is not None and not 0 <= behind.waiting_s <= WAITS_S:
        moving.append("findings wait to become alarms")
    for name in ("alarms", "incidents"):
        found[name] += judging + moving
    for name in ("set_aside", "routes"):
        found[name] += moving
    return {name: "; ".join(dict.fromkeys(why)) for name, why in found.items() if why}


def _unheard(silent: Mapping[str, str], behind: HubLag) -> list[str]:
    if "collector" in silent:
        return [silent["collector"]]
    if not behind.agents or not behind.sensors:
        return ["no agent and no sensor has been heard yet"]
    return _late("agents", behind.heard_s, HEARD_WITHIN_S)


def _late(who: str, age_s: float | None, most_s: float) -> list[str]:
    if age_s is None:
        return [f"{who}: nothing yet"]
    if age_s < -most_s:
        return [f"{who}: the newest is of the future"]
    return [f"{who}: nothing for {age_s:.0f} s"] if age_s > most_s else []


async def _living(connection: DatabaseConnection, hub: str, before: Beats) -> frozenset[str]:
    """Return the kinds of work of which some process has shown that it lives: who was killed leaves its row behind."""
    kinds = {kind for kind, _ in before}
    living: frozenset[str] = frozenset()
    for _ in range(int(LIVES_WITHIN_S / LOOK_S)):
        beats = await handovers.beats(connection, hub)
        living = frozenset(kind for (kind, token), count in beats.items() if before.get((kind, token)) != count)
        if kinds <= living:
            break
        await asyncio.sleep(LOOK_S)
    return living


async def draft(connection: DatabaseConnection, person: Actor, hub: str, facts: Mapping[str, object]) -> Handover:
    """Keep what was gathered as the handover of a hub that nobody has taken over yet, or renew that one.

    Its notes stay; a signature of before is no good for it. Raises NotAllowed.
    """
    check_may(person, UserAct.HANDOVER_DRAFT, hub)
    at = to_datetime(await database_clock(connection))
    number = await handovers.draft(connection, hub, facts, person, at)
    return await _done(connection, person, UserAct.HANDOVER_DRAFT, number, "drafted")


async def note(
    connection: DatabaseConnection, person: Actor, number: int, notes: str, digest: str | None = None
) -> Handover:
    """Put notes in place of those of before; who had signed signs again. Raises NotAllowed, Permanent.

    With the digest of what was read, nothing is put in place of notes that somebody has written meanwhile.
    """
    if len(notes) > LONGEST_NOTES or "\0" in notes or not is_text(notes):
        raise BadCall(f"notes may have at most {LONGEST_NOTES} characters, of UTF-8 text")
    found = await _open(connection, person, number, UserAct.HANDOVER_DRAFT)
    if digest is not None and digest != found.digest:
        raise Permanent(f"handover {number} has changed since it was shown: read it again, and write your notes anew")
    await handovers.note(connection, number, notes)
    return await _done(connection, person, UserAct.HANDOVER_DRAFT, number, "noted")


async def sign(connection: DatabaseConnection, person: Actor, number: int, digest: str) -> Handover:
    """Sign as whoever leaves, what has that digest. Raises NotAllowed, Permanent."""
    found = await _open(connection, person, number, UserAct.HANDOVER_SIGN)
    now = await database_clock(connection)
    if found.left_by is not None:
        raise Permanent(f"{found.left_by} has signed handover {number}; somebody else takes it over")
    _check_read(found, digest, now)
    await handovers.leave(connection, number, person, to_datetime(now))
    return await _done(connection, person, UserAct.HANDOVER_SIGN, number, "left")


async def take(connection: DatabaseConnection, person: Actor, number: int, digest: str) -> Handover:
    """Sign as whoever takes over, another one than whoever leaves. Raises NotAllowed, Permanent."""
    found = await _open(connection, person, number, UserAct.HANDOVER_SIGN)
    now = await database_clock(connection)
    if found.left_by is None:
        raise Permanent(f"nobody has signed handover {number} yet: who leaves signs first")
    if found.left_by.casefold() == person.name.casefold():
        raise Permanent(f"{person.name} leaves: somebody else takes handover {number} over")
    _check_read(found, digest, now)
    await handovers.take(connection, number, person, to_datetime(now))
    return await _done(connection, person, UserAct.HANDOVER_SIGN, number, "taken over")


async def existing(connection: DatabaseConnection, number: int, person: Actor | None = None) -> Handover:
    """Return a handover that a person sees; raises NoSuchHandover."""
    return _seen(await handovers.by_id(connection, number), number, person)


async def listed(
    connection: DatabaseConnection, *, hub: str | None, most: int, seen: Sequence[str] | None = None,
    before: int | None = None,
) -> list[dict[str, object]]:  # fmt: skip
    """Read handovers as JSON values, the newest first, without what they list; inside `translated()`."""
    found = await handovers.list_handovers(connection, hub=hub, most=most, seen=seen, before=before)
    return [facts_of(each) for each in found]


def facts_of(found: Handover) -> dict[str, object]:
    """Return who has drafted and signed a handover, as JSON values."""
    return {
        "id": found.id,
        "hub": found.hub,
        "state": found.state,
        "drafted": _moment(found.drafted),
        "drafted_by": found.drafted_by,
        "left_by": found.left_by,
        "left_at": _moment(found.left_at),
        "left_verified": found.left_verified,
        "taken_by": found.taken_by,
        "taken_at": _moment(found.taken_at),
        "taken_verified": found.taken_verified,
        "digest": found.digest,
    }


def whole(found: Handover) -> dict[str, Any]:
    """Return a handover as JSON values, with all that it lists, its notes, and as text."""
    return facts_of(found) | {"facts": dict(found.facts), "notes": found.notes, "text": text_of(found)}


def subject_of(number: int) -> str:
    """Return how a handover is called in the journal of acts."""
    return f"handover {number}"


async def _open(connection: DatabaseConnection, person: Actor, number: int, act: UserAct) -> Handover:
    found = _seen(await handovers.by_id(connection, number, hold=True), number, person)
    check_may(person, act, found.hub)
    if found.taken_by is not None:
        raise Permanent(f"handover {number} is signed by both, so nobody changes it: draft a new one")
    return found


def _seen(found: Handover | None, number: int, person: Actor | None) -> Handover:
    if found is None or (person is not None and person.verified and not may(person, UserAct.ALARM_SEE, found.hub)):
        raise NoSuchHandover(number)
    return found


def _check_read(found: Handover, digest: str, now: int) -> None:
    """Nobody signs what they have not read, nor what says nothing of now."""
    if digest != found.digest:
        raise Permanent(f"handover {found.id} has changed since it was shown: read it again")
    age_us = now - to_us(found.drafted)
    if not -60 * SECOND_US < age_us <= OLD_S * SECOND_US:
        raise Permanent(f"the draft of handover {found.id} is older than {OLD_S / 3600:g} h: draft it again")


async def _done(connection: DatabaseConnection, person: Actor, act: UserAct, number: int, what: str) -> Handover:
    found = await existing(connection, number)
    details = {"what": what, "digest": found.digest}
    await record(connection, person, str(act), subject_of(number), hub=found.hub, details=details)
    return found


def _time_zone(site: str | None) -> str:
    if site is None:
        return "UTC"
    try:
        return parse_site(site, "site").hub.time_zone
    except ConfigError:
        return "UTC"


def _row(row: Mapping[str, Any], instructions: Instructions, hub: str) -> dict[str, object]:
    """Return a row as JSON values; an alarm has its title in words, which says of an exercise that it is one."""
    if "type" not in row:
        return _plain(row)
    mark = "" if row["exercise"] is None else f"{EXERCISE}: "
    return _plain(row) | {"title": f"{mark}{instructions.of(row['type'], hub).title}"}


def _plain(row: Mapping[str, Any]) -> dict[str, object]:
    return {name: _moment(each) if isinstance(each, datetime) else each for name, each in row.items()}


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else iso(to_us(moment))
