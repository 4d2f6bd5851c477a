"""Values that cannot be, and channels that are left out."""

from __future__ import annotations

import pytest

from hubwatch_core.wire import Channel, Clear, Detection, Sensor
from hubwatch_core.words import SensorKind
from hubwatch_detectors.chunk import Chunk, ChunkReading
from hubwatch_detectors.contract import Finding, Origin, Site
from hubwatch_detectors.integrity.bounds import BoundsConfig, ChannelBounds
from support.detectors_hub import AGENT, HUB, at


def sensor(*units: str) -> Sensor:
    channels = [Channel(f"x{i}", unit, period_us=1_000_000) for i, unit in enumerate(units)]
    return Sensor("s-1", SensorKind.PROCESS, "z", channels=channels)


def judged(what: Sensor, *rows: tuple[float, str, float], **config: object) -> list[Finding]:
    detector = ChannelBounds(BoundsConfig.model_validate(config), Origin("bounds", 1, HUB, "s-1"), Site())
    readings = [ChunkReading(at(t), channel, value) for t, channel, value in rows]
    return detector.update(Chunk.of(HUB, AGENT, what, readings))


@pytest.mark.parametrize(("unit", "value"), [("%", 900), ("°C", -300), ("count", -1), ("hPa", 0), ("µSv/h", -0.1)])
def test_three_impossible_values_are_found_and_end_with_a_possible_one(unit: str, value: float) -> None:
    rows = [(t, "x0", float(value)) for t in range(3)]
    detection, end = judged(sensor(unit), *rows, (3, "x0", 500.0 if unit == "hPa" else 20.0))
    assert isinstance(detection, Detection)
    assert isinstance(end, Clear)
    assert (detection.type, detection.start, end.end) == ("integrity.out_of_range", at(0), at(3))


def test_one_impossible_value_is_a_glitch() -> None:
    assert judged(sensor("%"), (0, "x0", 900), (1, "x0", 20), (2, "x0", 900), (3, "x0", 20)) == []


def test_range_of_the_configuration_goes_before() -> None:
    own = {"hub": HUB, "sensor": "s-1", "channel": "x0", "low": 0, "high": 8}
    rows = [(t, "x0", 9.0) for t in range(4)]
    assert len(judged(sensor("bar"), *rows, ranges=[own])) == 1
    assert judged(sensor("bar"), *rows, ranges=[own | {"sensor": "s-2"}]) == []


def test_channel_that_is_left_out_while_others_are_read_is_a_gap() -> None:
    both = [(t, name, 1.0) for t in range(20) for name in ("x0", "x1")]
    alone = [(t, "x0", 1.0) for t in range(20, 80)]
    detection, end = judged(sensor("1", "1"), *both, *alone, (80, "x1", 1.0))
    assert isinstance(detection, Detection)
    assert isinstance(end, Clear)
    assert (detection.type, detection.subject, detection.start) == ("integrity.gap", "x1", at(19))
    assert (detection.detected, end.end) == (at(50), at(80))


def test_pause_of_the_whole_sensor_is_no_gap_of_a_channel() -> None:
    rows = [(t, name, 1.0) for t in [*range(20), *range(500, 520)] for name in ("x0", "x1")]
    assert judged(sensor("1", "1"), *rows) == []
