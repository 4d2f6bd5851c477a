"""Commands about incidents: `hubwatch alarms incidents`, `ack-incident`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hubwatch_core.process import border
from hubwatch_core.terminal import say, say_json

if TYPE_CHECKING:
    from rich.console import Console

    from hubwatch_alarms.settings import CommandSettings

ConfigFile = Annotated[
    Path | None,
    typer.Option("-c", "--config", help="TOML file with a section `database`; HUBWATCH_DATABASE__* goes over it."),
]
MOST_SHOWN = 200


@border
def incidents(
    config: ConfigFile = None,
    hub: Annotated[str | None, typer.Option(help="Only this hub.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of a table.")] = False,
) -> None:
    """Show open incidents, those first of which nobody has taken an alarm, then by how urgent they are."""
    from hubwatch_alarms import views
    from hubwatch_alarms.logged_in import AlarmsOverApi
    from hubwatch_core.credentials.kept_login import kept
    from hubwatch_core.http.logged_in import LoggedIn

    login = kept() if config is None else None
    found = AlarmsOverApi(LoggedIn(login)).incidents(hub) if login is not None else asyncio.run(_found(config, hub))
    if as_json:
        say_json(json.dumps(found, ensure_ascii=False, indent=2))
    else:
        _show(views.console(), found)


@border
def ack_incident(
    incident: Annotated[str, typer.Argument(metavar="ID", help="Its number, as `incidents` shows it.")],
    by: Annotated[
        str | None, typer.Option("--by", help="Who does this, where the hub has no directory of users.")
    ] = None,
    note: Annotated[str | None, typer.Option("--note", help="What you found or did; stands in the journal.")] = None,
    config: ConfigFile = None,
) -> None:
    """Take every alarm of an incident that nobody has taken; what others have stays theirs."""
    from hubwatch_alarms import people
    from hubwatch_alarms.logged_in import logged_in

    number, said = people.parse_id(incident), people.parse_note(note)
    somebody = logged_in(by)
    if somebody is not None:
        taken = somebody.acknowledge_incident(number, said)
    else:
        wish = people.acknowledge_incident(_settings(config), number, people.parse_name(by), said)
        taken = len(asyncio.run(wish))
    say(f"incident {number}: {taken} {'alarm' if taken == 1 else 'alarms'} taken")


async def _found(config: Path | None, hub: str | None) -> list[dict[str, Any]]:
    from hubwatch_alarms import views
    from hubwatch_store.database import connect, translated

    with translated():
        async with await connect(_settings(config).database, "hubwatch alarms incidents") as connection:
            return await views.open_incidents(connection, hub=hub, most=MOST_SHOWN)


def _show(console: Console, found: list[dict[str, Any]]) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    if not found:
        console.print("no open incidents")
        return
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", padding=(0, 1, 0, 0), pad_edge=False)
    for name in ("incident", "priority", "what", "zones", "since", "alarms", "not taken"):
        table.add_column(name)
    for each in found:
        table.add_row(*map(Text, _cells(each)))
    console.print(table)


def _cells(each: Mapping[str, Any]) -> tuple[str, ...]:
    from hubwatch_core.plain_text import one_line
    from hubwatch_core.words import Priority

    return (
        str(each["id"]),
        Priority(each["priority"]).name.lower(),
        one_line(each["title"]),
        one_line(", ".join(each["zones"])),
        str(each["opened"]),
        f"{each['open']} of {each['alarms']} open",
        str(each["untaken"]),
    )


def _settings(config: Path | None) -> CommandSettings:
    from hubwatch_alarms.settings import CommandSettings
    from hubwatch_core.config.load import load

    return load(CommandSettings, config)
