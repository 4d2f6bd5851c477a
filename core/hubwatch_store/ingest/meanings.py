"""What names mean, and since when: the sensor, whose word about it counts, and the validity of its channels.

Pure: rows of the database go in, ids for a name at a moment come out. Moments are µs, by the clock of whoever says it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from hubwatch_store.series import NO_TIME, ChannelKey, Meanings, meaning_at

SensorKey = tuple[str, str]
"""hub, sensor"""

_NEVER = 2**62


class ChannelLine(NamedTuple):
    """A channel under all its validities; `source` is the agent whose word about the sensor does not count."""

    sensor: int
    name: str
    source: str

    @property
    def called(self) -> str:
        """Return the name it has now."""
        return f"{self.name}@{self.source}" if self.source else self.name


def sensors_by_name(rows: Iterable[tuple[Any, ...]]) -> dict[SensorKey, Meanings]:
    """Return what names of sensors mean; rows are (hub, name, sensor, until, former)."""
    ends: dict[SensorKey, list[tuple[bool, int, int]]] = defaultdict(list)
    for hub, name, sensor, until, former in rows:
        # A former name without an end comes before the present sensor of that name, which cannot be there yet.
        ends[hub, name].append((not former, _NEVER if until is None else until, sensor))
    found: dict[SensorKey, Meanings] = {}
    for key, parts in ends.items():
        since, meanings = NO_TIME, list[tuple[int, int | None]]()
        for _, until, sensor in sorted(parts):
            meanings.append((since, sensor))
            since = until
        found[key] = tuple(reversed(meanings))
    return found


class Lines:
    """The channels of some sensors and whose word about them counts, as the database has them."""

    def __init__(self) -> None:
        self._owners: dict[int, list[tuple[int, list[str]]]] = {}
        self._ids: dict[ChannelLine, list[tuple[int, int]]] = {}

    def take_owners(self, rows: Iterable[tuple[Any, ...]]) -> None:
        """Take rows of (sensor, since, agents whose word does not count), all there are of each sensor."""
        found: dict[int, list[tuple[int, list[str]]]] = defaultdict(list)
        for sensor, since, rivals in rows:
            found[sensor].append((NO_TIME if since is None else since, rivals))
        self._owners |= {sensor: sorted(owners) for sensor, owners in found.items()}

    def take_channels(self, rows: Iterable[tuple[Any, ...]]) -> None:
        """Take rows of (sensor, name, source, since, id), all there are of each sensor and name."""
        found: dict[ChannelLine, list[tuple[int, int]]] = defaultdict(list)
        for sensor, name, source, since, channel in rows:
            found[ChannelLine(sensor, name, source or "")].append((NO_TIME if since is None else since, channel))
        self._ids |= {line: sorted(versions) for line, versions in found.items()}

    def line_of(self, key: ChannelKey, sent: int, sensors: Mapping[SensorKey, Meanings]) -> ChannelLine:
        """Return where a reading belongs that an agent sends at `sent`."""
        hub, agent, name, channel = key
        sensor = meaning_at(sensors[hub, name], sent)
        assert sensor is not None, "sensors are made before their channels"
        rivals = _last(self._owners.get(sensor, []), sent)
        return ChannelLine(sensor, channel, agent if rivals and agent in rivals else "")

    def meanings_of(self, key: ChannelKey, sensors: Mapping[SensorKey, Meanings]) -> Meanings:
        """Return the ids that a channel's name means when this agent says it, the newest first."""
        hub, agent, name, channel = key
        moments = {NO_TIME}
        for since, sensor in sensors[hub, name]:
            moments.add(since)
            if sensor is not None:
                moments.update(since for since, _ in self._owners.get(sensor, ()))
                for source in ("", agent):
                    moments.update(since for since, _ in self._ids.get(ChannelLine(sensor, channel, source), ()))
        found = []
        for moment in sorted(moments, reverse=True):
            line = self.line_of(key, moment, sensors)
            found.append((moment, _last(self._ids.get(line, []), moment)))
        return tuple(found)


def _last(entries: list[tuple[int, Any]], moment: int) -> Any:
    """Return what the last entry at or before `moment` says; None when there is none."""
    at = bisect_right(entries, moment, key=lambda entry: entry[0])
    return entries[at - 1][1] if at else None
