"""When a message is tried again, and what an HTTP answer means."""

from __future__ import annotations

from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubwatch_alarms.notify.webhook import judge, sign, wait_asked_s
from hubwatch_alarms.sender import MAX_PAUSE_S, MAX_RETRY_AFTER_S, first_pause_s, pause_s, refused_pause_s
from hubwatch_core.delivery import DeliveryOutcome, DeliveryResult

NOW_S = 1_795_284_000.0


@pytest.mark.parametrize(
    ("attempt", "full"), [(1, 1), (2, 2), (3, 4), (4, 8), (5, 16), (6, 32), (7, 60), (8, 60), (10_000, 60)]
)
def test_pause_doubles_from_a_second_to_a_minute_and_lies_in_its_upper_half(attempt: int, full: int) -> None:
    pauses = [first_pause_s(attempt) for _ in range(200)]
    assert full / 2 <= min(pauses) < max(pauses) <= full


@given(asked=st.floats(0, 1e12), attempt=st.integers(1, 20))
def test_pause_is_at_least_what_was_asked_up_to_a_quarter_of_an_hour(asked: float, attempt: int) -> None:
    pause = pause_s(first_pause_s(attempt), asked)
    assert pause >= min(asked, MAX_RETRY_AFTER_S)
    assert pause <= max(MAX_RETRY_AFTER_S, MAX_PAUSE_S)


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
    assert (outcome.result is DeliveryResult.DELIVERED) == (200 <= status < 300)
    assert (outcome.result is DeliveryResult.TRANSIENT) == (status >= 500 or status in {408, 425, 429})
    assert (outcome.error is None) == (outcome.result is DeliveryResult.DELIVERED)


def test_retry_after_counts_with_every_failure() -> None:
    assert judge(503, "9", NOW_S).retry_after_s == 9
    assert judge(404, "9", NOW_S) == DeliveryOutcome(DeliveryResult.REFUSED, 404, "HTTP 404: refused", 9)
    assert judge(204, "9", NOW_S).retry_after_s is None


@pytest.mark.parametrize(("attempt", "full"), [(1, 15), (2, 30), (3, 60), (5, 240), (6, 300), (10_000, 300)])
def test_pause_after_a_refusal_is_slow_and_ends(attempt: int, full: int) -> None:
    pauses = [refused_pause_s(attempt) for _ in range(200)]
    assert full / 2 <= min(pauses) < max(pauses) <= full


def test_signature_is_that_of_the_worked_example() -> None:
    # printf '1795284000.{}' | openssl dgst -sha256 -hmac key
    assert sign("key", 1_795_284_000, b"{}") == "v1=ef7491658f6365428e2c266d7ae769f9b905afe6a239e4dd342bf723027a7fb9"
