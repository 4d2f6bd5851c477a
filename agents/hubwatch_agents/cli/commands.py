"""`hubwatch agent commands` and `hubwatch agent command`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hubwatch_core.process import EXIT_FAILED, border
from hubwatch_core.terminal import say

ConfigOption = Annotated[Path, typer.Option("--config", "-c", help="Configuration file of the agent (TOML).")]


@border
def list_commands(config: ConfigOption) -> None:
    """List the commands of all devices: whether they may be given, in which role, and what they do."""
    from hubwatch_agents.commands.catalog import listing
    from hubwatch_agents.config.load import read

    for line in listing(read(config)):
        say(line)


@border
def give_command(
    config: ConfigOption,
    sensor: Annotated[str, typer.Argument(help="Sensor the device belongs to.")],
    command: Annotated[str, typer.Argument(help="Command, as `hubwatch agent commands` lists it.")],
    yes: Annotated[bool, typer.Option("--yes", help="Only ask where a name must be typed.")] = False,
    note: Annotated[str, typer.Option(help="Why, for the record.")] = "",
) -> None:
    """Give a command to a device through the running agent: shows what will be written, asks, and says what became.

    Exit code 0 when it is done, 1 when it is refused, has failed or nobody knows, 2 for a bad configuration.
    """
    from hubwatch_agents.commands import catalog, client
    from hubwatch_agents.commands.protocol import CommandRequest, CommandResult
    from hubwatch_agents.config.load import read
    from hubwatch_agents.control_socket import path_of
    from hubwatch_core.errors import Permanent

    checked = read(config)
    entry = catalog.find(checked.devices, sensor, command)
    if entry is None:
        raise Permanent(f"sensor {sensor} has no command {command}; `hubwatch agent commands -c {config}` lists them")
    for line in catalog.details(entry):
        say(line)
    if not _confirmed(sensor, typed=entry.command.confirm, yes=yes):
        raise Permanent("not confirmed, nothing was sent")
    request = CommandRequest(1, sensor, command, entry.digest(), note)
    outcome = client.ask(path_of(checked.settings.spool.directory), request)
    say(f"{outcome.result}: {outcome.text}")
    raise typer.Exit(0 if outcome.result is CommandResult.DONE else EXIT_FAILED)


def _confirmed(sensor: str, *, typed: bool, yes: bool) -> bool:
    """Ask the person; `yes` answers only the plain question."""
    if yes and not typed:
        return True
    try:
        said = input(f"Type {sensor} to go on: " if typed else "Go on? [y/N] ").strip()
    except EOFError:
        return False
    return said == sensor if typed else said.lower() in ("y", "yes")
