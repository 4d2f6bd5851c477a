"""Reads every device for a few seconds and tells what came: the technician's proof that a reading is right."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from hubwatch_agents import drivers, privacy
from hubwatch_agents.checked import Checked
from hubwatch_agents.connections import Connection, SparkplugWay
from hubwatch_agents.readings import Happening, Reading
from hubwatch_core.words import Quality


class Looker:
    """A sink that keeps the last reading of every channel and every happening."""

    def __init__(self) -> None:
        self.last: dict[tuple[str, str], Reading] = {}
        self.count: dict[tuple[str, str], int] = {}
        self.happenings: list[Happening] = []

    def reading(self, reading: Reading) -> None:
        """Take one reading."""
        key = (reading.sensor, reading.channel)
        self.last[key] = reading
        self.count[key] = self.count.get(key, 0) + 1

    def happening(self, happening: Happening) -> None:
        """Take one happening."""
        self.happenings.append(happening)


def look(checked: Checked, seconds: float) -> tuple[list[str], bool]:
    """Read for `seconds`; gives the lines to show, and whether every channel was good."""
    looker = Looker()
    asyncio.run(_read(checked, seconds, looker))
    lines = list(_lines(checked, looker))
    wanted = {(device.sensor, channel.name) for device in checked.devices for channel in device.profile.channels}
    good = {key for key, reading in looker.last.items() if reading.quality is Quality.GOOD}
    return lines, wanted <= good


async def _read(checked: Checked, seconds: float, looker: Looker) -> None:
    settings, stop = checked.settings, asyncio.Event()
    tools = drivers.Tools(looker, privacy.of(settings.privacy), f"hubwatch-look-{settings.hub}-{settings.agent}")
    made = []
    for connection in settings.connections:
        behind = [device for device in checked.devices if device.connection.name == connection.name]
        if behind:
            made.append(drivers.make(_unnoticed(connection), behind, tools))
    tasks = [asyncio.create_task(driver.run(stop)) for driver in made]
    await asyncio.sleep(seconds)
    stop.set()
    await asyncio.gather(*tasks)


def _unnoticed(connection: Connection) -> Connection:
    """Whoever only looks must not be taken for the host of Sparkplug nodes, and not end it when done."""
    return connection.model_copy(update={"host_id": None}) if isinstance(connection, SparkplugWay) else connection


def _lines(checked: Checked, looker: Looker) -> Iterator[str]:
    for device in checked.devices:
        for channel in device.profile.channels:
            key = (device.sensor, channel.name)
            reading = looker.last.get(key)
            if reading is None:
                yield f"{device.sensor:20} {channel.name:24} nothing came"
                continue
            value = "–" if reading.x is None else f"{reading.x:g} {channel.unit}"
            why = f" ({reading.reason})" if reading.reason else ""
            quality = reading.quality.name.lower()
            yield f"{device.sensor:20} {channel.name:24} {value:24} {quality}{why}, {looker.count[key]} readings"
    for happening in looker.happenings:
        yield f"{happening.sensor:20} {happening.type:24} {happening.subject or ''} {happening.attrs or ''}"
