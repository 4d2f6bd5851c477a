"""`hubwatch privacy`: what is stored about a person, given out or forgotten."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from hubwatch_core.errors import BadCall, Permanent
from hubwatch_core.process import border
from hubwatch_core.terminal import say, say_json
from hubwatch_ops.database.options import ConfigFile, Dsn
from hubwatch_ops.site_database import connection_to

app = typer.Typer(name="privacy", help="What is stored about a person.", no_args_is_help=True)

Subject = Annotated[str, typer.Argument(help="The person as events name them, such as badge:p1-5f2c….")]
NAME = "hubwatch privacy"


@app.command()
@border
def subject(
    key_file: Annotated[Path, typer.Option(help="The key of the pseudonyms, as privacy.key_file of the agents.")],
    key_version: Annotated[int, typer.Option(min=1, max=999, help="Its number.")] = 1,
    prefix: Annotated[str, typer.Option(help="What stands before the number in subjects.")] = "badge:",
) -> None:
    """Say by which subject a badge is known; its number is asked for, so that it stands in no list of processes."""
    from hubwatch_agents.settings import subject_key
    from hubwatch_agents.values.pseudonyms import keyed

    number = typer.prompt("badge number", hide_input=True, err=True).strip()
    say(keyed(subject_key(key_file), key_version)(prefix, number))


@app.command()
@border
def export(
    subject: Subject,
    to: Annotated[
        Path | None, typer.Option("--to", help="File to write, for its owner only; else it is printed.")
    ] = None,
    config: ConfigFile = None,
    dsn: Dsn = None,
) -> None:
    """Give out all that is stored about a person, as JSON."""
    from hubwatch_store.keeping import privacy

    with connection_to(config, dsn, NAME) as connection:
        found = privacy.about(connection, subject)
    text = json.dumps(
        {"subject": subject, "made": datetime.now(UTC).isoformat(timespec="seconds"), **found},
        ensure_ascii=False,
        indent=2,
    )
    if to is None:
        say_json(text)
        return
    _write_for_owner(to, text + "\n")
    say(f"{to}: " + ", ".join(f"{len(rows)} {kind}" for kind, rows in found.items()))


@app.command()
@border
def erase(
    subject: Subject,
    by: Annotated[str, typer.Option("--by", help="Who orders it.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; it stands in the record.")],
    config: ConfigFile = None,
    dsn: Dsn = None,
) -> None:
    """Forget a person: what happened stays, without saying who it was. A hold in force and an open alarm go before.

    Backups made before still name them: after a restore, erase again; `hubwatch privacy records` helps.
    """
    from hubwatch_store.keeping import privacy

    with connection_to(config, dsn, NAME) as connection:
        done = privacy.erase(connection, subject, by=by, reason=reason)
    counts = ", ".join(f"{many} {table}" for table, many in (done.counts or {}).items())
    say(f"erasure {done.id}: {counts}")
    say("not changed: notes in journals, dead letters, backups, and what detectors have learned until they forget it")


@app.command()
@border
def records(
    subject: Annotated[str | None, typer.Option("--subject", help="Only those about this one.")] = None,
    config: ConfigFile = None,
    dsn: Dsn = None,
) -> None:
    """List who had somebody forgotten, when and why. Whom is not kept; whether it was a given subject can be told."""
    from hubwatch_store.keeping import privacy

    with connection_to(config, dsn, NAME) as connection:
        found = privacy.erasures(connection, subject)
    for each in found:
        counts = ", ".join(f"{many} {table}" for table, many in (each.counts or {}).items())
        say(f"{each.id:>6}  {each.at:%F %T}Z  {each.by}: {each.reason} ({counts})")
    if not found:
        say("nobody was forgotten" if subject is None else "no record is about this subject")


@app.command()
@border
def keep(
    days: Annotated[str, typer.Argument(help="Days for which detections and alarms name persons, or forever.")],
    config: ConfigFile = None,
    dsn: Dsn = None,
) -> None:
    """Change for how long detections and alarms say whom they are about; maintenance takes out what is older."""
    from hubwatch_store.keeping import privacy

    if days != "forever" and not (days.isascii() and days.isdigit() and len(days) <= 6):
        raise BadCall("say a number of days, or forever")
    with connection_to(config, dsn, NAME) as connection:
        privacy.set_person_days(connection, None if days == "forever" else int(days))
    say(f"detections and alarms name persons {'for ever' if days == 'forever' else f'for {days} days'}")


def _write_for_owner(file: Path, text: str) -> None:
    try:
        with open(
            os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w", encoding="utf-8"
        ) as out:
            out.write(text)
    except OSError as error:
        raise Permanent(f"{file} cannot be written: {error.strerror}") from None
