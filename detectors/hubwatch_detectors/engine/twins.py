"""Two agents under one name: a disk that was cloned, or two that take one session from each other in turn.

Each numbers its frames by itself. Two epochs in turn show it, and so does a number that comes again with another time.
Of two epochs the one that spoke first is judged until it says nothing for `QUIET_US`. Under one epoch nobody can tell
the two apart: of each number the first frame is judged, and nothing counts as watched where they may have changed over.
"""

from __future__ import annotations

from enum import Enum, auto

import msgspec

from hubwatch_core.clock import SECOND_US
from hubwatch_core.logs import get_logger
from hubwatch_core.packed_frame import AnyFrame
from hubwatch_core.wire import Clear
from hubwatch_core.words import Priority
from hubwatch_detectors.contract import Finding, Origin
from hubwatch_detectors.engine.owners import DETECTOR, VERSION
from hubwatch_detectors.engine.seen import SeenFrames

AGENT_TWICE = "integrity.agent_twice"
QUIET_US = 15 * SECOND_US
"""An agent sends every 10 s."""
OVER_US = 60 * SECOND_US
"""Without a word of the other for so long, there is only one."""

_log = get_logger("detectors")


class Verdict(Enum):
    """What a frame's epoch means for judging it."""

    SAME = auto()
    """It goes on."""
    CHANGED = auto()
    """It is judged, and what came before was another's: nothing counts as watched meanwhile."""
    OTHER = auto()
    """It is not judged."""


class Twins(msgspec.Struct):
    """What is remembered of an agent's epochs; times in µs by our clock."""

    epoch: str = ""
    """The one that is judged."""
    heard: int = 0
    other: int = 0
    """When the one that is not judged last spoke."""
    found: str | None = None

    def judge(self, hub: str, agent: str, frame: AnyFrame, known: bool, now: int) -> tuple[Verdict, list[Finding]]:
        """Take a live frame that is new; `known` says that its epoch spoke before."""
        if frame.epoch == self.epoch:
            self.heard = now
            return Verdict.SAME, []
        if not self.epoch or not (known or self.found):
            began, self.epoch, self.heard = not self.epoch, frame.epoch, now
            return (Verdict.SAME if began else Verdict.CHANGED), []
        if self.found and now - self.heard <= QUIET_US:
            self.other = now
            return Verdict.OTHER, []
        found = self._find(hub, agent, f"the epochs {self.epoch} and {frame.epoch} speak in turn", now)
        self.epoch, self.heard = frame.epoch, now
        return Verdict.CHANGED, found

    def contradicted(self, hub: str, agent: str, frame: AnyFrame, now: int) -> list[Finding]:
        """Take a frame whose number came before with another time."""
        return self._find(hub, agent, f"frame {frame.seq} of epoch {frame.epoch} came twice and differs", now)

    def check(self, now: int) -> list[Finding]:
        """End the finding when only one of them speaks."""
        if self.found is None or now - self.other <= OVER_US:
            return []
        found, self.found = self.found, None
        return [Clear(found, now, now, "only one of them has been heard for a minute")]

    def ended(self, now: int, why: str) -> list[Finding]:
        """End the finding because the agent is gone."""
        found, self.found = self.found, None
        return [Clear(found, now, now, why)] if found is not None else []

    def _find(self, hub: str, agent: str, how: str, now: int) -> list[Finding]:
        self.other = now
        if self.found is not None:
            return []
        _log.warning("two agents use one name", hub=hub, agent=agent, why=how)
        detection = Origin(DETECTOR, VERSION, hub, agent).detection(
            AGENT_TWICE,
            start=now,
            detected=now,
            score=1.0,
            priority=Priority.HIGH,
            why=f"two agents call themselves {agent}: {how}; the one that spoke first is judged",
            evidence={"how": how},
        )
        self.found = detection.id
        return [detection]


def contradicts(seen: SeenFrames, frame: AnyFrame) -> bool:
    """Return whether a frame whose number came before cannot be the one that came: it was made at another time."""
    if frame.late:
        return False
    return frame.sent > seen.latest > 0 or (frame.seq == seen.highest and 0 < seen.last != frame.sent)
