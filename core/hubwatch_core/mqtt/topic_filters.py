"""Topic filters: which are valid, which cover or meet others, and who listens to a topic (MQTT 5.0, section 4.7)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Generic, TypeVar

from paho.mqtt.matcher import MQTTMatcher

T = TypeVar("T")
MAX_TOPIC_BYTES = 65_535
"""A topic is a string of MQTT (1.5.4)."""


def filter_problem(text: str) -> str | None:
    """Say why no broker takes a topic filter; None when one does."""
    if not text:
        return "is empty"
    if "\0" in text or any("\ud800" <= c <= "\udfff" for c in text):
        return "holds a NUL or half a character"
    if len(text.encode()) > MAX_TOPIC_BYTES:
        return f"is longer than {MAX_TOPIC_BYTES} bytes"
    levels = text.split("/")
    for each in levels:
        wildcard = next((c for c in "+#" if c in each), None)
        if wildcard is not None and each != wildcard:
            return f"{wildcard} must stand alone in its level, not in {each!r}"
    return "# must be the last level" if "#" in levels[:-1] else None


def topic_problem(text: str) -> str | None:
    """Say why nothing can be published to a topic; None when it can."""
    if any(c in text for c in "+#"):
        return "must name one topic, without + and #"
    return filter_problem(text)


def covers(wide: str, narrow: str) -> bool:
    """Return whether every topic that `narrow` matches is matched by `wide`."""
    outer, inner = wide.split("/"), narrow.split("/")
    if inner[0].startswith("$") and outer[0] in ("+", "#"):
        return False
    for i, level in enumerate(outer):
        if level == "#":
            return True
        if i >= len(inner) or inner[i] == "#" or (level not in ("+", inner[i])):
            return False
    return len(inner) == len(outer)


def meet(one: str, other: str) -> bool:
    """Return whether there is a topic that both filters match."""
    left, right = one.split("/"), other.split("/")
    for a, b in zip(left, right, strict=False):
        if "#" in (a, b):
            return True
        if a != b and "+" not in (a, b):
            return False
    if len(left) == len(right):
        return True
    rest = left[len(right) :] or right[len(left) :]
    return rest == ["#"]


def has_wildcard(topic_filter: str) -> bool:
    """Return whether a filter matches more than one topic."""
    return "+" in topic_filter or "#" in topic_filter


def meeting(filters: Iterable[str]) -> set[str]:
    """Return the filters that meet another one of them: two without a wildcard never do."""
    every = set(filters)
    wide = {each for each in every if has_wildcard(each)}
    return {
        each
        for each in every
        if any(other != each and meet(each, other) for other in (every if each in wide else wide))
    }


def uncovered(filters: Iterable[str]) -> list[str]:
    """Return the filters that no other of them covers: subscribing to these brings all messages, none twice for it."""
    every = sorted(set(filters))
    wide = [each for each in every if has_wildcard(each)]
    return [each for each in every if not any(other != each and covers(other, each) for other in wide)]


class TopicMap(Generic[T]):
    """Who listens to what: values by topic filter. A look-up costs as much as the topic has levels."""

    def __init__(self) -> None:
        self._values: Any = MQTTMatcher()  # type: ignore[no-untyped-call]

    def add(self, topic_filter: str, value: T) -> None:
        """Let `value` be found by every topic that a filter matches."""
        try:
            values: list[T] = self._values[topic_filter]
        except KeyError:
            values = self._values[topic_filter] = []
        values.append(value)

    def matching(self, topic: str) -> Iterator[T]:
        """Yield what listens to a topic, once for each filter."""
        for values in self._values.iter_match(topic):
            yield from values
