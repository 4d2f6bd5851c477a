"""`hubwatch dead-letters`: messages that could not be processed, and a second chance for them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hubwatch_core.cut_lists import more_text
from hubwatch_core.plain_text import escaped, one_line
from hubwatch_core.process import border
from hubwatch_core.terminal import say
from hubwatch_ops.database.options import Dsn

if TYPE_CHECKING:
    from hubwatch_core.time_limits import Limits
    from hubwatch_store.ingest import DeadLetter, Writer

app = typer.Typer(name="dead-letters", help="Messages that could not be processed.", no_args_is_help=True)

ConfigFile = Annotated[
    Path | None, typer.Option("-c", "--config", help="TOML file of the collector; only `database` and `intake` count.")
]
Contains = Annotated[str | None, typer.Option("--reason", help="Only those whose reason contains this text.")]
Number = Annotated[int, typer.Argument(help="Number of the dead letter, from `list`.")]

LINE_CHARS = 100


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
    from hubwatch_ops.database.settings import load_database
    from hubwatch_store.database import connect_sync
    from hubwatch_store.ingest import count_listed, listed

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
    from hubwatch_ops.database.settings import load_database
    from hubwatch_store.database import connect_sync
    from hubwatch_store.ingest import shown

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

    Exit code 1 when some are still dead.
    """
    from hubwatch_ops.database.settings import load_collector
    from hubwatch_store.ingest import Writer

    database, limits = load_collector(config, dsn)
    stored, still = asyncio.run(_replay(Writer(database, "hubwatch dead-letters replay"), limits, number, reason))
    say(f"{stored} stored, {still} still dead")
    if still:
        raise typer.Exit(1)


async def _replay(writer: Writer, limits: Limits, number: int | None, reason: str | None) -> tuple[int, int]:
    from hubwatch_store.database import connect_sync
    from hubwatch_store.ingest import mark_replayed, shown, waiting

    stored = still = 0
    try:
        with connect_sync(writer.settings, "hubwatch dead-letters replay") as connection:
            for letter in waiting(connection, reason) if number is None else [shown(connection, number)]:
                why = await _again(writer, limits, letter)
                if why is None:
                    mark_replayed(connection, letter.id)
                    stored += 1
                else:
                    say(f"{letter.id}: {one_line(why)}", err=True)
                    still += 1
    finally:
        await writer.close()
    return stored, still


async def _again(writer: Writer, limits: Limits, letter: DeadLetter) -> str | None:
    """Store a dead letter; return the reason when it is still dead."""
    from hubwatch_collector.decoding import offer_of
    from hubwatch_core.clock import to_us
    from hubwatch_core.message import Message
    from hubwatch_core.packed_frame import AnyFrame
    from hubwatch_core.wire import Birth
    from hubwatch_store.devices import AgentKeys
    from hubwatch_store.ingest import Letter, Mistrust

    message = Message(letter.topic, letter.payload, 1, False, 0, to_us(letter.first_seen))
    offer = offer_of(message, limits)
    if offer is None:
        return None
    if isinstance(offer.content, Letter):
        return offer.content.reason
    if letter.kind in (Mistrust.FORGED, Mistrust.REPLAYED) and isinstance(offer.content, AnyFrame | Birth):
        keys = AgentKeys(writer.settings, "hubwatch dead-letters replay")
        try:
            (fault,) = await keys.faults([(offer.message, offer.content)])
        finally:
            await keys.close()
        if fault is not None:
            return fault.reason
    written = await writer.write([offer])
    return written.dead[0].reason if written.dead else None


def _line(letter: DeadLetter) -> str:
    times = f" x{letter.count}" if letter.count > 1 else ""
    mark = " (replayed)" if letter.replayed else ""
    return (
        f"{letter.id:>6}  {letter.last_seen:%F %T}Z{times}  {one_line(letter.topic)}{mark}\n"
        f"        {one_line(letter.reason)[:LINE_CHARS]}"
    )
