"""kill -9 of the alarms process at the worst moments: everybody is told, and can tell repeats."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from hubwatch_alarms.instructions import Instructions
from hubwatch_alarms.mover import Mover
from hubwatch_alarms.notify.webhook import WebhookRouteSection
from hubwatch_store.database import open_pool
from support.alarms_database import Hands, hands_on, settings_of
from support.alarms_examples import detection
from support.alarms_receiver import Receiver, hang, receiving
from support.alarms_running import alarms_process
from support.alarms_until import until


@pytest.fixture
def hands(migrated_plain_dsn: str) -> Iterator[Hands]:
    with hands_on(migrated_plain_dsn) as made:
        yield made


def configured(folder: Path, dsn: str, receiver: Receiver) -> Path:
    key = folder / "key"
    key.write_text("signing key", encoding="utf-8")
    file = folder / "alarms.toml"
    file.write_text(
        f"""
        [database]
        dsn = "{dsn}"
        [[routes]]
        name = "duty"
        kind = "webhook"
        url = "{receiver.url}"
        secret_file = "{key}"
        timeout_s = 1.0
        """,
        encoding="utf-8",
    )
    return file


async def test_killed_while_sending_the_message_comes_again_under_the_same_id(
    hands: Hands, migrated_plain_dsn: str, tmp_path: Path
) -> None:
    hands.detect(detection())
    async with receiving(hang()) as receiver:
        config = configured(tmp_path, migrated_plain_dsn, receiver)
        async with alarms_process(config) as first:
            await receiver.wait_for(1)
            first.kill()
            assert await first.wait() == -signal.SIGKILL
        async with alarms_process(config):
            before, after = await receiver.wait_for(2, timeout_s=30)
            await until(lambda: [row["state"] for row in hands.outbox()] == ["delivered"])
    assert before.id == after.id
    assert [(row["attempt"], row["outcome"]) for row in hands.attempts()] == [(1, "sending"), (2, "delivered")]
    assert len(hands.alarms()) == 1


async def test_killed_between_commit_and_send_the_message_is_sent_by_the_next_process(
    hands: Hands, migrated_plain_dsn: str, tmp_path: Path
) -> None:
    hands.detect(detection())
    async with receiving() as receiver:
        config = configured(tmp_path, migrated_plain_dsn, receiver)
        # A process that was killed right after its commit leaves just this behind: all in the database, nothing sent.
        duty = WebhookRouteSection(name="duty", kind="webhook", url=receiver.url, secret_file=tmp_path / "key")
        async with open_pool(settings_of(migrated_plain_dsn)) as pool:
            await Mover(pool, [duty], Instructions.load()).round()
        (waiting,) = hands.outbox()
        async with alarms_process(config):
            (request,) = await receiver.wait_for(1)
    assert request.id == waiting["id"]


async def test_killed_again_and_again_under_load_every_alarm_is_told_and_none_is_doubled(
    hands: Hands, migrated_plain_dsn: str, tmp_path: Path
) -> None:
    total = 60
    async with receiving() as receiver:
        config = configured(tmp_path, migrated_plain_dsn, receiver)
        for life in range(3):
            async with alarms_process(config) as running:
                told = len(receiver.received)
                hands.detect(*(detection(number=life * 20 + i, sensor=f"fence-{life}-{i}") for i in range(20)))
                await receiver.wait_for(told + 3, timeout_s=30)
                running.kill()
                await running.wait()
        async with alarms_process(config):
            await until(lambda: delivered(hands) == total, timeout_s=40)
    assert len(hands.alarms()) == total
    assert {row["detections"] for row in hands.alarms()} == {1}
    assert len(hands.outbox()) == total
    assert {request.id for request in receiver.received} == {row["id"] for row in hands.outbox()}


async def test_term_ends_it_in_order_with_exit_code_0(hands: Hands, migrated_plain_dsn: str, tmp_path: Path) -> None:
    hands.detect(detection())
    async with receiving() as receiver, alarms_process(configured(tmp_path, migrated_plain_dsn, receiver)) as running:
        await receiver.wait_for(1)
        running.terminate()
        assert await running.wait() == 0
    assert [row["state"] for row in hands.outbox()] == ["delivered"]


def delivered(hands: Hands) -> int:
    return sum(row["state"] == "delivered" for row in hands.outbox())
