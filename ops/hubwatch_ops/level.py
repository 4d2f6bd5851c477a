"""`hubwatch level`: the security level of a hub, changed by an act that is journalled."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from hubwatch_core.errors import BadCall, Permanent
from hubwatch_core.plain_text import escaped, one_line
from hubwatch_core.process import border
from hubwatch_core.terminal import say, say_json
from hubwatch_ops.database.connected import at_their_word, with_database
from hubwatch_ops.database.options import By, ConfigFile, Dsn

if TYPE_CHECKING:
    from hubwatch_core.permission import Actor
    from hubwatch_store.database import DatabaseConnection
    from hubwatch_store.site import Level, LevelChange, Scale

app = typer.Typer(name="level", help="The security level of a hub (ISPS/MARSEC 1 to 3).", no_args_is_help=True)

NAME = "hubwatch level"
WORDS = {1: "normal", 2: "heightened", 3: "exceptional"}


@app.command("set")
@border
def set_(
    hub: Annotated[str, typer.Argument(metavar="HUB", help="The hub.")],
    level: Annotated[int, typer.Argument(min=1, max=3, help="1 normal, 2 heightened, 3 exceptional.")],
    note: Annotated[str, typer.Option("--note", help="Why; stands in the journal.")],
    until: Annotated[
        str | None,
        typer.Option("--until", help="When the level before is in force again, as 2026-11-21T20:15 in the hub's time."),
    ] = None,
    by: By = None,
    config: ConfigFile = None,
    dsn: Dsn = None,
) -> None:
    """Set the level of a hub. Without --until it holds until it is set again; lowering it needs a second person."""
    from hubwatch_ops.site_database import connection_to
    from hubwatch_store import site

    if by is None:
        _set_over_api(hub, level, note, until)
        return
    end: datetime | None = None
    if until is not None:
        with connection_to(config, dsn, NAME) as connection:
            end = _moment(until, ZoneInfo(site.time_zone(connection, hub)))
    former = at_their_word(
        lambda link, person: _set_unverified(link, person, hub, level, note, end), by, config, dsn, NAME
    )
    ends = "" if end is None else f" until {end:%Y-%m-%d %H:%M %Z}, then at the one before again"
    say(f"hub {hub} is at level {level} ({WORDS[level]}){ends}; before it was {former}")


def _set_over_api(hub: str, level: int, note: str, until: str | None) -> None:
    from hubwatch_core.http.logged_in import somebody, waits

    end = None
    if until is not None:
        end = _moment(until, None).isoformat()
    answer = somebody().ask("POST", f"/hubs/{hub}/level", {"level": level, "note": note, "until": end})
    waiting = waits(answer)
    if waiting is not None:
        say(f"it {waiting}")
        return
    say(f"hub {hub} is at level {level} ({WORDS[level]}); before it was {answer['former']}")


async def _set_unverified(
    link: DatabaseConnection, person: Actor, hub: str, level: int, note: str, until: datetime | None
) -> int:
    from hubwatch_core.permission import changing_level
    from hubwatch_store import site
    from hubwatch_store.users import record

    async with link.transaction():
        former = await site.set_level(link, hub, level, by=person.name, note=note, until=until)
        await record(link, person, changing_level(former, level), f"level {level}", hub=hub, details={"note": note})
    return former


@app.command()
@border
def show(
    hub: Annotated[str | None, typer.Argument(metavar="HUB", help="One hub, with its last changes; else all.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of text.")] = False,
    config: ConfigFile = None,
    dsn: Dsn = None,
) -> None:
    """Show the level of each hub, who set it and why, and what each level scales."""
    from hubwatch_store import site

    async def ask(connection: DatabaseConnection) -> tuple[list[Level], list[LevelChange], list[Scale]]:
        await site.end_due(connection)
        changes = [] if hub is None else await site.level_history(connection, hub)
        return await site.levels(connection, hub), changes, await site.scales(connection)

    levels, changes, scales = with_database(ask, config, dsn, NAME)
    if hub is not None and not levels:
        raise Permanent(f"there is no hub {one_line(hub)}")
    if as_json:
        _as_json(levels, changes, scales)
        return
    for each in levels:
        say(_said(each))
    for change in changes:
        ends = "" if change.until is None else f", until {_text(change.until)}"
        head = f"  {_text(change.at)}  {change.former} to {change.level}{ends}"
        say(f"{head}, by {one_line(change.by)}: {one_line(change.note)}")
    say("\nwhat each level scales: level 1, 2, 3")
    for scale in scales:
        values = ", ".join(f"{value:g}" for value in scale.values)
        say(f"  {one_line(scale.what)}: {values}  ({one_line(scale.meaning)})")


def _said(each: Level) -> str:
    head = f"{each.hub}: level {each.level} ({WORDS[each.level]})"
    if each.since is None:
        return f"{head}, as it began"
    until = "" if each.until is None else f" until {_text(each.until)}"
    return f"{head}{until}, since {_text(each.since)}, by {one_line(each.by or '')}: {one_line(each.note or '')}"


def _as_json(levels: list[Level], changes: list[LevelChange], scales: list[Scale]) -> None:
    facts = {
        "levels": [dataclasses.asdict(each) for each in levels],
        "changes": [dataclasses.asdict(each) for each in changes],
        "scales": {each.what: {"meaning": each.meaning, "values": list(each.values)} for each in scales},
    }
    say_json(json.dumps(facts, default=datetime.isoformat, ensure_ascii=False, indent=2))


def _text(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _moment(text: str, zone: ZoneInfo | None) -> datetime:
    """Return a moment to come, in the hub's zone where it names none; raises BadCall."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadCall(f"--until {escaped(text)} is no moment such as 2026-11-21T20:15") from None
    if moment.tzinfo is None and zone is None:
        raise BadCall(f"--until {escaped(text)} needs its offset from UTC, such as 2026-11-21T20:15+01:00")
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)
    if moment <= datetime.now(UTC):
        raise BadCall(f"--until {escaped(text)} is over already")
    return moment
