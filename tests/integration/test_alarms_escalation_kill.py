"""kill -9 of the alarms process while it escalates: every step is told, none twice, and a repeat is marked as one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.alarms_database import Hands, hands_on
from support.alarms_examples import detection
from support.alarms_receiver import Receiver, receiving
from support.alarms_running import alarms_process
from support.alarms_until import until


@pytest.fixture
def hands(migrated_plain_dsn: str) -> Iterator[Hands]:
    with hands_on(migrated_plain_dsn) as made:
        yield made


def configured(folder: Path, dsn: str, first: Receiver, second: Receiver) -> Path:
    key = folder / "key"
    key.write_text("signing key", encoding="utf-8")
    key.chmod(0o600)
    file = folder / "alarms.toml"
    routes = "".join(
        f'[[routes]]\nname = "{name}"\nkind = "webhook"\nurl = "{receiver.url}"\nsecret_file = "{key}"\n'
        f'timeout_s = 2.0\nhubs = ["nowhere"]\n'
        for name, receiver in (("first", first), ("second", second))
    )
    file.write_text(
        f"""
        [database]
        dsn = "{dsn}"
        {routes}
        [[people]]
        name = "kim"
        ways = [{{ route = "first" }}]
        [[rotas]]
        name = "duty"
        time_zone = "Europe/Amsterdam"
        begins = "2026-01-05"
        hand_over = ["mon 08:00"]
        people = ["kim"]
        [[escalations]]
        name = "duty"
        repeat_last_s = 3600
        [[escalations.steps]]
        rotas = ["duty"]
        [[escalations.steps]]
        after_s = 2
        routes = ["second"]
        """,
        encoding="utf-8",
    )
    return file


async def test_killed_again_and_again_every_step_of_every_alarm_is_told_once(
    hands: Hands, migrated_plain_dsn: str, tmp_path: Path
) -> None:
    total = 24
    async with receiving() as first, receiving() as second:
        config = configured(tmp_path, migrated_plain_dsn, first, second)
        for life in range(3):
            async with alarms_process(config) as running:
                told = len(first.received) + len(second.received)
                hands.detect(*(detection(number=life * 8 + n, sensor=f"fence-{life}-{n}") for n in range(8)))
                await until(lambda told=told: len(first.received) + len(second.received) >= told + 3, 60)  # type: ignore[misc]
                running.kill()
                await running.wait()
        async with alarms_process(config):
            await until(lambda: [row["state"] for row in hands.outbox()] == ["delivered"] * 2 * total, 90)
    assert Counter(row["route"] for row in hands.outbox()) == {"first/kim": total, "second": total}
    actions = hands.rows("SELECT alarm, action FROM alarm_journal ORDER BY id")
    assert Counter((row["alarm"], row["action"]) for row in actions) == {
        (alarm["id"], action): 1 for alarm in hands.alarms() for action in ("opened", "escalated")
    }
    for receiver, way in ((first, "first/kim"), (second, "second")):
        # What came twice came under one id, by which a receiver drops it.
        assert {each.id for each in receiver.received} == {row["id"] for row in hands.outbox() if row["route"] == way}
    assert {each.message["event"] for each in second.received} == {"escalated"}
    assert {each.message["person"] for each in first.received} == {"kim"}
