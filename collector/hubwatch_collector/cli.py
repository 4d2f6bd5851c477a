"""`hubwatch collector`: takes frames from the broker into the database."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hubwatch_core.process import border
from hubwatch_core.terminal import hand_over, say

app = typer.Typer(name="collector", help="Takes frames from the broker into the database.", no_args_is_help=True)


@app.command()
@border
def run(
    config: Annotated[Path | None, typer.Option("-c", "--config", help="TOML file; see sample-config.")] = None,
    client_id: Annotated[str | None, typer.Option(help="Goes before intake.client_id of the file.")] = None,
) -> None:
    """Run until SIGTERM or SIGINT. Any number may run side by side, each with its own client id."""
    from hubwatch_collector.service import parts
    from hubwatch_collector.settings import CollectorSettings
    from hubwatch_core.config.load import load
    from hubwatch_core.garbage import collect_seldom
    from hubwatch_core.process import serve

    settings = load(CollectorSettings, config, flags={"intake.client_id": client_id}, check_files=True)
    collect_seldom()
    code = serve("collector", lambda context: parts(settings, context), telemetry=settings.telemetry, log=settings.log)
    raise typer.Exit(code)


@app.command()
@border
def retire(
    config: Annotated[Path | None, typer.Option("-c", "--config", help="The collector's TOML file.")] = None,
    client_id: Annotated[
        str | None, typer.Option(help="Client id of the one to retire, if not that of the file.")
    ] = None,
) -> None:
    """Take a collector out of its group for good: stop it first. Stores what the broker still holds for it."""
    import asyncio

    from hubwatch_collector.retirement import retire as retire_it
    from hubwatch_collector.settings import CollectorSettings
    from hubwatch_core.config.load import load
    from hubwatch_core.logs import configure

    settings = load(CollectorSettings, config, flags={"intake.client_id": client_id})
    configure(settings.log)
    left = asyncio.run(retire_it(settings))
    say(f"{settings.intake.client_id} is retired; {left} messages were left and are stored")


@app.command()
@border
def check_config(config: Annotated[Path, typer.Argument(help="TOML file to check.")]) -> None:
    """Check a configuration and list every mistake; exit code 2 when there are any."""
    from hubwatch_collector.settings import CollectorSettings
    from hubwatch_core.config.load import load

    load(CollectorSettings, config, check_files=True)
    say(f"{config} is a valid collector configuration")


@app.command()
def sample_config() -> None:
    """Print a configuration with every key explained."""
    from importlib import resources

    hand_over((resources.files("hubwatch_collector") / "sample.toml").read_text(encoding="utf-8"))
