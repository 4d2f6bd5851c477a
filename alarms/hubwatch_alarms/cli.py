"""`hubwatch alarms`: run the component, and what people do with alarms."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hubwatch_alarms import cli_handover, cli_incidents
from hubwatch_alarms.cli_drill import drill
from hubwatch_alarms.cli_incidents import ack_incident, incidents
from hubwatch_alarms.cli_suppressing import lift, suppress, suppressions
from hubwatch_alarms.cli_watch import watch
from hubwatch_core.process import border
from hubwatch_core.terminal import hand_over, say, say_json

if TYPE_CHECKING:
    from hubwatch_alarms.mover import AlarmChange
    from hubwatch_alarms.settings import CommandSettings

app = typer.Typer(name="alarms", help="Alarms: run, list, show, acknowledge, shelve, close.", no_args_is_help=True)

app.command()(incidents)
app.command("ack-incident")(ack_incident)
app.add_typer(cli_incidents.app)
app.add_typer(cli_handover.app)
app.command()(suppress)
app.command()(suppressions)
app.command()(lift)
app.command()(drill)
app.command()(watch)

ConfigFile = Annotated[
    Path | None,
    typer.Option("-c", "--config", help="TOML file with a section `database`; HUBWATCH_DATABASE__* goes over it."),
]
AlarmId = Annotated[str, typer.Argument(metavar="ID", help="The alarm's number, as `hubwatch alarms list` shows it.")]
By = Annotated[
    str | None,
    typer.Option("--by", help="Who does this, where the hub has no directory of users; else it is who is logged in."),
]
AgreedBy = Annotated[
    str | None, typer.Option("--agreed-by", help="The second person, where the hub has no directory of users.")
]
Note = Annotated[str | None, typer.Option("--note", help="What you found or did; stands in the journal.")]
MOST_LISTED = 10_000
AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of a table.")]


@app.command()
@border
def run(config: Annotated[Path, typer.Option("-c", "--config", help="The component's TOML file.")]) -> None:
    """Turn detections into alarms and tell people, until SIGTERM or Ctrl-C."""
    from hubwatch_alarms.check import check
    from hubwatch_alarms.service import parts
    from hubwatch_core.process import serve

    settings = check(config)
    code = serve("alarms", lambda context: parts(settings, context), telemetry=settings.telemetry, log=settings.log)
    raise typer.Exit(code)


@app.command("check-config")
@border
def check_config(file: Annotated[Path, typer.Argument(help="The TOML file to check.")]) -> None:
    """Check a configuration whole, with its secrets and instructions, without connecting to anything."""
    from hubwatch_alarms.check import check

    settings = check(file)
    names = ", ".join(f"{route.name} ({route.kind})" for route in settings.routes)
    say(f"{file} is valid; routes: {names or 'none, so nobody is notified'}")


@app.command("sample-config")
def sample_config() -> None:
    """Print a commented configuration to begin with."""
    from importlib import resources

    hand_over(resources.files("hubwatch_alarms").joinpath("sample.toml").read_text(encoding="utf-8"))


@app.command("list")
@border
def list_(
    config: ConfigFile = None,
    hub: Annotated[str | None, typer.Option(help="Only alarms of this hub.")] = None,
    closed: Annotated[bool, typer.Option("--all", help="Closed ones too, after the open ones.")] = False,
    most: Annotated[int, typer.Option(min=1, max=MOST_LISTED, help="At most so many; the rest is counted.")] = 100,
    as_json: AsJson = False,
) -> None:
    """List alarms in the order in which they want attention; without -c those that whoever is logged in sees."""
    from hubwatch_alarms import views
    from hubwatch_alarms.console import show_list
    from hubwatch_alarms.logged_in import MOST_LISTED as MOST_OVER_API
    from hubwatch_alarms.logged_in import AlarmsOverApi
    from hubwatch_core.clock import now_us
    from hubwatch_core.credentials.kept_login import kept
    from hubwatch_core.cut_lists import more_text
    from hubwatch_core.http.logged_in import LoggedIn
    from hubwatch_core.plain_text import one_line

    settings = _settings(config)
    instructions = views.instructions_of(settings)
    login = kept() if config is None else None
    if login is not None:
        answer = AlarmsOverApi(LoggedIn(login)).listed(hub, closed=closed, most=most)
        facts, found, limit = answer["alarms"], views.of_facts(answer), MOST_OVER_API
    else:
        limit = MOST_LISTED
        found = asyncio.run(views.all_alarms(settings, hub=hub, closed=closed, most=most))
        facts = found.facts(instructions)
    if as_json:
        say_json(json.dumps(facts, ensure_ascii=False, indent=2))
    else:
        show_list(views.console(), found.alarms, instructions, now_us(), found.telling, found.causes)
    if found.floods:
        say(f"flood at {one_line(', '.join(found.floods))}: its alarms are in the order they began", err=as_json)
    if found.more:
        # Not in the JSON, which is a list; whoever reads it by program sees this line, too.
        say(more_text(found.more, len(found.alarms), limit=limit, at_least=found.at_least), err=as_json)


@app.command()
@border
def show(alarm: AlarmId, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Show everything about one alarm: what to do, its journal, and who was notified.

    Without -c it is one that whoever is logged in sees.
    """
    from hubwatch_alarms import views
    from hubwatch_alarms.console import show_one
    from hubwatch_alarms.logged_in import AlarmsOverApi
    from hubwatch_alarms.people import parse_id
    from hubwatch_core.credentials.kept_login import kept
    from hubwatch_core.http.logged_in import LoggedIn

    number, login = parse_id(alarm), kept() if config is None else None
    if login is not None:
        facts = AlarmsOverApi(LoggedIn(login)).whole(number)
        whole, instruction = views.whole_of_facts(facts), views.instruction_of_facts(facts)
    else:
        settings = _settings(config)
        whole, instructions = asyncio.run(views.whole_alarm(settings, number)), views.instructions_of(settings)
        facts, instruction = whole.facts(instructions), instructions.of(whole.alarm.type, whole.alarm.hub)
    if as_json:
        say_json(json.dumps(facts, ensure_ascii=False, indent=2))
    else:
        show_one(views.console(), whole.alarm, instruction, whole.journal, whole.attempts, whole.was)


@app.command()
@border
def priorities(config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Show how urgent each type of alarm is, and what makes it so: the hub's own table over the packaged one."""
    from hubwatch_alarms import views
    from hubwatch_alarms.console_priorities import facts_of_priorities, show_priorities
    from hubwatch_alarms.priorities import Priorities

    table = Priorities.load(_settings(config).priorities_file)
    if as_json:
        say_json(json.dumps(facts_of_priorities(table), ensure_ascii=False, indent=2))
    else:
        show_priorities(views.console(), table)


@app.command()
@border
def ack(alarm: AlarmId, by: By = None, note: Note = None, config: ConfigFile = None) -> None:
    """Take an alarm: from now on everybody sees that you have it."""
    from hubwatch_alarms import people
    from hubwatch_alarms.logged_in import logged_in

    number, said = people.parse_id(alarm), people.parse_note(note)
    somebody = logged_in(by)
    if somebody is not None:
        say(somebody.acknowledge(number, said))
        return
    wish = people.acknowledge(_settings(config), number, people.parse_name(by), said)
    _say(asyncio.run(wish), nothing="was already yours")


@app.command()
@border
def shelve(
    alarm: AlarmId,
    note: Annotated[str, typer.Option("--note", help="Why; stands in the journal.")],
    duration: Annotated[str, typer.Option("--for", metavar="TIME", help="How long: 30m, 2h.")],
    by: By = None,
    agreed_by: AgreedBy = None,
    config: ConfigFile = None,
) -> None:
    """Set an alarm aside for a time; it comes back by itself, and at once when something more urgent is detected.

    Radiation, and the last sensor of a zone that is heard, need a second person.
    """
    from hubwatch_alarms import people
    from hubwatch_alarms.logged_in import logged_in

    number, reason = people.parse_id(alarm), people.parse_reason(note)
    duration_s = people.parse_duration_s(duration)
    second = None if agreed_by is None else people.parse_name(agreed_by, "--agreed-by")
    somebody = logged_in(by, agreed_by)
    if somebody is not None:
        say(somebody.shelve(number, duration_s, reason))
        return
    wish = people.shelve(_settings(config), number, people.parse_name(by), duration_s, reason, second)
    _say(asyncio.run(wish))


@app.command()
@border
def unshelve(alarm: AlarmId, by: By = None, note: Note = None, config: ConfigFile = None) -> None:
    """Take an alarm off the shelf; you have it then, unless somebody had acknowledged it before."""
    from hubwatch_alarms import people
    from hubwatch_alarms.logged_in import logged_in

    number, said = people.parse_id(alarm), people.parse_note(note)
    somebody = logged_in(by)
    if somebody is not None:
        say(somebody.unshelve(number, said))
        return
    wish = people.unshelve(_settings(config), number, people.parse_name(by), said)
    _say(asyncio.run(wish))


@app.command()
@border
def close(
    alarm: AlarmId,
    reason: Annotated[str, typer.Option("--reason", help="Why it ends although its condition did not.")],
    by: By = None,
    config: ConfigFile = None,
) -> None:
    """End an alarm that nothing else can end, because what reported it is gone; a new detection opens a new alarm."""
    from hubwatch_alarms import people
    from hubwatch_alarms.logged_in import logged_in

    number, why = people.parse_id(alarm), people.parse_reason(reason, "--reason")
    somebody = logged_in(by)
    if somebody is not None:
        say(somebody.close(number, why))
        return
    wish = people.close(_settings(config), number, people.parse_name(by), why)
    _say(asyncio.run(wish))


@app.command()
@border
def adjudicate(
    alarm: AlarmId,
    verdict: Annotated[str, typer.Argument(metavar="WHAT", help="real, innocent, false, test, tamper or other.")],
    by: By = None,
    note: Note = None,
    config: ConfigFile = None,
) -> None:
    """Say what an alarm was, open or closed; the newest word counts, and all of them stay.

    From these words follow the false alarms that detectors have made: `hubwatch detectors budget` shows them.
    """
    from hubwatch_alarms import people
    from hubwatch_alarms.logged_in import logged_in

    number, said = people.parse_id(alarm), people.parse_note(note)
    word = people.parse_adjudication(verdict, said)
    somebody = logged_in(by)
    if somebody is not None:
        say(somebody.adjudicate(number, word, said))
        return
    wish = people.adjudicate(_settings(config), number, word, people.parse_name(by), said)
    say(f"alarm {asyncio.run(wish).id} was {word}, says {people.parse_name(by)}")


@app.command()
@border
def oncall(
    config: ConfigFile = None,
    at: Annotated[str | None, typer.Option("--at", metavar="TIME", help="At another moment: 2026-12-24T08:00.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show who is on call and until when, on the clock of each rota."""
    from hubwatch_alarms.oncall import showing

    rotas = _settings(config).rotas
    moments = [showing.parse_moment(at, rota) for rota in rotas]
    if as_json:
        say_json(json.dumps(showing.facts(rotas, moments), ensure_ascii=False, indent=2))
        return
    for rota, moment in zip(rotas, moments, strict=True):
        say(showing.line(rota, moment))
    if not rotas:
        say("there is no rota: [[rotas]] of the alarms' configuration makes one; -c names the file", err=True)


def _settings(config: Path | None) -> CommandSettings:
    from hubwatch_alarms.settings import CommandSettings
    from hubwatch_core.config.load import load

    return load(CommandSettings, config)


def _say(change: AlarmChange, nothing: str = "did not change") -> None:
    if not change.entries:
        say(f"alarm {change.alarm.id} {nothing}")
        return
    holder = f", with {change.alarm.acknowledged_by}" if change.alarm.acknowledged_by else ""
    say(f"alarm {change.alarm.id} is {change.alarm.state}{holder}")
