"""The account of frames, against a plain set."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from hubwatch_detectors.engine.agents import AgentMemory
from hubwatch_detectors.engine.seen import MOST_HOLES, SeenFrames


@given(st.lists(st.integers(1, 60), max_size=200))
def test_a_number_is_new_exactly_when_it_has_not_come_before(numbers: list[int]) -> None:
    seen, model = SeenFrames(), set[int]()
    for number in numbers:
        assert seen.take(number) == (number not in model)
        model.add(number)
    missing = {n for first, last in seen.holes for n in range(first, last + 1)}
    assert missing == set(range(1, seen.highest + 1)) - model
    assert seen.holes == sorted(seen.holes)


@given(st.lists(st.integers(1, 40), max_size=60), st.integers(0, 60))
def test_saved_and_restored_it_goes_on_the_same(numbers: list[int], middle: int) -> None:
    plain, saved = SeenFrames(), SeenFrames()
    for i, number in enumerate(numbers):
        if i == middle:
            saved = msgspec.json.decode(msgspec.json.encode(saved), type=SeenFrames)
        assert plain.take(number) == saved.take(number)


def test_holes_stay_bounded_and_what_is_given_up_is_counted() -> None:
    seen = SeenFrames()
    for number in range(2, 3 * MOST_HOLES, 2):
        seen.take(number)
    assert len(seen.holes) == MOST_HOLES
    assert seen.dropped == 3 * MOST_HOLES // 2 - 1 - MOST_HOLES
    assert not seen.take(1)


def test_numbers_before_the_first_are_expected_of_nobody() -> None:
    seen = SeenFrames()
    assert seen.missing() == []
    for seq in (5, 8, 3):
        seen.take(seq)
    assert seen.missing() == [(6, 7)]
    assert [seq for seq in range(10) if seen.holds(seq)] == [3, 5, 8]
    later = AgentMemory()
    later.seen_of("01JD3Z0000000000000000000A").take(4)
    after = later.seen_of("01JD4Z0000000000000000000A")
    after.take(3)
    assert after.missing() == [(1, 2)]
    before_this_was_known = SeenFrames(highest=9, holes=[(2, 3)])
    assert before_this_was_known.missing() == []
