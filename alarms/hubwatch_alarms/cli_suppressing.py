"""Commands that say what is expected before there is an alarm: `hubwatch alarms suppress`, `suppressions`, `lift`."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hubwatch_core.process import border
from hubwatch_core.terminal import say, say_json

if TYPE_CHECKING:
    from hubwatch_alarms.settings import CommandSettings

ConfigFile = Annotated[
    Path | None,
    typer.Option("-c", "--config", help="TOML file with a section `database`; HUBWATCH_DATABASE__* goes over it."),
]
By = Annotated[
    str | None,
    typer.Option("--by", help="Who does this, where the hub has no directory of users; else it is who is logged in."),
]


@border
def suppress(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="works, out_of_service or maintenance.")],
    hub: Annotated[str, typer.Option(help="The hub.")],
    note: Annotated[str, typer.Option("--note", help="Why; stands in the journal.")],
    duration: Annotated[str, typer.Option("--for", metavar="TIME", help="How long: 30m, 2h, 3d.")],
    start: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="When it begins, with a time zone; else it is now.")
    ] = None,
    zone: Annotated[str | None, typer.Option(help="Only this zone.")] = None,
    sensor: Annotated[str | None, typer.Option(help="Only this sensor.")] = None,
    types: Annotated[list[str] | None, typer.Option("--type", help="Only this type or family; again for more.")] = None,
    critical: Annotated[bool, typer.Option(help="Alarms of priority 1, duress and tampering, too.")] = False,
    agreed_by: Annotated[
        str | None, typer.Option("--agreed-by", help="The second person, where the hub has no directory of users.")
    ] = None,
    by: By = None,
    config: ConfigFile = None,
) -> None:
    """Say what is expected, so that nobody is told of it: planned works, what is out of service, a zone in maintenance.

    It ends by itself. Priority 1, radiation, and the last sensor of a zone that is heard, need a second person.
    """
    from hubwatch_alarms import people
    from hubwatch_alarms.expecting import reason_of
    from hubwatch_alarms.logged_in import logged_in
    from hubwatch_alarms.suppressing import Wish

    wish = Wish(
        people.parse_kind(kind),
        hub,
        people.parse_reason(note),
        people.parse_duration_s(duration),
        None if start is None else _moment(start),
        zone,
        sensor,
        tuple(types or ()),
        critical,
    )
    somebody = logged_in(by, agreed_by)
    if somebody is not None:
        say(somebody.suppress(wish))
        return
    name = people.parse_name(by)
    second = None if agreed_by is None else people.parse_name(agreed_by, "--agreed-by")
    added = asyncio.run(people.suppress(_settings(config), wish, name, second))
    say(reason_of(added))


@border
def suppressions(
    config: ConfigFile = None,
    hub: Annotated[str | None, typer.Option(help="Only this hub.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of a table.")] = False,
) -> None:
    """Show all that nobody is told of: alarms that are set aside, and what is expected now or later."""
    from hubwatch_alarms import views
    from hubwatch_alarms.console_suppressed import show_suppressed
    from hubwatch_alarms.logged_in import AlarmsOverApi
    from hubwatch_core.credentials.kept_login import kept
    from hubwatch_core.http.logged_in import LoggedIn

    login = kept() if config is None else None
    found = (
        AlarmsOverApi(LoggedIn(login)).suppressions(hub) if login is not None else asyncio.run(_suppressed(config, hub))
    )
    if as_json:
        say_json(json.dumps(found, ensure_ascii=False, indent=2))
    else:
        show_suppressed(views.console(), found)


@border
def lift(
    number: Annotated[str, typer.Argument(metavar="ID", help="Its number, as `suppressions` shows it.")],
    by: By = None,
    config: ConfigFile = None,
) -> None:
    """End what is expected before its time: alarms there are told again, and those that are there come back."""
    from hubwatch_alarms import people
    from hubwatch_alarms.logged_in import logged_in

    wanted = people.parse_id(number)
    somebody = logged_in(by)
    if somebody is None:
        asyncio.run(people.lift(_settings(config), wanted, people.parse_name(by)))
    else:
        somebody.lift(wanted)
    say(f"suppression {wanted} is lifted")


async def _suppressed(config: Path | None, hub: str | None) -> list[dict[str, object]]:
    from hubwatch_alarms import views
    from hubwatch_store.database import connect, translated

    with translated():
        async with await connect(_settings(config).database, "hubwatch alarms suppressions") as connection:
            return await views.suppressed(connection, hub=hub)


def _moment(text: str) -> datetime:
    """Read a moment with its time zone; raises BadCall when it is none."""
    from hubwatch_core.errors import BadCall
    from hubwatch_core.plain_text import quoted

    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadCall(f"{quoted(text)} is no time: write it like 2026-11-30T06:00+01:00") from None
    if moment.tzinfo is None:
        raise BadCall("--from needs a time zone, like 2026-11-30T06:00+01:00")
    return moment


def _settings(config: Path | None) -> CommandSettings:
    from hubwatch_alarms.settings import CommandSettings
    from hubwatch_core.config.load import load

    return load(CommandSettings, config)
