"""Alarms on a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from hubwatch_alarms.instructions import Instruction, Instructions
from hubwatch_alarms.message import presence, seen_text, where, who_has
from hubwatch_core.alarm import SET_ASIDE, Alarm, JournalEntry, mark
from hubwatch_core.clock import SECOND_US, clock_text, to_us
from hubwatch_core.plain_text import one_line
from hubwatch_core.words import AlarmState, Priority
from hubwatch_store.alarms import Adjudicated, Telling

STATE_STYLES = {
    AlarmState.UNACKNOWLEDGED: "bold red",
    AlarmState.RETURNED: "yellow",
    AlarmState.ACKNOWLEDGED: "cyan",
    AlarmState.SHELVED: "magenta",
    AlarmState.SUPPRESSED: "magenta",
    AlarmState.OUT_OF_SERVICE: "magenta",
    AlarmState.NORMAL: "dim",
}
PRIORITY_STYLES = {1: "bold white on red", 2: "bold red", 3: "yellow", 4: "dim"}


def show_list(
    console: Console,
    found: Sequence[Alarm],
    instructions: Instructions,
    now: int,
    telling: Mapping[int, Telling] = MappingProxyType({}),
    causes: Mapping[int, int] = MappingProxyType({}),
) -> None:
    """Print alarms as a table, in the order in which they want attention, or say that there are none."""
    if not found:
        console.print("no open alarms")
        return
    console.print(list_table(found, instructions, now, telling, causes))


def list_table(
    found: Sequence[Alarm],
    instructions: Instructions,
    now: int,
    telling: Mapping[int, Telling],
    causes: Mapping[int, int],
) -> Table:
    """Return alarms as a table."""
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", padding=(0, 1, 0, 0), pad_edge=False)
    for name, options in _COLUMNS.items():
        table.add_column(name, **options)
    for alarm in found:
        table.add_row(*_cells(alarm, instructions, now, telling.get(alarm.id), causes.get(alarm.id)))
    return table


_COLUMNS: Mapping[str, Mapping[str, Any]] = {
    "alarm": {"justify": "right", "no_wrap": True},
    "stands": {"no_wrap": True},
    "what, and why": {"ratio": 2},
    "where": {"ratio": 1},
    "since": {"justify": "right", "no_wrap": True},
    "who has it": {"ratio": 1},
}


def _cells(
    alarm: Alarm, instructions: Instructions, now: int, telling: Telling | None, cause: int | None
) -> list[Text]:
    title = f"{mark(alarm)}{instructions.of(alarm.type, alarm.hub).title}"
    what = f"{title} ({one_line(alarm.subject)})" if alarm.subject else title
    times = f" ×{alarm.detections}" if alarm.detections > 1 else ""
    return [
        Text(str(alarm.id)),
        Text.assemble(
            (Priority(alarm.priority).name.lower(), PRIORITY_STYLES[alarm.priority]),
            "\n",
            (alarm.state, STATE_STYLES[alarm.state]),
        ),
        Text.assemble((what + times, "bold"), "\n", one_line(alarm.why), *_because(cause)),
        Text(where(alarm)),
        Text(age(now - alarm.opened)),
        Text.assemble(_holder(alarm), *_untold(alarm, telling)),
    ]


def _because(cause: int | None) -> list[tuple[str, str]]:
    return [] if cause is None else [("\n", ""), (f"because of alarm {cause}", "dim")]


def _holder(alarm: Alarm) -> str:
    if alarm.state is AlarmState.SHELVED:
        return f"shelved until {clock_text(alarm.shelved_until)}"
    if alarm.state in SET_ASIDE:
        return str(alarm.state).replace("_", " ")
    return one_line(alarm.acknowledged_by or "nobody yet")


def _untold(alarm: Alarm, telling: Telling | None) -> list[tuple[str, str]]:
    """Say that nobody was told, where nobody has taken the alarm either."""
    taken = alarm.state not in {AlarmState.UNACKNOWLEDGED, AlarmState.RETURNED}
    if taken or telling is None or (telling.untold_since is None and telling.told is not None):
        return []
    if telling.untold_since is None:
        return [("\n", ""), ("nobody told: no route carries it", "bold red")]
    routes = one_line(", ".join(telling.routes))
    how = "given up" if telling.given_up else f"{telling.tries} tries"
    return [("\n", ""), (f"nobody told: {routes}, {how}", "bold red")]


def age(span_us: int) -> str:
    """Return a span of time in its largest unit, as people say it; far below 0 one of the two clocks is wrong."""
    if span_us < -60 * SECOND_US:
        return "in the future"
    seconds = max(0, span_us // SECOND_US)
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def show_one(
    console: Console,
    alarm: Alarm,
    instruction: Instruction,
    journal: Sequence[JournalEntry],
    attempts: Sequence[Mapping[str, Any]],
    was: Adjudicated | None = None,
) -> None:
    """Print everything about one alarm: what to know, what to do, its journal, who was notified, and what it was."""
    title = Text.assemble(
        (f" {Priority(alarm.priority).name} ", PRIORITY_STYLES[alarm.priority]),
        f" {mark(alarm)}{instruction.title} ",
        (f"[{alarm.state}]", STATE_STYLES[alarm.state]),
    )
    pairs = Table.grid(padding=(0, 2))
    for name, value in [*_facts(alarm, instruction.do), ("it was", _was(was))]:
        pairs.add_row(Text(name, "bold"), Text(value))
    console.print(Group(title, pairs, _journal(journal), _attempts(attempts)))


def _peak(alarm: Alarm) -> str:
    return f", at its highest {alarm.peak:.3g}" if alarm.peak > alarm.score else ""


def _was(was: Adjudicated | None) -> str:
    if was is None:
        return "nobody has said; `hubwatch alarms adjudicate` does"
    note = "" if was.note is None else f": {one_line(was.note)}"
    return f"{was.verdict}, says {one_line(was.by)} at {clock_text(to_us(was.at))}{note}"


def _facts(alarm: Alarm, do: str) -> list[tuple[str, str]]:
    return [
        ("alarm", f"{alarm.id} ({alarm.type})"),
        ("where", where(alarm)),
        ("subject", one_line(alarm.subject or "–")),
        ("since", f"{clock_text(alarm.opened)}, {presence(alarm)}"),
        ("why", one_line(alarm.why)),
        ("how sure", f"score {alarm.score:.3g}{_peak(alarm)}, {seen_text(alarm)}"),
        ("do", do),
        ("who has it", who_has(alarm)),
        ("shelved until", "–" if alarm.shelved_until is None else clock_text(alarm.shelved_until)),
        ("incident", "–" if alarm.incident is None else str(alarm.incident)),
        *([] if alarm.exercise is None else [("exercise", f"{alarm.exercise}: nothing of it is real")]),
    ]


def _journal(journal: Sequence[JournalEntry]) -> RenderableType:
    table = Table("journal", "what", "by", "became", "note", box=box.SIMPLE_HEAD, pad_edge=False)
    for entry in journal:
        by = f"{entry.by} (unverified)" if entry.verified is False else entry.by
        cells = (clock_text(entry.at), str(entry.action), by, str(entry.to_state), entry.note or "")
        table.add_row(*(Text(one_line(cell)) for cell in cells))
    return table


def _attempts(attempts: Sequence[Mapping[str, Any]]) -> RenderableType:
    if not attempts:
        return Text("nobody was notified yet", "dim")
    table = Table(
        "notified", "of", "route", "try", "outcome", "status", "error", "told with", box=box.SIMPLE_HEAD, pad_edge=False
    )
    for row in attempts:
        cells = (row["at"].strftime("%Y-%m-%d %H:%M:%S UTC"), row["event"], row["route"], row["attempt"])
        rest = (row["outcome"], row["status"], row["error"], row["carried_by"])
        table.add_row(*(Text(one_line("" if cell is None else str(cell))) for cell in cells + rest))
    return table
