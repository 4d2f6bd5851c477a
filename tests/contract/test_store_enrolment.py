"""Tokens and keys of agents: used once, by whom they are for, and every act in the journal."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from hubwatch_store.database import DatabaseConnection, DatabaseSection, connect
from hubwatch_store.enrolment import (
    KeyRefused,
    NewCertificate,
    TokenRefused,
    agent_keys,
    ask_renewal,
    good_agents,
    is_due,
    make_token,
    pending_tokens,
    redeem,
    renew,
    revoke,
    revoked_serials,
)

HUB, AGENT = "rotterdam", "gate-7"
SERIALS = iter(range(0xA000, 0xFFFF))


@pytest.fixture
async def connection(migrated_database: str) -> AsyncIterator[DatabaseConnection]:
    async with await connect(DatabaseSection(dsn=migrated_database)) as made:
        yield made


def key() -> bytes:
    return os.urandom(32)


class Issue:
    """Issues for one key, and counts."""

    def __init__(self, public_key: bytes, valid: timedelta = timedelta(days=90)) -> None:
        self.public_key, self.valid, self.made = public_key, valid, 0

    def __call__(self, hub: str, agent: str) -> NewCertificate:
        self.made += 1
        begin = datetime.now(UTC) - timedelta(days=1)
        return NewCertificate(
            f"{next(SERIALS):X}", begin, begin + timedelta(days=1) + self.valid, self.public_key, b"c"
        )


async def token(connection: DatabaseConnection, agent: str = AGENT, valid_s: float = 60) -> str:
    return (await make_token(connection, HUB, agent, by="ann", valid_s=valid_s))[0]


async def enrolled(connection: DatabaseConnection, public_key: bytes, secret: str | None = None) -> str:
    issue = Issue(public_key)
    given = secret or await token(connection)
    return (await redeem(connection, given, HUB, AGENT, public_key, source="10.0.0.7", issue=issue)).serial


async def acts(connection: DatabaseConnection) -> list[str]:
    rows = await (await connection.execute("SELECT act FROM hubwatch.audit ORDER BY id")).fetchall()
    return [str(row[0]) for row in rows]


async def test_token_enrols_its_agent_once(connection: DatabaseConnection) -> None:
    mine, secret = key(), await token(connection)
    serial = await enrolled(connection, mine, secret)
    again = Issue(mine)
    same = await redeem(connection, secret, HUB, AGENT, mine, source="", issue=again)
    assert (same.serial, again.made) == (serial, 0), "an answer that was lost is given again"
    with pytest.raises(TokenRefused, match="used before"):
        await enrolled(connection, key(), secret)
    assert await good_agents(connection) == [(HUB, AGENT)]
    assert await pending_tokens(connection) == []
    assert await acts(connection) == ["enrolment.token_made", "enrolment.enrolled"]


async def test_token_is_nowhere_in_the_database(connection: DatabaseConnection) -> None:
    secret = await token(connection)
    rows = await (await connection.execute("SELECT t::text FROM hubwatch.enrolment_tokens t")).fetchall()
    assert len(rows) == 1
    assert secret not in str(rows)


@pytest.mark.parametrize(("hub", "agent"), [("antwerp", AGENT), (HUB, "gate-8")])
async def test_token_is_for_one_agent(connection: DatabaseConnection, hub: str, agent: str) -> None:
    mine, secret = key(), await token(connection)
    with pytest.raises(TokenRefused, match="for another agent"):
        await redeem(connection, secret, hub, agent, mine, source="", issue=Issue(mine))
    with pytest.raises(TokenRefused, match="not known"):
        await redeem(connection, "guessed", HUB, AGENT, mine, source="", issue=Issue(mine))
    await enrolled(connection, mine, secret)


async def test_token_ends_with_its_time_and_with_the_next_one(connection: DatabaseConnection) -> None:
    short, first = await token(connection, valid_s=0), await token(connection)
    second = await token(connection)
    for secret in (short, first):
        with pytest.raises(TokenRefused, match="has ended"):
            await enrolled(connection, key(), secret)
    await enrolled(connection, key(), second)


async def test_two_at_a_time_do_not_both_use_a_token(migrated_plain_dsn: str) -> None:
    settings = DatabaseSection(dsn=migrated_plain_dsn)
    async with await connect(settings) as one, await connect(settings) as two:
        secret = await token(one)
        tries = [enrolled(each, key(), secret) for each in (one, two)]
        results = await asyncio.gather(*tries, return_exceptions=True)
    assert sorted(type(each).__name__ for each in results) == ["TokenRefused", "str"]


async def test_key_is_of_one_agent_for_ever(connection: DatabaseConnection) -> None:
    mine = key()
    await enrolled(connection, mine)
    secret = await token(connection, "gate-8")
    with pytest.raises(TokenRefused, match="enrolled before"):
        await redeem(connection, secret, HUB, "gate-8", mine, source="", issue=Issue(mine))


async def test_renewed_key_and_the_former_are_both_good(connection: DatabaseConnection) -> None:
    former, fresh = key(), key()
    serial = await enrolled(connection, former)
    await ask_renewal(connection, HUB, AGENT, by="ann")
    assert await is_due(connection, serial)
    for _ in range(2):  # the second time because the answer was lost
        made = await renew(connection, serial, fresh, lambda old: old == former, Issue(fresh))
    assert not await is_due(connection, serial)
    assert {(each.public_key, each.is_good) for each in await agent_keys(connection)} == {(former, True), (fresh, True)}
    assert (await agent_keys(connection, "antwerp")) == []
    assert (await acts(connection))[2:] == ["enrolment.renewal_asked", "enrolment.renewed"]
    with pytest.raises(KeyRefused, match="make another"):
        await renew(connection, made.serial, await _of_another(connection), lambda _: True, Issue(key()))


async def _of_another(connection: DatabaseConnection) -> bytes:
    other, secret = key(), await token(connection, "gate-8")
    await redeem(connection, secret, HUB, "gate-8", other, source="", issue=Issue(other))
    return other


async def test_renewal_is_for_whoever_has_a_good_key(connection: DatabaseConnection) -> None:
    serial = await enrolled(connection, key())
    for other, proven in ((serial, False), ("FFFF", True)):
        with pytest.raises(KeyRefused, match="not signed by a key"):
            await renew(connection, other, key(), lambda _, said=proven: said, Issue(key()))  # type: ignore[misc]
    waiting = await token(connection)
    assert await revoke(connection, HUB, AGENT, by="ann", reason="stolen") == [serial]
    with pytest.raises(KeyRefused, match="revoked or has ended"):
        await renew(connection, serial, key(), lambda _: True, Issue(key()))
    with pytest.raises(TokenRefused, match="has ended"):
        await enrolled(connection, key(), waiting)
    with pytest.raises(KeyRefused, match="no key that could be revoked"):
        await revoke(connection, HUB, AGENT, by="ann", reason="again")
    with pytest.raises(KeyRefused, match="enrol it anew"):
        await ask_renewal(connection, HUB, AGENT, by="ann")
    assert [(each.serial, each.agent) for each in await revoked_serials(connection)] == [(serial, AGENT)]
    assert await good_agents(connection) == []


async def test_register_is_read_by_its_public_columns(connection: DatabaseConnection, migrated_database: str) -> None:
    mine = key()
    await enrolled(connection, mine)
    query = "SELECT hub, agent, public_key, revoked_at FROM hubwatch.agent_keys WHERE now() < not_after"
    with psycopg.connect(migrated_database) as other:
        assert other.execute(query).fetchall() == [(HUB, AGENT, mine, None)]
