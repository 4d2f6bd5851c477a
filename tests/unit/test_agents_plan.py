"""Requests planned from what is wanted, and cut where a register is illegal."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hubwatch_agents.modbus.plan import Request, requests, span, split
from hubwatch_agents.profiles.modbus_schema import Block, Line, Source


def plan(spans: list[Request], blocks: tuple[Block, ...] = (), **line: object) -> list[Request]:
    return requests(spans, blocks, Line.model_validate(line))


def test_touching_values_are_read_together_and_gaps_are_not_crossed() -> None:
    wanted = [Request(3, 10, 2), Request(3, 12, 1), Request(3, 14, 1)]
    assert plan(wanted) == [Request(3, 10, 3), Request(3, 14, 1)]


def test_allowed_gap_is_read_across() -> None:
    assert plan([Request(3, 0, 1), Request(3, 4, 1)], allow_gap=3) == [Request(3, 0, 5)]


def test_request_never_exceeds_what_the_device_gives() -> None:
    wanted = [Request(3, wire, 2) for wire in range(0, 40, 2)]
    planned = plan(wanted, max_registers=15)
    assert all(request.size <= 15 for request in planned)
    assert all(any(request.covers(each) for request in planned) for each in wanted)


def test_values_that_must_stand_alone_are_not_merged() -> None:
    assert plan([Request(3, 0, 2), Request(3, 2, 2)], merge=False) == [Request(3, 0, 2), Request(3, 2, 2)]


def test_block_of_the_profile_is_taken_as_it_is() -> None:
    block = Block(function=3, wire=100, count=21)
    assert plan([Request(3, 104, 2), Request(3, 119, 1), Request(3, 3, 1)], (block,)) == [
        Request(3, 100, 21),
        Request(3, 3, 1),
    ]


def test_unused_block_is_not_read() -> None:
    assert plan([Request(4, 0, 1)], (Block(function=3, wire=100, count=21),)) == [Request(4, 0, 1)]


def test_functions_are_never_mixed() -> None:
    assert plan([Request(1, 0, 1), Request(2, 1, 1)]) == [Request(1, 0, 1), Request(2, 1, 1)]


def test_span_of_a_source_counts_its_registers() -> None:
    assert span(Source(wire=7, type="f64")) == Request(3, 7, 4)


def test_split_cuts_between_values_and_drops_the_hole() -> None:
    spans = [Request(3, 0, 2), Request(3, 2, 1), Request(3, 6, 2)]
    assert split(Request(3, 0, 8), spans) == [Request(3, 0, 3), Request(3, 6, 2)]
    assert split(Request(3, 0, 3), spans) == [Request(3, 0, 2), Request(3, 2, 1)]


def test_split_of_one_value_is_itself() -> None:
    assert split(Request(3, 4, 2), [Request(3, 4, 2)]) == [Request(3, 4, 2)]


def test_split_does_not_cut_overlapping_values() -> None:
    spans = [Request(3, 0, 4), Request(3, 2, 1)]
    assert split(Request(3, 0, 4), spans) == [Request(3, 0, 4)]


spans_of_a_device = st.lists(
    st.builds(Request, st.sampled_from([3, 4]), st.integers(0, 200), st.integers(1, 4)), min_size=1, max_size=30
)


@given(spans_of_a_device, st.integers(4, 125), st.integers(0, 20))
def test_every_value_is_read_by_some_request(wanted: list[Request], most: int, gap: int) -> None:
    planned = plan(wanted, max_registers=most, allow_gap=gap)
    for each in wanted:
        assert any(request.covers(each) for request in planned)


@given(spans_of_a_device)
def test_splitting_to_the_end_loses_no_value(wanted: list[Request]) -> None:
    work, single = plan(wanted, allow_gap=10), []
    while work:
        parts = split(work.pop(), wanted)
        if len(parts) == 1:
            single += parts
        else:
            work += parts
    assert all(any(part.covers(each) for part in single) for each in wanted)
