"""`hubwatch dead-letters`: messages that could not be processed, and a second chance for them."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlencode

import typer

from hubwatch_core.cut_lists import more_text
from hubwatch_core.errors import Transient
from hubwatch_core.plain_text import escaped, one_line
from hubwatch_core.process import border
from hubwatch_core.terminal import say
from hubwatch_ops.database.options import Dsn

if TYPE_CHECKING:
    from hubwatch_collector.settings import CollectorSettings
    from hubwatch_core.http.logged_in import LoggedIn
    from hubwatch_store.ingest import DeadLetter

app = typer.Typer(name="dead-letters", help="Messages that could not be processed.", no_args_is_help=True)

ConfigFile = Annotated[
    Path | None, typer.Option("-c", "--config", help="TOML file of the collector; only `database` and `intake` count.")
]
Contains = Annotated[str | None, typer.Option("--reason", help="Only those whose reason contains this text.")]
Number = Annotated[int, typer.Argument(help="Number of the dead letter, from `list`.")]

LINE_CHARS = 100
NAME = "hubwatch dead-letters replay"
ANSWER_WITHIN_S = 20.0
LOOK_EVERY_S = 0.2


@app.command("list")
@border
def list_(
    config: ConfigFile = None,
    dsn: Dsn = None,
    reason: Contains = None,
    most: Annotated[int, typer.Option(min=1, help="How many, newest first.")] = 50,
    with_replayed: Annotated[bool, typer.Option("--all", help="Also those that were replayed.")] = False,
) -> None:
    """List dead letters, newest first."""
    from hubwatch_core.http.logged_in import reader
    from hubwatch_ops.database.settings import load_database
    from hubwatch_store.database import connect_sync
    from hubwatch_store.ingest import count_listed, listed

    person = reader(config, dsn)
    if person is not None:
        wanted = {"most": most, "replayed": with_replayed} | ({} if reason is None else {"reason": reason})
        answer = person.ask("GET", f"/dead-letters?{urlencode(wanted)}")
        letters = [_told(each) for each in answer["letters"]]
        more = int(answer["count"]) - len(letters)
    else:
        with connect_sync(load_database(config, dsn), "hubwatch dead-letters") as connection:
            letters = listed(connection, most, reason, with_replayed)
            more = count_listed(connection, reason, with_replayed) - len(letters) if len(letters) >= most else 0
    for letter in letters:
        say(_line(letter))
    if more > 0:
        say(more_text(more, most))
    say("" if letters else "no dead letters")
    if letters:
        say("`hubwatch dead-letters show NUMBER` gives one whole, `replay` tries again after a fix")


@app.command()
@border
def show(number: Number, config: ConfigFile = None, dsn: Dsn = None) -> None:
    """Show one dead letter whole."""
    from hubwatch_core.http.logged_in import reader
    from hubwatch_ops.database.settings import load_database
    from hubwatch_store.database import connect_sync
    from hubwatch_store.ingest import shown

    person = reader(config, dsn)
    if person is not None:
        letter = _told(person.ask("GET", f"/dead-letters/{number}"))
    else:
        with connect_sync(load_database(config, dsn), "hubwatch dead-letters") as connection:
            letter = shown(connection, number)
    say(f"number      {letter.id}\ntopic       {one_line(letter.topic)}\nreason      {one_line(letter.reason)}")
    say(f"first seen  {letter.first_seen:%F %T}Z\nlast seen   {letter.last_seen:%F %T}Z")
    say(f"count       {letter.count}\nreplayed    {letter.replayed or 'no'}\npayload     {letter.octet_length} bytes")
    say(escaped(letter.payload.decode("utf-8", "backslashreplace")))


@app.command()
@border
def replay(
    number: Annotated[int | None, typer.Argument(help="Number of one dead letter; without it, all of them.")] = None,
    config: ConfigFile = None,
    dsn: Dsn = None,
    reason: Contains = None,
) -> None:
    """Process dead letters again, after a fix. What is good now is stored; frames that are there already stay single.

    Without -c or --dsn it is asked for as whoever is logged in, and a collector does it. With a login of the database,
    -c must name the collector's file: its rules hold, such as whether frames must be signed. Exit code 1 when some are
    still dead.
    """
    from hubwatch_core.http.logged_in import reader
    from hubwatch_ops.database.settings import load_collector

    person = reader(config, dsn)
    if person is not None:
        _replay_over_api(person, number, reason)
        return
    _say_replayed(*asyncio.run(_replay(load_collector(config, dsn), number, reason)))


def _replay_over_api(person: LoggedIn, number: int | None, reason: str | None) -> None:
    if number is None:
        asked = person.ask("POST", "/dead-letters/replay", {"reason": reason})["asked"]
        say(f"{int(asked)} are tried again by a collector within some seconds; `list` shows what is still dead")
        return
    person.ask("POST", f"/dead-letters/{number}/replay")
    ends = monotonic() + ANSWER_WITHIN_S
    while (letter := person.ask("GET", f"/dead-letters/{number}"))["waits"]:
        if monotonic() > ends:
            raise Transient(f"no collector has tried it within {ANSWER_WITHIN_S:g} s; it will when one runs")
        sleep(LOOK_EVERY_S)
    if letter["still_dead"] is not None:
        say(f"{number}: {one_line(letter['still_dead'])}", err=True)
    _say_replayed(int(letter["still_dead"] is None), int(letter["still_dead"] is not None))


def _say_replayed(stored: int, still: int) -> None:
    say(f"{stored} stored, {still} still dead")
    if still:
        raise typer.Exit(1)


async def _replay(settings: CollectorSettings, number: int | None, reason: str | None) -> tuple[int, int]:
    from hubwatch_collector.second_chances import SecondChances
    from hubwatch_store.database import connect_sync
    from hubwatch_store.ingest import mark_replayed, shown, waiting

    stored = still = 0
    chances = SecondChances(settings, NAME)
    try:
        with connect_sync(settings.database, NAME) as connection:
            for letter in waiting(connection, reason) if number is None else [shown(connection, number)]:
                why = await chances.again(letter)
                if why is None:
                    mark_replayed(connection, letter.id)
                    stored += 1
                else:
                    say(f"{letter.id}: {one_line(why)}", err=True)
                    still += 1
    finally:
        await chances.close()
    return stored, still


def _told(answer: Mapping[str, Any]) -> DeadLetter:
    from hubwatch_store.ingest import DeadLetter

    moments = {name: datetime.fromisoformat(answer[name]) for name in ("first_seen", "last_seen")}
    replayed = None if answer["replayed"] is None else datetime.fromisoformat(answer["replayed"])
    return DeadLetter(
        int(answer["id"]), answer["topic"], answer["reason"], answer["hub"], answer["agent"], moments["first_seen"],
        moments["last_seen"], int(answer["count"]), int(answer["bytes"]), replayed, None,
        base64.b64decode(answer.get("payload", "")), replay_failed=answer["still_dead"],
    )  # fmt: skip


def _line(letter: DeadLetter) -> str:
    times = f" x{letter.count}" if letter.count > 1 else ""
    mark = " (replayed)" if letter.replayed else ""
    return (
        f"{letter.id:>6}  {letter.last_seen:%F %T}Z{times}  {one_line(letter.topic)}{mark}\n"
        f"        {one_line(letter.reason)[:LINE_CHARS]}"
    )
