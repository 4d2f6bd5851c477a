"""From what detectors store to alarms, through the detectors' own writer, on both databases."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from hubwatch_alarms.instructions import Instructions
from hubwatch_alarms.mover import Mover
from hubwatch_core.clock import SECOND_US
from hubwatch_core.wire import Clear
from hubwatch_store.database import Pool, open_pool
from hubwatch_store.detections import DetectionBatch, keep
from support.alarms_database import Hands, hands_on, settings_of
from support.alarms_examples import START_US, detection


@pytest.fixture
def hands(migrated_database: str) -> Iterator[Hands]:
    with hands_on(migrated_database) as made:
        yield made


@pytest.fixture
async def pool(migrated_database: str, hands: Hands) -> AsyncIterator[Pool]:
    async with open_pool(settings_of(migrated_database)) as made:
        yield made


def cleared(number: int, after_s: int) -> Clear:
    end = START_US + after_s * SECOND_US
    return Clear(detection(number=number).id, end, end + SECOND_US)


async def test_findings_stored_twice_are_alarmed_once(hands: Hands, pool: Pool) -> None:
    mover = Mover(pool, [], Instructions.load())
    batch = DetectionBatch([detection(number=1), detection(number=2, sensor="fence-2"), cleared(1, 5)])
    for _ in range(2):
        await keep(pool, batch)
        await mover.round()
    first, second = hands.alarms()
    assert (first["sensor"], first["state"], first["detections"]) == ("fence-1", "returned", 1)
    assert (second["sensor"], second["state"], second["detections"]) == ("fence-2", "unacknowledged", 1)


async def test_clear_stored_later_returns_the_alarm(hands: Hands, pool: Pool) -> None:
    mover = Mover(pool, [], Instructions.load())
    await keep(pool, DetectionBatch([detection(number=1)]))
    await mover.round()
    for _ in range(2):
        await keep(pool, DetectionBatch([cleared(1, 5)]))
        await mover.round()
    (alarm,) = hands.alarms()
    assert alarm["state"] == "returned"
    assert hands.actions(alarm["id"]) == ["opened", "returned"]


async def test_findings_in_the_order_a_detector_makes_them_end_in_the_state_they_describe(
    hands: Hands, pool: Pool
) -> None:
    """On, off, on again, in one batch and one batch: the condition is there."""
    await keep(
        pool,
        DetectionBatch([detection(number=1), cleared(1, 5), detection(number=2, start=START_US + 8 * SECOND_US)]),
    )
    await Mover(pool, [], Instructions.load()).round()
    (alarm,) = hands.alarms()
    assert (alarm["state"], alarm["active"], alarm["detections"]) == ("unacknowledged", 1, 2)
    assert alarm["returned"] is None
