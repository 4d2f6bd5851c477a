"""The connection of a line as its poller sees it: made anew with back-off, an outage logged once, however it shows."""

from __future__ import annotations

import asyncio
from typing import Any

from hubwatch_agents.connections import ModbusConnection
from hubwatch_agents.drivers.modbus.client import ModbusReader
from hubwatch_core.concurrency import backoff_s, wait_for_event
from hubwatch_core.condition import Condition

FIRST_PAUSE_S = 0.25
LEAST_RELEASE_S = 0.1
"""Where the connection is released between polls: less idle time than this is not worth a new connection."""


class Link:
    """A connection that is lost and made anew.

    It counts as back only when something has come of it: a port that opens and fails, or a device that takes a
    connection and drops it, is one outage.
    """

    def __init__(self, connection: ModbusConnection, client: ModbusReader, log: Any, pause_s: float) -> None:
        self._connection = connection
        self._client = client
        self._log = log
        self._pause_s = pause_s
        self._outage = Condition(
            "modbus", None, log, lost="connection lost, will go on trying", back="connection is back"
        )

    @property
    def connected(self) -> bool:
        """Whether the connection stands."""
        return self._client.connected

    @property
    def usable(self) -> bool:
        """Whether something can be asked of it: it stands, or was only closed until it is needed."""
        return self._client.connected or (self._outage.holds and self._client.connects > 0)

    async def connect(self, stop: asyncio.Event) -> bool:
        """Connect, after a pause when the last try failed. False when told to stop. Raises LinkLost with the cause."""
        failures = self._outage.failures
        if failures and await wait_for_event(
            stop, backoff_s(failures, FIRST_PAUSE_S, self._connection.max_reconnect_s)
        ):
            return False
        await self._client.connect()
        if self._client.connects == 1 and self._outage.holds:
            self._log.info("connected")
        await asyncio.sleep(self._pause_s)
        return True

    def works(self) -> None:
        """Note that a request went over it, whatever was answered."""
        if not self._outage.holds:
            self._outage.back()

    def lost(self, reason: str) -> None:
        """Note that it is lost."""
        self._client.close()
        self._outage.lost(reason)

    def close(self) -> None:
        """Close it; the next request makes it anew."""
        self._client.close()

    def release(self, idle_s: float) -> bool:
        """Close it for the time it is not needed, where that is asked for. Return whether it is closed."""
        if not self._connection.release_between_polls or idle_s < LEAST_RELEASE_S:
            return False
        self._client.close()
        return True
