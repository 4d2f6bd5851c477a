"""`hubwatch dashboards`: Grafana boards as code."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from pydantic import SecretStr

from hubwatch_core.config import read_secret
from hubwatch_core.errors import BadCall, Permanent
from hubwatch_core.process import border
from hubwatch_core.terminal import say

app = typer.Typer(help="Grafana boards, generated from code over the public views.", no_args_is_help=True)

Folder = Annotated[Path, typer.Option(help="Where the generated files are.")]
GENERATED = Path("dashboards/generated")


@app.command()
@border
def build(
    folder: Folder = GENERATED,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; fail when a file is out of date.")] = False,
) -> None:
    """Generate the boards."""
    from hubwatch_dashboards import generated

    if not check:
        for file in generated.write(folder):
            say(f"{file}: {'written' if file.exists() else 'removed'}")
        return
    found = generated.drift(folder)
    if found:
        raise Permanent("\n".join([*found, "run `hubwatch dashboards build` and commit what it writes"]))
    say("the generated boards are up to date")


@app.command()
@border
def check() -> None:
    """Check every board: descriptions, units, links, one function of the store a query, no panels that overlap."""
    from hubwatch_dashboards.boards import BOARDS, built
    from hubwatch_dashboards.lint import problems

    found = [problem for name in BOARDS for problem in problems(built(name))]
    if found:
        raise Permanent("\n".join(found))
    say(f"{len(BOARDS)} board(s), no fault")


@app.command()
@border
def push(
    url: Annotated[str, typer.Option(help="Address of Grafana, such as https://grafana.example.org.")],
    token_file: Annotated[Path | None, typer.Option(help="File with a service account's token.")] = None,
    token: Annotated[
        str | None, typer.Option(envvar="HUBWATCH_GRAFANA_TOKEN", hidden=True, help="Only from the environment.")
    ] = None,
) -> None:
    """Send the boards to Grafana, into the folder `hubwatch`; the token is HUBWATCH_GRAFANA_TOKEN or in a file."""
    from hubwatch_dashboards.push import push as send

    secret = read_secret(SecretStr(token) if token else None, token_file)
    if secret is None:
        raise BadCall("a token is needed: set HUBWATCH_GRAFANA_TOKEN or give --token-file")
    for address in send(url, secret):
        say(address)
