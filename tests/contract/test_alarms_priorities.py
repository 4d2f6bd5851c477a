"""Alarms open as urgent as the table, their zone and the security level say."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from hubwatch_alarms.instructions import Instructions
from hubwatch_alarms.mover import Mover
from hubwatch_alarms.priorities import Priorities
from hubwatch_store.database import Pool, open_pool
from support.alarms_database import Hands, hands_on, settings_of
from support.alarms_examples import detection
from support.site_applied import applied

SITE = (
    '[hub]\nid = "rotterdam"\nname = "H"\nmode = "sea"\ntime_zone = "UTC"\n'
    '[[zones]]\nid = "north"\n[[zones]]\nid = "gate-2"\ncriticality = 3\n'
)


@pytest.fixture
def hands(migrated_plain_dsn: str) -> Iterator[Hands]:
    with hands_on(migrated_plain_dsn) as made:
        applied(migrated_plain_dsn, SITE)
        made.place("rotterdam", "fence-1", "north")
        made.place("rotterdam", "fence-2", "gate-2")
        yield made


@pytest.fixture
async def pool(migrated_plain_dsn: str, hands: Hands) -> AsyncIterator[Pool]:
    async with open_pool(settings_of(migrated_plain_dsn)) as made:
        yield made


def priorities(hands: Hands) -> dict[str, int]:
    return {row["sensor"]: row["priority"] for row in hands.alarms()}


async def test_alarm_of_a_vital_zone_is_a_step_more_urgent(hands: Hands, pool: Pool) -> None:
    hands.detect(detection(number=1, priority=2), detection(number=2, priority=2, sensor="fence-2"))
    await Mover(pool, [], Instructions.load()).round()
    assert priorities(hands) == {"fence-1": 2, "fence-2": 1}


async def test_heightened_level_makes_what_opens_then_more_urgent(hands: Hands, pool: Pool) -> None:
    hands.rows("UPDATE hubwatch.hubs SET security_level = 3 WHERE hub = 'rotterdam' RETURNING hub")
    hands.detect(detection(number=1, priority=3))
    await Mover(pool, [], Instructions.load()).round()
    assert priorities(hands) == {"fence-1": 2}


async def test_own_table_goes_over_the_packaged_one(hands: Hands, pool: Pool, tmp_path: Path) -> None:
    file = tmp_path / "priority.toml"
    file.write_text('[types."perimeter.intrusion"]\nrespond = "soon"\n', encoding="utf-8")
    hands.detect(detection(number=1, priority=2))
    await Mover(pool, [], Instructions.load(), priorities=Priorities.load(file)).round()
    assert priorities(hands) == {"fence-1": 3}
