"""The table of priorities on a terminal and as JSON."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hubwatch_alarms.console import PRIORITY_STYLES
from hubwatch_alarms.priorities import Priorities, RankedType

_COLUMNS = ("type", "priority", "if nobody acts", "time to act", "vital zone")


def show_priorities(console: Console, priorities: Priorities) -> None:
    """Print every type with its priority, the most urgent first; what is the hub's own is marked."""
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", padding=(0, 1, 0, 0), pad_edge=False)
    for name in _COLUMNS:
        table.add_column(name)
    for ranked in priorities.ranked():
        table.add_row(*_cells(ranked, priorities.zones.vital))
    console.print(table)
    console.print("* of this hub; the security level adds its steps (`hubwatch level show`)")


def _cells(ranked: RankedType, vital_steps: int) -> list[Text]:
    row = ranked.row
    return [
        Text(ranked.type + (" *" if ranked.own else "")),
        Text(ranked.priority.name.lower(), PRIORITY_STYLES[ranked.priority]),
        Text(row.consequence),
        Text(row.respond.replace("_", " ")),
        Text(f"{vital_steps} more urgent" if row.zone_counts and vital_steps else "–"),
    ]


def facts_of_priorities(priorities: Priorities) -> list[dict[str, object]]:
    """Return every type as JSON values, the most urgent first."""
    return [
        {"type": ranked.type, "priority": int(ranked.priority), "own": ranked.own} | ranked.row.model_dump(mode="json")
        for ranked in priorities.ranked()
    ]
