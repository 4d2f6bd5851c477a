"""Cutting frames into chunks, and the names of detections."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from ulid import ULID

from hubwatch_core.packing import packed
from hubwatch_core.wire import Event, Frame, Series
from hubwatch_detectors.chunk import Chunk, ChunkReading, Column, joined, split
from hubwatch_detectors.identity import detection_id
from property.test_core_wire_round_trip import frames
from support.detectors_hub import AGENT, BEGIN, DOOR, EPOCH, HUB, at


def frame(*series: Series, events: tuple[Event, ...] = ()) -> Frame:
    return Frame(1, HUB, AGENT, EPOCH, 1, at(10), series=list(series), events=list(events))


def test_only_what_may_be_believed_gets_into_a_chunk() -> None:
    series = Series(
        "s", "c", at(0), [0, 1, 2, 3, 4, 5], [1, 2, None, 4, float("nan"), 6], [0, 1, (2, "x"), 2, 0, (0, "")]
    )
    columns, _ = split(frame(series))["s"]
    assert columns == [Column("c", [at(0), at(0) + 5], [1, 6])]


def test_value_whose_time_alone_is_in_doubt_is_judged() -> None:
    doubted = Series("s", "c", at(0), [0, 1, 2], [1, 2, 3], [(1, "clock not synchronised"), (2, "clock off"), 1])
    assert split(frame(doubted))["s"][0] == [Column("c", [at(0)], [1])]


def of_columns(*columns: Column) -> Chunk:
    return Chunk.of_columns(HUB, AGENT, DOOR, columns)


def test_chunks_are_joined_by_channel_whether_their_channels_share_times_or_not() -> None:
    shared, later = [1, 2], [4]
    alike = [
        of_columns(Column("a", shared, [1.0, 2.0]), Column("b", shared, [5.0, 6.0])),
        of_columns(Column("a", later, [3.0]), Column("b", later, [7.0])),
    ]
    expected = [Column("a", [1, 2, 4], [1.0, 2.0, 3.0]), Column("b", [1, 2, 4], [5.0, 6.0, 7.0])]
    assert list(joined(alike).columns) == expected
    turned = of_columns(Column("b", [3], [7.0]), Column("a", [4], [3.0]))
    assert list(joined([alike[0], turned]).columns) == [
        Column("a", [1, 2, 4], [1.0, 2.0, 3.0]),
        Column("b", [1, 2, 3], [5.0, 6.0, 7.0]),
    ]
    alone = of_columns(Column("a", [4], [3.0]))
    assert list(joined([alike[0], alone]).columns) == [expected[0], Column("b", [1, 2], [5.0, 6.0])]
    assert (shared, later) == ([1, 2], [4])


def test_times_go_on_only_forward_and_without_a_pause() -> None:
    times = [10, 12, 15]
    steps = of_columns(Column("a", times, [0.0] * 3)).steps(times)
    assert steps == (2, 3)
    assert steps.go_on_from(8, 10, 3)
    assert not steps.go_on_from(8, 10, 2.5), "a pause within"
    assert not steps.go_on_from(6, 10, 3), "a pause before"
    assert not steps.go_on_from(10, 10, 3), "not after the last"
    assert not steps.go_on_from(0, 10, 30), "nothing before"
    twice = of_columns(Column("a", [5, 5], [0.0] * 2))
    assert not twice.steps(twice.columns[0].t).go_on_from(4, 5, 3), "twice at one time"
    assert of_columns(Column("a", [5], [0.0])).steps([5]).go_on_from(4, 5, 3)


@given(frames)
def test_a_packed_frame_is_cut_into_the_same_chunks(drawn: Frame) -> None:
    plain, packed_one = split(drawn), split(packed(drawn))
    assert plain.keys() == packed_one.keys()
    for name, (columns, events) in plain.items():
        assert sorted(packed_one[name][0]) == sorted(columns)
        assert packed_one[name][1] == events


def test_channels_that_share_their_moments_are_sorted_each_for_itself() -> None:
    series = [Series("s", name, at(0), [5, 0], [2.0, 1.0]) for name in ("a", "b")]
    columns, _ = split(packed(frame(*series)))["s"]
    assert columns == [Column(name, [at(0), at(0) + 5], [1.0, 2.0]) for name in ("a", "b")]


def test_sensor_with_nothing_to_believe_is_still_named() -> None:
    assert split(frame(Series("s", "c", at(0), [0], [None], [2]))) == {"s": ([], [])}


def test_readings_of_a_sensor_come_together_by_time_then_channel() -> None:
    parts = split(frame(Series("s", "b", at(0), [0, 5], [1, 2]), Series("s", "a", at(0), [0, 3], [3, 4])))
    chunk = Chunk.of_columns(HUB, AGENT, DOOR, *parts["s"])
    assert [(each.t - at(0), each.channel) for each in chunk.readings] == [(0, "a"), (0, "b"), (3, "a"), (5, "b")]


def test_events_follow_the_readings_of_their_moment() -> None:
    happened = Event("s", at(0) + 3, "door.rex")
    chunk = Chunk.of(HUB, AGENT, DOOR, [ChunkReading(at(0) + 3, "c", 1), ChunkReading(at(0) + 4, "c", 1)], [happened])
    assert [each.t - at(0) for each in chunk.moments()] == [3, 3, 4]
    assert list(chunk.moments())[1] is happened


@given(
    st.lists(st.integers(0, 50), max_size=20),
    st.lists(st.integers(0, 50), max_size=5),
    st.integers(0, 50),
    st.integers(0, 50),
)
def test_a_stretch_of_a_chunk_holds_exactly_what_lies_in_it(
    readings: list[int], events: list[int], first: int, last: int
) -> None:
    chunk = Chunk.of(
        HUB, AGENT, DOOR, [ChunkReading(t, "c", 1) for t in readings], [Event("s", t, "x") for t in events]
    )
    part = chunk.between(first, last)
    assert sorted(each.t for each in part.moments()) == sorted(t for t in readings + events if first <= t <= last)
    assert len(part) == len(list(part.moments()))


@given(st.integers(BEGIN, BEGIN + 10**12), st.none() | st.text(max_size=5), st.booleans())
def test_id_of_a_detection_is_a_ulid_of_its_start_and_repeats(start: int, subject: str | None, late: bool) -> None:
    name = detection_id("a.b", "hub", "s", subject, start, late=late)
    assert name == detection_id("a.b", "hub", "s", subject, start, late=late)
    assert ULID.from_str(name).milliseconds == start // 1000


def test_ids_differ_with_everything_that_makes_a_detection_another() -> None:
    plain = ("a.b", "hub", "s", None, BEGIN)
    others = [
        ("a.c", "hub", "s", None, BEGIN),
        ("a.b", "hub2", "s", None, BEGIN),
        ("a.b", "hub", "s2", None, BEGIN),
        ("a.b", "hub", "s", "", BEGIN),
        ("a.b", "hub", "s", "x", BEGIN),
        ("a.b", "hub", "s", None, BEGIN + 1),
    ]
    ids = [detection_id(*each, late=False) for each in (plain, *others)] + [detection_id(*plain, late=True)]
    assert len(set(ids)) == len(ids)
