"""`hubwatch console`: run the API, check and sample its configuration."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hubwatch_core.process import border
from hubwatch_core.terminal import hand_over, say

if TYPE_CHECKING:
    from hubwatch_console.settings import ConsoleSettings
    from hubwatch_core.config import Partial
    from hubwatch_core.errors import Problem

app = typer.Typer(name="console", help="The API of a hub, for people and programs.", no_args_is_help=True)


@app.command()
@border
def run(config: Annotated[Path, typer.Option("-c", "--config", help="The component's TOML file.")]) -> None:
    """Serve the API until SIGTERM or Ctrl-C; the first start prints a one-time password for the administrator."""
    from hubwatch_console.service import parts
    from hubwatch_core.process import serve
    from hubwatch_store.database import check_schema

    settings = _checked(config)
    check_schema(settings.database)
    code = serve("console", lambda context: parts(settings, context), telemetry=settings.telemetry, log=settings.log)
    raise typer.Exit(code)


@app.command("check-config")
@border
def check_config(file: Annotated[Path, typer.Argument(help="The TOML file to check.")]) -> None:
    """Check a configuration whole, with its secrets and instructions, without connecting to anything."""
    from hubwatch_console.settings import UNSEALED

    settings = _checked(file)
    ways = "passwords" if settings.oidc is None else f"passwords and {settings.oidc.issuer}"
    secure = "with TLS" if settings.api.cert_file is not None else "without TLS"
    say(f"{file} is valid; listens on {settings.api.host}:{settings.api.port} {secure}; logins by {ways}")
    if settings.login.second_factor_key_file is None:
        say(f"note: {UNSEALED}", err=True)


@app.command("sample-config")
def sample_config() -> None:
    """Print a commented configuration to begin with."""
    from importlib import resources

    hand_over(resources.files("hubwatch_console").joinpath("sample.toml").read_text(encoding="utf-8"))


def _checked(file: Path) -> ConsoleSettings:
    from hubwatch_alarms.instructions import Instructions
    from hubwatch_alarms.scenarios import load_scenarios
    from hubwatch_console.settings import ConsoleSettings
    from hubwatch_core.config.load import load
    from hubwatch_core.errors import ConfigError

    def further(settings: Partial[ConsoleSettings]) -> Iterator[Problem]:
        for key, read in (("instructions_file", Instructions.load), ("scenarios_file", load_scenarios)):
            named = settings.get(key)
            if named is not None and Path(named).is_file():
                try:
                    read(Path(named))
                except ConfigError as error:
                    yield from error.problems

    return load(ConsoleSettings, file, further=further, check_files=True)
