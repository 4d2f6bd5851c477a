"""Agents and sensors that are taken away for good: marked, journaled, and what is open about them is asked to end."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from hubwatch_core.clock import now_us
from hubwatch_core.errors import Permanent
from hubwatch_store import devices
from hubwatch_store.database import DatabaseConnection, DatabaseSection, connect
from hubwatch_store.ingest import Departure, State, Writer
from support.store_examples import birth, frame, offer, one, rows

WHO = {"by": "kim", "reason": "sold"}
WISHES = "SELECT sensor, types, by, keep_unacknowledged FROM alarm_closing ORDER BY id"


@pytest.fixture
async def writer(migrated_database: str) -> AsyncIterator[Writer]:
    made = Writer(DatabaseSection(dsn=migrated_database))
    yield made
    await made.close()


@pytest.fixture
async def hub(migrated_database: str) -> AsyncIterator[DatabaseConnection]:
    async with await connect(DatabaseSection(dsn=migrated_database)) as connection:
        yield connection


def dsn(writer: Writer) -> str:
    return writer.settings.dsn


async def test_agent_that_a_person_forgets_is_gone_with_what_only_it_lists(
    writer: Writer, hub: DatabaseConnection
) -> None:
    await writer.write([offer(birth()), offer(State("harbour", "gate-7", online=False))])
    assert await devices.forget_agent(hub, "harbour", "gate-7", **WHO) == ["rpm-2"]
    assert rows(dsn(writer), "SELECT gone IS NOT NULL FROM agents UNION ALL SELECT gone IS NOT NULL FROM sensors") == [
        (True,), (True,)
    ]  # fmt: skip
    assert rows(dsn(writer), WISHES) == [("gate-7", ["integrity"], "kim", False), ("rpm-2", None, "kim", False)]
    assert rows(dsn(writer), "SELECT action, agent, by, reason FROM device_journal") == [
        ("agent forgotten", "gate-7", "kim", "sold")
    ]


async def test_copy_of_its_birth_and_its_state_do_not_bring_it_back_and_a_new_birth_does(
    writer: Writer, hub: DatabaseConnection
) -> None:
    last = birth(sent=now_us())
    await writer.write([offer(last), offer(State("harbour", "gate-7", online=False))])
    await devices.forget_agent(hub, "harbour", "gate-7", **WHO)
    await writer.write([offer(last), offer(State("harbour", "gate-7", online=True))])
    assert one(dsn(writer), "SELECT gone IS NOT NULL FROM agents")
    await writer.write([offer(birth(sent=last.sent + 1))])
    assert rows(dsn(writer), "SELECT gone, state, last_seq FROM agents") == [(None, "online", None)]
    assert one(dsn(writer), "SELECT gone IS NULL FROM sensors")


async def test_removed_birth_is_the_agents_own_word(writer: Writer) -> None:
    await writer.write([offer(birth()), offer(Departure("harbour", "gate-7")), offer(Departure("harbour", "other"))])
    assert one(dsn(writer), "SELECT gone IS NOT NULL FROM agents")
    # What hubwatch says of its not being seen closes; an alarm that nobody acknowledged waits for a person.
    assert rows(dsn(writer), WISHES) == [
        ("gate-7", ["integrity"], "system", False),
        ("rpm-2", ["integrity"], "system", False),
        ("rpm-2", None, "system", True),
    ]
    await writer.write([offer(birth())])
    assert one(dsn(writer), "SELECT gone IS NULL FROM agents")


async def test_agent_that_sends_is_not_forgotten(writer: Writer, hub: DatabaseConnection) -> None:
    await writer.write([offer(birth()), offer(frame(1))])
    with pytest.raises(Permanent, match=r"agent gate-7 is there: its last frame is \d+ s old; stop it"):
        await devices.forget_agent(hub, "harbour", "gate-7", **WHO)
    with pytest.raises(Permanent, match="there is no agent other"):
        await devices.forget_agent(hub, "harbour", "other", **WHO)


async def test_sensor_is_forgotten_only_when_no_agent_lists_it(writer: Writer, hub: DatabaseConnection) -> None:
    now = now_us()
    await writer.write([offer(birth(sent=now))])
    with pytest.raises(Permanent, match="gate-7 still lists sensor rpm-2"):
        await devices.forget_sensor(hub, "harbour", "rpm-2", **WHO)
    await writer.write([offer(birth(sent=now + 1, inventory=[]))])
    await devices.forget_sensor(hub, "harbour", "rpm-2", **WHO)
    assert rows(dsn(writer), WISHES) == [("rpm-2", None, "kim", False)]


async def test_gaps_of_an_agent_that_is_gone_are_no_finding(writer: Writer, hub: DatabaseConnection) -> None:
    await writer.write([offer(birth()), offer(State("harbour", "gate-7", online=False))])
    await devices.forget_agent(hub, "harbour", "gate-7", **WHO)
    rows(dsn(writer), "UPDATE ledger_grace SET grace = '0' RETURNING 1")
    await writer.write([offer(frame(1, sent=1_795_000_000_000_000)), offer(frame(3, sent=1_795_000_000_000_001))])
    from hubwatch_store.upkeep import maintain

    done = maintain(writer.settings)
    assert done is not None
    assert done.unexplained == 0
