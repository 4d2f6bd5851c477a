"""Exercises on a terminal: what there is to try, those there were, and how one went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hubwatch_core.plain_text import one_line
from hubwatch_core.words import Priority


def show_scenarios(console: Console, found: Mapping[str, Mapping[str, Any]]) -> None:
    """Print scenarios, which are JSON values, by name."""
    table = _table("scenario", "what happens", "takes", "whose")
    for name, each in found.items():
        whose = "this hub's" if each.get("own") else "hubwatch"
        cells = (name, f"{each['title']}. {each['about']}", f"{each['for_s'] / 60:g} min", whose)
        table.add_row(*(Text(one_line(cell)) for cell in cells))
    console.print(table)


def show_drills(console: Console, found: Sequence[Mapping[str, Any]]) -> None:
    """Print the exercises there were, the newest first."""
    if not found:
        console.print("there was no exercise yet")
        return
    table = _table("exercise", "scenario", "where", "begun", "by", "over")
    for each in found:
        over = f"{each['ended']} by {each['ended_by']}" if each["ended"] else f"runs until {each['until']}"
        cells = (each["drill"], each["scenario"], _place(each), each["began"], each["by"], over)
        table.add_row(*(Text(one_line(str(cell))) for cell in cells))
    console.print(table)


def show_report(console: Console, report: Mapping[str, Any]) -> None:
    """Print how an exercise went."""
    console.print(Text(one_line(f"{report['title']} ({report['drill']}), {_place(report)}"), "bold"))
    over = f"over at {report['ended']} by {report['ended_by']}" if report["ended"] else f"runs until {report['until']}"
    console.print(Text(one_line(f"begun {report['began']} by {report['by']}, {over}")))
    console.print(
        Text(
            f"{report['made_up']} of {report['steps']} detections made up, {len(report['alarms'])} alarms: "
            f"{report['told']} told, {report['answered']} answered"
        )
    )
    for alarm in report["alarms"]:
        _show_alarm(console, alarm)


def _show_alarm(console: Console, alarm: Mapping[str, Any]) -> None:
    where = " / ".join(part for part in (alarm["zone"], alarm["sensor"]) if part)
    urgency = Priority(alarm["priority"]).name
    console.print(Text(one_line(f"\nalarm {alarm['alarm']}  {urgency}  {alarm['title']}, {where}").strip(), "bold"))
    table = _table("of", "by", "to", "outcome", "after", "tries", "error")
    for each in alarm["told"]:
        after = "" if each["after_s"] is None else f"{each['after_s']:g} s"
        to = each["person"] or "all who have it"
        cells = (each["event"], each["route"], to, each["outcome"], after, each["tries"], each["error"] or "")
        table.add_row(*(Text(one_line(str(cell))) for cell in cells))
    console.print(table if alarm["told"] else Text("nobody was told: no route carries it", "bold red"))
    console.print(Text(one_line(_answer(alarm)), "" if alarm["answered_by"] else "bold red"))


def _answer(alarm: Mapping[str, Any]) -> str:
    steps = f", after {alarm['escalated']} further steps" if alarm["escalated"] else ""
    if alarm["answered_by"] is None:
        return f"nobody answered{steps}"
    return f"{alarm['answer']} by {alarm['answered_by']} after {alarm['answered_after_s']:g} s{steps}"


def _place(of: Mapping[str, Any]) -> str:
    return str(of["hub"]) if of["zone"] is None else f"{of['hub']} / {of['zone']}"


def _table(*columns: str) -> Table:
    return Table(*columns, box=box.SIMPLE_HEAD, pad_edge=False)
