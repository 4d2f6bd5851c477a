"""Whose a sensor is: who may list it, and who may say something of it.

The first agent that lists a sensor has it, until it lists it no more or is taken away; several have it where a person
has said so, or where they shared it before this was asked for. Nobody needs to have listed what nobody lists. What an
agent sent while a sensor was its own may come later.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from typing import Any, NamedTuple

import msgspec

from hubwatch_core.clock import now_us
from hubwatch_core.errors import Permanent
from hubwatch_core.name_lists import SeriesName
from hubwatch_core.packed_frame import AnyFrame, PackedFrame
from hubwatch_core.packing import packed, unpacked
from hubwatch_core.wire import Birth, Event, Frame, Sensor
from hubwatch_store.database import DatabaseConnection, translated
from hubwatch_store.database.sql_files import queries
from hubwatch_store.devices import journal, listings
from hubwatch_store.devices.departures import the_sensor

MOST_REMEMBERED = 200_000


class Said(NamedTuple):
    """What an agent says something of; `channel` is empty where it is an event."""

    hub: str
    agent: str
    sensor: str
    channel: str


class Right(NamedTuple):
    """Whether an agent may say it: now, or in what was sent before (µs); and whether it was announced in a birth."""

    now: bool
    until: int
    announced: bool


class SayingRules(NamedTuple):
    """What is asked of agents."""

    own: bool = False
    """Sensors are said by those who have them, and by nobody else."""
    announced: bool = False
    """Only what a birth has announced is said."""


class Sifted(NamedTuple):
    """What may be stored of a frame, and of which sensors something is not: those of others, and not announced ones."""

    frame: AnyFrame
    claimed: tuple[str, ...] = ()
    unannounced: tuple[str, ...] = ()


class Rights:
    """Sifts frames; remembers who may say what until what names mean changes."""

    def __init__(self, rules: SayingRules) -> None:
        self.rules = rules
        self._known: dict[Said, Right] = {}

    def forget(self) -> None:
        """Ask anew: something has changed."""
        self._known.clear()

    async def sift(self, connection: DatabaseConnection, frames: Iterable[AnyFrame]) -> list[Sifted]:
        """Return what may be stored of each frame. Raises Transient or Permanent."""
        frames = list(frames)
        if not any(self.rules):
            return [Sifted(frame) for frame in frames]
        missing = {said for frame in frames for said in _said_in(frame)} - self._known.keys()
        refused: dict[Said, Right] = {}
        if missing:
            with translated():
                columns = [list(column) for column in zip(*sorted(missing), strict=True)]
                cursor = await connection.execute(queries("rights")["until"], columns)
                rows: list[tuple[Any, ...]] = await cursor.fetchall()
            for hub, agent, sensor, channel, now, until, announced in rows:
                good = now and (announced or not self.rules.announced)
                # What is refused may be announced in the next moment, so it is asked for each time.
                (self._known if good else refused)[Said(hub, agent, sensor, channel)] = Right(
                    now, until or 0, announced
                )
        if len(self._known) > MOST_REMEMBERED:
            self.forget()
        return [self._sifted(frame, self._known | refused if refused else self._known) for frame in frames]

    def _sifted(self, frame: AnyFrame, rights: Mapping[Said, Right]) -> Sifted:
        claimed, unannounced = set[str](), set[str]()

        def may(sensor: str, channel: str) -> bool:
            right = rights.get(Said(frame.hub, frame.agent, sensor, channel))
            if right is None:  # forgotten for room, and then it is asked for with the next frame
                return True
            if self.rules.own and not right.now and frame.sent >= right.until:
                claimed.add(sensor)
                return False
            if self.rules.announced and not right.announced:
                unannounced.add(sensor)
                return False
            return True

        names = {name for name in frame.series_names if may(*name)}
        events = [each for each in frame.events if may(each.sensor, "")]
        if not (claimed or unannounced):
            return Sifted(frame)
        return Sifted(_only(frame, names, events), tuple(sorted(claimed)), tuple(sorted(unannounced)))


def _only(frame: AnyFrame, names: Set[SeriesName], events: list[Event]) -> AnyFrame:
    """Return a frame with some of its series and these events."""
    if isinstance(frame, PackedFrame):
        return packed(_of_series(unpacked(frame), names, events))
    return _of_series(frame, names, events)


def _of_series(frame: Frame, names: Set[SeriesName], events: list[Event]) -> Frame:
    series = [each for each in frame.series if (each.sensor, each.channel) in names]
    return msgspec.structs.replace(frame, series=series, events=events)


def _said_in(frame: AnyFrame) -> set[Said]:
    said = {Said(frame.hub, frame.agent, *name) for name in frame.series_names}
    return said | {Said(frame.hub, frame.agent, each.sensor, "") for each in frame.events}


async def claimed_in(connection: DatabaseConnection, birth: Birth) -> dict[str, str]:
    """Return the sensors that a birth lists and other agents have, with who has them; under the lock of names."""
    values = {"hub": birth.hub, "agent": birth.agent, "sensors": [each.sensor for each in birth.inventory]}
    cursor = await connection.execute(queries("rights")["claimed"], values)
    return {str(sensor): str(agent) for sensor, agent in await cursor.fetchall()}


async def note_claims(connection: DatabaseConnection, birth: Birth, at: int, refused: Iterable[Sensor]) -> None:
    """Remember what an agent listed that is another's, for the case that a person gives it to it."""
    sql = queries("rights")
    await connection.execute(sql["forget_claims"], (birth.hub, birth.agent))
    claims = list(refused)
    if claims:
        said = [msgspec.json.encode(each).decode() for each in claims]
        names = [each.sensor for each in claims]
        await connection.execute(sql["claim"], (birth.hub, birth.agent, at, names, said))


async def give(connection: DatabaseConnection, hub: str, sensor: str, agent: str, by: str, reason: str) -> None:
    """Say that a sensor is an agent's from now on, and no other's. Raises Permanent when there is none."""
    await _change(connection, "give", journal.GIVEN, hub, sensor, agent, by, reason)


async def share(connection: DatabaseConnection, hub: str, sensor: str, agent: str, by: str, reason: str) -> None:
    """Say that another agent may list a sensor, too. Raises Permanent when there is none."""
    await _change(connection, "share", journal.SHARED, hub, sensor, agent, by, reason)


async def _change(
    connection: DatabaseConnection, how: str, action: str, hub: str, sensor: str, agent: str, by: str, reason: str
) -> None:
    journal.check_words(by, reason)
    sql = queries("rights")
    what = {"hub": hub, "sensor": sensor, "agent": agent, "by": by}
    with translated():
        async with connection.transaction():
            await listings.lock(connection)
            await the_sensor(connection, hub, sensor)
            cursor = await connection.execute(queries("devices")["agent"], (hub, agent))
            if await cursor.fetchone() is None:
                raise Permanent(f"there is no agent {agent} at hub {hub}")
            await connection.execute(sql[how], what)
            if how == "give":
                await connection.execute(sql["take_away"], what)
            cursor = await connection.execute(sql["claimed_before"], what)
            said = [msgspec.json.decode(str(text), type=Sensor) for (text,) in await cursor.fetchall()]
            await listings.add(connection, hub, agent, said, [sensor], now_us())
            await journal.write(connection, action, hub, by, reason, sensor=sensor, target=agent)
            await connection.execute(queries("listings")["changed"])
