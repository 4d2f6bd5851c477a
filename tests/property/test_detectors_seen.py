"""The account of frames, against a plain set."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

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
