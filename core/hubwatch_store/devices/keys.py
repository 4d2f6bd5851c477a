"""The keys by which agents are known, which enrolment writes, and the checking of what was signed with them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
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
KEYS_AGAIN_S = 0.5
"""And how old where one is met that is not known: an agent may just have been enrolled."""


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

        While the database is away the former keys serve. Raises Transient or Permanent where there were none yet.
        """
        if not signed:
            return []
        await self._refresh(KEYS_EVERY_S)
        faults = await asyncio.to_thread(self._faults, signed)
        if any(fault is not None and fault.unknown_key for fault in faults) and await self._refresh(KEYS_AGAIN_S):
            faults = await asyncio.to_thread(self._faults, signed)
        return faults

    async def close(self) -> None:
        """Leave."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    def _faults(self, signed: Sequence[tuple[Message, AnyFrame | Birth]]) -> list[Unproven | None]:
        return [self._check.fault(*each) for each in signed]

    async def _refresh(self, max_age_s: float) -> bool:
        """Read the keys if those that are there are older; return whether that was tried."""
        if self._read_at is not None and monotonic() - self._read_at < max_age_s:
            return False
        try:
            self._check.ring = await self._read()
        except (Transient, Permanent):
            if self._read_at is None:
                raise
        self._read_at = monotonic()
        return True

    async def _read(self) -> KeyRing:
        try:
            async with asyncio.timeout(self._settings.step_s):
                if self._connection is None:
                    self._connection = await connect(self._settings, self._name)
                with translated():
                    cursor = await self._connection.execute(queries("intake")["keys"])
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
