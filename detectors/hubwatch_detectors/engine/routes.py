"""The way from a sensor to the instances that judge it, and whose time it is that they go by."""

from __future__ import annotations

from typing import NamedTuple

from hubwatch_detectors.contract import ALWAYS, NEVER, Finding
from hubwatch_detectors.engine.instance import Instance
from hubwatch_detectors.engine.waiting import Waiting


class AgentTime:
    """The live instances that go by one agent's clock."""

    __slots__ = ("complete", "due", "instances", "now", "waiting")

    def __init__(self) -> None:
        self.now = 0
        """The agent's time (µs)."""
        self.instances: list[Instance] = []
        self.waiting: list[Waiting] = []
        """What waits for those of them that are patient."""
        self.due = ALWAYS
        """None of them is due before it (µs)."""
        self.complete = False
        """Whether all sensors of the agent are among them."""

    def advance(self, now: int) -> list[Finding]:
        """Let time pass up to `now` for those that are due."""
        found: list[Finding] = []
        self.now = now
        if now < self.due:
            return found
        for waiting in self.waiting:
            if waiting.due <= now:
                found += waiting.flush()
        for instance in self.instances:
            if instance.due <= now:
                found += instance.advance(now)
        self.due = min([each.due for each in self.instances] + [each.due for each in self.waiting], default=NEVER)
        return found


class SensorRoute(NamedTuple):
    """The live instances that judge a sensor: its own, which go by its agent's `time`, and those of the whole hub.

    Those of its own that are patient are behind what is `waiting` for them, and all of them behind what is `gathered`.
    What looks only at events has a place of its own. So have those of the hub for which the sensor stands apart:
    `together` they are behind what is gathered `apart`.
    """

    own: list[Instance]
    gathered: Waiting
    waiting: list[Waiting]
    hubs: list[Instance]
    of_events: list[Instance]
    together: list[Instance]
    apart: Waiting
    time: AgentTime
