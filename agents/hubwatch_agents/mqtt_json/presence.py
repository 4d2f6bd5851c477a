"""Is the device there? What it, its last will or whoever speaks for it says about that."""

from __future__ import annotations

import json
from typing import Any

from hubwatch_agents.measured import Measured
from hubwatch_agents.mqtt_json import documents, paths
from hubwatch_agents.mqtt_json.heard import Heard
from hubwatch_agents.profiles.mqtt_schema import Availability
from hubwatch_core.words import Quality

SECOND_US = 1_000_000


class Presence:
    """One availability topic."""

    def __init__(self, rule: Availability) -> None:
        self.rule = rule
        self.gone = False
        self._settled: int | None = None

    def hear(self, heard: Heard) -> bool:
        """Take a message of the topic; tells whether it says that the device is gone."""
        text = _text(heard.payload, self.rule.path)
        if text in self.rule.online:
            if not heard.retained:
                self._settled = heard.t + round(self.rule.settle_s * SECOND_US)
            self.gone = False
        elif text in self.rule.offline:
            self.gone = True
        return text in self.rule.offline

    def settling(self, t: int) -> bool:
        """Tell whether the device has only just come back."""
        return self._settled is not None and t < self._settled

    def worsen(self, measured: Measured, t: int) -> Measured:
        """Give what was measured, uncertain while the device has only just come back."""
        if not self.settling(t) or measured.quality is not Quality.GOOD:
            return measured
        return Measured(measured.x, Quality.UNCERTAIN, f"came back less than {self.rule.settle_s:g} s ago")


def _text(payload: bytes, path: str) -> str:
    """Give the word; one that stands alone is taken for it, as bridges have settings for either form."""
    plain = payload.decode("utf-8", "replace")
    if not path:
        return plain
    try:
        found: Any = paths.at(documents.read(payload, "json"), path)
    except ValueError:
        return plain
    if found is paths.MISSING:
        return ""
    return found if isinstance(found, str) else json.dumps(found)
