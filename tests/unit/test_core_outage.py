"""Going on when the database is unavailable: said once, and once when it is back."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from hubwatch_core.concurrency import wait_for_event
from hubwatch_core.errors import Permanent, Transient
from hubwatch_core.health import WORK_WITHIN_S, Health
from hubwatch_core.outage import Outage
from hubwatch_core.process.supervision import tell_overdue
from support.eventually import eventually


async def away() -> int:
    raise Transient("connection refused")


async def there() -> int:
    return 7


async def broken() -> int:
    raise Permanent("no such table")


def checks(health: Health) -> object:
    return health.report()["checks"]


async def test_step_that_works_gives_its_result_and_is_healthy() -> None:
    health = Health()
    assert await Outage("alarms.mover", health, 0.01).step(there, asyncio.Event()) == 7
    assert health.ok


async def test_loss_is_said_once_and_return_is_said_once() -> None:
    health, stop = Health(), asyncio.Event()
    outage = Outage("alarms.mover", health, 0.01)
    with capture_logs() as lines:
        for work in (away, away, away, there, there):
            await outage.step(work, stop)
    assert [(line["log_level"], line["event"]) for line in lines] == [
        ("warning", "database is away, trying again"),
        ("info", "database is back"),
    ]
    assert lines[0]["reason"] == "connection refused"


async def test_health_fails_while_it_is_away() -> None:
    health = Health()
    outage = Outage("alarms.mover", health, 0.01)
    assert await outage.step(away, asyncio.Event()) is None
    assert not health.ok
    assert "connection refused" in str(checks(health))
    await outage.step(there, asyncio.Event())
    assert health.ok


async def test_pause_ends_when_it_is_told_to_stop() -> None:
    stop = asyncio.Event()
    outage = Outage("alarms.mover", Health(), 3600)
    async with asyncio.timeout(60):
        for _ in range(3):
            await outage.step(away, stop)
        asyncio.get_running_loop().call_later(0.05, stop.set)
        for _ in range(10):
            await outage.step(away, stop)


async def test_what_trying_again_cannot_help_is_not_swallowed() -> None:
    with pytest.raises(Permanent, match="no such table"):
        await Outage("alarms.mover", Health(), 0.01).step(broken, asyncio.Event())


async def test_waiting_ends_with_the_event_or_the_time() -> None:
    event = asyncio.Event()
    assert not await wait_for_event(event, 0.01)
    event.set()
    assert await wait_for_event(event, 3600)


async def test_step_that_does_not_end_is_ended_and_is_an_outage() -> None:
    health = Health()

    async def for_ever() -> int:
        await asyncio.Event().wait()
        return 7

    outage = Outage("alarms.mover", health, 0.01, step_s=0.05)
    async with asyncio.timeout(60):
        assert await outage.step(for_ever, asyncio.Event()) is None
    assert "no answer within 0.05 s" in str(checks(health))


async def test_loop_that_stands_still_shows_though_its_last_step_was_well() -> None:
    health = Health()
    outage = Outage("alarms.mover", health, 0.01, within_s=0.05)
    await outage.step(there, asyncio.Event())
    # Sooner than a limit that was not handed on would show it.
    await eventually(lambda: "alarms.mover" in health.overdue(), WORK_WITHIN_S / 2)
    assert not health.ok


async def test_part_that_does_its_work_no_more_is_logged_once_and_once_when_it_does() -> None:
    health = Health()
    health.expect("alarms.mover", 0.05)
    with capture_logs() as lines:
        telling = asyncio.create_task(tell_overdue(health, look_every_s=0.01))
        await eventually(lambda: len(lines) == 1)
        await asyncio.sleep(0.05)
        health.expect("alarms.mover", 60)
        health.did("alarms.mover")
        await eventually(lambda: len(lines) == 2)
        telling.cancel()
    assert [(line["log_level"], line["event"], line["check"]) for line in lines] == [
        ("error", "part does not do its work", "alarms.mover"),
        ("info", "part does its work again", "alarms.mover"),
    ]
