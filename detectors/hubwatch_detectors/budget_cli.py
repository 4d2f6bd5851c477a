"""`hubwatch detectors budget`: how the false alarms that a hub accepts are shared, and what came of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hubwatch_core import tables
from hubwatch_core.plain_text import one_line
from hubwatch_core.process import border
from hubwatch_core.terminal import say

if TYPE_CHECKING:
    from hubwatch_detectors.budget_report import HubReport, ReportRow

DEFAULT_DAYS = 30


@border
def budget(
    config: Annotated[Path, typer.Option("-c", "--config", help="The component's or the hub's TOML file.")],
    hub: Annotated[str | None, typer.Option("--hub", help="Only this hub.")] = None,
    days: Annotated[int, typer.Option(min=1, max=3660, help="What was achieved in so many days up to now.")] = (
        DEFAULT_DAYS
    ),
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of tables.")] = False,
) -> None:
    """Show for each detector its share of the hub's false alarms, the rate it is held to, and what it achieved.

    What was achieved follows from what people said of alarms (`hubwatch alarms adjudicate`), with its interval of 95 %.
    """
    from hubwatch_core.config.load import load
    from hubwatch_core.errors import BadCall
    from hubwatch_detectors.budget_report import reports
    from hubwatch_detectors.listing import ListSettings
    from hubwatch_store.database import check_schema, connect_sync

    settings = load(ListSettings, config)
    check_schema(settings.database)
    with connect_sync(settings.database, "hubwatch detectors budget") as connection:
        found = list(reports(connection, settings, days, hub))
    if hub is not None and not found:
        raise BadCall(f"--hub {one_line(hub)}: the database knows no such hub, or {config} leaves it out")
    if as_json:
        say(json.dumps([each.facts() for each in found], indent=2))
        return
    for each in found:
        _print(each, days)
    unknown = {each.hub for each in settings.budgets} - {each.hub for each in found}
    if hub is None and unknown:
        say(f"no data: the database knows no hub {', '.join(sorted(unknown))}")


def _print(report: HubReport, days: int) -> None:
    from rich.table import Table

    console = tables.console()
    console.print(_heading(report), highlight=False)
    table = Table(
        "detector", "rate", "set by", "share a day", "expected a day",
        f"achieved a day (95 %), {days} days", "false of judged of all",
    )  # fmt: skip
    for row in report.rows:
        table.add_row(*_cells(row))
    table.add_section()
    share = sum(row.allowance.share for row in report.rows if row.allowance is not None)
    table.add_row(
        "all", "", "", _number(share or None), _number(report.expected),
        report.total.in_words(), report.total.judged_in_words(),
    )  # fmt: skip
    console.print(table)
    console.print(_passed(report), highlight=False)


def _heading(report: HubReport) -> str:
    if report.section is None:
        return f"{report.hub}: no budget is set; detectors keep their own rates"
    allowed = report.section.false_alarms_per_day
    level = "" if report.scale == 1 else f", × {report.scale:g} at the present security level"
    return f"{report.hub}: {allowed:g} false alarms a day are accepted{level}"


def _cells(row: ReportRow) -> tuple[str, ...]:
    from hubwatch_detectors.budget_report import set_by_in_words
    from hubwatch_detectors.rates import EXACT

    each = row.allowance
    if each is None:
        expected = "nothing to judge" if row.is_idle else "0" if row.no_share == EXACT else "not known"
        told: tuple[str, ...] = (", ".join(map(one_line, row.types)) + f": {row.no_share}", "–", "–", expected)
    else:
        rate = f"{each.rate.field} = {each.value:.3g} per {each.rate.per}"
        expected = ("≤ " if each.rate.is_bound and each.expected else "") + _number(each.expected)
        if each.opportunities is None:
            expected = f"not known: {each.rate.needs} not said"
        elif not each.opportunities:
            expected = "nothing to judge"
        elif each.threshold is not None:
            expected = "not known: threshold by hand"
        told = (rate, set_by_in_words(each), _number(each.share or None), expected)
    idle = row.is_idle and not row.achieved.alarms
    achieved = "no data: nothing to judge" if idle else row.achieved.in_words()
    return row.detector, *told, achieved, row.achieved.judged_in_words()


def _passed(report: HubReport) -> str:
    said = report.section
    pairs = (
        ("vehicles", report.passed.vehicles, said and said.vehicles_per_day),
        ("uses of badges", report.passed.badge_uses, said and said.badge_uses_per_day),
        ("people with badges", report.passed.people, said and said.people_per_day),
    )
    told = [f"{count} {what}" + (f" ({per_day:g} are said)" if per_day else "") for what, count, per_day in pairs]
    days = report.total.days
    return f"Watched for {days:.3g} days. Passed in the last 24 hours: {', '.join(told)}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"
