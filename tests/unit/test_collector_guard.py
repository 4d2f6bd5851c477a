"""The guard before the store: budgets that cost nobody else anything, and what is told of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from hubwatch_collector import budgets
from hubwatch_collector.decoding import limits_of
from hubwatch_collector.guard import Guard
from hubwatch_collector.settings import IntakeSection
from hubwatch_core import wire
from hubwatch_core.clock import now_us
from hubwatch_core.message import Message
from hubwatch_core.packed_frame import AnyFrame
from hubwatch_core.signature_check import Unproven
from hubwatch_core.wire import Birth, Frame
from hubwatch_store.ingest import Letter, Mistrust, Notice, Offer
from support.store_examples import birth, frame


def guard(signatures: str = "off", **limits: Any) -> Guard:
    settings = IntakeSection.model_validate({"client_id": "one", "signatures": signatures, "limits": limits})

    async def proven(signed: Sequence[tuple[Message, AnyFrame | Birth]]) -> list[Unproven | None]:
        return [None] * len(signed)

    return Guard(settings, limits_of(settings), proven)


def message(content: Frame | Birth, **changes: Any) -> Message:
    leaf = "birth" if isinstance(content, Birth) else "frame"
    topic = f"hubwatch/1/{content.hub}/{content.agent}/{leaf}"
    values: dict[str, Any] = {"retain": False, "mid": 1, "received": now_us()}
    return Message(topic, wire.encode(content), 1, **(values | changes))


def frames_in(offers: Sequence[Offer]) -> list[tuple[str, int]]:
    return [(each.content.agent, each.content.seq) for each in offers if isinstance(each.content, Frame)]


def notices_in(offers: Sequence[Offer]) -> list[Notice]:
    return [each.content for each in offers if isinstance(each.content, Notice)]


def letters_in(offers: Sequence[Offer]) -> list[Letter]:
    return [each.content for each in offers if isinstance(each.content, Letter)]


async def test_one_agent_that_sends_too_much_costs_no_other_anything() -> None:
    one = guard(frames_per_s=0.001, burst_s=5000)
    flood = [message(frame(seq)) for seq in range(1, 20)]
    other = message(frame(1, agent="gate-8"))
    offers = await one.judged(None, [*flood, other])
    assert frames_in(offers) == [("gate-7", seq) for seq in range(1, 6)] + [("gate-8", 1)]
    (told,) = notices_in(offers)
    assert (told.kind, told.agent, told.times) == (Mistrust.LIMIT, "gate-7", 14)
    assert "frames a second" in told.reason
    assert notices_in(await one.judged(None, flood)) == [], "it is told once, and counted on later"


async def test_bytes_are_counted_too_and_a_large_frame_passes_when_the_bucket_is_full() -> None:
    payload = len(message(frame(1)).payload)
    one = guard(bytes_per_s=1024, burst_s=1)
    assert payload < 1024
    offers = await one.judged(None, [message(frame(seq)) for seq in range(1, 10)])
    assert len(frames_in(offers)) == 1024 // payload
    assert "bytes a second" in notices_in(offers)[0].reason


async def test_a_birth_that_lists_too_much_is_refused() -> None:
    one = guard(sensors=1, channels=1)
    listed = birth().inventory[0]
    offers = await one.judged(None, [message(birth(inventory=[listed, wire.Sensor("x", listed.kind, "z")]))])
    assert [letter.kind for letter in letters_in(offers)] == [Mistrust.LIMIT]
    assert len(await one.judged(None, [message(birth())])) == 1


async def test_dead_letters_of_one_agent_are_bounded() -> None:
    one = guard(dead_letters_per_h=3)
    poison = [Message("hubwatch/1/harbour/gate-7/frame", b"no %d" % i, 1, False, i, now_us()) for i in range(10)]
    offers = await one.judged(None, poison)
    assert len(letters_in(offers)) == 3
    assert notices_in(offers)[0].times == 7


async def test_the_buckets_of_the_agent_heard_longest_ago_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budgets, "MAX_AGENTS", 2)
    one = guard(frames_per_s=0.001, burst_s=1000)
    for name in ("gate-1", "gate-2", "gate-1", "gate-3"):
        await one.judged(None, [message(frame(1, agent=name))])
    assert frames_in(await one.judged(None, [message(frame(2, agent="gate-1"))])) == []
    assert frames_in(await one.judged(None, [message(frame(2, agent="gate-2"))])) == [("gate-2", 2)]


async def test_a_repeated_frame_is_a_replay_only_where_no_honest_way_leads_to_it() -> None:
    one = guard("require")
    old, new = frame(1, sent=now_us() - 600_000_000), frame(2)
    await one.judged(None, [message(old), message(new)])
    honest = [
        Offer(message(old, redelivered=True), old),  # the broker had no acknowledgement
        Offer(message(new), new),  # its agent did not hear that it is stored
    ]
    one.stored_before(honest)
    assert letters_in(await one.judged(None, [])) == []
    one.stored_before([Offer(message(old), old)])
    assert [letter.kind for letter in letters_in(await one.judged(None, []))] == [Mistrust.REPLAYED]


async def test_what_a_queue_brings_after_a_reconnect_is_no_replay() -> None:
    one = guard("require")
    old, new = frame(1, sent=now_us() - 600_000_000), frame(2)
    await one.judged(None, [message(new)])
    other: Any = object()
    await one.judged(other, [message(old)])
    one.stored_before([Offer(message(old), old)])
    assert letters_in(await one.judged(other, [])) == []


async def test_a_birth_may_come_again_while_it_is_the_newest() -> None:
    one = guard("require")
    first, second = birth(sent=now_us() - 1_000_000), birth()
    for said in (first, first, second, second):
        assert letters_in(await one.judged(None, [message(said)])) == []
    assert letters_in(await one.judged(None, [message(first, retain=True)])) == []
    assert letters_in(await one.judged(None, [message(first, redelivered=True)])) == []
    assert [letter.kind for letter in letters_in(await one.judged(None, [message(first)]))] == [Mistrust.REPLAYED]
