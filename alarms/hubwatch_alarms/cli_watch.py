"""The command `hubwatch alarms watch`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hubwatch_core.process import border

if TYPE_CHECKING:
    from hubwatch_alarms.instructions import Instructions
    from hubwatch_alarms.settings import CommandSettings
    from hubwatch_alarms.watching import WatchSource


@border
def watch(
    config: Annotated[
        Path | None,
        typer.Option("-c", "--config", help="TOML file with a section `database`; HUBWATCH_DATABASE__* goes over it."),
    ] = None,
    hub: Annotated[str | None, typer.Option(help="Only alarms of this hub.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="A line of JSON for each change instead of a table.")] = False,
) -> None:
    """Watch open alarms until Ctrl-C: new, acknowledged, closed; without -c those that whoever is logged in sees.

    It says when it has lost its source, and always how old what it shows is.
    """
    from hubwatch_alarms import views
    from hubwatch_alarms.settings import CommandSettings
    from hubwatch_alarms.watching import ApiSource
    from hubwatch_core.config.load import load
    from hubwatch_core.credentials.kept_login import kept

    settings = load(CommandSettings, config)
    instructions = views.instructions_of(settings)
    login = kept() if config is None else None
    if login is not None:
        asyncio.run(_show(ApiSource(login, hub), instructions, as_json=as_json))
    else:
        asyncio.run(_over_database(settings, hub, instructions, as_json=as_json))


async def _over_database(
    settings: CommandSettings, hub: str | None, instructions: Instructions, *, as_json: bool
) -> None:
    from hubwatch_alarms.watching import database_source

    async with database_source(settings, hub) as source:
        await _show(source, instructions, as_json=as_json)


async def _show(source: WatchSource, instructions: Instructions, *, as_json: bool) -> None:
    from hubwatch_alarms import views
    from hubwatch_alarms.console_watch import JsonLines, LiveTable, PlainLines
    from hubwatch_alarms.watching import watch as watch_source

    console = views.console()
    if as_json:
        await watch_source(source, JsonLines(source.name, instructions))
    elif console.is_terminal:
        with LiveTable(console, source.name, instructions) as table:
            await watch_source(source, table)
    else:
        await watch_source(source, PlainLines(source.name, instructions))
