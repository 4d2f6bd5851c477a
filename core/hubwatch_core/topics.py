"""MQTT topics of wire version 1: `hubwatch/1/{hub}/{agent}/{frame|birth|state}`, and beside them the roll call.

An agent publishes a nonce on `hubwatch/rollcall/{hub}/{agent}`, which nobody but collectors takes, to learn from the
broker whether one has subscribed (docs/decisions/0031). It stands outside `hubwatch/1`, so that whoever subscribes to
everything there does not pass for a collector. Collectors answer on `hubwatch/rollcall/{hub}/{agent}/answer`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from hubwatch_core.errors import Poison
from hubwatch_core.ids import is_id

ROOT = "hubwatch/1"
ROLLCALL = "hubwatch/rollcall"
EVERY_ROLLCALL = f"{ROLLCALL}/+/+"
ALARMS = f"{ROOT}/+/alarms/+"
"""Where the alarms component says how each alarm stands; a last level that is a number is none of an agent."""
ANSWERS = f"{ROLLCALL}/+/+/answer"
"""Where collectors answer; named in messages, subscribed to by nobody."""


class Leaf(StrEnum):
    """The last level of a topic: what kind of message it carries."""

    FRAME = "frame"
    BIRTH = "birth"
    STATE = "state"


@dataclass(frozen=True, slots=True)
class Topic:
    """A parsed topic; hub and agent are valid ids."""

    hub: str
    agent: str
    leaf: Leaf

    def __str__(self) -> str:
        """Return the topic as it goes on the wire."""
        return f"{ROOT}/{self.hub}/{self.agent}/{self.leaf}"


@lru_cache(maxsize=4096)
def parse(topic: str) -> Topic:
    """Take a topic apart; raises Poison with the reason when it is none of ours."""
    parts = topic.split("/")
    if len(parts) != 5 or "/".join(parts[:2]) != ROOT:
        raise Poison(f"topic {_shown(topic)} is not {ROOT}/HUB/AGENT/LEAF")
    for name in parts[2:4]:
        if not is_id(name):
            raise Poison(f"topic {_shown(topic)}: {_shown(name)} is not a valid id")
    try:
        return Topic(parts[2], parts[3], Leaf(parts[4]))
    except ValueError:
        raise Poison(f"topic {_shown(topic)} ends in none of {', '.join(Leaf)}") from None


def _shown(text: str) -> str:
    """Quote a text for a reason, cut short: a topic may have 65 535 bytes, a line in a log should not."""
    return repr(text if len(text) <= 100 else text[:100] + "…")


def every(leaf: Leaf, hub: str = "+") -> str:
    """Return the filter for one kind of message from all agents, of one hub or of all."""
    return f"{ROOT}/{hub}/+/{leaf}"


def rollcall(hub: str, agent: str) -> str:
    """Return the topic of an agent's roll call."""
    return f"{ROLLCALL}/{hub}/{agent}"


def answer(hub: str, agent: str) -> str:
    """Return the topic on which collectors answer an agent."""
    return f"{rollcall(hub, agent)}/answer"


def called_by(topic: str) -> tuple[str, str] | None:
    """Return hub and agent of a roll call; None when the topic is that of no roll call with valid names."""
    parts = topic.removeprefix(f"{ROLLCALL}/").split("/")
    return (parts[0], parts[1]) if len(parts) == 2 and is_id(parts[0]) and is_id(parts[1]) else None


def alarm_topic(hub: str, alarm: int) -> str:
    """Return the topic that says how an alarm stands, for sirens and lights."""
    return f"{ROOT}/{hub}/alarms/{alarm}"


def is_rollcall(topic: str) -> bool:
    """Return whether a topic is that of a roll call, or of an answer to one."""
    return topic.startswith(f"{ROLLCALL}/")


def shared(group: str, pattern: str) -> str:
    """Return the filter by which the members of `group` share what matches `pattern`; no group, no sharing."""
    return f"$share/{group}/{pattern}" if group else pattern


def hub_of_filter(pattern: str) -> str:
    """Return the hub that a filter made by `every` names; `+` when it names all."""
    return pattern.split("/")[2]
