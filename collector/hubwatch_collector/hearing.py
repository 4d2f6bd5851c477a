"""Says when a collector is connected, has subscribed, and receives nothing.

A broker may grant a subscription and withhold every message (Mosquitto does where its ACL gives no right to read). Each
agent makes a roll call every 5 s, so that silence has a reason: no agent is connected, or the broker withholds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hubwatch_core.condition import Condition
from hubwatch_core.health import Health
from hubwatch_core.logs import get_logger
from hubwatch_core.topics import ROLLCALL, ROOT

SILENT_S = 25.0
"""Connected for so long without a message: said before half a minute is over."""
LOOK_S = 1.0
REASON = (
    f"connected and subscribed, and nothing has come for {SILENT_S:g} s, not even a roll call: no agent is connected, "
    f"or the broker's ACL withholds it; this user must be allowed to read {ROOT}/# and {ROLLCALL}/#"
)


class Hearing:
    """Counts the time for which a collector has been connected and has received nothing."""

    def __init__(self, heard: Callable[[], bool], health: Health) -> None:
        """`heard` returns whether anything has come since it was asked before."""
        self._heard = heard
        self._silent_s = 0.0
        self._condition = Condition(
            "hearing", health, get_logger("collector"),
            lost="collector receives nothing", back="collector receives messages",
        )  # fmt: skip

    async def run(self) -> None:
        """Look every second, for as long as there is a connection; what was silent before counts on."""
        while True:
            await asyncio.sleep(LOOK_S)
            self.look(LOOK_S)

    def look(self, seconds: float) -> None:
        """Judge the time since the last look."""
        if self._heard():
            self._silent_s = 0.0
            self._condition.back("messages come")
            return
        self._silent_s += seconds
        if self._silent_s >= SILENT_S:
            self._condition.lost(REASON)
