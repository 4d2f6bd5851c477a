"""What the agent knows of the collectors: whether any is subscribed, answers, and stores this agent's frames.

A collector answers each roll call with its nonce, and names the frames it has stored (docs/decisions/0045). Only such
an answer ends the keeping of a frame: a broker may grant a subscription and deliver nothing. Where no collector
answers, frames are still sent, for detectors, and stay on disk.
"""

from __future__ import annotations

import asyncio
from collections import deque
from enum import StrEnum
from time import monotonic

from hubwatch_agents.settings import AgentSettings
from hubwatch_agents.uplink.frame_store import FrameStore
from hubwatch_agents.uplink.subscribers import SubscriberAnswer, SubscriberCheck
from hubwatch_core import topics
from hubwatch_core.answers import Answer, decode_answer
from hubwatch_core.concurrency import wait_for_event
from hubwatch_core.errors import Poison
from hubwatch_core.health import Health
from hubwatch_core.ids import new_ulid
from hubwatch_core.logs import get_logger
from hubwatch_core.mqtt import MqttLink

EVERY_S = 5.0
"""How often a roll call is made."""
AGAIN_S = 0.5
"""How often while no collector is subscribed, and when the agent stops with frames that wait for an answer."""
SILENT_AFTER_S = 20.0
"""Without an answer for so long, something is wrong. An agent with nothing to say sends a frame every 10 s."""
LOOK_S = 1.0
FIRST_RETRY_S = 5.0
MAX_RETRY_S = 1800.0
"""Where nobody answers, what is kept is sent again after pauses that grow: answers may be all that is withheld."""
CHECK = "collectors"
_NEVER = float("-inf")
_NONCES = 20
"""Roll calls whose answer still counts."""


class CollectorState(StrEnum):
    """What the agent knows of the collectors, in words for an operator."""

    UNKNOWN = "no collector has answered yet"
    STORING = "a collector answers"
    NOT_SUBSCRIBED = "no collector is subscribed at the broker"
    CHECK_REFUSED = "broker refuses the roll call; check its ACL: the agent must be allowed to write {topic}"
    SILENT = (
        "no collector answers: none may be running, its database may be away, or the broker's ACL withholds frames "
        "from it or its answers ({answers}) from this agent"
    )
    NOT_STORING = (
        "a collector answers roll calls and stores no frame of this agent: its database may be away, or the broker's "
        "ACL withholds frames from it"
    )


class Collectors:
    """Watches the collectors over one connection after another."""

    def __init__(self, settings: AgentSettings, store: FrameStore, health: Health) -> None:
        self._hub, self._agent = settings.hub, settings.agent
        self._confirm_s = settings.spool.confirm_s
        self._store = store
        self._health = health
        self._log = get_logger("uplink")
        self._check = SubscriberCheck(topics.rollcall(settings.hub, settings.agent))
        self._answers = topics.answer(settings.hub, settings.agent)
        self._nonces: deque[str] = deque(maxlen=_NONCES)
        self._subscribers = SubscriberAnswer.UNTOLD
        self._subscribed_at = _NEVER
        self._begun = _NEVER
        self._answered_at = _NEVER
        self._answering_since = _NEVER
        self._stored_at = _NEVER
        self._gone = asyncio.Event()
        self._bad_answers = 0
        self._retry_at = _NEVER
        self._retry_pause_s = FIRST_RETRY_S
        self.state = CollectorState.UNKNOWN
        self.storing = asyncio.Event()
        """A collector answers: the backlog may be sent."""

    @property
    def subscribed(self) -> bool:
        """Return whether a collector may be subscribed."""
        return self._subscribers is not SubscriberAnswer.NOBODY

    def retry_due(self) -> bool:
        """Return whether kept frames are to be sent again without an answer; the next time is later each time."""
        now = monotonic()
        if self.state in (CollectorState.STORING, CollectorState.UNKNOWN, CollectorState.NOT_SUBSCRIBED):
            return False
        if now < self._retry_at:
            return False
        self._retry_at = now + self._retry_pause_s
        self._retry_pause_s = min(2 * self._retry_pause_s, MAX_RETRY_S)
        return True

    async def begin(self, link: MqttLink) -> None:
        """Begin to listen for answers over a new connection, and make the first roll call."""
        self._begun = self._subscribed_at = monotonic()
        self._answered_at = _NEVER
        await link.subscribe(self._answers, keep_asking=True, qos=0)
        await self.call(link)

    def connection_lost(self) -> None:
        """Have sent again what the broker may have had in memory only."""
        self.storing.clear()
        self._store.doubt(monotonic() - self._confirm_s)

    def nobody_took_it(self) -> None:
        """Note that the broker found no subscriber for a frame."""
        self._gone.set()

    async def watch(self, link: MqttLink) -> None:
        """Take answers, and say what they mean, until the link is lost, which raises Transient."""
        while True:
            for message in await link.receive(100, LOOK_S):
                if message.topic == self._answers:
                    self._take(message.payload)
            self._look()

    async def call_for_ever(self, link: MqttLink) -> None:
        """Make roll calls now and then, and often while no collector is subscribed."""
        while True:
            if await wait_for_event(self._gone, EVERY_S):
                await asyncio.sleep(AGAIN_S)
            await self.call(link)

    async def call(self, link: MqttLink) -> None:
        """Make one roll call. Raises Transient when the link is lost."""
        nonce = new_ulid()
        self._nonces.append(nonce)
        self._subscribers = await self._check.ask(link, nonce)
        if self._subscribers is SubscriberAnswer.NOBODY:
            # What was sent since one was known to be there may have come to nobody.
            self._store.doubt(min(self._subscribed_at, monotonic() - self._confirm_s))
            self._answered_at = _NEVER
            self._gone.set()
        else:
            self._subscribed_at = monotonic()
            self._gone.clear()
        self._look()

    async def last_answers(self, link: MqttLink, within_s: float) -> None:
        """Wait a little for answers to what was just sent, so that the next life need not send it again."""
        deadline = monotonic() + within_s
        while self._store.sent_frames and self.state is CollectorState.STORING and monotonic() < deadline:
            await self.call(link)
            await asyncio.sleep(AGAIN_S / 2)

    def _take(self, payload: bytes) -> None:
        try:
            answer = decode_answer(payload, self._hub, self._agent)
        except Poison as poison:
            self._bad_answers += 1
            if self._bad_answers == 1:
                self._log.warning("a collector's answer cannot be read", reason=poison.reason, topic=self._answers)
            return
        self._answered(answer)
        self._look()

    def _answered(self, answer: Answer) -> None:
        now = monotonic()
        stored = self._store.stored(answer.stored)
        if not stored and answer.nonce not in self._nonces:
            return  # of a roll call long past, or of an earlier life
        if self._answered_at <= now - SILENT_AFTER_S:
            self._answering_since = now
        self._answered_at = now
        if stored:
            self._stored_at = now

    def _look(self) -> None:
        """Judge the state; a change is told in health and logged once."""
        state = self._judged()
        answered = self._answered_at > monotonic() - SILENT_AFTER_S
        if state is CollectorState.STORING:
            self._retry_at, self._retry_pause_s = _NEVER, FIRST_RETRY_S
        if state is CollectorState.STORING or (state is CollectorState.CHECK_REFUSED and answered):
            self.storing.set()
        else:
            self.storing.clear()
        if state is self.state:
            return
        before, self.state = self.state, state
        detail = state.value.format(topic=self._check.topic, answers=self._answers)
        self._health.set(CHECK, state is CollectorState.STORING, detail)
        if state is CollectorState.STORING:
            if before is not CollectorState.UNKNOWN:
                self._log.info("a collector answers again; frames that were kept are sent")
        elif state is not CollectorState.UNKNOWN:
            self._log.warning("frames are kept on disk until a collector has stored them", reason=detail)

    def _judged(self) -> CollectorState:
        now = monotonic()
        silent_since = now - SILENT_AFTER_S
        if self._subscribers is SubscriberAnswer.NOBODY:
            return CollectorState.NOT_SUBSCRIBED
        if self._subscribers is SubscriberAnswer.REFUSED:
            return CollectorState.CHECK_REFUSED
        if self._answered_at <= silent_since:
            # Until the first answer of a connection is due, nothing new is known.
            return CollectorState.SILENT if self._begun <= silent_since else self._before_an_answer()
        if max(self._stored_at, self._answering_since) <= silent_since and (
            self._store.oldest_sent_s() > SILENT_AFTER_S
        ):
            return CollectorState.NOT_STORING
        return CollectorState.STORING

    def _before_an_answer(self) -> CollectorState:
        was_bad = self.state in (CollectorState.SILENT, CollectorState.NOT_STORING)
        return self.state if was_bad else CollectorState.UNKNOWN
