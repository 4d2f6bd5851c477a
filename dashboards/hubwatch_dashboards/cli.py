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
Alerting = Annotated[
    Path | None,
    typer.Option(
        help="The generated file with the alert rules; in another --folder none is written unless it is named.",
        show_default=False,
    ),
]
RULES = Path("ops/grafana/provisioning/alerting/rules.json")


@app.command()
@border
def build(
    folder: Folder = GENERATED,
    alerting: Alerting = None,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; fail when a file is out of date.")] = False,
) -> None:
    """Generate the boards and the alert rules."""
    from hubwatch_dashboards import generated

    if alerting is None and folder.resolve() == GENERATED.resolve():
        alerting = RULES
    if not check:
        for file in generated.write(folder, alerting):
            say(f"{file}: {'written' if file.exists() else 'removed'}")
        return
    found = generated.drift(folder, alerting)
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


Url = Annotated[str, typer.Option(help="Address of Grafana, such as https://grafana.example.org.")]
TokenFile = Annotated[Path | None, typer.Option(help="File with a service account's token.")]
Token = Annotated[
    str | None, typer.Option(envvar="HUBWATCH_GRAFANA_TOKEN", hidden=True, help="Only from the environment.")
]
Database = Annotated[
    str | None,
    typer.Option(help="The database as Grafana reaches it, with a reader's login: postgresql://grafana@host/hubwatch."),
]
PasswordFile = Annotated[Path | None, typer.Option(help="File with the password of that login.")]
Password = Annotated[
    str | None,
    typer.Option(envvar="HUBWATCH_GRAFANA_DATABASE_PASSWORD", hidden=True, help="Only from the environment."),
]
AlertsTo = Annotated[
    str | None,
    typer.Option(
        envvar="HUBWATCH_GRAFANA_ALERTS_TO",
        help="Whom Grafana tells that nobody watches: an address of mail, or https://… (where that is a secret: in the"
        " environment or a file).",
    ),
]
AlertsToFile = Annotated[Path | None, typer.Option(help="File with that address.")]


@app.command()
@border
def push(
    url: Url,
    token_file: TokenFile = None,
    database: Database = None,
    database_password_file: PasswordFile = None,
    alerts_to: AlertsTo = None,
    alerts_to_file: AlertsToFile = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite what a person changed in Grafana.")] = False,
    token: Token = None,
    database_password: Password = None,
) -> None:
    """Send boards, data source, contact point and alert rules to Grafana; what is as it should be is left alone.

    The token is HUBWATCH_GRAFANA_TOKEN or in a file. It needs the role Editor for the boards, Admin for the rest.
    """
    from hubwatch_dashboards.push import GrafanaServer
    from hubwatch_dashboards.push import push as send

    password = read_secret(SecretStr(database_password) if database_password else None, database_password_file)
    told = _address(alerts_to, alerts_to_file)
    server = GrafanaServer(url, _token(token, token_file), database, password, told)
    for line in send(server, force=force):
        say(line)


@app.command()
@border
def pull(
    url: Url,
    diff: Annotated[bool, typer.Option("--diff", help="Show what differs; fail when anything does.")] = False,
    token_file: TokenFile = None,
    database: Database = None,
    alerts_to: AlertsTo = None,
    alerts_to_file: AlertsToFile = None,
    token: Token = None,
) -> None:
    """Show what in Grafana is not as hubwatch would have it. Nothing is changed, there or here."""
    from hubwatch_dashboards.push import GrafanaServer
    from hubwatch_dashboards.push import pull as differences

    if not diff:
        raise BadCall(
            "only --diff is there: the boards are made by code, and what Grafana has is not written over them"
        )
    told = _address(alerts_to, alerts_to_file)
    found = list(differences(GrafanaServer(url, _token(token, token_file), database, None, told)))
    for difference in found:
        say(difference)
    if found:
        raise Permanent(f"{len(found)} of what is in Grafana differ")
    say("Grafana has everything as hubwatch would have it")


def _token(token: str | None, file: Path | None) -> str:
    secret = read_secret(SecretStr(token) if token else None, file)
    if secret is None:
        raise BadCall("a token is needed: set HUBWATCH_GRAFANA_TOKEN or give --token-file")
    return secret


def _address(address: str | None, file: Path | None) -> str | None:
    return read_secret(SecretStr(address) if address else None, file)
