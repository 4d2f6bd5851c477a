"""Detectors take up a site that is applied while they run, and go on with the one before when they cannot."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from msgspec import structs

from hubwatch_core.health import Health
from hubwatch_core.ids import new_ulid
from hubwatch_core.process import Context
from hubwatch_core.wire import Detection, Event, Frame
from hubwatch_detectors.engine import Engine
from hubwatch_detectors.settings import DetectorsSettings
from hubwatch_detectors.site_following import SiteFollowing
from hubwatch_store.database import DatabaseSection, open_pool
from hubwatch_store.site import Sites
from support.detectors_hub import AGENT, EPOCH, FENCES, at, birth
from support.detectors_running import Address, publish, publishing, rows, running, settings
from support.eventually import eventually
from support.site_applied import applied, fenced, written

BARE = '[hub]\nid = "{0}"\nname = "H"\nmode = "sea"\ntime_zone = "UTC"\n'


@pytest.fixture
def hub() -> str:
    return f"hub-{new_ulid().lower()}"


def alarm(seq: int, t: float, sensor: str) -> Frame:
    return Frame(1, "", AGENT, EPOCH, seq, at(t + 1), events=[Event(sensor, at(t), "perimeter.alarm")])


def said(context: Context) -> str:
    check = context.health.checks()["detectors-site"]
    return f"{'ok' if check.ok else 'failed'}: {check.detail}"


def found(dsn: str) -> list[str]:
    return [row["type"] for row in rows(dsn, "SELECT type FROM detections ORDER BY detected, type")]


async def test_crossing_between_an_alarm_before_and_one_after_two_applies_is_found(
    broker: Address, migrated_plain_dsn: str, hub: str
) -> None:
    dsn = migrated_plain_dsn
    async with running(settings(dsn, broker, hub)) as context, publishing(broker, hub) as link:
        await eventually(lambda: context.health.ok)
        assert said(context) == "ok: no hub has a site"
        await publish(link, hub, [birth(FENCES), alarm(1, 10, "fence-1")])
        await eventually(lambda: found(dsn) == ["perimeter.intrusion"])
        applied(dsn, BARE.format(hub))
        applied(dsn, fenced(hub))
        await eventually(lambda: said(context) == f"ok: {hub} version 2")
        await publish(link, hub, [alarm(2, 14, "fence-2")])
        await eventually(lambda: "perimeter.crossing" in found(dsn))


async def test_site_is_there_from_the_start(broker: Address, migrated_plain_dsn: str, hub: str) -> None:
    dsn = migrated_plain_dsn
    applied(dsn, fenced(hub))
    async with running(settings(dsn, broker, hub)) as context, publishing(broker, hub) as link:
        await eventually(lambda: context.health.ok)
        await publish(link, hub, [birth(FENCES), alarm(1, 10, "fence-1"), alarm(2, 14, "fence-2")])
        await eventually(lambda: "perimeter.crossing" in found(dsn))


async def test_site_that_cannot_be_read_leaves_the_one_before(
    broker: Address, migrated_plain_dsn: str, hub: str
) -> None:
    dsn = migrated_plain_dsn
    applied(dsn, fenced(hub))
    async with running(settings(dsn, broker, hub)) as context, publishing(broker, hub) as link:
        await eventually(lambda: context.health.ok)
        written(dsn, hub, 2, "[hub]\nid = 7\n", told=True)
        await eventually(lambda: said(context).startswith(f"failed: version 2 of the site of hub {hub} cannot be read"))
        await publish(link, hub, [birth(FENCES), alarm(1, 10, "fence-1"), alarm(2, 14, "fence-2")])
        await eventually(lambda: "perimeter.crossing" in found(dsn))
        applied(dsn, fenced(hub, 7.0))
        await eventually(lambda: said(context) == f"ok: {hub} version 3")


@asynccontextmanager
async def following(dsn: str, hub: str, engine: Engine, health: Health) -> AsyncIterator[None]:
    """Follow the sites of one hub, asking five times a second."""
    database = DatabaseSection(dsn=dsn)
    async with open_pool(database, "test") as pool:
        work = SiteFollowing(engine, Sites([hub]), health, ask_every_s=0.2)
        task = asyncio.create_task(work.run(database, pool))
        yield
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_site_whose_notification_is_lost_is_taken_up_when_asked_for(migrated_plain_dsn: str, hub: str) -> None:
    engine, health = Engine(DetectorsSettings().rules()), Health()
    async with following(migrated_plain_dsn, hub, engine, health):
        await eventually(lambda: "detectors-site" in health.checks())
        written(migrated_plain_dsn, hub, 1, fenced(hub), told=False)
        await eventually(lambda: health.checks()["detectors-site"].detail == f"{hub} version 1")
    sent = [structs.replace(each, hub=hub) for each in (alarm(1, 10, "fence-1"), alarm(2, 14, "fence-2"))]
    engine.birth(structs.replace(birth(FENCES), hub=hub), at(0))
    types = [each.type for frame in sent for each in engine.frame(frame, frame.sent) if isinstance(each, Detection)]
    assert "perimeter.crossing" in types


async def test_sites_of_other_hubs_are_left_alone(migrated_plain_dsn: str, hub: str) -> None:
    health = Health()
    applied(migrated_plain_dsn, fenced(f"{hub}-b"))
    async with following(migrated_plain_dsn, hub, Engine(DetectorsSettings().rules()), health):
        await eventually(lambda: "detectors-site" in health.checks())
        assert health.checks()["detectors-site"].detail == "no hub has a site"
