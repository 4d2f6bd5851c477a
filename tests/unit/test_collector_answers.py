"""What a collector tells agents, and when it says that it receives nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from hubwatch_collector import answers as module
from hubwatch_collector.answers import Answers
from hubwatch_collector.hearing import SILENT_S, Hearing
from hubwatch_collector.intake import Intake
from hubwatch_core import topics
from hubwatch_core.answers import Answer, StoredRange, decode_answer, encode_answer, nonce_of
from hubwatch_core.concurrency import drain
from hubwatch_core.errors import Poison, Transient
from hubwatch_core.health import Health
from hubwatch_core.ids import new_ulid
from hubwatch_core.message import Message
from hubwatch_core.mqtt import MqttRefused
from hubwatch_core.wire import Frame
from hubwatch_store.ingest import Letter, Offer
from support.collector_feed import MemoryFeed
from support.eventually import eventually

EPOCH = "0" * 25 + "1"
NAME = ("harbour", "gate-7")
CASES = Path(__file__).parents[1] / "cases" / "wire" / "answers"


def frame(seq: int, agent: str = "gate-7", epoch: str = EPOCH) -> Offer:
    message = Message(f"hubwatch/1/harbour/{agent}/frame", b"", 1, False, seq, 0)
    return Offer(message, Frame(v=1, hub="harbour", agent=agent, epoch=epoch, seq=seq, sent=0))


def call(nonce: bytes, topic: str = topics.rollcall(*NAME)) -> Message:
    return Message(topic, nonce, 1, False, 1, 0)


def feed() -> MemoryFeed:
    return MemoryFeed(Intake(1 << 20, Health()))


def told(to: MemoryFeed) -> list[Answer]:
    return [decode_answer(payload, *NAME) for topic, payload in to.published if topic == topics.answer(*NAME)]


async def test_frames_are_told_as_ranges_dead_letters_among_them() -> None:
    answers, to = Answers(Health()), feed()
    dead = Offer(frame(4).message, Letter("bad", *NAME, EPOCH, 4))
    answers.stored([], [frame(1), frame(2), frame(3), dead, frame(7), frame(2)])
    await answers.tell(to)
    (answer,) = told(to)
    assert answer.nonce is None
    assert answer.stored == [StoredRange(EPOCH, 1, 4), StoredRange(EPOCH, 7, 7), StoredRange(EPOCH, 2, 2)]
    await answers.tell(to)
    assert len(told(to)) == 1, "nothing is told twice"


async def test_letter_that_names_no_frame_is_told_to_nobody() -> None:
    answers, to = Answers(Health()), feed()
    answers.stored([], [Offer(frame(1).message, Letter("bad", *NAME)), Offer(frame(1).message, Letter("bad"))])
    await answers.tell(to)
    assert to.published == []


async def test_roll_call_is_answered_at_once_with_its_nonce_and_what_is_stored() -> None:
    answers, to, nonce = Answers(Health()), feed(), new_ulid()
    running = asyncio.create_task(answers.run(to))
    try:
        answers.stored([call(nonce.encode())], [frame(5)])
        await eventually(lambda: told(to))
    finally:
        await drain([running])
    assert told(to) == [Answer(1, *NAME, nonce, [StoredRange(EPOCH, 5, 5)])]


@pytest.mark.parametrize("payload", [b"", b"short", b"\xff" * 26, b'"' * 26, b"0" * 27])
async def test_roll_call_without_a_nonce_is_not_answered(payload: bytes) -> None:
    answers, to = Answers(Health()), feed()
    assert nonce_of(payload) is None
    answers.stored([call(payload)], [])
    await answers.tell(to)
    assert to.published == []


@pytest.mark.parametrize("topic", ["hubwatch/rollcall/a", "hubwatch/rollcall/A/b", "hubwatch/rollcall/a/b/answer"])
async def test_roll_call_of_no_agent_is_not_answered(topic: str) -> None:
    answers, to = Answers(Health()), feed()
    answers.stored([call(new_ulid().encode(), topic)], [])
    await answers.tell(to)
    assert to.published == []


async def test_what_could_not_be_told_is_told_over_the_next_connection() -> None:
    answers, lost, to = Answers(Health()), feed(), feed()
    lost.lost = True
    answers.stored([], [frame(1)])
    with pytest.raises(Transient):
        await answers.tell(lost)
    await answers.tell(to)
    assert [answer.stored for answer in told(to)] == [[StoredRange(EPOCH, 1, 1)]]


class Unacknowledging(MemoryFeed):
    """A broker that acknowledges nothing."""

    async def publish(self, topic: str, payload: bytes, *, expires_s: int | None = None) -> bool:
        await asyncio.Event().wait()
        return True


async def test_broker_that_acknowledges_no_answer_is_told_of_and_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ACKNOWLEDGED_S", 0.05)
    health, to = Health(), feed()
    answers = Answers(health)
    answers.stored([], [frame(1)])
    await answers.tell(Unacknowledging(Intake(1 << 20, Health())))
    assert "has not acknowledged an answer" in str(health.report())
    await answers.tell(to)
    assert [answer.stored for answer in told(to)] == [[StoredRange(EPOCH, 1, 1)]]
    assert health.ok


class Refusing(MemoryFeed):
    """A broker that takes no answers."""

    async def publish(self, topic: str, payload: bytes, *, expires_s: int | None = None) -> bool:
        raise MqttRefused(f"broker refused a message on {topic}: Not authorized")


async def test_refused_answers_are_told_in_health_and_what_the_acl_lacks() -> None:
    health = Health()
    answers = Answers(health)
    answers.stored([], [frame(1)])
    await answers.tell(Refusing(Intake(1 << 20, Health())))
    assert "must be allowed to write hubwatch/rollcall/+/+/answer" in str(health.report())
    answers.stored([], [frame(2)])
    await answers.tell(feed())
    assert health.ok


async def test_state_that_agents_can_grow_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_AGENTS", 3)
    monkeypatch.setattr(module, "MAX_RANGES", 4)
    answers, to = Answers(Health()), feed()
    answers.stored([], [frame(1, f"agent-{i}") for i in range(10)])
    answers.stored([], [frame(seq, "agent-0") for seq in range(1, 100, 2)])
    answers.stored([], [frame(1, "agent-0", new_ulid()) for _ in range(10)])
    await answers.tell(to)
    assert len(to.published) == 3
    sizes = [len(decode_answer(payload, "harbour", topic.split("/")[3]).stored) for topic, payload in to.published]
    assert sorted(sizes) == [1, 1, 4]


def test_answer_has_these_bytes() -> None:
    golden = (CASES / "answer.json").read_bytes().strip()
    answer = Answer(1, *NAME, "01JD3ZK6W0000000000000000A", [StoredRange("01JD3ZK6W00000000000000000", 1, 7)])
    assert encode_answer(answer) == golden
    assert decode_answer(golden, *NAME) == answer


def test_largest_answer_is_within_the_limit() -> None:
    big = 2**62
    stored = [StoredRange(EPOCH, big - i, big - i) for i in range(500)]
    answer = Answer(1, "h" * 63, "a" * 63, new_ulid(), stored)
    assert decode_answer(encode_answer(answer), "h" * 63, "a" * 63) == answer


@pytest.mark.parametrize(
    "payload",
    [b"", b"{", b"[]", b"\xff", b'{"v":2,"hub":"harbour","agent":"gate-7"}', b'{"v":1,"hub":"h","agent":"gate-7"}',
     b'{"v":1,"hub":"harbour","agent":"gate-7","stored":[["x",1,2]]}',
     b'{"v":1,"hub":"harbour","agent":"gate-7","stored":[["00000000000000000000000001",0,2]]}',
     b"[" * 60_000, b" " * 70_000],
)  # fmt: skip
def test_what_is_no_answer_is_refused_with_a_reason(payload: bytes) -> None:
    with pytest.raises(Poison):
        decode_answer(payload, *NAME)


def test_silence_is_told_before_half_a_minute_is_over_and_ends_with_a_message() -> None:
    health, came = Health(), False
    hearing = Hearing(lambda: came, health)
    for _ in range(int(SILENT_S) - 1):
        hearing.look(1.0)
    assert health.ok
    hearing.look(1.0)
    assert SILENT_S < 30
    assert not health.ok
    assert "must be allowed to read hubwatch/1/# and hubwatch/rollcall/#" in str(health.report())
    came = True
    hearing.look(1.0)
    assert health.ok


async def test_what_is_held_for_a_slow_database_is_no_silence() -> None:
    intake = Intake(1 << 20, Health())
    to = MemoryFeed(intake)
    assert not intake.heard()
    to.put(frame(1).message)
    assert intake.heard()
    assert intake.heard(), "it is still held"
    with intake.using(to):
        intake.done(await intake.take(10, 1000, 1))
    assert intake.heard()
    assert not intake.heard()
