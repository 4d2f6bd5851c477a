"""When a message is tried again, and what an HTTP answer means."""

from __future__ import annotations

from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubwatch_alarms.notify.backoff import FIRST_S, LONGEST_ASKED_S, LONGEST_S, pause_s
from hubwatch_alarms.notify.outcome import Outcome, Result
from hubwatch_alarms.notify.signature import sign
from hubwatch_alarms.notify.webhook import judge, wait_asked_s

NOW_S = 1_795_284_000.0


def test_pause_doubles_from_a_second_to_a_minute() -> None:
    assert [pause_s(attempt, 1.0) for attempt in range(1, 9)] == [1, 2, 4, 8, 16, 32, 60, 60]


@given(attempt=st.integers(1, 10_000), chance=st.floats(0, 1, exclude_max=True))
def test_pause_lies_in_the_upper_half_of_its_step(attempt: int, chance: float) -> None:
    assert FIRST_S / 2 <= pause_s(attempt, 0.0) <= pause_s(attempt, chance) <= 2 * pause_s(attempt, 0.0) <= LONGEST_S


@given(asked=st.floats(0, 1e12), attempt=st.integers(1, 20))
def test_pause_is_at_least_what_was_asked_up_to_a_quarter_of_an_hour(asked: float, attempt: int) -> None:
    pause = pause_s(attempt, 0.0, asked)
    assert pause >= min(asked, LONGEST_ASKED_S)
    assert pause <= max(LONGEST_ASKED_S, LONGEST_S)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("120", 120.0),
        ("0", 0.0),
        (formatdate(NOW_S + 90, usegmt=True), 90.0),
        (formatdate(NOW_S - 90, usegmt=True), 0.0),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("9" * 400, None),
        ("٣", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_date_and_else_ignored(header: str | None, seconds: float | None) -> None:
    assert wait_asked_s(header, NOW_S) == seconds


@given(st.text())
def test_hostile_retry_after_never_breaks_the_sender(header: str) -> None:
    waited = wait_asked_s(header, NOW_S)
    assert waited is None or waited >= 0


@given(st.integers(100, 599))
def test_every_status_has_exactly_one_meaning(status: int) -> None:
    outcome = judge(status, None, NOW_S)
    assert outcome.status == status
    assert (outcome.result is Result.DELIVERED) == (200 <= status < 300)
    assert (outcome.result is Result.TRANSIENT) == (status >= 500 or status in {408, 425, 429})
    assert (outcome.error is None) == (outcome.result is Result.DELIVERED)


def test_retry_after_counts_only_where_trying_again_makes_sense() -> None:
    assert judge(503, "9", NOW_S).retry_after_s == 9
    assert judge(404, "9", NOW_S) == Outcome(Result.PERMANENT, 404, "HTTP 404: refused")


def test_signature_is_that_of_the_worked_example() -> None:
    # printf '1795284000.{}' | openssl dgst -sha256 -hmac key
    assert sign("key", 1_795_284_000, b"{}") == "v1=ef7491658f6365428e2c266d7ae769f9b905afe6a239e4dd342bf723027a7fb9"
