"""Incidents on a terminal: a table of those that are open, and one with its alarms and what happened in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from hubwatch_alarms import views
from hubwatch_core.plain_text import one_line
from hubwatch_core.words import Priority

Facts = Mapping[str, Any]


def show_incidents(found: Sequence[Facts]) -> None:
    """Print incidents as a table."""
    console = views.console()
    if not found:
        console.print("no open incidents")
        return
    table = _table("incident", "severity", "what", "state", "with", "since", "alarms", "not taken")
    for each in found:
        table.add_row(*map(Text, _cells(each)))
    console.print(table)


def show_incident(found: Facts) -> None:
    """Print one incident with its alarms and a page of its timeline."""
    console = views.console()
    console.print(Text(f"incident {found['id']}: {one_line(found['title'])}", style="bold"))
    for line in _lines(found):
        console.print(Text(line))
    alarms = _table("alarm", "priority", "what", "where", "state", "with")
    for each in found["of_it"]:
        alarms.add_row(*map(Text, _alarm(each)))
    console.print(alarms)
    if found["more"]:
        console.print(Text(f"… and {found['more']} more alarms"))
    page = found["timeline"]
    rows = _table("at", "what", "alarm", "by", "")
    for row in page["rows"]:
        rows.add_row(*map(Text, _happened(row)))
    console.print(rows)
    if page["next"] is not None:
        console.print(Text(f"there is more: --after '{one_line(page['next'])}'"))


def _lines(found: Facts) -> list[str]:
    severity = Priority(found["priority"]).name.lower()
    holder = "with nobody" if found["assigned"] is None else f"with {one_line(found['assigned'])}"
    lines = [f"{found['state']}, {severity}, {holder}, since {found['opened']}"]
    if found["comments"]:
        lines.append(f"{found['comments']} comments: a person closes it")
    if found["verdict"] is not None:
        lines.append(f"was {found['verdict']}, says {one_line(found['judged_by'])}")
    if found["merged_into"] is not None:
        lines.append(f"a part of incident {found['merged_into']}")
    return lines


def _cells(each: Facts) -> tuple[str, ...]:
    return (
        str(each["id"]),
        Priority(each["priority"]).name.lower(),
        one_line(each["title"]),
        each["state"] if each["verdict"] is None else f"{each['state']}, {each['verdict']}",
        one_line(each["assigned"] or ""),
        str(each["opened"]),
        f"{each['open']} of {each['alarms']} open",
        str(each["untaken"]),
    )


def _alarm(each: Facts) -> tuple[str, ...]:
    where = " / ".join(one_line(part) for part in (each["zone"], each["sensor"]) if part)
    urgency = Priority(each["priority"]).name.lower()
    holder = one_line(each["acknowledged_by"] or "")
    return str(each["id"]), urgency, one_line(each["title"]), where, str(each["state"]), holder


def _happened(row: Facts) -> tuple[str, ...]:
    details = row["details"]
    extra = [str(details[name]) for name in ("sensor", "person", "verdict", "other") if details.get(name) is not None]
    what = f"{row['what']} {row['action']}".replace("_", " ")
    said = " ".join([*extra, row["text"] or ""])
    return str(row["at"]), one_line(what), str(row["alarm"] or ""), one_line(row["by"]), one_line(said)


def _table(*names: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", padding=(0, 1, 0, 0), pad_edge=False)
    for name in names:
        table.add_column(name)
    return table
