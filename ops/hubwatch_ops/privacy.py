"""`hubwatch privacy`: what is stored about a person, given out or forgotten."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hubwatch_core.errors import BadCall, Permanent
from hubwatch_core.plain_text import one_line
from hubwatch_core.process import border
from hubwatch_core.terminal import say, say_json
from hubwatch_ops.database.options import By, ConfigFile, Dsn, SignKey
from hubwatch_ops.site_database import connection_to

if TYPE_CHECKING:
    from hubwatch_store.keeping import Erasure

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
    sign_key: SignKey = None,
    config: ConfigFile = None,
    dsn: Dsn = None,
) -> None:
    """Give out all that is stored about a person, as JSON; with --to it is signed where there is a key.

    That is the key that is given, or else that the hub's file names for backups; `hubwatch verify FILE` checks it.
    Without -c or --dsn whoever is logged in gets it, but for names.
    """
    from hubwatch_core.http.logged_in import reader
    from hubwatch_core.signed_files import sign
    from hubwatch_ops.database.settings import load_backup
    from hubwatch_store.keeping import privacy

    key = sign_key or load_backup(config, dsn)[1].sign_key_file
    if sign_key is not None and to is None:
        raise BadCall("--sign-key needs --to: what is printed has no place for a signature")
    person = reader(config, dsn)
    if person is not None:
        found = dict(person.ask("POST", "/persons/export", {"subject": subject}))
    else:
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
    if key is not None:
        say(f"signed: {sign(to, 'what is stored about a person', key)}")


@app.command()
@border
def erase(
    subject: Subject,
    reason: Annotated[str, typer.Option("--reason", help="Why; it stands in the record.")],
    by: By = None,
    config: ConfigFile = None,
    dsn: Dsn = None,
) -> None:
    """Forget a person: what happened stays, without saying who it was. A hold in force and an open alarm go before.

    Backups made before still name them: after a restore, erase again; `hubwatch privacy records` helps.
    """
    from hubwatch_core.http.logged_in import somebody

    counts: Mapping[str, int]
    if by is None:
        done = somebody().ask("POST", "/persons/erase", {"subject": subject, "reason": reason})
        number, counts = int(done["id"]), dict(done["counts"])
    else:
        number, counts = _erased_at_their_word(subject, by, reason, config, dsn)
    say(f"erasure {number}: {_counted(counts)}")
    say("not changed: notes in journals, dead letters, backups, and what detectors have learned until they forget it")


@app.command()
@border
def records(
    subject: Annotated[str | None, typer.Option("--subject", help="Only those about this one.")] = None,
    config: ConfigFile = None,
    dsn: Dsn = None,
) -> None:
    """List who had somebody forgotten, when and why. Whom is not kept; whether it was a given subject can be told."""
    from hubwatch_core.http.logged_in import reader
    from hubwatch_store.keeping import privacy

    person = reader(config, dsn)
    if person is not None:
        pages = person.every("/persons/erasures?", "erasures", "POST", {"subject": subject})
        found = [_record(each) for each in pages]
    else:
        with connection_to(config, dsn, NAME) as connection:
            found = privacy.erasures(connection, subject)
    for each in found:
        what = f"{one_line(each.by)}: {one_line(each.reason)} ({_counted(each.counts or {})})"
        say(f"{each.id:>6}  {each.at:%F %T}Z  {what}")
    if not found:
        say("nobody was forgotten" if subject is None else "no record is about this subject")


@app.command()
@border
def keep(
    days: Annotated[str, typer.Argument(help="Days for which detections and alarms name persons, or forever.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; stands in the journal.")],
    by: By = None,
    config: ConfigFile = None,
    dsn: Dsn = None,
) -> None:
    """Change for how long detections and alarms say whom they are about; maintenance takes out what is older."""
    from hubwatch_core.http.logged_in import somebody

    if days != "forever" and not (days.isascii() and days.isdigit() and len(days) <= 6):
        raise BadCall("say a number of days, or forever")
    number = None if days == "forever" else int(days)
    if by is None:
        somebody().ask("PUT", "/retention/persons", {"days": number, "reason": reason})
    else:
        _keep_at_their_word(number, by, reason, config, dsn)
    say(f"detections and alarms name persons {'for ever' if days == 'forever' else f'for {days} days'}")


def _erased_at_their_word(
    subject: str, by: str, reason: str, config: Path | None, dsn: str | None
) -> tuple[int, Mapping[str, int]]:
    from hubwatch_store.audit import journal_now
    from hubwatch_store.keeping import privacy
    from hubwatch_store.users import check_no_directory

    with connection_to(config, dsn, NAME) as connection:
        check_no_directory(connection)
        with connection.transaction():
            done = privacy.erase(connection, subject, by=by, reason=reason)
            details: dict[str, object] = {"reason": reason, **(done.counts or {})}
            journal_now(connection, "person.erase", who=by, subject=f"erasure {done.id}", details=details)
    return done.id, done.counts or {}


def _keep_at_their_word(days: int | None, by: str, reason: str, config: Path | None, dsn: str | None) -> None:
    from hubwatch_store.audit import journal_now
    from hubwatch_store.keeping import privacy
    from hubwatch_store.users import check_no_directory

    with connection_to(config, dsn, NAME) as connection:
        check_no_directory(connection)
        with connection.transaction():
            details: dict[str, object] = {"former": privacy.person_days(connection), "days": days, "reason": reason}
            privacy.set_person_days(connection, days)
            journal_now(connection, "retention.change", who=by, subject="persons", details=details)


def _record(each: Mapping[str, Any]) -> Erasure:
    from hubwatch_store.keeping import Erasure

    return Erasure(each["id"], datetime.fromisoformat(each["at"]), each["by"], each["reason"], None, each["counts"])


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{int(many)} {one_line(table)}" for table, many in counts.items())


def _write_for_owner(file: Path, text: str) -> None:
    try:
        with open(
            os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w", encoding="utf-8"
        ) as out:
            out.write(text)
    except OSError as error:
        raise Permanent(f"{file} cannot be written: {error.strerror}") from None
