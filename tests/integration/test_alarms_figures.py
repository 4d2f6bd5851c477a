"""What the process says of itself while it works."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from hubwatch_alarms.notify.log import LogRouteSection
from hubwatch_alarms.service import parts
from hubwatch_alarms.settings import AlarmsSettings
from hubwatch_core.clock import SECOND_US, now_us
from hubwatch_core.process import Context
from hubwatch_core.process.service import run_parts
from support.alarms_database import Hands, hands_on, settings_of
from support.alarms_examples import detection
from support.alarms_until import until


@pytest.fixture
def hands(migrated_plain_dsn: str) -> Iterator[Hands]:
    with hands_on(migrated_plain_dsn) as made:
        yield made


async def test_metrics_and_log_route_follow_an_alarm_from_finding_to_delivery(
    hands: Hands, migrated_plain_dsn: str
) -> None:
    route = LogRouteSection(name="journal", kind="log")
    settings = AlarmsSettings(database=settings_of(migrated_plain_dsn), routes=(route,))
    context, stop = Context.make("test"), asyncio.Event()
    value = context.registry.get_sample_value
    with capture_logs() as lines:
        running = asyncio.create_task(run_parts(parts(settings, context), stop))
        hands.detect(detection(start=now_us() - 2 * SECOND_US, priority=1))
        opened = {"action": "opened", "priority": "1"}
        await until(lambda: value("hubwatch_alarms_moves_total", opened) == 1)
        delivered = {"route": "journal", "outcome": "delivered"}
        await until(lambda: value("hubwatch_alarms_attempts_total", delivered) == 1)
        await until(lambda: value("hubwatch_alarms_open", {"state": "unacknowledged", "priority": "1"}) == 1)
        await until(lambda: context.health.ok)
        await until(lambda: value("hubwatch_alarms_waiting") == 0)
        stop.set()
        await running
    assert value("hubwatch_alarms_arrivals_total") == 1
    assert value("hubwatch_alarms_waiting") == 0
    assert value("hubwatch_alarms_delivery_seconds_count", {"route": "journal"}) == 1
    latency = value("hubwatch_alarms_latency_seconds_sum")
    assert latency is not None
    assert 1.0 <= latency < 20
    (told,) = [line for line in lines if line["event"] == "alarm notification"]
    assert told["log_level"] == "warning"
    assert told["alarm"] == hands.alarms()[0]["id"]
    assert told["text"].startswith("CRITICAL: Intrusion at the perimeter – opened")
