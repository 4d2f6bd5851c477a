"""Knows a message that has been delivered before: QoS 1 means at least once, and DUP is lost on the way to us.

The flag DUP is between one client and the broker (MQTT 5.0, 3.3.1.1): a device that sends again, as it has seen no
acknowledgement, is heard twice without it. Only the content tells.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from hubwatch_agents.mqtt_json import paths
from hubwatch_agents.profiles.mqtt_schema import MessageRule

REMEMBERED = 1000
"""Events kept to know a repeat by."""
SECOND_US = 1_000_000


class Repeats:
    """What one topic has said."""

    def __init__(self, rule: MessageRule) -> None:
        self._rule = rule
        self._within_us = round(rule.unique_within_s * SECOND_US) if rule.unique_within_s is not None else None
        self._known: OrderedDict[str, tuple[str, int]] = OrderedDict()

    def known(self, item: Any, device: int | None, t: int) -> bool:
        """Tell whether an item has been heard before, and remember it; `device` is the device's own time of it.

        The same number with another time, or else another content, is no repeat: its counter has begun anew.
        """
        if self._rule.unique is None:
            return False
        number = paths.pick(item, self._rule.unique)
        if number is paths.MISSING:
            return False
        key, content = repr(number), str(device) if device is not None else repr(item)
        before = self._known.pop(key, None)
        self._known[key] = (content, t)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return before is not None and before[0] == content and self._fresh(t - before[1])

    def _fresh(self, age_us: int) -> bool:
        return self._within_us is None or age_us <= self._within_us
