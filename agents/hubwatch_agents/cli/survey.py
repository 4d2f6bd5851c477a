"""Reads every device for a few seconds and tells what came: the technician's proof that a reading is right."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from hubwatch_agents.devices import Configuration
from hubwatch_agents.drivers import contract, registry
from hubwatch_agents.readings import Reading, SensorEvent
from hubwatch_agents.values import pseudonyms
from hubwatch_core.plain_text import one_line
from hubwatch_core.words import Quality


class SurveySink:
    """A sink that keeps the last reading of every channel and every event."""

    def __init__(self) -> None:
        self.last: dict[tuple[str, str], Reading] = {}
        self.count: dict[tuple[str, str], int] = {}
        self.events: list[SensorEvent] = []

    def emit(self, item: Reading | SensorEvent) -> None:
        """Keep it."""
        if isinstance(item, SensorEvent):
            self.events.append(item)
            return
        reading = item
        key = (reading.sensor, reading.channel)
        self.last[key] = reading
        self.count[key] = self.count.get(key, 0) + 1


def look(checked: Configuration, seconds: float) -> tuple[list[str], bool]:
    """Read for `seconds`; gives the lines to show, and whether every channel was good."""
    looker = SurveySink()
    asyncio.run(_read(checked, seconds, looker))
    lines = list(_lines(checked, looker))
    wanted = {(device.sensor, channel.name) for device in checked.devices for channel in device.profile.channels}
    good = {key for key, reading in looker.last.items() if reading.quality is Quality.GOOD}
    return lines, wanted <= good


async def _read(checked: Configuration, seconds: float, looker: SurveySink) -> None:
    settings, stop = checked.settings, asyncio.Event()
    tools = contract.DriverContext(
        looker, pseudonyms.of(settings.privacy), f"hubwatch-look-{settings.hub}-{settings.agent}"
    )
    made = []
    for connection in settings.connections:
        behind = [device for device in checked.devices if device.connection.name == connection.name]
        if behind:
            made.append(registry.make(connection.unnoticed(), behind, tools))
    tasks = [asyncio.create_task(driver.run(stop)) for driver in made]
    await asyncio.sleep(seconds)
    stop.set()
    await asyncio.gather(*tasks)


def _lines(checked: Configuration, looker: SurveySink) -> Iterator[str]:
    for device in checked.devices:
        for channel in device.profile.channels:
            key = (device.sensor, channel.name)
            reading = looker.last.get(key)
            if reading is None:
                yield f"{device.sensor:20} {channel.name:24} nothing came"
                continue
            value = "–" if reading.x is None else f"{reading.x:g} {channel.unit}"
            why = f" ({one_line(reading.reason)})" if reading.reason else ""
            quality = reading.quality.name.lower()
            yield f"{device.sensor:20} {channel.name:24} {value:24} {quality}{why}, {looker.count[key]} readings"
    for event in looker.events:
        yield f"{event.sensor:20} {event.type:24} {one_line(event.subject or '')} {event.attrs or ''}"
