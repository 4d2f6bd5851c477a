"""`hubwatch agent`: run the edge, check its configuration, look at its profiles."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Annotated

import typer

from hubwatch_agents.cli import commands as commands_cli
from hubwatch_agents.cli import enrol as enrol_cli
from hubwatch_core.process import border
from hubwatch_core.terminal import hand_over, say

app = typer.Typer(help="The edge: reads devices, keeps every reading until it is delivered.", no_args_is_help=True)
profiles_app = typer.Typer(help="Device profiles: which register is which channel.", no_args_is_help=True)
app.add_typer(profiles_app, name="profiles")

EXIT_WARNINGS = 3
"""Of check-config: no mistake, but something that is seldom meant."""

ConfigOption = Annotated[Path, typer.Option("--config", "-c", help="Configuration file (TOML).")]
FolderOption = Annotated[list[Path] | None, typer.Option("--folder", help="Folder with profiles of your own.")]


@app.command()
@border
def run(
    config: ConfigOption,
    host: Annotated[str | None, typer.Option(help="Broker, instead of mqtt.host.")] = None,
    port: Annotated[int | None, typer.Option(help="Its port, instead of mqtt.port.")] = None,
    last_good: Annotated[
        Path | None,
        typer.Option(help="Where the last good configuration, and what it names, is kept to start with if need be."),
    ] = None,
) -> None:
    """Run the agent until it is told to stop; changes of the file are taken up while it runs, and with SIGHUP at once,
    changes of the files it names included."""
    from hubwatch_agents.config import reload
    from hubwatch_agents.service import checked_parts
    from hubwatch_core.process import Context, Part, serve

    flags = {"mqtt.host": host, "mqtt.port": port}
    checked, error = reload.read_or_last_good(config, flags, last_good)

    def make(context: Context) -> list[Part]:
        return checked_parts(checked, context, path=config, flags=flags, last_good=last_good, bad_start=error)

    raise typer.Exit(serve("agent", make, telemetry=checked.settings.telemetry, log=checked.settings.log))


@app.command("check-config")
@border
def check_config(config: Annotated[Path, typer.Argument(help="Configuration file (TOML).")]) -> None:
    """Check a configuration, the profiles it names and the load of its lines, without connecting to anything.

    Exit code 0 when all is well, 2 for mistakes, 3 when there are none but warnings: the agent would run.
    """
    from hubwatch_agents.config.line_report import counted, lines, warnings
    from hubwatch_agents.config.load import read

    checked = read(config, check_files=True)
    channels = sum(len(device.profile.channels) for device in checked.devices)
    for line in lines(checked):
        say(line)
    found = warnings(checked, str(config))
    for warning in found:
        say(f"warning: {warning}")
    rest = f", {counted(found)}" if found else ""
    say(f"{config}: {len(checked.devices)} devices, {channels} channels, no mistakes{rest}")
    if found:
        raise typer.Exit(EXIT_WARNINGS)


@app.command()
@border
def check(
    config: ConfigOption,
    seconds: Annotated[float, typer.Option(help="How long to read.", min=1, max=600)] = 5.0,
) -> None:
    """Read every device for a few seconds and show what comes; nothing is sent. Exit code 1 when a channel is bad."""
    from hubwatch_agents.cli.survey import look
    from hubwatch_agents.config.load import read

    lines, all_good = look(read(config), seconds)
    for line in lines:
        say(line)
    raise typer.Exit(0 if all_good else 1)


@app.command()
@border
def probe(
    host: Annotated[str, typer.Argument(help="Address of a Modbus TCP device or gateway.")],
    port: Annotated[int, typer.Option(help="Its port.", min=1, max=65535)] = 502,
    first: Annotated[int, typer.Option(help="First unit id to ask.", min=0, max=255)] = 1,
    last: Annotated[int, typer.Option(help="Last unit id to ask.", min=0, max=255)] = 32,
    timeout_ms: Annotated[int, typer.Option(help="How long each unit may take.", min=10, max=60_000)] = 300,
    folder: FolderOption = None,
) -> None:
    """Ask a range of unit ids who is there, and which profiles know them. Only reads."""
    from hubwatch_agents.cli import probe as probing
    from hubwatch_agents.config.library import Library
    from hubwatch_agents.connections import TcpConnection

    connection = TcpConnection(name="probe", transport="tcp", host=host, port=port)
    result = probing.probe(connection, range(first, last + 1), Library(folder or ()), timeout_ms / 1000)
    for line in probing.lines(result, connection):
        say(line)
    if not result.answers:
        raise typer.Exit(1)


@app.command("sample-config")
def sample_config() -> None:
    """Print a configuration with every key explained."""
    hand_over((resources.files("hubwatch_agents") / "sample.toml").read_text(encoding="utf-8"))


app.command("commands")(commands_cli.list_commands)
app.command("command")(commands_cli.give_command)
app.command("enrol")(enrol_cli.enrol)


@profiles_app.command("list")
@border
def list_profiles(folder: FolderOption = None) -> None:
    """List the profiles: name, kind, protocol, confidence, title."""
    from hubwatch_agents.config.library import Library

    library = Library(folder or ())
    for profile_id in library.ids():
        profile = library.map(profile_id).example()
        proof = "verified" if profile.verified_on_hardware else "not verified"
        say(
            f"{profile_id:28} {profile.kind:18} {profile.protocol:10} {profile.confidence:8} {proof:13} {profile.title}"
        )


@profiles_app.command("show")
@border
def show_profile(name: str, folder: FolderOption = None) -> None:
    """Show what a profile reads, where, and where that is known from."""
    from hubwatch_agents.cli.profiles import lines
    from hubwatch_agents.config.library import Library
    from hubwatch_core.errors import BadCall

    library = Library(folder or ())
    if name not in library.ids():
        raise BadCall(f"there is no profile {name}; `hubwatch agent profiles list` names them")
    for line in lines(library.map(name)):
        say(line)


@profiles_app.command("check")
@border
def check_profiles(
    names: Annotated[list[str] | None, typer.Argument(help="Names of profiles; none: all.")] = None,
    folder: FolderOption = None,
) -> None:
    """Check profiles against the schema; every mistake of every profile at once."""
    from hubwatch_agents.config.library import Library, check
    from hubwatch_core.errors import ConfigError, Problem

    library = Library(folder or ())
    problems: list[Problem] = []
    chosen = names or library.ids()
    for name in chosen:
        try:
            problems += check(library.map(name))
        except KeyError:
            problems.append(Problem(name, "", "there is no such profile"))
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    say(f"{len(chosen)} profiles, no mistakes")


@profiles_app.command("schema")
def show_schema() -> None:
    """Print the schema of profiles as a page (Markdown)."""
    from hubwatch_agents.cli.profile_schema import page

    hand_over(page())
