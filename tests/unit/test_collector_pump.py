"""The pump with a stand-in for the database: what is acknowledged, when, and what is offered again."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence

import pytest
from prometheus_client import CollectorRegistry

from hubwatch_collector.config import IntakeSection, Settings
from hubwatch_collector.inbox import Arrival, Inbox
from hubwatch_collector.metrics import Metrics
from hubwatch_collector.pump import Pump
from hubwatch_core import wire
from hubwatch_core.clock import now_us
from hubwatch_core.errors import Permanent, Transient
from hubwatch_core.health import Health
from hubwatch_store.config import DatabaseSection
from hubwatch_store.offer import Letter, Offer
from hubwatch_store.writer import Writer, Written
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
        settings = Settings(intake=IntakeSection(client_id="x"), database=DatabaseSection(retry_max_s=0.01))
        self.inbox, self.health, self.acked = Inbox(1 << 20), Health(), list[int]()
        self.writer = writer
        self.pump = Pump(settings, self.inbox, writer, Metrics(CollectorRegistry(), self.inbox), self.health)

    async def put(self, *numbers: int) -> None:
        def arrival(seq: int) -> Arrival:
            return Arrival(TOPIC, wire.encode(frame(seq)), now_us(), lambda: self.acked.append(seq))

        await self.inbox.put([arrival(seq) for seq in numbers])

    async def run(self, seconds: float = 0.1) -> None:
        stop = asyncio.Event()
        task = asyncio.create_task(self.pump.run(stop))
        await asyncio.sleep(seconds)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_what_is_stored_is_acknowledged_in_order() -> None:
    bench = Bench(FlakyWriter())
    await bench.put(1, 2, 3)
    await bench.run()
    assert bench.acked == [1, 2, 3]
    assert bench.health.ok


async def test_while_the_database_is_away_nothing_is_acknowledged() -> None:
    bench = Bench(FlakyWriter(*[Transient("away")] * 1000))
    await bench.put(1)
    await bench.run()
    assert bench.acked == []
    assert not bench.health.ok
    assert len(bench.writer.batches) > 1, "it goes on trying"


async def test_after_it_the_same_batch_is_stored_once_and_acknowledged() -> None:
    bench = Bench(FlakyWriter(Transient("away"), Permanent("being restored")))
    await bench.put(1, 2)
    await bench.run(0.3)
    assert bench.writer.batches == [[1, 2]] * 3
    assert bench.acked == [1, 2]


async def test_loss_is_told_once_and_so_is_what_somebody_has_to_mend(capsys: pytest.CaptureFixture[str]) -> None:
    refused = Permanent("wrong password")
    bench = Bench(FlakyWriter(Transient("away"), Transient("away"), refused, refused))
    await bench.put(1)
    await bench.run(0.3)
    said = capsys.readouterr().out
    assert [said.count(text) for text in ("database lost", "database refuses us", "database back")] == [1, 1, 1]
    assert bench.acked == [1]


async def test_one_who_keeps_sending_poison_does_not_fill_the_log(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hubwatch_collector.pump.TELL_DEAD_EVERY_S", 0.2)
    bench = Bench(FlakyWriter(dead=Letter("no JSON", "harbour", "gate-7")))
    stop = asyncio.Event()
    task = asyncio.create_task(bench.pump.run(stop))
    for seq in range(1, 8):
        await bench.put(seq)
        await asyncio.sleep(0.05)
    stop.set()
    await task
    told = re.findall(r"messages went to dead letters.*count=(\d+)", capsys.readouterr().out)
    assert bench.acked == list(range(1, 8))
    assert 1 < len(told) < 5
    assert told[0] == "1"
    assert sum(map(int, told)) <= 7


async def test_what_is_not_settled_is_not_acknowledged_and_offered_again_after_a_failure() -> None:
    writer = FlakyWriter(None, Transient("away"), settles=False)
    bench = Bench(writer)
    await bench.put(1)
    await bench.run(0.05)
    assert bench.acked == []
    await bench.put(2)
    await bench.run(0.3)
    assert writer.batches == [[1], [2], [1, 2]]


async def test_a_deleted_retained_message_is_just_acknowledged() -> None:
    bench = Bench(FlakyWriter())
    await bench.inbox.put([Arrival(TOPIC.replace("frame", "birth"), b"", 0, lambda: bench.acked.append(0))])
    await bench.run()
    assert bench.acked == [0]
    assert bench.writer.batches == []


async def test_a_stop_waits_until_everything_is_stored() -> None:
    bench = Bench(FlakyWriter(Transient("away")))
    await bench.put(1, 2)
    stop = asyncio.Event()
    stop.set()
    await asyncio.wait_for(bench.pump.run(stop), 5)
    assert bench.acked == [1, 2]
