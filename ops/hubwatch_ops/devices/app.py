"""`hubwatch agent forget` and `hubwatch sensor forget / replace / move / rename`: what no message can say."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from hubwatch_agents.cli.app import app as agent_app
from hubwatch_core.clock import to_us
from hubwatch_core.errors import BadCall
from hubwatch_core.ids import is_id
from hubwatch_core.plain_text import escaped, is_text, one_line
from hubwatch_core.process import border
from hubwatch_core.terminal import say
from hubwatch_ops.database.connected import at_their_word
from hubwatch_ops.database.options import By, ConfigFile, Dsn

if TYPE_CHECKING:
    from hubwatch_core.permission import Actor
    from hubwatch_store.database import DatabaseConnection

__all__ = ["agent_app", "sensor_app"]

sensor_app = typer.Typer(
    name="sensor", help="Sensors: taken away for good, replaced, moved, renamed.", no_args_is_help=True
)

Reason = Annotated[str, typer.Option("--reason", help="Why; it stands in the journals.")]
Since = Annotated[
    str | None, typer.Option("--since", help="From which moment on, ISO 8601, UTC unless it says otherwise; now.")
]
SensorArgument = Annotated[str, typer.Argument(metavar="HUB/SENSOR", help="The sensor.")]

LONGEST = 500
NAME = "hubwatch devices"
Result = TypeVar("Result")


@agent_app.command()
@border
def forget(
    agent: Annotated[str, typer.Argument(metavar="HUB/AGENT", help="The agent.")],
    reason: Reason,
    by: By = None,
    config: ConfigFile = None,
    dsn: Dsn = None,
) -> None:
    """Let an agent go that was taken away for good: its alarms close and no board misses it. It must be stopped.

    An agent that announces itself again is simply new.
    """
    from hubwatch_store import devices

    hub, name = _named(agent, "HUB/AGENT")
    order = _Order(f"/agents/{hub}/{name}/forget", hub, f"agent {name}", "forgotten", _text(reason, "--reason"))

    async def work(connection: DatabaseConnection, who: str) -> dict[str, Any]:
        return {"gone": await devices.forget_agent(connection, hub, name, who, order.reason)}

    gone = order.give({}, work, by, config, dsn)["gone"]
    say(f"agent {name} is forgotten")
    if gone:
        say(f"no agent lists these sensors any more: {', '.join(map(one_line, gone))}")


@sensor_app.command("forget")
@border
def forget_sensor(
    sensor: SensorArgument, reason: Reason, by: By = None, config: ConfigFile = None, dsn: Dsn = None
) -> None:
    """Let a sensor go that no agent lists any more: its alarms close. What it measured stays."""
    from hubwatch_store import devices

    hub, name, order = _order(sensor, "forget", "forgotten", reason)

    async def work(connection: DatabaseConnection, who: str) -> None:
        await devices.forget_sensor(connection, hub, name, who, order.reason)

    order.give({}, work, by, config, dsn)
    say(f"sensor {name} is forgotten; its history stays")


@sensor_app.command()
@border
def replace(
    sensor: SensorArgument,
    reason: Reason,
    by: By = None,
    since: Since = None,
    config: ConfigFile = None,
    dsn: Dsn = None,
) -> None:
    """Say that another device of the same kind measures: channels begin anew, detectors learn its background anew.

    Not needed when the device's profile or a unit changes: then the agent says so itself.
    """
    from hubwatch_store import devices

    hub, name, order = _order(sensor, "replace", "replaced", reason)
    at = _moment(since)

    async def work(connection: DatabaseConnection, who: str) -> None:
        await devices.replace(connection, hub, name, who, order.reason, _us(at))

    order.give({"since": _iso(at)}, work, by, config, dsn)
    say(f"sensor {name} is another device now; what the former one measured stays, as CHANNEL#1, #2, …")


@sensor_app.command()
@border
def move(
    sensor: SensorArgument,
    reason: Reason,
    by: By = None,
    zone: Annotated[str | None, typer.Argument(help="The zone in which it stands now.")] = None,
    to: Annotated[
        str | None, typer.Option("--to", metavar="AGENT", help="The agent that has it now, and no other.")
    ] = None,
    since: Since = None,
    config: ConfigFile = None,
    dsn: Dsn = None,
) -> None:
    """Say that a sensor stands in another zone, until its agent says another one than before, or is another agent's."""
    from hubwatch_store import devices

    hub, name, order = _order(sensor, "move", "moved", reason)
    at = _moment(since)
    if (zone is None) == (to is None):
        raise BadCall("say where it is now: a zone, or --to AGENT")
    agent = None if to is None else _id(to, "the agent")
    place = None if zone is None else _id(zone, "the zone")

    async def work(connection: DatabaseConnection, who: str) -> None:
        if agent is not None:
            await devices.give(connection, hub, name, agent, who, order.reason)
        if place is not None:
            await devices.move(connection, hub, name, place, who, order.reason, _us(at))

    order.give({"zone": place, "agent": agent, "since": _iso(at)}, work, by, config, dsn)
    if agent is not None:
        say(f"sensor {name} is agent {agent}'s now, and no other's; what was measured stays")
    if place is not None:
        say(f"sensor {name} stands in zone {place} now; what it measured elsewhere stays, as CHANNEL#1, #2, …")


@sensor_app.command()
@border
def share(
    sensor: SensorArgument,
    agent: Annotated[str, typer.Option("--with", metavar="AGENT", help="The agent that may list it, too.")],
    reason: Reason,
    by: By = None,
    config: ConfigFile = None,
    dsn: Dsn = None,
) -> None:
    """Say that several agents make up a sensor, each with channels of its own, as a door's contact and its reader."""
    from hubwatch_store import devices

    hub, name, order = _order(sensor, "share", "shared", reason)
    other = _id(agent, "the agent")

    async def work(connection: DatabaseConnection, who: str) -> None:
        await devices.share(connection, hub, name, other, who, order.reason)

    order.give({"agent": other}, work, by, config, dsn)
    say(f"agent {other} may list sensor {name}, too")


@sensor_app.command()
@border
def rename(
    sensor: SensorArgument,
    name: Annotated[str, typer.Argument(help="The new name.")],
    reason: Reason,
    by: By = None,
    config: ConfigFile = None,
    dsn: Dsn = None,
) -> None:
    """Let a sensor go on under another name, with its history and legal holds, before or after its agent says it."""
    from hubwatch_store import devices

    hub, old, order = _order(sensor, "rename", "renamed", reason)
    _id(name, "the new name")

    async def work(connection: DatabaseConnection, who: str) -> None:
        await devices.rename(connection, hub, old, name, who, order.reason)

    order.give({"name": name}, work, by, config, dsn)
    say(f"sensor {old} is called {name} now; change its name in its agent's configuration too")


@dataclass(frozen=True, slots=True)
class _Order:
    """What somebody orders of a device, and where the API takes it."""

    path: str
    hub: str
    subject: str
    what: str
    reason: str

    def give(
        self,
        body: Mapping[str, object],
        work: Callable[[DatabaseConnection, str], Awaitable[Result]],
        by: str | None,
        config: Path | None,
        dsn: str | None,
    ) -> Result:
        """Have it done: as whoever is logged in by the API, else at their word in the database."""
        if by is None:
            from hubwatch_core.http.logged_in import somebody

            answer: Result = somebody().ask("POST", self.path, {**body, "reason": self.reason})
            return answer
        return at_their_word(
            lambda link, person: self._ordered(link, person, work), _text(by, "--by"), config, dsn, NAME
        )

    async def _ordered(
        self, link: DatabaseConnection, person: Actor, work: Callable[[DatabaseConnection, str], Awaitable[Result]]
    ) -> Result:
        from hubwatch_store import devices

        async with devices.ordered(link, person, self.hub, self.subject, self.what, self.reason):
            return await work(link, person.name)


def _order(sensor: str, act: str, what: str, reason: str) -> tuple[str, str, _Order]:
    hub, name = _named(sensor, "HUB/SENSOR")
    order = _Order(f"/sensors/{hub}/{name}/{act}", hub, f"sensor {name}", what, _text(reason, "--reason"))
    return hub, name, order


def _named(text: str, form: str) -> tuple[str, str]:
    hub, slash, name = text.partition("/")
    if not slash:
        raise BadCall(f"{escaped(text)}: say {form}")
    return _id(hub, "the hub"), _id(name, f"the {form.partition('/')[2].lower()}")


def _id(text: str, what: str) -> str:
    if not is_id(text):
        raise BadCall(f"{escaped(text)}: {what} has a-z, 0-9, dots, dashes and underscores")
    return text


def _text(text: str, option: str) -> str:
    if not text.strip() or len(text) > LONGEST or "\0" in text or not is_text(text):
        raise BadCall(f"{option} must say it in at most {LONGEST} characters of UTF-8 text")
    return text.strip()


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadCall(f"--since {escaped(text)} is no moment such as 2026-11-21T20:15") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _us(moment: datetime | None) -> int | None:
    return None if moment is None else to_us(moment)


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
