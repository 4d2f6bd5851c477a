"""The keys by which agents are known; enrolment writes them."""

from __future__ import annotations

import asyncio
from typing import Any

from hubwatch_core.errors import Transient
from hubwatch_core.signature_check import AgentKey, KeyRing
from hubwatch_store.database import DatabaseConnection, DatabaseSection, connect, translated
from hubwatch_store.database.sql_files import queries


class KeyReader:
    """Reads the keys of all agents over a connection of its own, made anew after every failure."""

    def __init__(self, settings: DatabaseSection, name: str) -> None:
        self._settings = settings
        self._name = name
        self._connection: DatabaseConnection | None = None

    async def read(self) -> KeyRing:
        """Return the keys by agent. Raises Transient or Permanent."""
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
        ring: dict[tuple[str, str], list[AgentKey]] = {}
        for hub, agent, *key in rows:
            ring.setdefault((hub, agent), []).append(AgentKey(*key))
        return ring

    async def close(self) -> None:
        """Leave."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()
