"""Commands about incidents: `hubwatch alarms incidents`, `ack-incident`, `incident` with what people do with one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hubwatch_core.process import border
from hubwatch_core.terminal import say

if TYPE_CHECKING:
    from hubwatch_alarms.logged_in_incidents import IncidentsOverApi
    from hubwatch_alarms.settings import CommandSettings
    from hubwatch_core.permission import Actor
    from hubwatch_store.database import DatabaseConnection

app = typer.Typer(
    name="incident", help="One incident: show, comment, assign, merge, split, close.", no_args_is_help=True
)

ConfigFile = Annotated[
    Path | None,
    typer.Option("-c", "--config", help="TOML file with a section `database`; HUBWATCH_DATABASE__* goes over it."),
]
Number = Annotated[str, typer.Argument(metavar="ID", help="Its number, as `incidents` shows it.")]
By = Annotated[str | None, typer.Option("--by", help="Who does this, where the hub has no directory of users.")]
Note = Annotated[str | None, typer.Option("--note", help="What you found or did; stands in the journal.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of text.")]
MOST_SHOWN = 200


@border
def incidents(
    config: ConfigFile = None,
    hub: Annotated[str | None, typer.Option(help="Only this hub.")] = None,
    closed: Annotated[bool, typer.Option("--all", help="Closed ones too, after the open ones.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show open incidents, those first of which nobody has taken an alarm, then by how urgent they are."""
    from hubwatch_alarms import incident_views
    from hubwatch_alarms.console_incidents import show_incidents

    somebody = reader(config)
    if somebody is not None:
        found: Any = somebody.incidents(hub, closed=closed)
    else:
        found = read_over(
            config, lambda connection: incident_views.listed(connection, hub=hub, most=MOST_SHOWN, closed=closed)
        )
    _out(found, show_incidents, as_json=as_json)


@border
def ack_incident(incident: Number, by: By = None, note: Note = None, config: ConfigFile = None) -> None:
    """Take every alarm of an incident that nobody has taken; what others have stays theirs."""
    from hubwatch_alarms import acts, people
    from hubwatch_alarms.logged_in_incidents import logged_in

    number, said = people.parse_id(incident), people.parse_note(note)
    somebody = logged_in(by)
    if somebody is not None:
        taken = len(somebody.act(number, "acknowledge", {"note": said})["acknowledged"])
    else:
        name = people.parse_name(by)
        taken = len(
            _act(config, name, lambda connection, person: acts.acknowledge_incident(connection, person, number, said))
        )
    say(f"incident {number}: {taken} {'alarm' if taken == 1 else 'alarms'} taken")


@app.command()
@border
def show(
    incident: Number,
    config: ConfigFile = None,
    after: Annotated[str | None, typer.Option("--after", help="The `next` of the page before.")] = None,
    most: Annotated[int, typer.Option(min=1, max=500, help="Rows of the timeline.")] = 100,
    as_json: AsJson = False,
) -> None:
    """Show an incident as it stands, its alarms, and what happened in it in the order of time."""
    from hubwatch_alarms import incident_views, people, views
    from hubwatch_alarms.console_incidents import show_incident

    number = people.parse_id(incident)
    somebody = reader(config)
    if somebody is not None:
        found = somebody.incident(number) | {"timeline": somebody.timeline(number, after, most)}
    else:
        instructions = views.instructions_of(_settings(config))

        async def both(connection: DatabaseConnection) -> dict[str, Any]:
            shown = await incident_views.details(connection, number, instructions)
            page = await incident_views.timeline(connection, number, after=after, most=most)
            return shown | {"timeline": page}

        found = read_over(config, both)
    _out(found, show_incident, as_json=as_json)


@app.command()
@border
def comment(
    incident: Number,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What there is to say.")],
    by: By = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Say something of an incident; from then on only a person closes it, and not its last alarm."""
    from hubwatch_alarms import incident_acts, people

    number, said = people.parse_id(incident), people.parse_reason(text, "TEXT")
    found = _done(
        by, config, number, "comment", {"text": said},
        lambda connection, person: incident_acts.comment(connection, person, number, said),
    )  # fmt: skip
    _tell(found, "has one comment" if found["comments"] == 1 else f"has {found['comments']} comments", as_json=as_json)


@app.command()
@border
def assign(
    incident: Number,
    to: Annotated[str | None, typer.Option("--to", help="Who is to see to it.")] = None,
    nobody: Annotated[bool, typer.Option("--nobody", help="Take it from whoever has it.")] = False,
    by: By = None,
    note: Note = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Give an incident to a person, or to nobody; what somebody has is closed by a person only."""
    from hubwatch_alarms import incident_acts, people
    from hubwatch_core.errors import BadCall

    number, said = people.parse_id(incident), people.parse_note(note)
    if (to is None) is not nobody:
        raise BadCall("say either --to NAME or --nobody")
    person = None if to is None else people.parse_name(to, "--to")
    found = _done(
        by, config, number, "assign", {"to": person, "note": said},
        lambda connection, doer: incident_acts.assign(connection, doer, number, person, said),
    )  # fmt: skip
    _tell(found, "is with nobody" if found["assigned"] is None else f"is with {found['assigned']}", as_json=as_json)


@app.command()
@border
def merge(
    incident: Number,
    other: Annotated[str, typer.Argument(metavar="OTHER", help="The incident that becomes a part of it.")],
    by: By = None,
    note: Note = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Make another incident a part of one, with its alarms and all that was said of it."""
    from hubwatch_alarms import incident_acts, people

    number, part, said = people.parse_id(incident), people.parse_id(other), people.parse_note(note)
    found = _done(
        by, config, number, "merge", {"other": part, "note": said},
        lambda connection, person: incident_acts.merge(connection, person, number, part, said),
    )  # fmt: skip
    _tell(found, f"has {found['alarms']} alarms now", as_json=as_json)


@app.command()
@border
def split(
    incident: Number,
    alarms: Annotated[list[str], typer.Argument(metavar="ALARM...", help="The alarms that do not belong to it.")],
    by: By = None,
    note: Note = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Make an incident of its own of some alarms of one."""
    from hubwatch_alarms import incident_acts, people

    number, said = people.parse_id(incident), people.parse_note(note)
    wanted = [people.parse_id(each) for each in alarms]
    found = _done(
        by, config, number, "split", {"alarms": wanted, "note": said},
        lambda connection, person: incident_acts.split(connection, person, number, wanted, said),
    )  # fmt: skip
    _tell(found, f"has {found['alarms']} of the alarms of incident {number}", as_json=as_json)


@app.command()
@border
def close(
    incident: Number,
    verdict: Annotated[str, typer.Argument(metavar="WHAT", help="real, innocent, false, test, tamper or other.")],
    end_alarms: Annotated[bool, typer.Option("--end-alarms", help="Alarms that are still open end with it.")] = False,
    by: By = None,
    note: Note = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Say what an incident was, which ends it; each of its alarms that nobody has judged by itself was the same.

    Refused while nobody has taken one of its alarms. Of a closed one, say it anew: the newest word counts.
    """
    from hubwatch_alarms import incident_acts, incident_views, people

    number, said = people.parse_id(incident), people.parse_note(note)
    word = people.parse_adjudication(verdict, said)
    body = {"verdict": str(word), "note": said, "end_alarms": end_alarms}
    somebody = _doer(by)
    if somebody is not None:
        found = somebody.act(number, "close", body)
    else:
        after, ended = _act(
            config,
            people.parse_name(by),
            lambda connection, person: incident_acts.close(
                connection, person, number, word, said, end_alarms=end_alarms
            ),
        )
        found = incident_views.facts_of_incident(after) | {"ended": [change.alarm.id for change in ended]}
    _tell(found, f"was {word}", as_json=as_json)


def _done(
    by: str | None, config: Path | None, number: int, act: str, body: dict[str, object],
    locally: Callable[[DatabaseConnection, Actor], Awaitable[Any]],
) -> dict[str, Any]:  # fmt: skip
    """Do something over the API as whoever is logged in, else in the database as whoever `by` says."""
    from hubwatch_alarms import incident_views, people

    somebody = _doer(by)
    if somebody is not None:
        return somebody.act(number, act, body)
    return incident_views.facts_of_incident(_act(config, people.parse_name(by), locally))


def _doer(by: str | None) -> IncidentsOverApi | None:
    from hubwatch_alarms.logged_in_incidents import logged_in

    return logged_in(by)


def reader(config: Path | None) -> IncidentsOverApi | None:
    """Return incidents as whoever is logged in sees them; None where a configuration names a database or nobody is."""
    from hubwatch_alarms.logged_in_incidents import IncidentsOverApi
    from hubwatch_core.credentials.kept_login import kept
    from hubwatch_core.http.logged_in import LoggedIn

    login = kept() if config is None else None
    return None if login is None else IncidentsOverApi(LoggedIn(login))


def read_over(config: Path | None, read: Callable[[DatabaseConnection], Awaitable[Any]]) -> Any:
    """Return what is read over a connection to the database that a configuration names."""
    from hubwatch_store.database import connect, translated

    async def found() -> Any:
        with translated():
            async with await connect(_settings(config).database, "hubwatch alarms incident") as connection:
                return await read(connection)

    return asyncio.run(found())


def _act(config: Path | None, name: str, act: Callable[[DatabaseConnection, Actor], Awaitable[Any]]) -> Any:
    from hubwatch_alarms import people

    async def done() -> Any:
        async with people.acting(_settings(config), name, "hubwatch alarms incident") as (connection, person):
            return await act(connection, person)

    return asyncio.run(done())


def _out(found: Any, show: Callable[[Any], None], *, as_json: bool) -> None:
    import json

    from hubwatch_core.terminal import say_json

    if as_json:
        say_json(json.dumps(found, ensure_ascii=False, indent=2))
    else:
        show(found)


def _tell(found: dict[str, Any], what: str, *, as_json: bool) -> None:
    from hubwatch_core.plain_text import one_line

    _out(found, lambda each: say(one_line(f"incident {each['id']} {what}")), as_json=as_json)


def _settings(config: Path | None) -> CommandSettings:
    from hubwatch_alarms.settings import CommandSettings
    from hubwatch_core.config.load import load

    return load(CommandSettings, config)
