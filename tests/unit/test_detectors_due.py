"""When a detector is given its input, and when it is told the time: at once, in batches, or only when it is due."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from hubwatch_core.wire import Channel, Sensor
from hubwatch_core.words import ChannelKind, SensorKind
from hubwatch_detectors.chunk import Chunk
from hubwatch_detectors.contract import NEVER, Detector, DetectorConfig, Finding, Origin, Scope, Site, Spec
from hubwatch_detectors.engine import Engine
from support.detectors_engine import EngineBench, event, series
from support.detectors_hub import BEGIN, DOOR, HUB, at

CALLS: list[tuple[str, list[float]]] = []
"""What the detectors of a test were told, in order: `update` with the times of a chunk, `advance` with the time."""


class Memory(msgspec.Struct):
    """The newest that was seen (µs)."""

    last: int = 0


class Diary(Detector[Memory]):
    """Writes down what it is told, and finds each thousandth reading, which is what `x` counts to."""

    def __init__(self, _: DetectorConfig, origin: Origin, __: Site) -> None:
        self.origin, self.memory = origin, Memory()

    def update(self, chunk: Chunk) -> list[Finding]:
        CALLS.append(("update", [(item.t - BEGIN) / 1e6 for item in chunk.moments()]))
        self.memory.last = max(self.memory.last, chunk.last)
        return [
            self.origin.detection("test.thousand", start=t, end=t, detected=t, score=1, priority=4, why="a thousand")
            for t, _, x in chunk.readings
            if x == 1000
        ]

    def advance(self, now: int) -> list[Finding]:
        CALLS.append(("advance", [(now - BEGIN) / 1e6]))
        return []

    def rewind(self) -> None: ...


class Rare(Diary):
    """Has something to judge two seconds after the newest reading, and never before it or after that."""

    def due(self) -> int:
        newest_of_now = CALLS[-1][0] == "update"
        return self.memory.last + 2_000_000 if newest_of_now else NEVER


class Apart(Diary):
    """Has nothing to judge later, and does not mind how one sensor lies among others."""

    def stands_apart(self, sensor: Sensor) -> bool:
        return True

    def due(self) -> int:
        return NEVER


class RareApart(Rare, Apart):
    """Does not mind either, and has something to judge two seconds after the newest reading."""


@pytest.fixture(autouse=True)
def _no_calls() -> None:
    CALLS.clear()


def bench_with(make: type[Diary], patience_s: float = 0.0, scope: Scope = Scope.SENSOR) -> EngineBench:
    spec: Spec[Any] = Spec(
        "diary", 1, scope, ("test.thousand",), DetectorConfig, make,
        kinds=frozenset({SensorKind.ACCESS}), patience_s=patience_s,
    )  # fmt: skip
    bench = EngineBench()
    rules = bench.settings.rules()
    bench.engine = Engine(replace(rules, specs=(spec,), configs={"diary": DetectorConfig()}))
    bench.birth(inventory=(DOOR,))
    return bench


def speak(bench: EngineBench, *seconds: float, value: float = 0.0) -> None:
    for t in seconds:
        bench.send(t, series("door-1", "position", t, value))


def updates() -> list[list[float]]:
    return [times for what, times in CALLS if what == "update"]


def test_who_says_nothing_of_it_is_told_the_time_with_every_frame() -> None:
    bench = bench_with(Diary)
    speak(bench, 1)
    bench.send(1.5)
    assert CALLS == [("update", [1]), ("advance", [1]), ("advance", [1.5])]


def test_who_says_when_it_is_due_is_told_the_time_then_and_not_before() -> None:
    bench = bench_with(Rare)
    speak(bench, 1)
    for t in (1.5, 2.9, 3.1, 3.2, 4):
        bench.send(t)
    assert CALLS == [("update", [1]), ("advance", [3.1])]


def test_due_time_that_moves_away_with_new_readings_is_followed() -> None:
    bench = bench_with(Rare)
    speak(bench, 1, 2, 3, 4)
    bench.send(5.5)
    bench.send(6)
    assert updates() == [[1], [2], [3], [4]]
    assert CALLS[4:] == [("advance", [6])]


def test_patient_detector_gets_its_readings_in_batches() -> None:
    bench = bench_with(Diary, patience_s=3)
    speak(bench, 0.5)
    speak(bench, *range(1, 10))
    assert updates()[1:] == [[1, 2, 3, 4], [5, 6, 7]]


def test_what_waits_is_given_when_the_patience_is_over_and_nothing_more_comes() -> None:
    bench = bench_with(Rare, patience_s=3)
    speak(bench, 0.5, 1, 2)
    bench.send(3.4)
    assert updates() == [[0.5]]
    bench.send(4.1)
    assert updates() == [[0.5], [1, 2]]


def test_what_waits_is_judged_before_it_is_saved_and_found_once() -> None:
    bench = bench_with(Diary, patience_s=30)
    speak(bench, 0.5, 1, 2)
    speak(bench, 3, value=1000)
    assert bench.found == []
    bench.saved()
    assert bench.types == ["test.thousand"]
    assert bench.engine.flush(HUB) == []


@pytest.mark.parametrize("loss", ["sight", "sensor", "meaning"])
def test_what_waits_is_judged_before_an_instance_goes(loss: str) -> None:
    bench = bench_with(Diary, patience_s=30)
    speak(bench, 0.5, 1)
    speak(bench, 2, value=1000)
    if loss == "sight":
        bench.skip(5)
        bench.send(3)
    elif loss == "sensor":
        bench.birth(3, inventory=())
    else:
        bench.birth(3, inventory=(msgspec.structs.replace(DOOR, zone="elsewhere"),))
        speak(bench, 4)
    assert bench.types == ["test.thousand"]


def test_readings_that_are_older_than_what_waits_keep_their_place() -> None:
    bench = bench_with(Diary, patience_s=30)
    speak(bench, 0.5, 5)
    bench.send(6, series("door-1", "position", 4, 0.0), event("door-1", 5.5, "door.rex"))
    bench.engine.flush(HUB)
    assert updates() == [[0.5], [5], [4, 5.5]]


def test_detector_of_a_whole_hub_meets_its_sensors_in_their_order() -> None:
    spec: Spec[Any] = Spec("diary", 1, Scope.HUB, ("test.thousand",), DetectorConfig, Diary, patience_s=30)
    bench = EngineBench()
    rules = bench.settings.rules()
    bench.engine = Engine(replace(rules, specs=(spec,), configs={"diary": DetectorConfig()}))
    bench.birth(inventory=(DOOR, Sensor("door-2", SensorKind.ACCESS, "office", channels=DOOR.channels)))
    for t in (1.0, 1.1, 1.2):
        bench.send(t, series("door-1", "position", t - 0.05, 0.0), series("door-2", "position", t, 0.0))
    bench.engine.flush(HUB)
    assert updates() == [[0.95], [1.0], [1.05], [1.1], [1.15], [1.2]]


def engine_with(bench: EngineBench, *specs: Spec[Any]) -> None:
    rules = bench.settings.rules()
    configs = {spec.name: DetectorConfig() for spec in specs}
    bench.engine = Engine(replace(rules, specs=specs, configs=configs))


def test_detectors_that_are_patient_alike_get_the_same_batches_of_agents_that_share_a_sensor() -> None:
    bench = EngineBench()
    of_states: Spec[Any] = Spec(
        "states", 1, Scope.SENSOR, ("test.thousand",), DetectorConfig, Diary,
        channel_kind=ChannelKind.STATE, patience_s=30,
    )  # fmt: skip
    every: Spec[Any] = replace(of_states, name="every", channel_kind=None)
    engine_with(bench, of_states, every)
    reader = msgspec.structs.replace(DOOR, channels=[Channel("tries", "1", ChannelKind.GAUGE)])
    bench.birth(inventory=(DOOR,), agent="contact")
    bench.birth(inventory=(reader,), agent="reader")
    for t in (1.0, 2.0):
        bench.send(t, series("door-1", "position", t, 0.0), agent="contact")
    CALLS.clear()
    for t in (3.0, 4.0):
        bench.send(t, series("door-1", "tries", t, 0.0), agent="reader")
    bench.send(5.0, series("door-1", "position", 5.0, 0.0), agent="contact")
    bench.engine.flush(HUB)
    assert updates().count([3]) + updates().count([3, 4]) == 1, "who watches states alone is not given a gauge"
    assert updates()[-2:] == [[5], [5]]


class Choosy(Diary):
    """Looks at one door."""

    def looks_at(self, sensor: Sensor) -> bool:
        return sensor.sensor == "door-1"


def test_what_a_detector_does_not_look_at_is_not_given_to_it() -> None:
    bench = EngineBench()
    engine_with(bench, Spec("choosy", 1, Scope.HUB, ("test.thousand",), DetectorConfig, Choosy))
    bench.birth(inventory=(DOOR, msgspec.structs.replace(DOOR, sensor="door-2")))
    bench.send(1, series("door-1", "position", 0.9, 0.0), series("door-2", "position", 1, 0.0))
    assert updates() == [[0.9]]


def test_who_looks_at_events_only_is_given_no_readings_alone() -> None:
    bench = EngineBench()
    engine_with(bench, Spec("events", 1, Scope.HUB, ("test.thousand",), DetectorConfig, Diary, events_only=True))
    bench.birth(inventory=(DOOR,))
    bench.send(1, series("door-1", "position", 0.9, 0.0))
    bench.send(2, series("door-1", "position", 1.9, 0.0), event("door-1", 2, "door.rex"))
    assert updates() == [[1.9, 2]]


def test_detection_of_a_patient_detector_says_when_it_happened() -> None:
    bench = bench_with(Diary, patience_s=3)
    speak(bench, 0.5, 1)
    speak(bench, 2, value=1000)
    speak(bench, 4)
    (found,) = bench.found
    assert found.detected == at(2)


def test_sensor_that_stands_apart_is_gathered_for_a_detector_of_the_hub_once_it_is_known() -> None:
    bench = bench_with(Apart, scope=Scope.HUB)
    bench.engine.gather()
    speak(bench, 1, 2, 3)
    assert updates() == [[1]]
    bench.engine.settle()
    assert updates() == [[1], [2, 3]]


def test_detector_of_the_hub_that_minds_hears_at_once() -> None:
    bench = bench_with(Diary, scope=Scope.HUB)
    bench.engine.gather()
    speak(bench, 1, 2, 3)
    assert updates() == [[1], [2], [3]]


def test_what_stands_apart_is_given_before_time_is_told() -> None:
    """What comes moves the due time away, gathered or not."""
    bench = bench_with(RareApart, scope=Scope.HUB)
    bench.engine.gather()
    speak(bench, 1, 2, 3)
    assert CALLS == [("update", [1]), ("update", [2, 3])]


def test_what_stands_apart_is_given_before_an_event() -> None:
    bench = bench_with(Apart, scope=Scope.HUB)
    bench.engine.gather()
    speak(bench, 1, 2)
    bench.send(3, event("door-1", 3, "door.rex"))
    assert updates() == [[1], [2], [3]]


def test_what_stands_apart_is_given_before_late_data_go_on_from_it() -> None:
    bench = bench_with(Apart, scope=Scope.HUB)
    bench.engine.gather()
    speak(bench, 1, 2)
    bench.send(3, series("door-1", "position", 0.5, 0.0), late=True)
    assert updates() == [[1], [2], [0.5]]


def test_what_stands_apart_is_given_before_states_are_taken_and_before_a_sensor_goes() -> None:
    bench = bench_with(Apart, scope=Scope.HUB)
    bench.engine.gather()
    speak(bench, 1, 2)
    bench.engine.flush(HUB)
    assert updates() == [[1], [2]]
    speak(bench, 3)
    bench.birth(4, inventory=())
    assert updates() == [[1], [2], [3]]


def test_no_more_than_ten_seconds_are_gathered_of_what_stands_apart() -> None:
    bench = bench_with(Apart, scope=Scope.HUB)
    bench.engine.gather()
    speak(bench, *range(1, 14))
    assert updates() == [[1], [float(t) for t in range(2, 13)]]
