"""Whatever a frame that passes the wire's checks may say: no detector fails, and every finding can be stored."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from hubwatch_core.wire import Detection, Event, Series, decode_detection, encode
from support.detectors_engine import EngineBench, series
from support.detectors_hub import at
from support.detectors_stories import SITE

SENSORS = st.sampled_from(["rpm-1", "door-1", "fence-1", "fence-2", "made-up"])
CHANNELS = st.sampled_from(["gamma.1", "neutron.1", "occupied", "position", "disturbance", "made-up"])
VALUES = st.sampled_from([None, -1.0, 0.0, 1.0, 1e-300, 100.0, 4.29e9, 3.4e38]) | st.floats(0, 500)
ACCESS = ["access.denied", "access.granted", "door.opened", "door.closed", "door.forced", "door.held", "door.rex"]
TYPES = st.sampled_from([*ACCESS, "portal.alarm", "perimeter.alarm", "perimeter.clear", "device.tamper"])
LETTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
SUBJECTS = st.none() | st.text(LETTERS, max_size=200)
ODDITIES = st.none() | st.booleans() | st.floats(allow_nan=False) | st.lists(st.integers(), max_size=3)
ATTRS = st.dictionaries(
    st.sampled_from(["reader", "kind", "layer", "position_m"]), ODDITIES | st.text(LETTERS, max_size=300), max_size=3
)
AGES_S = st.sampled_from([0.0, 0.0, 0.0, 1.0, 90.0, 4000.0])
STEPS_S = st.sampled_from([0.2, 0.2, 0.2, 1.0, 30.0, -5.0, -5000.0, 10_000.0])


@st.composite
def frames(draw: st.DrawFn) -> dict[str, Any]:
    """Draw how far a frame is from the one before, whether it is late or out of turn, and what stands in it."""
    readings = st.tuples(SENSORS, CHANNELS, AGES_S, st.lists(VALUES, min_size=1, max_size=5))
    events = st.tuples(SENSORS, TYPES, AGES_S, SUBJECTS, ATTRS)
    return {
        "step_s": draw(STEPS_S),
        "late": draw(st.booleans()),
        "seq": draw(st.none() | st.integers(1, 30)),
        "items": draw(st.lists(readings | events, max_size=4)),
    }


def _item(t: float, item: tuple[Any, ...]) -> Series | Event:
    if len(item) == 4:
        sensor, channel, age_s, values = item
        return series(sensor, channel, max(0.0, t - age_s), *values)
    sensor, kind, age_s, subject, attrs = item
    return Event(sensor, at(max(0.0, t - age_s)), kind, subject, attrs)


@settings(max_examples=150)
@given(st.lists(frames(), min_size=1, max_size=40))
def test_no_detector_fails_and_every_finding_is_one_the_wire_takes(sent: list[dict[str, Any]]) -> None:
    bench, t = EngineBench(SITE), 1.0
    bench.birth()
    for frame in sent:
        t = max(0.0, t + frame["step_s"])
        items = (_item(t, item) for item in frame["items"])
        bench.send(t, *items, late=frame["late"], seq=frame["seq"])
    bench.tick(t + 3600)
    assert bench.engine.counts.failed == 0
    for finding in bench.found:
        if isinstance(finding, Detection):
            assert decode_detection(encode(finding)) == finding
