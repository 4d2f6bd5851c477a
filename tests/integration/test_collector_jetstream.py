"""The collector on a NATS JetStream cluster of three, whose members die."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest

from support.eventually import eventually
from support.jetstream_agents import Agent, balance
from support.jetstream_chaos import Torment, settings_on
from support.own_nats import OwnNats
from support.proxy import Proxy
from support.store_collector import running_collector

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


async def test_database_outage_longer_than_the_acknowledgement_wait_costs_nothing_but_time(
    own_nats: OwnNats, migrated_plain_dsn: str
) -> None:
    parts = urlsplit(migrated_plain_dsn)
    agent = Agent([own_nats], "gate-0")
    async with Proxy(str(parts.hostname), int(parts.port or 5432)) as proxy:
        host, port = proxy.address
        through = parts._replace(netloc=f"{parts.username}@{host}:{port}").geturl()
        async with running_collector(settings_on([own_nats], through, ack_wait_s=1)) as context:
            await agent.send(100, most=20)
            await eventually(lambda: balance(migrated_plain_dsn, [agent]).stored == 20)
            await proxy.refuse()
            await agent.send(100, most=120)
            await eventually(lambda: not context.health.ok)
            await asyncio.sleep(3)
            held = context.registry.get_sample_value("hubwatch_collector_held_messages")
            assert held == 100  # although the server has offered each of them several times
            await proxy.heal()
            await eventually(lambda: balance(migrated_plain_dsn, [agent]).stored == 120)
            await eventually(lambda: context.health.ok)
            assert context.registry.get_sample_value("hubwatch_collector_duplicate_frames_total") == 0
    assert balance(migrated_plain_dsn, [agent]).doubled == 0


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
