"""The breaker, the schedule and the load of a line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubwatch_agents.connections import RtuConnection, TcpConnection
from hubwatch_agents.drivers.modbus.breaker import LONGEST_PAUSE_S, SHARE_OF_LINE, Breaker
from hubwatch_agents.drivers.modbus.line_load import request_s, wire_s
from hubwatch_agents.drivers.modbus.plan import ReadRequest
from hubwatch_agents.drivers.modbus.schedule import Schedule, next_turn


def test_breaker_opens_after_two_silences_and_closes_with_an_answer() -> None:
    breaker = Breaker(0.5)
    assert not breaker.silent(1.0)
    assert not breaker.open
    assert breaker.silent(2.0)
    assert breaker.open
    assert not breaker.silent(4.0), "told once"
    assert breaker.answered()
    assert not breaker.open
    assert not breaker.answered()


def test_one_silence_between_answers_opens_nothing() -> None:
    breaker = Breaker(0.5)
    for now in range(10):
        breaker.silent(float(now))
        breaker.answered()
    assert not breaker.open


def test_new_connection_gives_a_silent_unit_one_question_at_once() -> None:
    breaker = Breaker(0.5)
    for now in (0.0, 1.0, 2.0):
        breaker.silent(now)
    assert not breaker.may_probe(2.1, 0.0)
    breaker.renew()
    assert breaker.may_probe(2.1, 0.0), "whoever waits: it may be well again"
    assert breaker.open, "and is silent until it answers"
    breaker.silent(2.4)
    assert not breaker.may_probe(2.5, 9.0)


def test_probe_waits_for_idle_time_that_is_long_enough() -> None:
    breaker = Breaker(0.5)
    breaker.silent(0.0)
    breaker.silent(1.0)
    assert not breaker.may_probe(1.5, 9.0), "the pause after the last silence"
    assert not breaker.may_probe(2.5, 0.4), "somebody else is due before the timeout would be over"
    assert breaker.may_probe(2.5, 0.6)


def test_line_without_idle_time_gives_a_silent_unit_one_hundredth() -> None:
    breaker = Breaker(0.5)
    breaker.silent(0.0)
    breaker.silent(1.0)
    probes, now = [], 1.0
    while now < 1000:
        now += 0.1
        if breaker.may_probe(now, 0.0):
            probes.append(now)
            breaker.silent(now)
    assert len(probes) * 0.5 <= 1000 * SHARE_OF_LINE
    assert probes, "it is not forgotten either"


def test_pause_between_probes_grows_and_stays_bounded() -> None:
    breaker = Breaker(0.1)
    now, pauses = 0.0, []
    for _ in range(10):
        breaker.silent(now)
        pauses.append(breaker.probe_at - now)
        now = max(now, breaker.probe_at) + 0.1
    assert max(pauses) == LONGEST_PAUSE_S


@given(st.floats(1.7e9, 1.9e9), st.sampled_from([0.01, 0.1, 0.2, 1.0, 10.0, 60.0]))
def test_next_turn_is_later_and_within_two_periods(now: float, period: float) -> None:
    turn = next_turn(now, period)
    assert now < turn <= now + 2 * period


def test_turns_do_not_drift() -> None:
    now, turns = 1_700_000_000.03, []
    for _ in range(1000):
        now = next_turn(now, 0.2)
        turns.append(now)
        now += 0.013  # each read takes its time
    assert turns[-1] - turns[0] == pytest.approx(999 * 0.2, abs=1e-3)


def test_schedule_gives_the_earliest_and_keeps_the_order_of_equals() -> None:
    schedule: Schedule[str] = Schedule()
    assert schedule.due_s() == float("inf")
    for due, job in ((2.0, "b"), (1.0, "a"), (2.0, "c")):
        schedule.put(due, job)
    assert schedule.due_s() == 1.0
    assert [schedule.pop()[1] for _ in range(3)] == ["a", "b", "c"]


def test_time_on_the_wire_is_that_of_its_characters() -> None:
    # 8 + 5 + 250 characters of 11 bits at 9600 baud, and two gaps of 3.5 characters.
    assert wire_s(ReadRequest(3, 0, 125), 9600) == pytest.approx((8 + 5 + 250 + 7) * 11 / 9600)
    assert wire_s(ReadRequest(2, 0, 9), 115200) == pytest.approx((8 + 5 + 2) * 11 / 115200 + 2 * 0.00175)


def test_request_over_ethernet_does_not_count_characters() -> None:
    tcp = TcpConnection(name="t", transport="tcp", host="h")
    rtu = RtuConnection(name="r", transport="rtu", port="/dev/null")
    assert request_s(tcp, ReadRequest(3, 0, 125), 0.0) < request_s(rtu, ReadRequest(3, 0, 125), 0.0)
    assert request_s(rtu, ReadRequest(3, 0, 1), 0.5) > 0.5
