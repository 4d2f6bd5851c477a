"""Readings and events to frames."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubwatch_agents.readings import Reading, SensorEvent
from hubwatch_agents.uplink.frames import MAX_READINGS, Batch, FrameBuilder, late_copy
from hubwatch_core import wire
from hubwatch_core.ids import new_ulid
from hubwatch_core.words import Quality

T = 1_795_284_000_000_000


def frame_of(draft: Batch, seq: int = 1) -> wire.Frame:
    return draft.frame("hub", "agent", new_ulid(), seq, T)


def round_trip(draft: Batch) -> wire.Frame:
    return wire.decode_frame(wire.encode(frame_of(draft)))


def test_readings_become_columns_with_their_own_times() -> None:
    cutter = FrameBuilder()
    for i in range(3):
        cutter.add(Reading("s", "a", T + i * 100, float(i)))
    cutter.add(Reading("s", "b", T, None, Quality.BAD, "no answer"))
    (draft,) = cutter.readings()
    frame = round_trip(draft)
    first, second = frame.series
    assert (first.t0, first.dt, first.x, first.q) == (T, [0, 100, 200], [0.0, 1.0, 2.0], [])
    assert (second.x, second.q) == ([None], [(2, "no answer")])
    assert draft.readings == 4
    assert cutter.readings() == []


def test_device_time_goes_beside_the_reading_time() -> None:
    cutter = FrameBuilder()
    cutter.add(Reading("s", "a", T, 1.0, device=T - 5))
    cutter.add(Reading("s", "a", T + 1, 1.0))
    (draft,) = cutter.readings()
    assert round_trip(draft).series[0].device == [-5, None]


def test_what_a_device_had_stored_goes_into_a_late_frame() -> None:
    cutter = FrameBuilder()
    cutter.add(Reading("s", "a", T, 1.0))
    cutter.add(Reading("s", "a", T - 10_000_000, 0.5, late=True))
    cutter.add(SensorEvent("s", T - 9, "door.opened", late=True))
    cutter.add(SensorEvent("s", T, "door.closed"))
    assert [(draft.late, draft.readings) for draft in cutter.readings()] == [(False, 1), (True, 1)]
    assert [(draft.late, draft.events[0].type) for draft in cutter.events()] == [
        (False, "door.closed"),
        (True, "door.opened"),
    ]


def test_wrong_clock_makes_everything_uncertain_and_hides_nothing_worse() -> None:
    cutter = FrameBuilder("clock off by 9000 ms")
    cutter.add(Reading("s", "a", T, 1.0))
    cutter.add(Reading("s", "b", T, None, Quality.BAD, "no answer"))
    cutter.add(SensorEvent("s", T, "door.opened", attrs={"x": 1}))
    (draft,) = cutter.readings()
    assert [series.q for series in round_trip(draft).series] == [[(1, "clock off by 9000 ms")], [(2, "no answer")]]
    (events,) = cutter.events()
    assert events.events[0].attrs == {"x": 1, "clock": "clock off by 9000 ms"}


def test_many_readings_are_cut_into_several_frames() -> None:
    cutter = FrameBuilder()
    for i in range(2 * MAX_READINGS + 1):
        cutter.add(Reading("s", "a", T + i, 1.0))
    drafts = cutter.readings()
    assert [draft.readings for draft in drafts] == [MAX_READINGS, MAX_READINGS, 1]


def test_long_reason_is_cut_to_what_the_wire_takes() -> None:
    cutter = FrameBuilder()
    cutter.add(Reading("s", "a", T, None, Quality.BAD, "x" * 500))
    (draft,) = cutter.readings()
    assert round_trip(draft).series[0].q == [(2, "x" * 200)]


def test_halves_hold_everything_and_one_thing_alone_cannot_be_halved() -> None:
    cutter = FrameBuilder()
    for i in range(5):
        cutter.add(Reading("s", "a", T + i, float(i), Quality.UNCERTAIN, "why", T))
    (draft,) = cutter.readings()
    first, second = draft.halves()
    assert first.series[0].x + second.series[0].x == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert first.readings + second.readings == 5
    assert round_trip(second).series[0].dt == [2, 3, 4]
    alone = Batch([], [wire.Event(sensor="s", t=T, type="a")], 0, late=False)
    with pytest.raises(ValueError, match="alone"):
        alone.halves()


@given(st.booleans(), st.integers(1, 2**40), st.booleans())
def test_late_copy_is_the_same_frame_flagged_and_sent_now(late: bool, seq: int, empty: bool) -> None:
    events = (
        [] if empty else [wire.Event(sensor="s", t=T, type="a", attrs={"sent": 5, "late": True, "text": '"sent":9,'})]
    )
    draft = Batch([], events, 0, late)
    original = frame_of(draft, seq)
    copy = wire.decode_frame(late_copy(wire.encode(original), T + 77))
    assert copy.late
    assert copy.sent == T + 77
    assert (copy.epoch, copy.seq, copy.events) == (original.epoch, original.seq, original.events)
