"""`hubwatch detectors propose`: other rates for a detector, tried on what is stored."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hubwatch_core import tables
from hubwatch_core.errors import BadCall
from hubwatch_core.plain_text import one_line
from hubwatch_core.process import border
from hubwatch_core.terminal import say
from hubwatch_detectors.asked_span import Begin, Until, span

if TYPE_CHECKING:
    from hubwatch_core.wire import Birth, Frame
    from hubwatch_detectors.contract import Spec
    from hubwatch_detectors.engine import Rules
    from hubwatch_detectors.proposal import Outcome, Trial


@border
def propose(
    detector: Annotated[str, typer.Argument(metavar="DETECTOR", help="Its name, as `detectors list` shows it.")],
    config: Annotated[Path, typer.Option("-c", "--config", help="The component's or the hub's TOML file.")],
    hub: Annotated[str, typer.Option("--hub", help="The hub.")],
    begin: Begin = None,
    until: Until = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of a table.")] = False,
) -> None:
    """Judge the stored history again with other rates, and show what would have been gained and lost.

    Nothing is changed: whoever wants another rate writes it into the configuration.
    """
    from hubwatch_core.config.load import load
    from hubwatch_detectors.listing import ListSettings
    from hubwatch_detectors.proposal import outcomes
    from hubwatch_store.database import check_schema, connect_sync
    from hubwatch_store.detections import verdicts

    start, end = span(begin, until)
    settings = load(ListSettings, config)
    check_schema(settings.database)
    rules = settings.rules()
    spec = _spec(rules, detector)
    section = next((each for each in settings.budgets if each.hub == hub), None)
    with connect_sync(settings.database, "hubwatch detectors propose") as connection:
        known = _known_to_all(connection, rules, section, hub)
        judged = verdicts(connection, hub, detector, start, end)
    done = _tried(settings.database, known, spec, hub, start, end)
    found = outcomes(spec, done, judged)
    days = (end - start) / timedelta(days=1)
    if as_json:
        told = [asdict(each) | {"per_day": each.detections / days} for each in found]
        say(json.dumps({"hub": hub, "detector": detector, "days": days, "outcomes": told}, indent=2))
    else:
        _print(found, days, f"{one_line(hub)}, {spec.name}, {start:%Y-%m-%d %H:%M} … {end:%Y-%m-%d %H:%M} UTC")


def _spec(rules: Rules, name: str) -> Spec[Any]:
    """Return a detector that has a rate to change; raises BadCall."""
    usable = {spec.name: spec for spec in rules.specs if spec.rates and rules.configs[spec.name].enabled}
    if name not in usable:
        raise BadCall(f"{one_line(name)[:40]} has no rate that could be another: it may be {', '.join(usable)}")
    return usable[name]


def _known_to_all(connection: Any, rules: Rules, section: Any, hub: str) -> Rules:
    """Return the rules with the site of the hub and its budget, as they are in force."""
    from hubwatch_detectors.budget import Budget
    from hubwatch_detectors.budget_report import budget_of, site_of
    from hubwatch_detectors.contract import Site
    from hubwatch_detectors.sharing import limits_of, unshared
    from hubwatch_store.site import hubs

    if hub not in hubs(connection):
        raise BadCall(f"--hub {one_line(hub)[:40]}: the database knows {', '.join(hubs(connection)) or 'no hub'}")
    site = site_of(connection, hub)
    if section is not None:
        budget = budget_of(connection, rules, section, hub)
    else:
        rates = unshared(rules.specs, rules.configs)
        budget = Budget(0.0, 1.0, tuple(rates), {}, limits_of(rules.specs))
    places = Site(hubs={} if site is None else {hub: site}, budgets={hub: budget})
    return replace(rules, site=places)


def _tried(database: Any, rules: Rules, spec: Spec[Any], hub: str, start: datetime, end: datetime) -> list[Trial]:
    from hubwatch_core.wire import Frame
    from hubwatch_detectors.proposal import trials
    from hubwatch_store.history import History, listed, recorded

    done = trials(rules, spec, rules.site.budgets[hub], hub)
    frames = 0
    with History(database) as history:
        sensors = [each for each in listed(history, hub, spec.kinds) if spec.watches(each.sensor)]
        for message in _shown(recorded(history, hub, sensors, start, end), start, end):
            frames += isinstance(message, Frame)
            for trial in done:
                trial.take(message)
    if not frames:
        raise BadCall(
            f"no data: nothing is stored of the {len(sensors)} sensors that {spec.name} looks at, between "
            f"{start.isoformat()} and {end.isoformat()}"
        )
    for trial in done:
        trial.finish()
    return done


def _shown(messages: Iterator[Birth | Frame], start: datetime, end: datetime) -> Iterator[Birth | Frame]:
    """Yield messages, and show a person at a terminal how far it is."""
    from rich.progress import Progress

    console = tables.console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("judging", total=(end - start) / timedelta(seconds=1))
        for message in messages:
            yield message
            progress.update(task, completed=message.sent / 1e6 - start.timestamp())


def _print(found: Sequence[Outcome], days: float, heading: str) -> None:
    from rich.table import Table

    console = tables.console()
    console.print(heading, highlight=False)
    table = Table(
        "rate", "type", "detections", "a day", "gained", "lost", "highest score", "real ones found", "false ones found"
    )
    for each in found:
        now = "  (in force)" if each.factor == 1 else ""
        table.add_row(
            f"{each.field} = {each.value:.3g}{now}", each.type, str(each.detections), f"{each.detections / days:.2g}",
            str(each.gained), str(each.lost), "–" if each.peak is None else f"{each.peak:.3g}",
            _judged(each.real), _judged(each.false),
        )  # fmt: skip
    console.print(table)
    console.print("Nothing was changed. To take a rate up, write it into the detector's section.", highlight=False)


def _judged(pair: tuple[int, int]) -> str:
    return f"{pair[0]} of {pair[1]}" if pair[1] else "no data: none judged"
