"""The collector on a NATS JetStream cluster of three, whose members die."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from support.eventually import eventually
from support.jetstream_agents import Agent, balance
from support.jetstream_chaos import Torment, settings_on
from support.own_nats import OwnNats

SEEDS = (1, 2, 3)
AGENTS = 4
PER_S = 30.0
TORMENT_S = 10.0
"""A killed leader is followed after 4 to 9 s (NATS 2.9), in which nothing is confirmed."""


@asynccontextmanager
async def sending(agents: Sequence[Agent]) -> AsyncIterator[None]:
    """Agents that send all the time; each has come through once when the context begins."""
    tasks = [asyncio.create_task(agent.send(PER_S)) for agent in agents]
    await eventually(lambda: all(agent.confirmed for agent in agents), 30)
    yield
    for agent in agents:
        agent.stop()
    await asyncio.gather(*tasks)


@pytest.mark.timeout(240)
async def test_members_and_collectors_die_at_any_time_and_nothing_is_lost_or_doubled(
    nats_cluster: list[OwnNats], migrated_plain_dsn: str
) -> None:
    agents = [Agent(nats_cluster, f"gate-{number}") for number in range(AGENTS)]
    settings = settings_on(nats_cluster, migrated_plain_dsn)
    first = Torment(nats_cluster, settings, 0)
    first.begin()
    async with sending(agents):
        for seed in SEEDS:
            torment = Torment(nats_cluster, settings, seed)
            await torment.run(TORMENT_S)
            assert torment.kills, f"seed {seed}"
            await torment.end_all()
    await eventually(lambda: balance(migrated_plain_dsn, agents).lost == 0, 30)
    await first.end_all()
    found = balance(migrated_plain_dsn, agents)
    assert (found.lost, found.doubled) == (0, 0), f"seeds {SEEDS}: {found}"
    assert found.stored == sum(agent.confirmed for agent in agents) > 200
