"""`hubwatch detectors`: run the component, and try it on recordings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hubwatch_core.cli_border import border

if TYPE_CHECKING:
    from hubwatch_detectors.config import RulesSection

app = typer.Typer(name="detectors", help="Detectors: run, list, replay a recording.", no_args_is_help=True)

ConfigOption = typer.Option("-c", "--config", help="The component's TOML file.")


@app.command()
@border
def run(config: Annotated[Path, ConfigOption]) -> None:
    """Judge what agents send and store what is found, until SIGTERM or Ctrl-C."""
    from hubwatch_core.config import load
    from hubwatch_core.service import serve
    from hubwatch_detectors.config import Settings
    from hubwatch_detectors.service import parts

    settings = load(Settings, config, check_files=True)
    code = serve("detectors", lambda context: parts(settings, context), telemetry=settings.telemetry, log=settings.log)
    raise typer.Exit(code)


@app.command("check-config")
@border
def check_config(file: Annotated[Path, typer.Argument(help="The TOML file to check.")]) -> None:
    """Check a configuration whole, without connecting to anything."""
    from hubwatch_core.config import load
    from hubwatch_detectors.config import Settings

    rules = load(Settings, file, check_files=True).rules()
    running = [name for name, config in rules.configs.items() if config.enabled]
    if rules.presence.enabled:
        running.append("presence")
    typer.echo(f"{file} is good; detectors: {', '.join(sorted(running)) or 'none'}")


@app.command("sample-config")
def sample_config() -> None:
    """Print a commented configuration to begin with."""
    from importlib import resources

    typer.echo(resources.files("hubwatch_detectors").joinpath("sample.toml").read_text(encoding="utf-8"), nl=False)


@app.command("list")
@border
def list_() -> None:
    """List the detectors: name, version, the detections each can make, and the sensors it looks at."""
    from rich.console import Console
    from rich.table import Table

    from hubwatch_detectors import presence
    from hubwatch_detectors.registry import specs

    table = Table("detector", "version", "detections", "sensors")
    for spec in specs():
        table.add_row(spec.name, str(spec.version), "\n".join(spec.types), ", ".join(sorted(spec.kinds or {"all"})))
    table.add_row(presence.NAME, str(presence.VERSION), "\n".join(presence.TYPES), "all, and agents")
    Console().print(table)


@app.command()
@border
def replay(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A recording (NDJSON of births and frames); - is stdin.")
    ],
    config: Annotated[Path | None, ConfigOption] = None,
    site: Annotated[Path | None, typer.Option(help="Site file; not read by this version.")] = None,
) -> None:
    """Judge a recording and print its detections as NDJSON, each with its end where it has one."""
    import sys

    from hubwatch_core.errors import Permanent
    from hubwatch_core.wire import encode
    from hubwatch_detectors.engine import Engine
    from hubwatch_detectors.recording import lines_of
    from hubwatch_detectors.replay import Replay

    if site is not None:
        typer.echo("--site is not read by this version: neighbours come from the configuration", err=True)
    playing = Replay(Engine(_rules(config).rules()))
    with lines_of(file) as lines:
        for detection in playing.run(lines):
            sys.stdout.write(encode(detection).decode() + "\n")
    for number, reason in playing.poison:
        typer.echo(f"{file}:{number}: {reason}", err=True)
    if playing.lines and len(playing.poison) == playing.lines:
        raise Permanent(f"{file} is no recording: none of its {playing.lines} lines could be read")


def _rules(config: Path | None) -> RulesSection:
    from hubwatch_core.config import load
    from hubwatch_detectors.config import Settings

    return load(Settings, config)
