"""Stories for detectors: what a sensor said over some minutes, with an attack in it or without.

A story is a list of moments in the order of time. `play` gives it to a detector in pieces of any size.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby, pairwise
from typing import Any, NamedTuple

import msgspec

from hubwatch_core.wire import Event, Sensor
from hubwatch_detectors.chunk import Chunk, ChunkReading, split
from hubwatch_detectors.contract import Detector, Finding, Neighbour, Scope, Site, Spec
from hubwatch_site import HubSite
from support.badge_story import PEOPLE, STORY_SITE, attacks_at_door, attacks_with_badges, normal_badges
from support.detectors_hub import AGENT, FENCES, HUB, INVENTORY, Passage, SimulatedHub, at
from support.detectors_own_stories import OWN

LANE = {
    "hub": {"id": HUB, "name": "Gate", "mode": "sea", "time_zone": "UTC"},
    "lanes": [{"id": "lane-1", "steps": [{"sensor": "rpm-1"}, {"sensor": "xray-1", "within_s": 30}]}],
}
PLACES = STORY_SITE.model_copy(update={"lanes": HubSite.model_validate(LANE).lanes})
SITE = Site((Neighbour(HUB, "fence-1", "fence-2", 6.0),), {HUB: PLACES}, {HUB: PEOPLE})
MINUTES = 4
"""Length of a story, with its attack in the third minute."""


class Moment(NamedTuple):
    """One reading or event of one sensor."""

    sensor: Sensor
    item: ChunkReading | Event


def attacked(seed: int = 1, start: float = 0.0, minutes: int = MINUTES) -> SimulatedHub:
    """Return a hub where everything any detector looks for happens, once, from the second minute on."""
    denied = [_event(124 + i, "access.denied", f"badge:{i}", reader="in") for i in range(6)]
    return _moved(
        SimulatedHub(
            minutes * 60,
            seed,
            passages=[
                Passage(20),
                Passage(120, gamma_peak=90, neutron_peak=10),
                Passage(132, seconds=12, load=20),
                Passage(180),
            ],
            door_open=[(30, 33), (135, 138), (150, 185)],
            events=[
                _event(29, "access.granted", "badge:7"),
                *denied,
                _event(149, "access.granted", "badge:7"),
                _fence(140, "fence-1", "perimeter.alarm"),
                _fence(141, "fence-1", "perimeter.clear"),
                _fence(144, "fence-2", "perimeter.alarm"),
                *_chattering(190, "fence-1"),
                Event("fence-1", at(195), "device.fault", None, {"what": "masked"}),
                Event("gas-1", at(155), "device.alarm", None, {"level": 1, "substance": "Hydrogen peroxide"}),
                Event("xray-1", at(205), "screening.alarm", None, {}),
                Event("xray-1", at(210), "device.fault", None, {"what": "fault relay"}),
            ],
            leak=(150, 165),
            scans=[(30, 33), (190, 193)],
            frozen={"rpm-1/gamma.1": (200, 215)},
            dim=(150, 232),
            aside={"access": attacks_at_door(), "badges": attacks_with_badges()},
        ),
        start,
    )


def quiet(seed: int = 1, start: float = 0.0, minutes: int = MINUTES) -> SimulatedHub:
    """Return a hub with normal life only: empty lorries, people with badges, a mistyped code, a single gust."""
    passages = [Passage(60 * i + 20) for i in range(minutes)]
    events, doors = [], []
    for i in range(minutes):
        events += [_event(60 * i + 39, "access.granted", "badge:7"), _event(60 * i + 55, "door.rex")]
        doors += [(60 * i + 40.2, 60 * i + 44.0), (60 * i + 56.0, 60 * i + 58.0)]
    scans = [(60.0 * i + 30, 60.0 * i + 33) for i in range(minutes)]
    events.append(_event(37, "access.denied", "badge:7", reader="in", reason="wrong_pin"))
    aside = {"badges": normal_badges()}
    hub = SimulatedHub(minutes * 60, seed, passages=passages, events=events, door_open=doors, scans=scans, aside=aside)
    return _moved(hub, start)


def moments(hub: SimulatedHub, spec: Spec[Any]) -> list[Moment]:
    """Return what a detector of `spec` is told of the hub, in order of time; of one sensor where it has one.

    A detector with a story of its own is told that one, with its attack where the hub is attacked.
    """
    if spec.name in OWN:
        said = OWN[spec.name].tell(hub.seed, hub.start, bool(hub.frozen))
        return sorted((Moment(sensor, item) for sensor, item in said), key=_order)
    watched = [sensor for sensor in INVENTORY if spec.watches(sensor)]
    entries = {sensor.sensor: sensor for sensor in (watched if spec.scope is Scope.HUB else watched[:1])}
    found: list[Moment] = []
    for frame in hub.frames():
        for name, (columns, events) in split(frame).items():
            if name in entries:
                chunk = Chunk.of_columns(HUB, AGENT, entries[name], columns, events)
                found += [Moment(entries[name], item) for item in chunk.moments()]
    shift = at(hub.start) - at(0)
    for sensor, event in hub.aside.get(spec.name, ()):
        found.append(Moment(sensor, msgspec.structs.replace(event, t=event.t + shift)))
    return sorted(found, key=_order)


def build(spec: Spec[Any], *, late: bool = False) -> Detector[Any]:
    """Make a fresh instance of a detector."""
    own = OWN.get(spec.name)
    sensors = own.sensors if own is not None else INVENTORY
    sensor = "" if spec.scope is Scope.HUB else next(each for each in sensors if spec.watches(each)).sensor
    config = spec.config.model_validate(own.config if own is not None else {})
    return spec.build(config, HUB, sensor, own.site if own is not None else SITE, late=late)


def play(
    detector: Detector[Any], story: Sequence[Moment], cuts: Iterable[int] = (), *, advance: bool = False
) -> list[Finding]:
    """Return a story to a detector, in pieces that end before the indices `cuts`, and let time pass to its end.

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
        readings = [each.item for each in stretch if isinstance(each.item, ChunkReading)]
        events = [each.item for each in stretch if isinstance(each.item, Event)]
        made.append(Chunk.of(HUB, AGENT, stretch[0].sensor, readings, events))
    return made


def _order(moment: Moment) -> tuple[int, bool, str, str]:
    item = moment.item
    return (
        item.t,
        isinstance(item, Event),
        item.channel if isinstance(item, ChunkReading) else item.type,
        moment.sensor.sensor,
    )


def _event(seconds: float, kind: str, subject: str | None = None, **attrs: Any) -> Event:
    return Event("door-1", at(seconds), kind, subject, attrs)


def _fence(seconds: float, sensor: str, kind: str) -> Event:
    assert sensor in {each.sensor for each in FENCES}
    return Event(sensor, at(seconds), kind, None, {"layer": "fence"})


def _chattering(seconds: float, sensor: str) -> list[Event]:
    """Return a contact that opens and closes every second."""
    kinds = ("perimeter.alarm", "perimeter.clear")
    return [_fence(seconds + i / 2, sensor, kinds[i % 2]) for i in range(28)]


def _moved(hub: SimulatedHub, start: float) -> SimulatedHub:
    hub.start = start
    return hub
