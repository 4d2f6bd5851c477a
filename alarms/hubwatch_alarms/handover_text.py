"""A handover as text, to be read and printed, on the clock of its hub."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from hubwatch_core.plain_text import one_line
from hubwatch_core.words import Priority
from hubwatch_store.alarms import Handover

NOT_KNOWN = "NOT KNOWN"

Row = Mapping[str, Any]
Clock = Callable[[str | None], str]


def text_of(found: Handover) -> str:
    """Return a handover in lines."""
    facts = found.facts
    clock = _clock(str(facts["time_zone"]))
    return "\n".join([*_head(found, clock), *_body(facts, clock), "", *_notes(found), "", *_signatures(found, clock)])


def _head(found: Handover, clock: Clock) -> Iterator[str]:
    yield f"HANDOVER {found.id} of {one_line(found.hub)}"
    yield f"as of {clock(found.facts['at'])}, drafted by {_who(found.drafted_by, verified=found.drafted_verified)}"
    level = found.facts["level"]
    since = "" if level["at"] is None else f", since {clock(level['at'])} by {one_line(level['by'])}"
    until = "" if level["until"] is None else f", until {clock(level['until'])}"
    yield f"Security level {level['level']}{since}{until}"


def _body(facts: Row, clock: Clock) -> Iterator[str]:
    for name, title, calm, line in (
        ("alarms", "Open alarms", "no open alarm", _alarm),
        ("incidents", "Open incidents", "no open incident", _incident),
    ):
        yield from _section(facts[name], title, calm, clock, line)
    yield from _promised(facts)
    # What was drafted by an older version does not say.
    if "approvals" in facts:
        calm = "nothing waits for a second person"
        yield from _section(facts["approvals"], "Waits for a second person", calm, clock, _approval)
    for name, title, calm, line in (
        ("set_aside", "Alarms set aside", "no alarm is shelved or suppressed", _set_aside),
        ("expected", "Works, out of service, maintenance", "nothing is bypassed or planned", _expected),
        ("blind", "Blind", "every sensor is seen", _blind),
        ("routes", "Ways to people that fail", "every way delivers", _route),
    ):
        yield from _section(facts[name], title, calm, clock, line)


def _section(section: Row, title: str, calm: str, clock: Clock, line: Callable[[Row, Clock], str]) -> Iterator[str]:
    """Say calm only where somebody has looked."""
    rows, whole, why = section["rows"], section["whole"], section["not_known"]
    yield ""
    yield f"{title.upper()}: {whole or ''}".rstrip(": ")
    if why is not None:
        yield f"  {NOT_KNOWN}{' whether that is all' if rows else ''}: {one_line(why)}"
    elif not rows:
        yield f"  {calm}"
    yield from (f"  {line(row, clock)}" for row in rows)
    if whole > len(rows):
        yield f"  … and {whole - len(rows)} more"


def promised(facts: Row) -> list[tuple[str, str, int]]:
    """Return who has what, of all that is listed: the person, `incident` or `alarm`, and its number."""
    given = [(row["assigned"], "incident", row["id"]) for row in facts["incidents"]["rows"] if row["assigned"]]
    taken = [(row["acknowledged_by"], "alarm", row["id"]) for row in facts["alarms"]["rows"] if row["acknowledged_by"]]
    return given + taken


def unlisted(facts: Row) -> int:
    """Return how many open alarms and incidents are counted without being listed: somebody may have them."""
    return sum(max(0, facts[name]["whole"] - len(facts[name]["rows"])) for name in ("alarms", "incidents"))


def _promised(facts: Row) -> Iterator[str]:
    """Who has what: that goes on in the next shift, or somebody else takes it."""
    yield ""
    yield "PROMISED"
    held, more = promised(facts), unlisted(facts)
    why = [
        *([f"{more} open alarms and incidents are not listed"] if more else []),
        *filter(None, [facts["alarms"]["not_known"] or facts["incidents"]["not_known"]]),
    ]
    if why:
        yield f"  {NOT_KNOWN}{' whether that is all' if held else ''}: {one_line('; '.join(why))}"
    elif not held:
        yield "  nobody has anything"
    yield from (f"  {one_line(who)} has {what} {number}" for who, what, number in held)


def _alarm(row: Row, clock: Clock) -> str:
    holder = row["acknowledged_by"]
    with_whom = f"with {one_line(holder)}" if holder else "NOBODY HAS IT"
    told = "" if row["told"] or holder else ", told to nobody"
    what = f"{_urgency(row)}: {one_line(row['title'])}, {_place(row)}"
    return f"{what}, since {clock(row['opened'])}, {_words(row['state'])}, {with_whom}{told} (alarm {row['id']})"


def _incident(row: Row, clock: Clock) -> str:
    holder = f"with {one_line(row['assigned'])}" if row["assigned"] else "with nobody"
    said = "" if row["comment"] is None else f"; {one_line(row['comment_by'])}: {one_line(row['comment'])}"
    what = f"{_urgency(row)}: {one_line(row['title'])}, since {clock(row['opened'])}"
    return f"{what}, {holder} (incident {row['id']}){said}"


def _approval(row: Row, clock: Clock) -> str:
    what = f"{one_line(row['act'])} {one_line(row['subject'])}, asked by {one_line(row['asked_by'])}"
    return f"{what} until {clock(row['expires'])}: {one_line(row['reason'])} (approval {row['id']})"


def _set_aside(row: Row, clock: Clock) -> str:
    until = "" if row["until"] is None else f" until {clock(row['until'])}"
    by = "" if row["by"] is None else f" by {one_line(row['by'])}"
    why = "" if row["reason"] is None else f": {one_line(row['reason'])}"
    kind = f"{_words(row['kind'])}{until}{by}{why}"
    return f"{_urgency(row)}: {one_line(', '.join(row['types']))}, {_place(row)}, {kind} (alarm {row['id']})"


def _expected(row: Row, clock: Clock) -> str:
    second = "" if row["agreed_by"] is None else f" and {one_line(row['agreed_by'])}"
    types = one_line(", ".join(row["types"])) or "all types"
    span = f"{clock(row['since'])} to {clock(row['until'])}"
    what = f"{_words(row['kind'])} at {_place(row) or 'the whole hub'}, {types}, {span}"
    return f"{what}, by {one_line(row['by'])}{second}: {one_line(row['reason'])}"


def _blind(row: Row, clock: Clock) -> str:
    place = " / ".join(one_line(each) for each in (row["zone"], row["name"]) if each)
    return f"{place}: {one_line(row['why'])}, last heard {clock(row['heard'])}"


def _route(row: Row, clock: Clock) -> str:
    counts = f"{row['waiting']} wait, {row['given_up']} given up"
    return f"{one_line(row['route'])}: {counts}, nothing delivered since {clock(row['since'])}"


def _notes(found: Handover) -> Iterator[str]:
    yield "NOTES"
    lines = [one_line(line) for line in found.notes.splitlines()]
    yield from (f"  {line}" for line in lines or ["none"])


def _signatures(found: Handover, clock: Clock) -> Iterator[str]:
    for said, name, at, verified in (
        ("Left", found.left_by, found.left_at, found.left_verified),
        ("Taken over", found.taken_by, found.taken_at, found.taken_verified),
    ):
        signed = f"by {_who(name, verified=bool(verified))}, {clock(at.isoformat())}" if name and at else "not signed"
        yield f"{said}: {signed}"
    yield f"Digest: {found.digest}"


def _who(name: str, *, verified: bool) -> str:
    return one_line(name) if verified else f"{one_line(name)} (unverified)"


def _urgency(row: Row) -> str:
    return "UNKNOWN" if row["priority"] is None else Priority(row["priority"]).name


def _place(row: Row) -> str:
    return " / ".join(one_line(each) for each in (row["zone"], row["sensor"]) if each)


def _words(state: str) -> str:
    return state.replace("_", " ")


def _clock(time_zone: str) -> Clock:
    try:
        zone = ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError):
        zone = ZoneInfo("UTC")

    def shown(moment: str | None) -> str:
        if moment is None:
            return "never"
        return f"{datetime.fromisoformat(moment).astimezone(zone):%Y-%m-%d %H:%M %Z}"

    return shown
