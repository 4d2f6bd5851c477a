from __future__ import annotations

import json
from typing import Any

import pytest

from hubwatch_collector.decoding import limits_of, offer_of
from hubwatch_collector.settings import IntakeSection
from hubwatch_core import wire
from hubwatch_core.clock import now_us
from hubwatch_store.ingest import Departure, Letter, Offer, State
from support.store_examples import EPOCH, HOUR_US, birth, event, frame, message, series

TOPIC = "hubwatch/1/harbour/gate-7"
LIMITS = limits_of(IntakeSection(client_id="x"))


def decoded(payload: bytes, leaf: str = "frame", topic: str = TOPIC) -> Offer:
    offer = offer_of(message(payload, f"{topic}/{leaf}"), LIMITS)
    assert offer is not None
    return offer


def letter(payload: bytes, leaf: str = "frame", topic: str = TOPIC) -> Letter:
    offer = decoded(payload, leaf, topic)
    assert isinstance(offer.content, Letter)
    assert offer.message.payload == payload, "a dead letter keeps the whole payload"
    return offer.content


def changed(**changes: Any) -> bytes:
    """A good frame's JSON with changes; None removes a key."""
    tree = json.loads(wire.encode(frame(5))) | changes
    return json.dumps({key: value for key, value in tree.items() if value is not None}).encode()


def series_with(**changes: Any) -> bytes:
    tree = json.loads(wire.encode(frame(5)))
    tree["series"][0] |= changes
    return json.dumps(tree).encode()


def test_a_good_frame_is_a_frame() -> None:
    content = decoded(wire.encode(frame(5))).content
    assert isinstance(content, wire.Frame)
    assert content.seq == 5


def test_a_birth_is_a_birth() -> None:
    assert isinstance(decoded(wire.encode(birth()), "birth").content, wire.Birth)


@pytest.mark.parametrize(("payload", "online"), [(b"online", True), (b"offline", False)])
def test_a_state_is_a_state(payload: bytes, online: bool) -> None:
    assert decoded(payload, "state").content == State("harbour", "gate-7", online)


@pytest.mark.parametrize("payload", [b"", b"whatever"])
def test_a_roll_call_says_nothing(payload: bytes) -> None:
    assert offer_of(message(payload, "hubwatch/rollcall/harbour/gate-7"), LIMITS) is None


def test_a_deleted_retained_state_says_nothing() -> None:
    assert offer_of(message(b"", f"{TOPIC}/state"), LIMITS) is None


def test_a_deleted_retained_birth_says_that_the_agent_is_gone() -> None:
    assert decoded(b"", "birth").content == Departure("harbour", "gate-7")


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\xff\xfe not utf-8", id="not-utf-8"),
        pytest.param(b'{"v":1,"hub":"harbour"', id="cut-short"),
        pytest.param(b"[1,2,3]", id="not-an-object"),
        pytest.param(b"[" * 100_000, id="nested-deep"),
        pytest.param(b" " * (wire.MAX_FRAME_BYTES + 1), id="too-long"),
        pytest.param(changed(v=2), id="other-version"),
        pytest.param(changed(hub="Harbour!"), id="bad-id"),
        pytest.param(changed(seq="five"), id="wrong-type"),
        pytest.param(changed(seq=0), id="no-sequence-number"),
        pytest.param(changed(seq=None), id="missing-key"),
        pytest.param(changed(epoch="yesterday"), id="bad-epoch"),
        pytest.param(changed(sent=1), id="before-2010"),
        pytest.param(series_with(dt=[0]), id="unequal-lengths"),
        pytest.param(series_with(q=[0]), id="unequal-qualities"),
        pytest.param(series_with(q=[0, 3]), id="no-such-quality"),
        pytest.param(series_with(x=[1, None]), id="null-but-good"),
        pytest.param(series_with(x=[1, float("nan")]), id="not-a-number"),
        pytest.param(series_with(x=[1, 2]).replace(b"2]", b"1e999]"), id="infinite"),
        pytest.param(series_with(dt=[0, 2**52]), id="offset-into-2100"),
        pytest.param(changed(events=[{"sensor": "d", "t": now_us(), "type": "a", "subject": "\0"}]), id="nul"),
    ],
)
def test_poison_is_a_dead_letter_with_its_sender(payload: bytes) -> None:
    found = letter(payload)
    assert found.reason
    assert (found.hub, found.agent) == ("harbour", "gate-7")


def test_poison_keeps_the_frame_it_was_when_that_can_be_read() -> None:
    found = letter(series_with(dt=[0]))
    assert (found.epoch, found.seq) == (EPOCH, 5)


def test_a_cut_short_frame_names_no_frame() -> None:
    found = letter(wire.encode(frame(5))[:-1])
    assert (found.epoch, found.seq) == (None, None)


@pytest.mark.parametrize("changes", [{"hub": "airport"}, {"agent": "gate-8"}])
def test_a_frame_on_another_ones_topic_is_dead_and_counts_for_nobody(changes: dict[str, str]) -> None:
    found = letter(wire.encode(frame(5, **changes)))
    assert "says" in found.reason
    assert found.seq is None


def test_a_birth_on_another_ones_topic_is_dead() -> None:
    assert "says" in letter(wire.encode(birth(agent="gate-8")), "birth").reason


def test_a_state_of_another_word_is_dead() -> None:
    assert "neither online nor offline" in letter(b"maybe", "state").reason


@pytest.mark.parametrize("topic", ["hubwatch/2/harbour/gate-7", "hubwatch/1/Harbour/gate-7", "else"])
def test_a_strange_topic_is_dead(topic: str) -> None:
    assert "topic" in letter(wire.encode(frame(5)), topic=topic).reason


def test_a_reading_of_next_week_is_absurd() -> None:
    week = frame(5, series=[series(now_us() + 7 * 24 * HOUR_US, [1.0])])
    assert "ahead of the time of receipt" in letter(wire.encode(week)).reason


def test_a_reading_of_years_ago_is_absurd() -> None:
    old = frame(5, series=[series(now_us() - 401 * 24 * HOUR_US, [1.0])])
    assert "gamma.1 is 401.0 days behind" in letter(wire.encode(old)).reason


def test_an_absurd_event_is_dead_too() -> None:
    found = letter(wire.encode(frame(5, events=[event("door.opened", t=now_us() + 48 * HOUR_US)])))
    assert "door.opened is 2.0 days ahead" in found.reason
    assert found.seq == 5


def test_a_backlog_of_a_month_is_not_absurd() -> None:
    late = frame(5, late=True, series=[series(now_us() - 30 * 24 * HOUR_US, [1.0])])
    assert isinstance(decoded(wire.encode(late)).content, wire.Frame)
