"""A message of a device, as everything that reads it sees it."""

from __future__ import annotations

from typing import Any, Literal

from hubwatch_agents.drivers.mqtt import payload as payloads


class InboundMessage:
    """One message as the broker gave it; `t` in µs is when it came. `late`: fetched afterwards.

    Its payload is parsed once, however many devices and rules read it.
    """

    __slots__ = ("_parsed", "late", "payload", "retained", "t", "topic")

    def __init__(self, topic: str, payload: bytes, retained: bool, t: int, late: bool = False) -> None:
        self.topic = topic
        self.payload = payload
        self.retained = retained
        self.t = t
        self.late = late
        self._parsed: dict[str, Any] = {}

    def document(self, form: Literal["json", "text"] = "json") -> Any:
        """Return what the payload holds. Raises ValueError with the reason."""
        if form not in self._parsed:
            try:
                self._parsed[form] = payloads.read(self.payload, form)
            except ValueError as error:
                self._parsed[form] = error
        parsed = self._parsed[form]
        if isinstance(parsed, ValueError):
            raise parsed
        return parsed
