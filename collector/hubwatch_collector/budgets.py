"""What one agent may send: buckets that fill with time, and say when one begins to run over."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from time import monotonic

from hubwatch_collector.settings import LimitsSection
from hubwatch_core.message import Message
from hubwatch_core.topics import Leaf, Topic
from hubwatch_core.wire import Birth
from hubwatch_store.ingest import Mistrust, Notice

HOUR_S = 3600.0
MAX_AGENTS = 10_000
"""Agents that have buckets; beyond them the one heard longest ago begins anew."""
TELL_EVERY_S = 10.0
"""How often it is counted on that an agent sends too much."""


@dataclass(slots=True)
class Bucket:
    """Holds up to `most`, and fills by `rate` a second."""

    rate: float
    most: float
    left: float
    at: float

    def take(self, amount: float, now: float) -> bool:
        """Take an amount, if there is that much; one larger than the bucket when it is full."""
        self.left = min(self.most, self.left + (now - self.at) * self.rate)
        self.at = now
        if self.left < min(amount, self.most):
            return False
        self.left -= amount
        return True


class AgentBudget:
    """The buckets of one agent, and what has run over."""

    def __init__(self, limits: LimitsSection, now: float) -> None:
        def bucket(rate: float, most: float) -> Bucket:
            return Bucket(rate, most, most, now)

        self.frames = bucket(limits.frames_per_s, limits.frames_per_s * limits.burst_s)
        self.payload = bucket(limits.bytes_per_s, limits.bytes_per_s * limits.burst_s)
        self.letters = bucket(limits.dead_letters_per_h / HOUR_S, limits.dead_letters_per_h)


class Budgets:
    """The budgets of all agents."""

    def __init__(self, limits: LimitsSection) -> None:
        self._limits = limits
        self._agents: dict[tuple[str, str], AgentBudget] = {}
        self._over: Counter[tuple[str, str, str]] = Counter()
        self._tell_at = 0.0

    def takes(self, where: Topic, message: Message) -> bool:
        """Return whether a message is within what its agent may send."""
        if where.leaf is Leaf.STATE:
            return True
        name, now, limits = (where.hub, where.agent), monotonic(), self._limits
        budget = self._of(name, now)
        if not budget.frames.take(1, now):
            return self._ran_over(name, f"more than {limits.frames_per_s:g} frames a second")
        if not budget.payload.take(len(message.payload), now):
            return self._ran_over(name, f"more than {limits.bytes_per_s:g} bytes a second")
        return True

    def keeps_letter(self, hub: str, agent: str) -> bool:
        """Return whether one more dead letter of an agent is kept."""
        now = monotonic()
        if self._of((hub, agent), now).letters.take(1, now):
            return True
        return self._ran_over((hub, agent), f"more than {self._limits.dead_letters_per_h} dead letters an hour")

    def too_long(self, birth: Birth) -> str | None:
        """Return why a birth lists more than an agent may have; None when it does not."""
        channels = sum(len(sensor.channels) for sensor in birth.inventory)
        if len(birth.inventory) > self._limits.sensors:
            return f"birth lists {len(birth.inventory)} sensors, more than {self._limits.sensors}"
        if channels > self._limits.channels:
            return f"birth lists {channels} channels, more than {self._limits.channels}"
        return None

    def notices(self) -> list[Notice]:
        """Return what has run over since this was asked before, not too often."""
        if not self._over or monotonic() < self._tell_at:
            return []
        over, self._over = self._over, Counter()
        self._tell_at = monotonic() + TELL_EVERY_S
        return [Notice(Mistrust.LIMIT, reason, hub, agent, times) for (hub, agent, reason), times in over.items()]

    def _ran_over(self, name: tuple[str, str], reason: str) -> bool:
        self._over[(*name, reason)] += 1
        return False

    def _of(self, name: tuple[str, str], now: float) -> AgentBudget:
        budget = self._agents.pop(name, None) or AgentBudget(self._limits, now)
        if len(self._agents) >= MAX_AGENTS:
            del self._agents[next(iter(self._agents))]
        self._agents[name] = budget  # at the end: the first is the one heard longest ago
        return budget
