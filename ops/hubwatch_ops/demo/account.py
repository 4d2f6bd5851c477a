"""Compares what the database holds with what the simulated devices produced."""

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hubwatch_ops.demo.io_module import IoModule
from hubwatch_ops.demo.plant import BEAM_LINE, DOOR_LINES, EAST_LINES, FENCE_LINES, HUB, READY_LINE, SCANNER, Plant
from hubwatch_ops.demo.portal import Portal
from hubwatch_ops.demo.report import (
    AlarmLine,
    DetectionLine,
    ExpectedLine,
    Percentiles,
    Report,
    percentiles,
)
from hubwatch_ops.demo.script import Played
from hubwatch_store.database import Pool, queries

SENSORS = {"rpm-1", "rpm-2", *DOOR_LINES, *FENCE_LINES, *EAST_LINES, SCANNER, "area-1"}
"""Sensors of which a reading must be stored before the script begins."""

READ_S = 0.05
"""A reading has the time at which its request went out; the contact may close between that and the answer."""

AFTER_S = 15.0
"""No attack of the script lasts this long or is detected this late."""

PROBE_STEP_MS = 37
"""Latency is measured on a register that always changes, at this interval: no multiple of any poll period."""


@dataclass(frozen=True, slots=True)
class Difference:
    """How many readings are produced but not stored, and how many are stored more than once."""

    lost: int
    duplicated: int

    def __add__(self, other: Difference) -> Difference:
        """Add two differences."""
        return Difference(self.lost + other.lost, self.duplicated + other.duplicated)


@dataclass(frozen=True, slots=True)
class DetectedAttack:
    """A detection or alarm: what, where, and when it was known (s, UTC)."""

    type: str
    sensor: str
    at: float


def compare(produced: Mapping[Any, int], stored: Mapping[Any, int]) -> Difference:
    """Compare two multisets."""
    marks = {*produced, *stored}
    return Difference(
        sum(max(0, produced.get(mark, 0) - stored.get(mark, 0)) for mark in marks),
        sum(max(0, stored.get(mark, 0) - produced.get(mark, 0)) for mark in marks),
    )


def bit(words: Mapping[int, int], line: int) -> Counter[int]:
    """Return how often an input was answered as 0 and as 1, from the words that were answered."""
    states: Counter[int] = Counter()
    for word, times in words.items():
        states[word >> line & 1] += times
    return states


def heard(published: Sequence[float], stored: Sequence[float]) -> list[float]:
    """Leave out what a device published before the agent subscribed: the broker delivers it to nobody.

    Both are in order. Where the first two stored values follow each other, the agent had subscribed: one value alone
    may have come before by chance.
    """
    begin = list(stored[:2])
    first = next((i for i in range(len(published)) if begin and list(published[i : i + len(begin)]) == begin), None)
    return [] if first is None else list(published[first:])


def match(
    attacks: Sequence[Played], found: Iterable[DetectedAttack]
) -> tuple[list[ExpectedLine], list[DetectedAttack]]:
    """Match detections with the script; return the expected ones with their result, and the unexpected ones."""
    left = list(found)
    lines = []
    for played in attacks:
        for expected in played.step.expects:
            same = [
                each
                for each in left
                if (each.type, each.sensor) == (expected.type, expected.sensor) and each.at >= played.began
            ]
            first = min((each.at for each in same), default=None)
            after = None if first is None else round(first - played.began, 3)
            in_time = after is not None and after <= expected.within_s
            lines.append(ExpectedLine(expected.type, expected.sensor, in_time, after))
            left = [each for each in left if each not in same]
    return lines, left


def hidden(attacks: Sequence[Played], detections: Iterable[DetectedAttack]) -> list[DetectedAttack]:
    """Return false detections of a sensor after an attack on it.

    They only raise the count of the attack's alarm while it is open, so the list of alarms does not show them.
    """
    began: dict[tuple[str, str], list[float]] = {}
    for played in attacks:
        for expected in played.step.expects:
            began.setdefault((expected.type, expected.sensor), []).append(played.began)
    return [
        each
        for each in detections
        if (times := [each.at - t for t in began.get((each.type, each.sensor), ()) if t <= each.at])
        and min(times) > AFTER_S
    ]


async def ready_sensors(pool: Pool) -> set[str]:
    """Return the sensors from which a good reading is stored."""
    return {sensor for (sensor,) in await _ask(pool, "ready")}


async def stored_frames(pool: Pool) -> int:
    """Return how many frames are stored."""
    return int((await _ask(pool, "totals"))[0][2])


async def draw_up(pool: Pool, plant: Plant, attacks: Sequence[Played], ended: float, seconds: float) -> Report:
    """Count everything and write the report.

    Detections count up to `ended` (s, UTC): the agents are offline afterwards, which is not part of the script.
    """
    totals = (await _ask(pool, "totals"))[0]
    by_sensor = await differences(pool, plant)
    difference = sum(by_sensor.values(), Difference(0, 0))
    detections = await _ask(pool, "detections", until=ended)
    alarms = await _ask(pool, "alarms", until=ended)
    expected, unexpected = match(attacks, [DetectedAttack(row[1], row[2], row[6]) for row in alarms])
    unexpected += hidden(attacks, [DetectedAttack(row[0], row[1], row[2].timestamp() + row[3]) for row in detections])
    stored, waited = await _latencies(pool, plant)
    alarmed = await _alarm_latencies(pool, plant)
    return Report(
        readings=totals[0],
        events=totals[1],
        frames=totals[2],
        lost=difference.lost,
        duplicated=difference.duplicated,
        differ={name: [each.lost, each.duplicated] for name, each in by_sensor.items() if each.lost or each.duplicated},
        unexplained_gaps=totals[3],
        detections=[DetectionLine(row[0], row[1], row[2].isoformat(), round(row[3], 3)) for row in detections],
        alarms=[AlarmLine(row[1], row[2], row[3], row[4]) for row in alarms],
        expected=expected,
        false_alarms=len(unexpected),
        latency_ms=stored,
        poll_wait_ms=waited,
        alarm_latency_ms=percentiles(alarmed),
        alarms_measured=len(alarmed),
        seconds=round(seconds, 1),
    )


async def differences(pool: Pool, plant: Plant) -> dict[str, Difference]:
    """Return how what the devices have produced differs from what is stored now, by sensor and channel."""
    found: dict[str, Difference] = {}
    for portal in (plant.rpm_1, plant.rpm_2):
        found[portal.name] = await _portal_difference(pool, portal)
    for module, lines, channel in (
        (plant.doors, DOOR_LINES, "position"),
        (plant.fence, FENCE_LINES, "disturbance"),
        (plant.fence_east, EAST_LINES, "disturbance"),
    ):
        for sensor, line in lines.items():
            found[f"{sensor} {channel}"] = await _input_difference(pool, module, line, sensor, channel)
    for channel, line in (("ready", READY_LINE), ("beam", BEAM_LINE)):
        found[f"{SCANNER} {channel}"] = await _input_difference(pool, plant.scanner, line, SCANNER, channel)
    badges = dict(await _ask(pool, "badge_events"))
    found["badges"] = compare(Counter(plant.controller.published), badges)
    rates = [value for (value,) in await _ask(pool, "values", sensor="area-1", channel="gamma")]
    found["area-1 gamma"] = compare(Counter(heard(plant.geiger.published, rates)), Counter(rates))
    return found


async def _portal_difference(pool: Pool, portal: Portal) -> Difference:
    """Compare the marks one by one, and every other channel of the same block by number."""
    served = portal.served.total()
    difference = compare(portal.served, await _marks(pool, portal.name, "elapsed"))
    for channel, count in await _ask(pool, "good_of_channels", sensor=portal.name):
        if channel != "elapsed":
            difference += compare({channel: served}, {channel: count})
    return difference


async def _input_difference(pool: Pool, module: IoModule, line: int, sensor: str, channel: str) -> Difference:
    return compare(bit(module.served, line), await _marks(pool, sensor, channel))


async def _marks(pool: Pool, sensor: str, channel: str) -> dict[int, int]:
    return dict(await _ask(pool, "marks", sensor=sensor, channel=channel))


async def _latencies(pool: Pool, plant: Plant) -> tuple[Percentiles, Percentiles]:
    """Return how long a change of a register takes to be a stored row, and how much of that is waiting for the poll.

    The portal's elapsed time changes every millisecond; a change at the moment m is seen in the first reading with a
    mark of at least m.
    """
    rows = await _ask(pool, "stored_when", sensor=plant.rpm_2.name, agent="gate")
    marks = [row[0] for row in rows]
    stored, waited = [], []
    for moment in range(marks[0], marks[-1], PROBE_STEP_MS) if marks else ():
        row = rows[bisect.bisect_left(marks, moment)]
        changed = plant.rpm_2.started + moment / 1000
        if not plant.rpm_2.was_frozen(changed):
            stored.append(1000 * (row[2] - changed))
            waited.append(1000 * (row[1] - changed))
    return percentiles(stored), percentiles(waited)


async def _alarm_latencies(pool: Pool, plant: Plant) -> list[float]:
    """Return how long (ms) each fence contact that closed took to stand in an alarm's journal."""
    latencies = []
    for sensor, seen, journaled in await _ask(pool, "contact_alarms"):
        closed = plant.fence.changes.get(FENCE_LINES.get(sensor, -1), {}).values()
        before = [moment for moment in closed if moment <= seen + READ_S]
        latencies += [1000 * (journaled - max(before))] if before else []
    return latencies


async def _ask(pool: Pool, query: str, **parameters: object) -> list[tuple[Any, ...]]:
    async with pool.connection() as connection:
        cursor = await connection.execute(queries("demo", "hubwatch_ops")[query], {"hub": HUB, **parameters})
        return await cursor.fetchall()
