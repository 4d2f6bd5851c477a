"""The state of a Sparkplug host application: nodes that follow a primary host speak only while it is online.

Ref: Sparkplug 3.0.0, chapters 5.4 (host application session) and 6.4.27 (STATE). The birth repeats the time of the
will of its own connection; both are retained, QoS 1.
"""

from __future__ import annotations

import contextlib
import json

from hubwatch_core.clock import now_us
from hubwatch_core.errors import Transient
from hubwatch_core.logs import get_logger
from hubwatch_core.mqtt import Message, MqttLink, Will

MS_US = 1000
BIRTH_PAUSE_US = 1_000_000
"""The birth is said again at most this often."""


class Host:
    """The host application an agent is for its nodes."""

    def __init__(self, host_id: str) -> None:
        self.topic = f"spBv1.0/STATE/{host_id}"
        self._log = get_logger("sparkplug-host").bind(host=host_id)
        self._since_ms = 0
        self._born = 0
        self._contested = self._owed = False

    def will(self) -> Will:
        """Make the will of the next connection."""
        self._since_ms = max(now_us() // MS_US, self._since_ms + 1)
        return Will(self.topic, self._state(online=False), qos=1, retain=True)

    async def begin(self, link: MqttLink) -> None:
        """Listen to what is said of us, and be born. Raises Transient when the link is lost."""
        await link.subscribe(self.topic)
        await self._birth(link)

    async def end(self, link: MqttLink) -> None:
        """Say that we go, as no will is published after an ordered farewell."""
        with contextlib.suppress(Transient):
            await link.publish(self.topic, self._state(online=False), qos=1, retain=True)

    def on_message(self, message: Message) -> None:
        """Take what is said of us. The late death of an earlier connection is contradicted at the next `tick`.

        A later time than ours is of another host of our name: it is told, and never shouted down.
        """
        state = _read(message.payload)
        if message.retain or state is None:
            return
        if state["timestamp"] > self._since_ms and not self._contested:
            self._contested = True
            self._log.error("another host application has this name: nodes follow now one, now the other")
        self._owed |= not state["online"] and state["timestamp"] <= self._since_ms

    async def tick(self, link: MqttLink, t: int) -> None:
        """Say again that we are there, where somebody has said otherwise."""
        if self._owed and t - self._born >= BIRTH_PAUSE_US:
            await self._birth(link)

    async def _birth(self, link: MqttLink) -> None:
        self._born, self._owed = now_us(), False
        await link.publish(self.topic, self._state(online=True), qos=1, retain=True)

    def _state(self, *, online: bool) -> bytes:
        return json.dumps({"online": online, "timestamp": self._since_ms}).encode()


def _read(payload: bytes) -> dict[str, int] | None:
    try:
        state = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    if not isinstance(state, dict) or not isinstance(state.get("online"), bool):
        return None
    return state if isinstance(state.get("timestamp"), int) else None
