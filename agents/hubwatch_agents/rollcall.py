"""Asks the broker whether a collector has subscribed, so that no frame is given up for one that never was.

That a frame was confirmed says only that somebody has subscribed. Mosquitto restores the detectors' plain
subscriptions when it restarts and forgets the collectors' shared ones: until a collector is back, it takes frames for
the detectors alone. So the agent publishes an empty message on a topic that collectors share just as they share
frames; the broker's answer says whether one is there (docs/decisions/0031). Meanwhile frames go out for the detectors,
and stay in the spool.
"""

from __future__ import annotations

import asyncio
import contextlib
from enum import StrEnum
from time import monotonic

from hubwatch_agents.settling import Settling
from hubwatch_core.health import Health
from hubwatch_core.logs import get_logger
from hubwatch_core.mqtt import Link, Refused

EVERY_S = 5.0
"""How often while a collector is there: what is confirmed between two calls counts only after the second."""
AGAIN_S = 0.5
"""How often while none is there."""
EXPIRES_S = 60
"""Calls that a collector has not fetched by then are worth nothing: a night without one must not pile them up."""
CHECK = "collectors"


class Answer(StrEnum):
    """What the broker's answer means."""

    SUBSCRIBED = "subscribed"
    NOBODY = "none has subscribed"
    REFUSED = "broker refuses the roll call; check its ACL"
    UNTOLD = "broker does not say whether any has subscribed"


class RollCall:
    """Knows whether collectors take what is sent, and settles frames by that."""

    def __init__(self, topic: str, settling: Settling, health: Health) -> None:
        self.collected = asyncio.Event()
        """A collector has subscribed, or the broker does not tell."""
        self._missed = asyncio.Event()
        self._topic = topic
        self._settling = settling
        self._health = health
        self._log = get_logger("uplink")
        self._spell = 0
        self._told: Answer | None = None

    @property
    def spell(self) -> int | None:
        """Number of the spell for which collectors have been there without a break; None while none is.

        A frame counts when it was published and confirmed in the same spell.
        """
        return self._spell if self.collected.is_set() else None

    def absent(self) -> None:
        """Note that nobody may be there: what was confirmed and is not settled goes back to the backlog."""
        self.collected.clear()
        self._missed.set()
        self._settling.doubt()

    async def call(self, link: Link) -> None:
        """Ask once; raises Transient when the link is lost."""
        began = monotonic()
        answer = await self._ask(link)
        if answer is Answer.NOBODY:
            self.absent()
        else:
            # Without a question the last confirmation shows that the broker is there.
            self._settling.settle(self._settling.newest if answer is Answer.UNTOLD else began)
            self._present()
        self._tell(answer)

    async def call_for_ever(self, link: Link) -> None:
        """Ask now and then, and often while nobody is there."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(EVERY_S):
                    await self._missed.wait()
                    await asyncio.sleep(AGAIN_S)
            await self.call(link)

    async def _ask(self, link: Link) -> Answer:
        if not link.tells_who_hears:
            return Answer.UNTOLD
        try:
            return Answer.SUBSCRIBED if await link.publish(self._topic, b"", expires_s=EXPIRES_S) else Answer.NOBODY
        except Refused:
            return Answer.REFUSED

    def _present(self) -> None:
        if not self.collected.is_set():
            self._spell += 1
            self.collected.set()
            self._missed.clear()

    def _tell(self, answer: Answer) -> None:
        before, self._told = self._told, answer
        if answer is before:
            return
        self._health.set(CHECK, answer in (Answer.SUBSCRIBED, Answer.UNTOLD), answer)
        if answer is Answer.NOBODY:
            self._log.warning("no collector has subscribed: frames are sent for others, and kept")
        elif answer is Answer.REFUSED:
            self._log.error("cannot know whether collectors are there", reason=answer, topic=self._topic)
        elif before is not None:
            self._log.info("a collector has subscribed, what was kept is sent")
