"""The pump with a stand-in for the database: what is acknowledged, when, and what is offered again."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence

import pytest
from prometheus_client import CollectorRegistry

from hubwatch_collector.intake import Intake
from hubwatch_collector.metrics import CollectorMetrics
from hubwatch_collector.pump import Pump
from hubwatch_collector.settings import CollectorSettings, IntakeSection
from hubwatch_core import wire
from hubwatch_core.clock import now_us
from hubwatch_core.errors import Permanent, Transient
from hubwatch_core.health import Health
from hubwatch_core.message import Message
from hubwatch_store.database import DatabaseSection
from hubwatch_store.ingest import Letter, Offer, Writer, Written
from support.collector_feed import MemoryFeed
from support.eventually import eventually
from support.store_examples import frame

TOPIC = "hubwatch/1/harbour/gate-7/frame"


class FlakyWriter(Writer):
    """Fails as it is told, and settles when it is told; the real one is tested against databases."""

    def __init__(self, *failures: Exception | None, settles: bool = True, dead: Letter | None = None) -> None:
        super().__init__(DatabaseSection())
        self.failures = list(failures)
        self.settles = settles
        self.dead = [dead] if dead else []
        self.batches: list[list[int]] = []

    @property
    def settled(self) -> bool:
        return self.settles

    async def write(self, offers: Sequence[Offer]) -> Written:
        if offers:
            self.batches.append([each.content.seq for each in offers if isinstance(each.content, wire.Frame)])
            failure = self.failures.pop(0) if self.failures else None
            if failure is not None:
                raise failure
        return Written(frames=len(offers), dead=self.dead if offers else [])

    async def close(self) -> None:
        return None


class Bench:
    """A pump at work."""

    def __init__(self, writer: FlakyWriter) -> None:
        settings = CollectorSettings(intake=IntakeSection(client_id="x"), database=DatabaseSection(max_retry_s=0.01))
        self.health = Health()
        intake = Intake(1 << 20, self.health)
        self.feed, self.intake, self.writer = MemoryFeed(intake), intake, writer
        self.acked = self.feed.acked
        self.pump = Pump(settings, intake, writer, CollectorMetrics(CollectorRegistry(), intake.held), self.health)

    def put(self, *numbers: int) -> None:
        self.feed.put(*(Message(TOPIC, wire.encode(frame(seq)), 1, False, seq, now_us()) for seq in numbers))

    async def run(self, seconds: float = 0.1) -> None:
        with self.intake.using(self.feed):
            task = asyncio.create_task(self.pump.run(asyncio.Event()))
            await asyncio.sleep(seconds)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            self.healthy = self.health.ok


async def test_what_is_stored_is_acknowledged_in_order() -> None:
    bench = Bench(FlakyWriter())
    bench.put(1, 2, 3)
    await bench.run()
    assert bench.acked == [1, 2, 3]
    assert bench.healthy


async def test_while_the_database_is_away_nothing_is_acknowledged() -> None:
    bench = Bench(FlakyWriter(*[Transient("away")] * 1000))
    bench.put(1)
    await bench.run()
    assert bench.acked == []
    assert not bench.healthy
    assert len(bench.writer.batches) > 1, "it goes on trying"


async def test_after_it_the_same_batch_is_stored_once_and_acknowledged() -> None:
    bench = Bench(FlakyWriter(Transient("away"), Permanent("being restored")))
    bench.put(1, 2)
    await bench.run(0.3)
    assert bench.writer.batches == [[1, 2]] * 3
    assert bench.acked == [1, 2]


async def test_loss_is_told_once_and_so_is_what_somebody_has_to_mend(capsys: pytest.CaptureFixture[str]) -> None:
    refused = Permanent("wrong password")
    bench = Bench(FlakyWriter(Transient("away"), Transient("away"), refused, refused))
    bench.put(1)
    await bench.run(0.3)
    said = capsys.readouterr().out
    assert [said.count(text) for text in ("database lost", "database cannot be used", "database back")] == [1, 1, 1]
    assert bench.acked == [1]


async def test_one_who_keeps_sending_poison_does_not_fill_the_log(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hubwatch_collector.pump.DEAD_LETTER_LOG_EVERY_S", 0.5)
    bench = Bench(FlakyWriter(dead=Letter("no JSON", "harbour", "gate-7")))
    stop = asyncio.Event()
    with bench.intake.using(bench.feed):
        task = asyncio.create_task(bench.pump.run(stop))
        for seq in range(1, 8):
            bench.put(seq)
            await eventually(lambda seq=seq: bench.acked[-1:] == [seq])  # type: ignore[misc]
        await asyncio.sleep(0.5)
        bench.put(8)
        await eventually(lambda: bench.acked[-1:] == [8])
        stop.set()
        await task
    told = re.findall(r"messages went to dead letters.*count=(\d+)", capsys.readouterr().out)
    assert bench.acked == list(range(1, 9))
    assert 1 < len(told) < 8
    assert told[0] == "1"
    assert sum(map(int, told)) <= 8


async def test_what_is_not_settled_is_not_acknowledged_and_offered_again_after_a_failure() -> None:
    writer = FlakyWriter(None, Transient("away"), settles=False)
    bench = Bench(writer)
    bench.put(1)
    await bench.run(0.05)
    assert bench.acked == []
    bench.put(2)
    await bench.run(0.3)
    assert writer.batches == [[1], [2], [1, 2]]


async def test_a_deleted_retained_message_is_just_acknowledged() -> None:
    bench = Bench(FlakyWriter())
    bench.feed.put(Message(TOPIC.replace("frame", "state"), b"", 1, False, 9, 0))
    await bench.run()
    assert bench.acked == [9]
    assert bench.writer.batches == []


async def test_a_stop_waits_until_everything_is_stored() -> None:
    bench = Bench(FlakyWriter(Transient("away")))
    bench.put(1, 2)
    stop = asyncio.Event()
    stop.set()
    with bench.intake.using(bench.feed):
        async with asyncio.timeout(60):
            await bench.pump.run(stop)
    assert bench.acked == [1, 2]


async def test_a_stop_does_not_wait_for_what_keeps_coming() -> None:
    bench = Bench(FlakyWriter())
    stop = asyncio.Event()
    stop.set()
    bench.put(1, 2)
    write = bench.writer.write

    async def write_while_more_comes(offers: Sequence[Offer]) -> Written:
        bench.put(100 + len(bench.writer.batches))
        return await write(offers)

    bench.writer.write = write_while_more_comes  # type: ignore[method-assign]
    with bench.intake.using(bench.feed):
        async with asyncio.timeout(60):
            await bench.pump.run(stop)
    assert bench.acked[:2] == [1, 2]
    assert bench.intake.held.held_messages > 0
