"""Requests planned from what is wanted, and cut where a register is illegal."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hubwatch_agents.drivers.modbus.plan import ReadRequest, requests, span, split
from hubwatch_agents.profiles.modbus_schema import Block, Line, RegisterSource


def plan(spans: list[ReadRequest], blocks: tuple[Block, ...] = (), **line: object) -> list[ReadRequest]:
    return requests(spans, blocks, Line.model_validate(line))


def test_touching_values_are_read_together_and_gaps_are_not_crossed() -> None:
    wanted = [ReadRequest(3, 10, 2), ReadRequest(3, 12, 1), ReadRequest(3, 14, 1)]
    assert plan(wanted) == [ReadRequest(3, 10, 3), ReadRequest(3, 14, 1)]


def test_allowed_gap_is_read_across() -> None:
    assert plan([ReadRequest(3, 0, 1), ReadRequest(3, 4, 1)], allow_gap=3) == [ReadRequest(3, 0, 5)]


def test_request_never_exceeds_what_the_device_gives() -> None:
    wanted = [ReadRequest(3, wire, 2) for wire in range(0, 40, 2)]
    planned = plan(wanted, max_registers=15)
    assert all(request.size <= 15 for request in planned)
    assert all(any(request.covers(each) for request in planned) for each in wanted)


def test_values_that_must_stand_alone_are_not_merged() -> None:
    assert plan([ReadRequest(3, 0, 2), ReadRequest(3, 2, 2)], merge=False) == [
        ReadRequest(3, 0, 2),
        ReadRequest(3, 2, 2),
    ]


def test_block_of_the_profile_is_taken_as_it_is() -> None:
    block = Block(function=3, address=100, count=21)
    assert plan([ReadRequest(3, 104, 2), ReadRequest(3, 119, 1), ReadRequest(3, 3, 1)], (block,)) == [
        ReadRequest(3, 100, 21),
        ReadRequest(3, 3, 1),
    ]


def test_unused_block_is_not_read() -> None:
    assert plan([ReadRequest(4, 0, 1)], (Block(function=3, address=100, count=21),)) == [ReadRequest(4, 0, 1)]


def test_functions_are_never_mixed() -> None:
    assert plan([ReadRequest(1, 0, 1), ReadRequest(2, 1, 1)]) == [ReadRequest(1, 0, 1), ReadRequest(2, 1, 1)]


def test_span_of_a_source_counts_its_registers() -> None:
    assert span(RegisterSource(address=7, type="f64")) == ReadRequest(3, 7, 4)


def test_split_cuts_between_values_and_drops_the_hole() -> None:
    spans = [ReadRequest(3, 0, 2), ReadRequest(3, 2, 1), ReadRequest(3, 6, 2)]
    assert split(ReadRequest(3, 0, 8), spans) == [ReadRequest(3, 0, 3), ReadRequest(3, 6, 2)]
    assert split(ReadRequest(3, 0, 3), spans) == [ReadRequest(3, 0, 2), ReadRequest(3, 2, 1)]


def test_split_of_one_value_is_itself() -> None:
    assert split(ReadRequest(3, 4, 2), [ReadRequest(3, 4, 2)]) == [ReadRequest(3, 4, 2)]


def test_split_does_not_cut_overlapping_values() -> None:
    spans = [ReadRequest(3, 0, 4), ReadRequest(3, 2, 1)]
    assert split(ReadRequest(3, 0, 4), spans) == [ReadRequest(3, 0, 4)]


spans_of_a_device = st.lists(
    st.builds(ReadRequest, st.sampled_from([3, 4]), st.integers(0, 200), st.integers(1, 4)), min_size=1, max_size=30
)


@given(spans_of_a_device, st.integers(4, 125), st.integers(0, 20))
def test_every_value_is_read_by_some_request(wanted: list[ReadRequest], most: int, gap: int) -> None:
    planned = plan(wanted, max_registers=most, allow_gap=gap)
    for each in wanted:
        assert any(request.covers(each) for request in planned)


@given(spans_of_a_device)
def test_splitting_to_the_end_loses_no_value(wanted: list[ReadRequest]) -> None:
    work, single = plan(wanted, allow_gap=10), []
    while work:
        parts = split(work.pop(), wanted)
        if len(parts) == 1:
            single += parts
        else:
            work += parts
    assert all(any(part.covers(each) for part in single) for each in wanted)
