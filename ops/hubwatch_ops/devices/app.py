"""`hubwatch agent forget` and `hubwatch sensor forget / replace / move / rename`: what no message can say."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from hubwatch_agents.cli.app import app as agent_app
from hubwatch_core.errors import BadCall
from hubwatch_core.ids import is_id
from hubwatch_core.plain_text import escaped, is_text
from hubwatch_core.process import border
from hubwatch_core.terminal import say
from hubwatch_ops.database.options import ConfigFile, Dsn

if TYPE_CHECKING:
    from hubwatch_store.database import DatabaseConnection

__all__ = ["agent_app", "sensor_app"]

sensor_app = typer.Typer(
    name="sensor", help="Sensors: taken away for good, replaced, moved, renamed.", no_args_is_help=True
)

By = Annotated[str, typer.Option("--by", help="Who says so.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it stands in the journals.")]
Since = Annotated[
    str | None, typer.Option("--since", help="From which moment on, ISO 8601, UTC unless it says otherwise; now.")
]
SensorArgument = Annotated[str, typer.Argument(metavar="HUB/SENSOR", help="The sensor.")]

LONGEST = 500
Result = TypeVar("Result")


@agent_app.command()
@border
def forget(
    agent: Annotated[str, typer.Argument(metavar="HUB/AGENT", help="The agent.")],
    by: By,
    reason: Reason,
    config: ConfigFile = None,
    dsn: Dsn = None,
) -> None:
    """Let an agent go that was taken away for good: its alarms close and no board misses it. It must be stopped.

    An agent that announces itself again is simply new.
    """
    from hubwatch_store import devices

    hub, name = _named(agent, "HUB/AGENT")
    who, why = _text(by, "--by"), _text(reason, "--reason")
    gone = _run(lambda connection: devices.forget_agent(connection, hub, name, who, why), config, dsn)
    say(f"agent {name} is forgotten")
    if gone:
        say(f"no agent lists these sensors any more: {', '.join(gone)}")


@sensor_app.command("forget")
@border
def forget_sensor(sensor: SensorArgument, by: By, reason: Reason, config: ConfigFile = None, dsn: Dsn = None) -> None:
    """Let a sensor go that no agent lists any more: its alarms close. What it measured stays."""
    from hubwatch_store import devices

    hub, name = _named(sensor, "HUB/SENSOR")
    who, why = _text(by, "--by"), _text(reason, "--reason")
    _run(lambda connection: devices.forget_sensor(connection, hub, name, who, why), config, dsn)
    say(f"sensor {name} is forgotten; its history stays")


@sensor_app.command()
@border
def replace(
    sensor: SensorArgument,
    by: By,
    reason: Reason,
    since: Since = None,
    config: ConfigFile = None,
    dsn: Dsn = None,
) -> None:
    """Say that another device of the same kind measures: channels begin anew, detectors learn its background anew.

    Not needed when the device's profile or a unit changes: then the agent says so itself.
    """
    from hubwatch_store import devices

    hub, name = _named(sensor, "HUB/SENSOR")
    who, why, at = _text(by, "--by"), _text(reason, "--reason"), _moment(since)
    _run(lambda connection: devices.replace(connection, hub, name, who, why, at), config, dsn)
    say(f"sensor {name} is another device now; what the former one measured stays, as CHANNEL#1, #2, …")


@sensor_app.command()
@border
def move(
    sensor: SensorArgument,
    by: By,
    reason: Reason,
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

    hub, name = _named(sensor, "HUB/SENSOR")
    who, why, at = _text(by, "--by"), _text(reason, "--reason"), _moment(since)
    if (zone is None) == (to is None):
        raise BadCall("say where it is now: a zone, or --to AGENT")
    if to is not None:
        agent = _id(to, "the agent")
        _run(lambda connection: devices.give(connection, hub, name, agent, who, why), config, dsn)
        say(f"sensor {name} is agent {agent}'s now, and no other's; what was measured stays")
    if zone is not None:
        place = _id(zone, "the zone")
        _run(lambda connection: devices.move(connection, hub, name, place, who, why, at), config, dsn)
        say(f"sensor {name} stands in zone {place} now; what it measured elsewhere stays, as CHANNEL#1, #2, …")


@sensor_app.command()
@border
def share(
    sensor: SensorArgument,
    agent: Annotated[str, typer.Option("--with", metavar="AGENT", help="The agent that may list it, too.")],
    by: By,
    reason: Reason,
    config: ConfigFile = None,
    dsn: Dsn = None,
) -> None:
    """Say that several agents make up a sensor, each with channels of its own, as a door's contact and its reader."""
    from hubwatch_store import devices

    hub, name = _named(sensor, "HUB/SENSOR")
    who, why, other = _text(by, "--by"), _text(reason, "--reason"), _id(agent, "the agent")
    _run(lambda connection: devices.share(connection, hub, name, other, who, why), config, dsn)
    say(f"agent {other} may list sensor {name}, too")


@sensor_app.command()
@border
def rename(
    sensor: SensorArgument,
    name: Annotated[str, typer.Argument(help="The new name.")],
    by: By,
    reason: Reason,
    config: ConfigFile = None,
    dsn: Dsn = None,
) -> None:
    """Let a sensor go on under another name, with its history and legal holds, before or after its agent says it."""
    from hubwatch_store import devices

    hub, old = _named(sensor, "HUB/SENSOR")
    who, why = _text(by, "--by"), _text(reason, "--reason")
    _id(name, "the new name")
    _run(lambda connection: devices.rename(connection, hub, old, name, who, why), config, dsn)
    say(f"sensor {old} is called {name} now; change its name in its agent's configuration too")


def _run(work: Callable[[DatabaseConnection], Awaitable[Result]], config: Path | None, dsn: str | None) -> Result:
    from hubwatch_ops.database.settings import load_database
    from hubwatch_store.database import connect

    async def connected() -> Result:
        async with await connect(load_database(config, dsn), "hubwatch devices") as connection:
            return await work(connection)

    return asyncio.run(connected())


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


def _moment(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadCall(f"--since {escaped(text)} is no moment such as 2026-11-21T20:15") from None
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1_000_000)
