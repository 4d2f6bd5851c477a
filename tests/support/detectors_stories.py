"""Stories for detectors: what a sensor said over some minutes, with an attack in it or without.

A story is a list of moments in the order of time. `play` gives it to a detector in pieces of any size.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby, pairwise
from typing import Any, NamedTuple

from hubwatch_core.wire import Event, Sensor
from hubwatch_detectors.chunk import Chunk, Reading, cut
from hubwatch_detectors.contract import Detector, Finding, Neighbour, Scope, Site, Spec
from support.detectors_hub import AGENT, FENCES, HUB, INVENTORY, Passage, SimulatedHub, at

SITE = Site((Neighbour.model_validate({"hub": HUB, "from": "fence-1", "to": "fence-2", "distance_m": 6.0}),))
MINUTES = 4
"""Length of a story, with its attack in the third minute."""


class Moment(NamedTuple):
    """One reading or event of one sensor."""

    sensor: Sensor
    item: Reading | Event


def attacked(seed: int = 1, start: float = 0.0, minutes: int = MINUTES) -> SimulatedHub:
    """Give a hub where everything any detector looks for happens, once, from the second minute on."""
    denied = [_event(124 + i, "access.denied", f"badge:{i}", reader="in") for i in range(6)]
    return _moved(
        SimulatedHub(
            minutes * 60,
            seed,
            passages=[Passage(20), Passage(120, gamma_peak=90, neutron_peak=10), Passage(180)],
            door_open=[(30, 33), (135, 138), (150, 185)],
            events=[
                _event(29, "access.granted", "badge:7"),
                *denied,
                _event(149, "access.granted", "badge:7"),
                _fence(140, "fence-1", "perimeter.alarm"),
                _fence(141, "fence-1", "perimeter.clear"),
                _fence(144, "fence-2", "perimeter.alarm"),
            ],
            frozen={"rpm-1/gamma.1": (200, 215)},
        ),
        start,
    )


def quiet(seed: int = 1, start: float = 0.0, minutes: int = MINUTES) -> SimulatedHub:
    """Give a hub with normal life only: empty lorries, people with badges, a mistyped code, a single gust."""
    passages = [Passage(60 * i + 20) for i in range(minutes)]
    events, doors = [], []
    for i in range(minutes):
        events += [_event(60 * i + 39, "access.granted", "badge:7"), _event(60 * i + 55, "door.rex")]
        doors += [(60 * i + 40.2, 60 * i + 44.0), (60 * i + 56.0, 60 * i + 58.0)]
    events.append(_event(37, "access.denied", "badge:7", reader="in", reason="wrong_pin"))
    return _moved(SimulatedHub(minutes * 60, seed, passages=passages, events=events, door_open=doors), start)


def moments(hub: SimulatedHub, spec: Spec[Any]) -> list[Moment]:
    """Give what a detector of `spec` would be told of the hub, in the order of time; of one sensor where it has one."""
    watched = [sensor for sensor in INVENTORY if spec.watches(sensor)]
    entries = {sensor.sensor: sensor for sensor in (watched if spec.scope is Scope.HUB else watched[:1])}
    found: list[Moment] = []
    for frame in hub.frames():
        for name, (readings, events) in cut(frame).items():
            if name in entries:
                items: list[Reading | Event] = [*readings, *events]
                found += [Moment(entries[name], item) for item in items]
    return sorted(found, key=_order)


def build(spec: Spec[Any], *, late: bool = False) -> Detector[Any]:
    """Make a fresh instance of a detector."""
    sensor = "" if spec.scope is Scope.HUB else next(each for each in INVENTORY if spec.watches(each)).sensor
    return spec.build(spec.config(), HUB, sensor, SITE, late=late)


def play(
    detector: Detector[Any], story: Sequence[Moment], cuts: Iterable[int] = (), *, advance: bool = False
) -> list[Finding]:
    """Give a story to a detector, in pieces that end before the indices `cuts`, and let time pass to its end.

    With `advance` time is told between the pieces too, wherever a piece ends between two moments.
    """
    found: list[Finding] = []
    for first, last in pairwise([0, *sorted(set(cuts)), len(story)]):
        for chunk in chunks(story[first:last]):
            found += detector.update(chunk)
        if advance and 0 < last < len(story) and story[last - 1].item.t < story[last].item.t:
            found += detector.advance(story[last].item.t - 1)
    if story:
        found += detector.advance(story[-1].item.t + 3_600_000_000)
    return found


def chunks(story: Sequence[Moment]) -> list[Chunk]:
    """Put moments into chunks, one for each stretch of the same sensor."""
    made = []
    for _, group in groupby(story, key=lambda moment: moment.sensor.sensor):
        stretch = list(group)
        readings = [each.item for each in stretch if isinstance(each.item, Reading)]
        events = [each.item for each in stretch if isinstance(each.item, Event)]
        made.append(Chunk.of(HUB, AGENT, stretch[0].sensor, readings, events))
    return made


def _order(moment: Moment) -> tuple[int, bool, str, str]:
    item = moment.item
    return (
        item.t,
        isinstance(item, Event),
        item.channel if isinstance(item, Reading) else item.type,
        moment.sensor.sensor,
    )


def _event(seconds: float, kind: str, subject: str | None = None, **attrs: Any) -> Event:
    return Event("door-1", at(seconds), kind, subject, attrs)


def _fence(seconds: float, sensor: str, kind: str) -> Event:
    assert sensor in {each.sensor for each in FENCES}
    return Event(sensor, at(seconds), kind, None, {"layer": "fence"})


def _moved(hub: SimulatedHub, start: float) -> SimulatedHub:
    hub.start = start
    return hub
