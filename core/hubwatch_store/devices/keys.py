"""The keys by which agents are known, which enrolment writes, and the checking of what was signed with them."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from time import monotonic
from typing import Any

from hubwatch_core.errors import Permanent, Transient
from hubwatch_core.message import Message
from hubwatch_core.packed_frame import AnyFrame
from hubwatch_core.signature_check import KeyRing, SignatureCheck, Unproven, VerifyingKey
from hubwatch_core.wire import Birth
from hubwatch_store.database import DatabaseConnection, DatabaseSection, connect, translated
from hubwatch_store.database.sql_files import queries

KEYS_EVERY_S = 5.0
"""How old the keys may be that signatures are checked with: so long a revoked one is still good."""


class AgentKeys:
    """Checks signatures with the keys in the database, read over a connection of its own."""

    def __init__(self, settings: DatabaseSection, name: str) -> None:
        self._settings = settings
        self._name = name
        self._connection: DatabaseConnection | None = None
        self._check = SignatureCheck()
        self._read_at: float | None = None

    async def faults(self, signed: Sequence[tuple[Message, AnyFrame | Birth]]) -> list[Unproven | None]:
        """Return for each message why it is not proven to be its agent's, None where it is.

        While the database is away the former keys serve. Raises Transient or Permanent where there were none yet, and
        where a message is signed with a key that was not among them: an agent may just have taken a new one.
        """
        if not signed:
            return []
        await self._refresh()
        faults = await asyncio.to_thread(self._faults, signed)
        strangers = [i for i, fault in enumerate(faults) if fault is not None and fault.unknown_key]
        if strangers:
            asked = [signed[i] for i in strangers]
            await self._learn({(content.hub, content.agent) for _, content in asked})
            for i, fault in zip(strangers, await asyncio.to_thread(self._faults, asked), strict=True):
                faults[i] = fault
        return faults

    async def former_faults(self, signed: Sequence[tuple[Message, AnyFrame | Birth]]) -> list[Unproven | None]:
        """Return the same by the keys that were read last, without asking for others."""
        return await asyncio.to_thread(self._faults, signed) if signed else []

    async def read(self, agents: Collection[tuple[str, str]] | None = None) -> None:
        """Read all keys anew, or those of some agents. Raises Transient or Permanent."""
        if agents is None:
            self._check.ring = await self._read("keys")
        else:
            await self._learn(agents)

    async def close(self) -> None:
        """Leave."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    def _faults(self, signed: Sequence[tuple[Message, AnyFrame | Birth]]) -> list[Unproven | None]:
        return self._check.faults(signed)

    async def _refresh(self) -> None:
        """Read all keys if those that are there are old."""
        if self._read_at is not None and monotonic() - self._read_at < KEYS_EVERY_S:
            return
        try:
            self._check.ring = await self._read("keys")
        except (Transient, Permanent):
            if self._read_at is None:
                raise
        self._read_at = monotonic()

    async def _learn(self, agents: Collection[tuple[str, str]]) -> None:
        """Read the keys of some agents anew: they are then newer than the messages that need them."""
        hubs, names = [hub for hub, _ in agents], [agent for _, agent in agents]
        self._check.ring = {**self._check.ring, **await self._read("keys_of", {"hubs": hubs, "agents": names})}

    async def _read(self, query: str, values: Mapping[str, object] | None = None) -> KeyRing:
        try:
            async with asyncio.timeout(self._settings.step_s):
                if self._connection is None:
                    self._connection = await connect(self._settings, self._name)
                with translated():
                    cursor = await self._connection.execute(queries("intake")[query], values)
                    rows: list[tuple[Any, ...]] = await cursor.fetchall()
        except TimeoutError:
            await self.close()
            raise Transient("the database does not answer when asked for the keys of agents") from None
        except BaseException:
            await self.close()
            raise
        ring: dict[tuple[str, str], list[VerifyingKey]] = {}
        for hub, agent, *key in rows:
            ring.setdefault((hub, agent), []).append(VerifyingKey(*key))
        return ring
