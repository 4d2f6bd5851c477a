"""A fault inside one detector: the others go on, and people are told."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from hubwatch_core.wire import Clear, Detection
from hubwatch_core.words import Priority, SensorKind
from hubwatch_detectors import binary
from hubwatch_detectors.chunk import Chunk
from hubwatch_detectors.contract import Detector, DetectorConfig, Finding, Origin, Scope, Site, Spec
from hubwatch_detectors.engine import Engine
from hubwatch_detectors.engine.instance import Envelope
from support.detectors_engine import EngineBench, series
from support.detectors_hub import DOOR, HUB


class Memory(msgspec.Struct):
    """How many chunks there were."""

    chunks: int = 0


class Fragile(Detector[Memory]):
    """Opens a detection with the first chunk and breaks at the third."""

    def __init__(self, _: DetectorConfig, origin: Origin, __: Site) -> None:
        self.origin = origin
        self.memory = Memory()

    def update(self, chunk: Chunk) -> list[Finding]:
        self.memory.chunks += 1
        if self.memory.chunks == 3:
            raise ZeroDivisionError("no counts at all")
        if self.memory.chunks > 1:
            return []
        t = chunk.readings[0].t
        return [self.origin.detection("test.open", start=t, detected=t, score=1, priority=4, why="the first chunk")]

    def advance(self, now: int) -> list[Finding]:
        return []

    def rewind(self) -> None: ...


FRAGILE = Spec(
    "fragile", 1, Scope.SENSOR, ("test.open",), DetectorConfig, Fragile, kinds=frozenset({SensorKind.ACCESS})
)


def bench_with_fragile() -> EngineBench:
    bench = EngineBench()
    rules = bench.settings.rules()
    configs = {**rules.configs, "fragile": DetectorConfig()}
    bench.engine = Engine(replace(rules, specs=(FRAGILE, *rules.specs), configs=configs))
    bench.birth(inventory=(DOOR,))
    return bench


def play(bench: EngineBench, seconds: int) -> None:
    for t in range(seconds):
        bench.send(t + 1, series("door-1", "position", t, *[float(t >= 4)] * 5))


def test_other_detectors_go_on_when_one_fails() -> None:
    bench = bench_with_fragile()
    play(bench, 7)
    assert "access.forced" in bench.types


def test_failure_ends_what_was_open_and_is_told_as_a_detection() -> None:
    bench = bench_with_fragile()
    play(bench, 3)
    opened, cleared, failed = bench.found
    assert isinstance(opened, Detection)
    assert isinstance(cleared, Clear)
    assert isinstance(failed, Detection)
    assert cleared.id == opened.id
    assert (failed.type, failed.sensor, failed.priority) == ("integrity.detector_failed", "door-1", Priority.HIGH)
    assert failed.end == failed.start
    assert failed.evidence == {"error": "ZeroDivisionError: no counts at all"}
    assert bench.engine.counts.failed == 1


def test_failed_detector_begins_anew() -> None:
    bench = bench_with_fragile()
    play(bench, 4)
    assert [each.type for each in bench.found if isinstance(each, Detection)].count("test.open") == 2
    assert bench.engine.counts.failed == 1


def test_state_of_a_detector_that_failed_is_saved_as_it_is_now() -> None:
    bench = bench_with_fragile()
    play(bench, 3)
    states, _ = bench.engine.changes(HUB)
    saved = [each for each in states if each.key.detector == "fragile"]
    memories = [binary.decode(binary.decode(each.state, Envelope).state, Memory) for each in saved]
    assert [memory.chunks for memory in memories] == [0]
