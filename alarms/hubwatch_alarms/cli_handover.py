"""Commands that hand over to the next shift: `hubwatch alarms handover draft|show|list|notes|sign|take`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hubwatch_core.process import border
from hubwatch_core.terminal import say, say_json

if TYPE_CHECKING:
    from hubwatch_alarms.logged_in_incidents import IncidentsOverApi
    from hubwatch_alarms.settings import CommandSettings
    from hubwatch_core.permission import Actor
    from hubwatch_store.alarms import Handover
    from hubwatch_store.database import DatabaseConnection

app = typer.Typer(
    name="handover", help="Hand over to the next shift: draft, notes, sign, take over.", no_args_is_help=True
)

ConfigFile = Annotated[
    Path | None,
    typer.Option("-c", "--config", help="TOML file with a section `database`; HUBWATCH_DATABASE__* goes over it."),
]
Number = Annotated[str, typer.Argument(metavar="ID", help="Its number, as `draft` and `list` show it.")]
By = Annotated[str | None, typer.Option("--by", help="Who does this, where the hub has no directory of users.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of text.")]
Digest = Annotated[
    str | None,
    typer.Option(
        "--digest", help="The digest at the end of what you have read; without it you are shown it, and asked."
    ),
]


@app.command()
@border
def draft(
    hub: Annotated[str, typer.Option(help="The hub.")],
    by: By = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Draft what is handed over from what stands now: open, set aside, planned, promised, blind, failing.

    Again, it renews the draft that nobody has taken over yet; its notes stay, and who had signed signs again.
    """
    from hubwatch_alarms import handover, people, views

    somebody = _doer(by)
    if somebody is not None:
        _show(somebody.draft(hub), as_json=as_json)
        return
    name, settings = people.parse_name(by), _settings(config)
    instructions = views.instructions_of(settings)

    async def drafted() -> Handover:
        from hubwatch_store.database import connect, translated
        from hubwatch_store.users import taken_at_their_word

        with translated():
            async with await connect(settings.database, "hubwatch alarms handover") as connection:
                person = await taken_at_their_word(connection, name)
                facts = await handover.gathered(connection, person, hub, instructions)
                async with connection.transaction():
                    return await handover.draft(connection, person, hub, facts)

    _show(handover.whole(asyncio.run(drafted())), as_json=as_json)


@app.command()
@border
def show(number: Number, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Print a handover."""
    from hubwatch_alarms import handover, people

    wanted = people.parse_id(number)
    somebody = _reader(config)
    if somebody is not None:
        found = somebody.handover(wanted)
    else:
        found = _read(config, lambda connection: handover.existing(connection, wanted))
    _show(found, as_json=as_json)


@app.command("list")
@border
def list_(
    config: ConfigFile = None,
    hub: Annotated[str | None, typer.Option(help="Only this hub.")] = None,
    most: Annotated[int, typer.Option(min=1, max=200, help="At most so many.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List handovers, the newest first."""
    from hubwatch_alarms import handover
    from hubwatch_core.plain_text import one_line

    somebody = _reader(config)
    if somebody is not None:
        found = somebody.handovers(hub, most)
    else:
        found = _read(config, lambda connection: handover.listed(connection, hub=hub, most=most))
    if as_json:
        say_json(json.dumps(found, ensure_ascii=False, indent=2))
        return
    for each in found:
        who = f"{each['left_by'] or 'nobody'} to {each['taken_by'] or 'nobody'}"
        say(one_line(f"handover {each['id']} of {each['hub']}, {each['drafted']}, {each['state']}: {who}"))
    if not found:
        say("no handovers")


@app.command()
@border
def notes(
    number: Number,
    text: Annotated[str | None, typer.Argument(metavar="TEXT", help="The notes; they replace those of before.")] = None,
    file: Annotated[Path | None, typer.Option("--file", help="A file that holds them.")] = None,
    by: By = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Put notes in place of those of before; who had signed signs again."""
    from hubwatch_alarms import handover
    from hubwatch_core.errors import BadCall

    if (text is None) == (file is None):
        raise BadCall("say either TEXT or --file FILE")
    said = text if file is None else _text_of(file)
    assert said is not None, "one of the two is given"
    _do(
        number, "notes", {"notes": said}, by, config,
        lambda link, person, wanted: handover.note(link, person, wanted, said), as_json=as_json,
    )  # fmt: skip


@app.command()
@border
def sign(
    number: Number, digest: Digest = None, by: By = None, config: ConfigFile = None, as_json: AsJson = False
) -> None:
    """Sign as whoever leaves; with --digest only what you have read."""
    from hubwatch_alarms import handover

    read = _digest(number, digest, by, config)
    _do(
        number, "sign", {"digest": read}, by, config,
        lambda link, person, wanted: handover.sign(link, person, wanted, read), as_json=as_json,
    )  # fmt: skip


@app.command()
@border
def take(
    number: Number, digest: Digest = None, by: By = None, config: ConfigFile = None, as_json: AsJson = False
) -> None:
    """Sign as whoever takes over, another person than the one who leaves; from then on nobody changes it."""
    from hubwatch_alarms import handover

    read = _digest(number, digest, by, config)
    _do(
        number, "take", {"digest": read}, by, config,
        lambda link, person, wanted: handover.take(link, person, wanted, read), as_json=as_json,
    )  # fmt: skip


def _do(
    number: str, act: str, body: dict[str, object], by: str | None, config: Path | None,
    locally: Callable[[DatabaseConnection, Actor, int], Awaitable[Handover]], *, as_json: bool,
) -> None:  # fmt: skip
    """Do something over the API as whoever is logged in, else in the database as whoever `by` says."""
    from hubwatch_alarms import people

    wanted = people.parse_id(number)
    somebody = _doer(by)
    if somebody is not None:
        _show(somebody.act_on_handover(wanted, act, body), as_json=as_json)
        return

    async def done() -> Handover:
        settings = _settings(config)
        async with people.acting(settings, people.parse_name(by), "hubwatch alarms handover") as (connection, person):
            return await locally(connection, person, wanted)

    _show(asyncio.run(done()), as_json=as_json)


def _digest(number: str, digest: str | None, by: str | None, config: Path | None) -> str:
    """Return the digest of what somebody has read; without one they are shown it now, and asked."""
    from hubwatch_alarms import handover, people

    if digest is not None:
        return digest
    wanted = people.parse_id(number)
    somebody = _doer(by)
    found: dict[str, Any] = (
        handover.whole(_read(config, lambda connection: handover.existing(connection, wanted)))
        if somebody is None
        else somebody.handover(wanted)
    )
    say(found["text"], err=True)
    typer.confirm("Have you read it, and do you sign?", abort=True, err=True)
    return str(found["digest"])


def _show(found: Any, *, as_json: bool) -> None:
    from hubwatch_alarms import handover

    facts = found if isinstance(found, dict) else handover.whole(found)
    if as_json:
        say_json(json.dumps(facts, ensure_ascii=False, indent=2))
    else:
        say(facts["text"])


def _doer(by: str | None) -> IncidentsOverApi | None:
    from hubwatch_alarms.logged_in_incidents import logged_in

    return logged_in(by)


def _reader(config: Path | None) -> IncidentsOverApi | None:
    from hubwatch_alarms.cli_incidents import reader

    return reader(config)


def _read(config: Path | None, read: Callable[[DatabaseConnection], Awaitable[Any]]) -> Any:
    from hubwatch_alarms.cli_incidents import read_over

    return read_over(config, read)


def _text_of(file: Path) -> str:
    from hubwatch_core.errors import BadCall

    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8"
        raise BadCall(f"--file {file} cannot be read: {reason}") from None


def _settings(config: Path | None) -> CommandSettings:
    from hubwatch_alarms.settings import CommandSettings
    from hubwatch_core.config.load import load

    return load(CommandSettings, config)
