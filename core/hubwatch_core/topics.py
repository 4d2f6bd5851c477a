"""MQTT topics of wire version 1: `hubwatch/1/{hub}/{agent}/{frame|birth|state}`, and beside them the roll call.

An agent publishes an empty message on `hubwatch/rollcall/{hub}/{agent}`, which nobody but collectors takes, to hear
from the broker whether one has subscribed (docs/decisions/0031). It stands outside `hubwatch/1`, so that whoever
listens to everything there does not pass for a collector.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from hubwatch_core.errors import Poison
from hubwatch_core.ids import is_id

ROOT = "hubwatch/1"
ROLLCALL = "hubwatch/rollcall"
EVERY_ROLLCALL = f"{ROLLCALL}/+/+"


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
        """Give the topic as it goes on the wire."""
        return f"{ROOT}/{self.hub}/{self.agent}/{self.leaf}"


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
    """Give the filter for one kind of message from all agents, of one hub or of all."""
    return f"{ROOT}/{hub}/+/{leaf}"


def rollcall(hub: str, agent: str) -> str:
    """Give the topic of an agent's roll call."""
    return f"{ROLLCALL}/{hub}/{agent}"


def is_rollcall(topic: str) -> bool:
    """Tell whether a topic is that of a roll call: the message on it says nothing."""
    return topic.startswith(f"{ROLLCALL}/")


def shared(group: str, pattern: str) -> str:
    """Give the filter by which the members of `group` share what matches `pattern`; no group, no sharing."""
    return f"$share/{group}/{pattern}" if group else pattern


def hub_of_filter(pattern: str) -> str:
    """Give the hub that a filter made by `every` names; `+` when it names all."""
    return pattern.split("/")[2]
