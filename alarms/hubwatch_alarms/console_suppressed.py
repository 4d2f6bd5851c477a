"""All that nobody is told of, on a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hubwatch_core.plain_text import one_line

_COLUMNS = ("id", "what", "where", "types", "until", "by", "why")


def show_suppressed(console: Console, found: Sequence[Mapping[str, object]]) -> None:
    """Print what is set aside and what is expected, or say that there is nothing."""
    if not found:
        console.print("nothing is suppressed")
        return
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", padding=(0, 1, 0, 0), pad_edge=False)
    for name in _COLUMNS:
        table.add_column(name)
    for each in found:
        table.add_row(*map(Text, _cells(each)))
    console.print(table)


def _cells(each: Mapping[str, object]) -> tuple[str, ...]:
    kind = str(each["kind"]).replace("_", " ")
    what = f"alarm, {kind}" if each["what"] == "alarm" else kind
    where = " / ".join(one_line(str(each[part])) for part in ("hub", "zone", "sensor") if each[part])
    types = each["types"]
    second = f" and {one_line(str(each['agreed_by']))}" if each["agreed_by"] else ""
    return (
        str(each["id"]),
        what if each["what"] == "alarm" or each["priority"] != 1 else f"{what}, critical too",
        where,
        one_line(", ".join(map(str, types))) if isinstance(types, Sequence) and types else "all",
        str(each["until"] or "its condition ends"),
        one_line(str(each["by"])) + second,
        one_line(str(each["reason"] or "")),
    )
