"""Numbers missing in a row of events: baseline, gaps, bounds, counters that begin anew."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hubwatch_agents.drivers.mqtt.backfill import Gaps, SeenNumbers


def seen(gaps: Gaps, *numbers: int) -> None:
    for number in numbers:
        gaps.see(number, None)


def test_first_number_is_only_the_baseline() -> None:
    gaps = Gaps(10)
    assert gaps.see(69, None) == (SeenNumbers.NEW, [])
    assert gaps.next() is None


def test_numbers_in_a_row_leave_nothing_missing() -> None:
    gaps = Gaps(10)
    seen(gaps, 5, 6, 7)
    assert (gaps.last, gaps.missing) == (7, [])


def test_gap_is_missing_and_fetched_from_its_oldest() -> None:
    gaps = Gaps(10)
    seen(gaps, 5, 9)
    assert gaps.missing == [(6, 8)]
    assert gaps.next() == 6
    assert gaps.found(6)
    assert gaps.next() == 7


def test_number_found_in_the_middle_splits_the_gap() -> None:
    gaps = Gaps(10)
    seen(gaps, 5, 9)
    assert gaps.found(7)
    assert gaps.missing == [(6, 6), (8, 8)]
    assert not gaps.found(7)


def test_missing_number_that_comes_by_itself_is_no_reset() -> None:
    gaps = Gaps(10)
    seen(gaps, 5, 9)
    assert gaps.see(7, None) == (SeenNumbers.KNOWN, [])
    assert gaps.last == 9


def test_more_than_may_be_fetched_is_given_up_from_its_oldest_and_told() -> None:
    gaps = Gaps(3)
    seen(gaps, 1)
    assert gaps.see(10, None) == (SeenNumbers.NEW, [(2, 6)])
    assert gaps.missing == [(7, 9)]
    assert gaps.see(13, None) == (SeenNumbers.NEW, [(7, 8)])
    assert gaps.missing == [(9, 9), (11, 12)]


def test_lower_number_with_a_later_time_is_a_reset_and_what_came_since_is_missing() -> None:
    gaps = Gaps(10)
    gaps.see(100, 1000)
    gaps.see(103, 1010)
    assert gaps.see(3, 2000) == (SeenNumbers.RESET, [(101, 102)])
    assert (gaps.last, gaps.missing) == (3, [(1, 2)])


def test_lower_number_with_an_earlier_time_is_known() -> None:
    gaps = Gaps(10)
    gaps.see(100, 1000)
    assert gaps.see(99, 990) == (SeenNumbers.KNOWN, [])
    assert gaps.last == 100


def test_lower_number_without_times_is_a_reset_and_nothing_is_guessed() -> None:
    gaps = Gaps(10)
    seen(gaps, 100)
    assert gaps.see(7, None) == (SeenNumbers.RESET, [])
    assert (gaps.last, gaps.missing) == (7, [])


def test_same_number_again_is_known() -> None:
    gaps = Gaps(10)
    seen(gaps, 100)
    assert gaps.see(100, None) == (SeenNumbers.KNOWN, [])


@given(st.lists(st.integers(1, 60), max_size=40), st.integers(1, 20))
def test_every_number_since_the_baseline_is_seen_missing_or_given_up(numbers: list[int], most: int) -> None:
    gaps, known, lost = Gaps(most), set[int](), set[int]()
    rising = sorted(set(numbers))
    for number in rising:
        told = gaps.see(number, None)
        known.add(number)
        lost.update(each for first, last in told.lost for each in range(first, last + 1))
    missing = {each for first, last in gaps.missing for each in range(first, last + 1)}
    assert len(missing) <= most
    assert known | missing | lost == (set(range(rising[0], rising[-1] + 1)) if rising else set())
    assert not known & missing
    assert not missing & lost
