"""From messages to what happened."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from hubwatch_agents.changes import Watch
from hubwatch_agents.mqtt_json import paths, plain
from hubwatch_agents.mqtt_json.heard import Heard
from hubwatch_agents.privacy import Pseudonym
from hubwatch_agents.profiles.mqtt_schema import MqttEvent
from hubwatch_agents.readings import Happening
from hubwatch_core.clock import to_datetime
from hubwatch_core.wire import EARLIEST_US, LATEST_US


class EventMaker:
    """One event rule with what it has to remember."""

    def __init__(self, sensor: str, rule: MqttEvent, pseudonym: Pseudonym) -> None:
        self._sensor = sensor
        self._rule = rule
        # What is fetched afterwards happened before what is heard now: each has a baseline of its own.
        self._watches = {late: Watch(rule.on) for late in (False, True)} if rule.on != "message" else {}
        self._pseudonym = pseudonym

    def hear(self, message: Any, heard: Heard, device: int | None) -> Iterator[Happening]:
        """Give what a message says has happened; a retained one gives it, too, and whoever asked must leave it."""
        if not paths.holds(message, self._rule.when) or not self._moved(message, heard):
            return
        attrs = self._attrs(message)
        if device is not None and not EARLIEST_US <= device <= LATEST_US:
            attrs["device_clock"], device = to_datetime(device).isoformat(), None
        yield Happening(
            self._sensor, heard.moment(device), self._rule.event, self._subject(message), attrs, device, heard.late
        )

    def _moved(self, message: Any, heard: Heard) -> bool:
        if self._rule.watch is None:
            return True
        value = paths.pick(message, self._rule.watch)
        if not isinstance(value, str | int | float) or (isinstance(value, float) and not math.isfinite(value)):
            return False
        return self._watches[heard.late].see(value, heard.t) is not None

    def _attrs(self, message: Any) -> dict[str, Any]:
        attrs: dict[str, Any] = dict(self._rule.attrs)
        for name, what in self._rule.read.items():
            found = paths.pick(message, what)
            value = plain.attribute(found) if found is not paths.MISSING else None
            if value is not None:
                attrs[name] = value
        return attrs

    def _subject(self, message: Any) -> str | None:
        rule = self._rule.subject
        if rule is None:
            return None
        found = paths.pick(message, rule)
        if found is paths.MISSING or isinstance(found, dict | list) or found in rule.ignore:
            return None
        room = plain.MAX_TEXT - len(rule.prefix)
        return self._pseudonym(rule.prefix, plain.text(str(found))[:room])
