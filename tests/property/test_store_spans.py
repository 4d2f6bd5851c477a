"""What is left of a span when others are taken out of it, against a model of single moments."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from hubwatch_store.series import Span, without

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
TICK = timedelta(microseconds=1)
LENGTH = 40

moments = st.integers(-10, LENGTH + 10).map(lambda ticks: BEGIN + ticks * TICK)
spans = st.tuples(moments, moments).map(lambda pair: Span(min(pair), max(pair)))


def inside(moment: datetime, left: list[Span]) -> bool:
    return any(span.since <= moment < span.until for span in left)


@given(st.lists(spans, max_size=5), st.integers(0, LENGTH), st.sampled_from([0, 1, 7]))
def test_what_touches_a_kept_span_stays_and_all_else_goes(kept: list[Span], ticks: int, width: int) -> None:
    whole, reach = Span(BEGIN, BEGIN + ticks * TICK), width * TICK
    left = without(whole, kept, reach)
    for tick in range(-15, LENGTH + 15):
        moment = BEGIN + tick * TICK
        # A reading is the moment itself; a bucket all moments from its own up to, not with, its end.
        touched = any(
            span.since <= part <= span.until for span in kept for part in (moment + i * TICK for i in range(width or 1))
        )
        assert inside(moment, left) == (whole.since <= moment < whole.until and not touched)


@given(st.lists(spans, max_size=5))
def test_what_is_left_is_in_order_and_apart(kept: list[Span]) -> None:
    left = without(Span(BEGIN, BEGIN + LENGTH * TICK), kept, timedelta(0))
    assert all(span.since < span.until for span in left)
    assert all(before.until < after.since for before, after in pairwise(left))


def test_nothing_kept_leaves_all() -> None:
    whole = Span(BEGIN, BEGIN + TICK)
    assert without(whole, [], timedelta(0)) == [whole]
    assert without(Span(BEGIN, BEGIN), [], timedelta(0)) == []
