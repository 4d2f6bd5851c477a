"""Report by exception: what has not moved is not sent, but never for longer than its channel allows. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from hubwatch_agents.devices import Device
from hubwatch_agents.readings import Reading
from hubwatch_core.clock import SECOND_US

Key = tuple[str, str]


class Band(NamedTuple):
    """How far a channel may move, and how long it may be silent."""

    deadband: float
    max_us: int


class Reports:
    """Remembers what was last reported of each channel that has a dead band."""

    def __init__(self, bands: Mapping[Key, Band], unchanged: int = 0) -> None:
        """Continue a count of readings held back."""
        self._bands = dict(bands)
        self._last: dict[Key, Reading] = {}
        self.unchanged = unchanged
        """Readings not sent."""

    def wanted(self, reading: Reading) -> bool:
        """Return whether to send a reading: it moved, its quality changed, or it has not been sent for long enough."""
        key = (reading.sensor, reading.channel)
        band = self._bands.get(key)
        if band is None or reading.late:
            return True
        last = self._last.get(key)
        if last is not None and not _moved(last, reading, band) and reading.t - last.t < band.max_us:
            self.unchanged += 1
            return False
        self._last[key] = reading
        return True


def bands_of(devices: Iterable[Device]) -> dict[Key, Band]:
    """Return the dead bands of all channels: those of the profiles, and over them those of the installation."""
    bands: dict[Key, Band] = {}
    for device in devices:
        for channel in device.profile.channels:
            if channel.deadband is not None:
                key = (device.sensor, channel.name)
                bands[key] = Band(channel.deadband, int(channel.max_report_s * SECOND_US))
        for report in device.section.report:
            bands[device.sensor, report.channel] = Band(report.deadband, int(report.max_s * SECOND_US))
    return bands


def _moved(last: Reading, now: Reading, band: Band) -> bool:
    if (last.quality, last.reason) != (now.quality, now.reason):
        return True
    if last.x is None or now.x is None:
        return last.x is not now.x
    return abs(now.x - last.x) > band.deadband
