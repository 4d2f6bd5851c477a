"""Whose word a message is, as the keys in the database say: those of just now too."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlsplit, urlunsplit

import pytest

from hubwatch_core import wire
from hubwatch_core.errors import Transient
from hubwatch_core.message import Message
from hubwatch_core.wire import Frame
from hubwatch_store.database import DatabaseSection
from hubwatch_store.devices import AgentKeys
from support.proxy import Proxy
from support.signed_agent import SignedAgent
from support.store_examples import frame, message


def signed(agent: SignedAgent, seq: int) -> tuple[Message, Frame]:
    """Return a frame that an agent has signed, as it comes from the broker."""
    content = frame(seq)
    return replace(message(wire.encode(content)), proof=agent.proofs([content])[0]), content


async def test_key_that_was_given_out_just_now_is_known(migrated_plain_dsn: str) -> None:
    former, renewed, stranger = SignedAgent(), SignedAgent(), SignedAgent()
    former.enrol(migrated_plain_dsn)
    keys = AgentKeys(DatabaseSection(dsn=migrated_plain_dsn), "keys")
    try:
        assert await keys.faults([signed(former, 1)]) == [None]
        renewed.enrol(migrated_plain_dsn)
        first, second, third = await keys.faults([signed(former, 2), signed(renewed, 3), signed(stranger, 4)])
        assert (first, second) == (None, None)
        assert third is not None
        assert third.unknown_key
        renewed.revoke(migrated_plain_dsn)
        assert [fault is None for fault in await keys.faults([signed(former, 5), signed(stranger, 6)])] == [True, False]
        (fault,) = await keys.faults([signed(renewed, 7)])
        assert fault is not None
        assert "revoked" in fault.reason
    finally:
        await keys.close()


async def test_without_the_database_nobody_is_called_a_forger(migrated_plain_dsn: str) -> None:
    former, renewed = SignedAgent(), SignedAgent()
    former.enrol(migrated_plain_dsn)
    url = urlsplit(migrated_plain_dsn)
    async with Proxy(str(url.hostname), int(url.port or 5432)) as proxy:
        way = urlunsplit(url._replace(netloc=f"{url.username}@{proxy.address[0]}:{proxy.address[1]}"))
        keys = AgentKeys(DatabaseSection(dsn=way), "keys")
        try:
            assert await keys.faults([signed(former, 1)]) == [None]
            renewed.enrol(migrated_plain_dsn)
            await proxy.refuse()
            assert await keys.faults([signed(former, 2)]) == [None]
            with pytest.raises(Transient):
                await keys.faults([signed(former, 3), signed(renewed, 4)])
            await proxy.heal()
            assert await keys.faults([signed(former, 5), signed(renewed, 6)]) == [None, None]
        finally:
            await keys.close()
