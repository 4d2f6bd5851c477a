"""A hub whose stored history budgets, proposals and fits are tried on: an area monitor, and a plant."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import numpy as np

from hubwatch_core.clock import SECOND_US, to_us
from hubwatch_core.ids import new_ulid
from hubwatch_core.wire import Channel, Frame, Sensor
from hubwatch_core.words import SensorKind
from hubwatch_store.database import DatabaseSection
from hubwatch_store.ingest import Writer
from support.plant import PERIOD_S, PUMP, SIGNALS, TANK, plant
from support.store_examples import birth, offer, series

HUB = "harbour"
PLANT_AGENT = "plc-1"
MONITOR = Sensor("dose-1", SensorKind.RADIATION_AREA, "quay", channels=[Channel("gamma", "count", period_us=SECOND_US)])
BEGAN = to_us(datetime(2026, 3, 2, 6, tzinfo=UTC))


def store(
    dsn: str, inventory: list[Sensor], columns: dict[str, np.ndarray[Any, Any]], period_us: int, agent: str = "gate-7"
) -> None:
    """Store a birth and columns of readings, one value a period, by `sensor/channel`."""

    async def written() -> None:
        writer = Writer(DatabaseSection(dsn=dsn))
        await writer.write([offer(birth(inventory=inventory, sent=BEGAN, agent=agent, epoch=epoch))])
        for name, values in columns.items():
            sensor, _, channel = name.partition("/")
            for first in range(0, len(values), 2000):
                part = values[first : first + 2000]
                begun = BEGAN + first * period_us
                made = series(begun, part.tolist(), sensor=sensor, channel=channel,
                              dt=[i * period_us for i in range(len(part))])  # fmt: skip
                seq = len(seen) + 1
                seen.append(seq)
                sent = begun + len(part) * period_us
                await writer.write([offer(Frame(1, HUB, agent, epoch, seq, sent, series=[made]))])
        await writer.close()

    epoch = new_ulid()
    seen: list[int] = []
    asyncio.run(written())


def store_background(dsn: str, seconds: int = 5400) -> None:
    """Store up to 1.5 h of background at 100/s, with a weak rise after 3000 s and a strong one after 4500 s."""
    random = np.random.default_rng(5)
    counts = random.poisson(100, 5400).astype(float)
    counts[3000:3030] += random.poisson(9, 30)
    counts[4500:4560] += random.poisson(100, 60)
    store(dsn, [MONITOR], {"dose-1/gamma": counts[:seconds]}, SECOND_US)


def store_plant(dsn: str) -> None:
    """Store 1 400 periods of the plant's normal operation."""
    rows = plant(1400, seed=1)
    columns = {name: rows[:, i] for i, name in enumerate(SIGNALS)}
    store(dsn, [PUMP, TANK], columns, round(PERIOD_S * SECOND_US), agent=PLANT_AGENT)
