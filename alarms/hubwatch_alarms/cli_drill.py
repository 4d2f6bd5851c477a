"""`hubwatch alarms drill`: exercises that go through everything, end by themselves and count for nothing."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hubwatch_core.process import border
from hubwatch_core.terminal import say, say_json

if TYPE_CHECKING:
    from hubwatch_alarms.logged_in import AlarmsOverApi
    from hubwatch_alarms.settings import CommandSettings

MOST_LISTED = 100

ConfigFile = Annotated[
    Path | None,
    typer.Option("-c", "--config", help="TOML file with a section `database`; HUBWATCH_DATABASE__* goes over it."),
]


@border
def drill(
    what: Annotated[str | None, typer.Argument(metavar="WHAT", help="A scenario to try, or: report N, end N.")] = None,
    number: Annotated[str | None, typer.Argument(metavar="N", help="The exercise to report or to end.")] = None,
    hub: Annotated[str | None, typer.Option(help="Where to try it; with --list only what was there.")] = None,
    zone: Annotated[str | None, typer.Option(help="Only at sensors of this zone.")] = None,
    duration: Annotated[
        str | None,
        typer.Option("--for", metavar="TIME", help="When it ends by itself: 20m, 2h; else as the scenario says."),
    ] = None,
    note: Annotated[str | None, typer.Option("--note", help="Why; stands in the journal.")] = None,
    by: Annotated[
        str | None,
        typer.Option("--by", help="Who does this, where the hub has no directory of users; else who is logged in."),
    ] = None,
    listed: Annotated[bool, typer.Option("--list", help="Show the scenarios and the exercises there were.")] = False,
    config: ConfigFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of a table.")] = False,
) -> None:
    """Try whether people hear of alarms and answer: made-up detections go through everything, all marked EXERCISE.

    Key figures leave them out, and real alarms go before them. It ends by itself; `end N` ends it at once, and
    `report N` says who was told, by what, and who answered when.
    """
    from hubwatch_core.errors import BadCall
    from hubwatch_core.plain_text import quoted

    if listed:
        _list(config, hub, as_json=as_json)
    elif what is None:
        raise BadCall("name a scenario; `hubwatch alarms drill --list` shows them")
    elif what == "report":
        _report(config, _number(number), as_json=as_json)
    elif what == "end":
        _end(config, _number(number), by)
    elif number is not None:
        raise BadCall(f"{quoted(number)} belongs after report or end")
    else:
        _start(config, what, hub, zone, duration, note, by)


def _start(
    config: Path | None,
    scenario: str,
    hub: str | None,
    zone: str | None,
    duration: str | None,
    note: str | None,
    by: str | None,
) -> None:
    from hubwatch_alarms import people
    from hubwatch_alarms.drilling import DrillWish
    from hubwatch_alarms.logged_in import logged_in
    from hubwatch_core.errors import BadCall

    if hub is None:
        raise BadCall("--hub must say where")
    duration_s = None if duration is None else people.parse_duration_s(duration)
    wish = DrillWish(scenario, hub, zone, duration_s, people.parse_note(note))
    somebody = logged_in(by)
    if somebody is not None:
        begun = somebody.drill(wish)
    else:
        begun = asyncio.run(people.drill(_settings(config), wish, people.parse_name(by)))
    say(f"exercise {begun['drill']} has begun and ends by itself at {begun['until']}")
    say(f"`hubwatch alarms drill report {begun['drill']}` says how it goes, `drill end {begun['drill']}` ends it")


def _end(config: Path | None, number: int, by: str | None) -> None:
    from hubwatch_alarms import people
    from hubwatch_alarms.logged_in import logged_in

    somebody = logged_in(by)
    if somebody is not None:
        somebody.end_drill(number)
    else:
        asyncio.run(people.end_drill(_settings(config), number, people.parse_name(by)))
    say(f"exercise {number} is over; its alarms close")


def _report(config: Path | None, number: int, *, as_json: bool) -> None:
    from hubwatch_alarms import people, views
    from hubwatch_alarms.console_drills import show_report

    remote = _remote(config)
    if remote is not None:
        found = remote.drill_report(number)
    else:
        found = asyncio.run(people.drill_report(_settings(config), number))
    if as_json:
        say_json(json.dumps(found, ensure_ascii=False, indent=2))
    else:
        show_report(views.console(), found)


def _list(config: Path | None, hub: str | None, *, as_json: bool) -> None:
    from hubwatch_alarms import views
    from hubwatch_alarms.console_drills import show_drills, show_scenarios

    names, there_were = _scenarios(config), _drills(config, hub)
    if as_json:
        say_json(json.dumps({"scenarios": names, "drills": there_were}, ensure_ascii=False, indent=2))
        return
    show_scenarios(views.console(), names)
    if there_were is not None:
        show_drills(views.console(), there_were)


def _scenarios(config: Path | None) -> dict[str, dict[str, Any]]:
    """Return what there is to try: at the hub of whoever is logged in, or of a configuration, or else anywhere."""
    from hubwatch_alarms.scenarios import facts_of_scenarios, load_scenarios

    remote = _remote(config)
    if remote is not None:
        return remote.drill_scenarios()
    return facts_of_scenarios(load_scenarios(None if config is None else _settings(config).scenarios_file))


def _drills(config: Path | None, hub: str | None) -> list[dict[str, Any]] | None:
    """Return the exercises there were; None where there is neither a login nor a configuration to ask with."""
    from hubwatch_alarms import people

    remote = _remote(config)
    if remote is not None:
        return remote.drills(hub)
    return None if config is None else asyncio.run(people.drills(_settings(config), hub, MOST_LISTED))


def _remote(config: Path | None) -> AlarmsOverApi | None:
    from hubwatch_alarms.logged_in import AlarmsOverApi
    from hubwatch_core.credentials.kept_login import kept
    from hubwatch_core.http.logged_in import LoggedIn

    login = kept() if config is None else None
    return None if login is None else AlarmsOverApi(LoggedIn(login))


def _number(text: str | None) -> int:
    from hubwatch_alarms.people import parse_id
    from hubwatch_core.errors import BadCall

    if text is None:
        raise BadCall("say which exercise, by its number")
    return parse_id(text)


def _settings(config: Path | None) -> CommandSettings:
    from hubwatch_alarms.settings import CommandSettings
    from hubwatch_core.config.load import load

    return load(CommandSettings, config)
