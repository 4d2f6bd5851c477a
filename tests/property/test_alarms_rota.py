"""Rotas over any days, the two on which the clocks change among them: one person at a time, no gap, no overlap."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubwatch_alarms.oncall.rota import WEEK_US, Hole, OnCall, PersonSpan, Rota, local_us, zone_text
from hubwatch_core.clock import SECOND_US, to_datetime, to_us

HOUR_US = 3600 * SECOND_US
moment = datetime.fromisoformat
ZONES = st.sampled_from(
    ["Europe/Amsterdam", "America/New_York", "Australia/Lord_Howe", "America/Sao_Paulo", "Asia/Kolkata", "UTC"]
).map(ZoneInfo)
SUNDAYS_OF_CHANGE = [date(2026, 3, 29), date(2026, 10, 25), date(2026, 3, 8), date(2026, 11, 1), date(2026, 4, 5)]
"""Europe in spring and autumn, the United States in both, Lord Howe Island (by half an hour)."""
MOMENTS = st.one_of(
    st.datetimes(moment("2026-01-01 00:00"), moment("2028-01-01 00:00")),
    st.builds(
        lambda day, minutes: datetime.combine(day, time()) + timedelta(minutes=minutes),
        st.sampled_from(SUNDAYS_OF_CHANGE),
        st.integers(-600, 2000),
    ),
).map(lambda each: to_us(each.replace(tzinfo=UTC)))
CLOCKS = st.tuples(st.integers(0, 6), st.times(time(0), time(23, 59)).map(lambda t: t.replace(second=0, microsecond=0)))
PEOPLE = ("kim", "ada", "lee")


def rotas() -> st.SearchStrategy[Rota]:
    """Rotas with one or two hand-overs a week, half a week apart, that began in 2025 on any day."""
    return st.builds(
        lambda zone, begins, first, two, size: Rota(
            zone, begins, (first, *([((first[0] + 3) % 7, first[1])] if two else [])), PEOPLE[:size]
        ),
        ZONES,
        st.dates(date(2025, 1, 1), date(2025, 12, 20)),
        st.one_of(CLOCKS, st.tuples(st.just(6), st.sampled_from([time(1, 30), time(2, 0), time(2, 30), time(3, 0)]))),
        st.booleans(),
        st.integers(1, 3),
    )


@given(rota=rotas(), t_us=MOMENTS)
def test_every_moment_is_in_one_turn_and_turns_follow_one_another(rota: Rota, t_us: int) -> None:
    turn = rota.turn(t_us)
    assert turn is not None
    begin, end = rota.hand_over(turn), rota.hand_over(turn + 1)
    assert begin <= t_us < end
    assert rota.turn(begin) == turn
    assert rota.turn(end) == turn + 1
    assert rota.turn(begin - 1) == (turn - 1 if turn else None)


@given(rota=rotas(), t_us=MOMENTS)
def test_hand_over_stands_on_the_clock_of_the_zone_also_in_the_weeks_of_the_change(rota: Rota, t_us: int) -> None:
    turn = rota.turn(t_us)
    assert turn is not None
    shown = to_datetime(rota.hand_over(turn)).astimezone(rota.zone)
    wanted = {(day, clock) for day, clock in rota.hand_overs}
    if (shown.weekday(), shown.time()) not in wanted:  # the clock skips it: as much later as the clock skips
        before = shown - timedelta(hours=3)
        skipped = shown.utcoffset() - before.astimezone(UTC).astimezone(rota.zone).utcoffset()  # type: ignore[operator]
        assert skipped > timedelta()
        assert (shown.weekday(), (shown.replace(tzinfo=None) - skipped).time()) in wanted


@given(rota=rotas(), t_us=MOMENTS)
def test_until_is_the_first_moment_at_which_it_is_another(rota: Rota, t_us: int) -> None:
    found = rota.on_call(t_us)
    assert found is not None
    assert rota.who(t_us) == found.person
    if len(rota.people) == 1:
        assert found.until is None
        return
    assert found.until is not None
    assert rota.who(found.until - 1) == found.person != rota.who(found.until)


@given(
    rota=rotas(),
    t_us=MOMENTS,
    spans=st.lists(st.tuples(st.sampled_from(PEOPLE), st.integers(-400, 400), st.integers(1, 400)), max_size=5),
)
def test_who_is_away_is_never_on_call_and_holes_are_where_everybody_is(
    rota: Rota, t_us: int, spans: list[tuple[str, int, int]]
) -> None:
    away = tuple(
        PersonSpan(name, t_us + since * HOUR_US, t_us + (since + hours) * HOUR_US) for name, since, hours in spans
    )
    with_away = Rota(rota.zone, rota.begins, rota.hand_overs, rota.people, (), away)
    holes = with_away.holes(t_us)
    for edge in [t_us, *with_away.edges(t_us, t_us + 10 * WEEK_US)]:
        gone = {span.person for span in away if span.holds(edge)}
        person = with_away.who(edge)
        assert person not in gone
        assert (person is None) == (set(rota.people) <= gone)
        assert (person is None) == any(hole.since <= edge < hole.until for hole in holes)
    assert all(one.until < other.since for one, other in itertools.pairwise(holes))


@pytest.mark.parametrize(
    ("clock", "shown", "hours_since_saturday"),
    [
        # The night in which 02:30 is not there: it is 03:30 then. The night in which it is there twice: the first.
        (moment("2026-03-29 02:30"), "2026-03-29 03:30 CEST", 2.5),
        (moment("2026-10-25 02:30"), "2026-10-25 02:30 CEST", 2.5),
        (moment("2026-10-25 08:00"), "2026-10-25 08:00 CET", 9),
        (moment("2026-03-29 08:00"), "2026-03-29 08:00 CEST", 7),
    ],
)
def test_clock_of_both_changes(clock: datetime, shown: str, hours_since_saturday: float) -> None:
    zone = ZoneInfo("Europe/Amsterdam")
    t_us = local_us(clock, zone)
    assert zone_text(t_us, zone) == shown
    midnight = local_us(datetime.combine(clock.date(), time()), zone)
    assert (t_us - midnight) / HOUR_US == hours_since_saturday


def test_override_holds_against_turn_and_ends_by_itself() -> None:
    zone = ZoneInfo("Europe/Amsterdam")
    since, until = (local_us(moment(f"2026-01-0{day} 12:00"), zone) for day in (7, 8))
    rota = Rota(zone, date(2026, 1, 5), ((0, time(8)),), ("kim", "ada"), (PersonSpan("lee", since, until),))
    assert rota.on_call(since - 1) == OnCall("kim", since)
    assert rota.on_call(since) == OnCall("lee", until)
    assert rota.on_call(until) == OnCall("kim", local_us(moment("2026-01-12 08:00"), zone))


def test_before_the_first_hand_over_nobody_is_on_call() -> None:
    zone = ZoneInfo("Europe/Amsterdam")
    rota = Rota(zone, date(2026, 1, 6), ((0, time(8)),), ("kim",))
    first = local_us(moment("2026-01-12 08:00"), zone)
    early = local_us(moment("2026-01-06 00:00"), zone)
    assert rota.on_call(early) is None
    assert rota.holes(early) == [Hole(early, first)]
    assert rota.on_call(first) == OnCall("kim", None)
