"""The alarms process takes up a site that is applied while it runs: near zones then make one incident."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from hubwatch_alarms.instructions import Instructions
from hubwatch_alarms.mover import Mover
from hubwatch_alarms.service import parts
from hubwatch_alarms.settings import AlarmsSettings
from hubwatch_core.process import Context
from hubwatch_core.process.service import run_parts
from hubwatch_store.database import open_pool
from support.alarms_database import Hands, hands_on, settings_of
from support.alarms_examples import detection
from support.eventually import eventually
from support.site_applied import applied, written

PLACES = (("fence-1", "north"), ("fence-2", "gate-2"), ("fence-3", "north"), ("fence-4", "gate-2"))
SITE = (
    '[hub]\nid = "rotterdam"\nname = "H"\nmode = "sea"\ntime_zone = "UTC"\n'
    '[[zones]]\nid = "north"\n[[zones]]\nid = "gate-2"\n'
)
PATH = '[[paths]]\nfrom = "north"\nto = "gate-2"\nmetres = 50\n'


@pytest.fixture
def hands(migrated_plain_dsn: str) -> Iterator[Hands]:
    with hands_on(migrated_plain_dsn) as made:
        for sensor, zone in PLACES:
            made.place("rotterdam", sensor, zone)
        yield made


@asynccontextmanager
async def serving(dsn: str) -> AsyncIterator[Context]:
    context, stop = Context.make("test"), asyncio.Event()
    task = asyncio.create_task(run_parts(parts(AlarmsSettings(database=settings_of(dsn)), context), stop))
    try:
        yield context
    finally:
        stop.set()
        async with asyncio.timeout(60):
            await task


def site_check(context: Context) -> str:
    check = context.health.checks().get("alarms.site")
    return "" if check is None else f"{'ok' if check.ok else 'failed'}: {check.detail}"


def incidents(hands: Hands) -> list[int]:
    return [row["incident"] for row in hands.rows("SELECT incident FROM alarms ORDER BY sensor")]


async def test_path_that_is_applied_meanwhile_joins_what_it_leads_to(hands: Hands, migrated_plain_dsn: str) -> None:
    async with serving(migrated_plain_dsn) as context:
        await eventually(lambda: site_check(context) == "ok: no hub has a site")
        hands.detect(detection(number=1), detection(number=2, sensor="fence-2"))
        await eventually(lambda: len(set(incidents(hands))) == 2)
        hands.rows("UPDATE incidents SET closed = now() RETURNING id")
        applied(migrated_plain_dsn, SITE)
        applied(migrated_plain_dsn, SITE + PATH)
        await eventually(lambda: site_check(context) == "ok: rotterdam version 2")
        hands.detect(detection(number=3, sensor="fence-3"), detection(number=4, sensor="fence-4"))
        await eventually(lambda: len(incidents(hands)) == 4)
        assert len(set(incidents(hands)[2:])) == 1


async def test_site_that_cannot_be_read_fails_its_check_and_the_one_before_stays(
    hands: Hands, migrated_plain_dsn: str
) -> None:
    applied(migrated_plain_dsn, SITE + PATH)
    written(migrated_plain_dsn, "rotterdam", 2, "nothing", told=False)
    async with serving(migrated_plain_dsn) as context:
        await eventually(lambda: site_check(context).startswith("failed: version 2 of the site of hub rotterdam"))
        hands.detect(detection(number=1), detection(number=2, sensor="fence-2"))
        await eventually(lambda: len(incidents(hands)) == 2)
        assert len(set(incidents(hands))) == 1
        applied(migrated_plain_dsn, SITE)
        await eventually(lambda: site_check(context) == "ok: rotterdam version 3")


async def test_mover_asks_only_when_told_or_after_a_while(hands: Hands, migrated_plain_dsn: str) -> None:
    async with open_pool(settings_of(migrated_plain_dsn)) as pool:
        mover = Mover(pool, [], Instructions.load())
        await mover.round()
        written(migrated_plain_dsn, "rotterdam", 1, SITE + PATH, told=False)
        hands.detect(detection(number=1), detection(number=2, sensor="fence-2"))
        await mover.round()
        assert len(set(incidents(hands))) == 2
