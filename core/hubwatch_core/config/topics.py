"""MQTT topics and filters as they may stand in a configuration: those that a broker takes (MQTT 5, 4.7)."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

MAX_BYTES = 65_535
SHARED = "$share/"


def _name(text: str) -> str:
    if "+" in text or "#" in text:
        raise ValueError(f"{_shown(text)} must name one topic, without + and #")
    _check_text(text)
    return text


def _level(text: str) -> str:
    if "/" in text:
        raise ValueError(f"{_shown(text)} must be one level of a topic, without /")
    return _name(text)


def _filter(text: str) -> str:
    _check_text(text)
    levels = text.split("/")
    if text.startswith(SHARED):
        if len(levels) < 3 or not levels[1] or set("+#") & set(levels[1]) or not "/".join(levels[2:]):
            raise ValueError(f"{_shown(text)} is no topic filter: a shared one is $share/NAME/FILTER")
        levels = levels[2:]
    for index, level in enumerate(levels):
        if "+" in level and level != "+":
            raise ValueError(f"{_shown(text)} is no topic filter: + must stand alone between slashes")
        if "#" in level and (level != "#" or index != len(levels) - 1):
            raise ValueError(f"{_shown(text)} is no topic filter: # must stand alone, at the end")
    return text


def _check_text(text: str) -> None:
    if not text:
        raise ValueError("must not be empty")
    if "\0" in text:
        raise ValueError("must not hold a null character")
    if len(text.encode()) > MAX_BYTES:
        raise ValueError(f"must not be longer than {MAX_BYTES} bytes")


def _shown(text: str) -> str:
    return repr(text) if len(text) <= 100 else repr(text[:100] + "…")


def overlap(one: str, other: str) -> bool:
    """Return whether a topic can match two filters, so that a broker may send its messages twice."""
    ours, others = _levels(one), _levels(other)
    for mine, theirs in zip(ours, others, strict=False):
        if "#" in (mine, theirs):
            return True
        if "+" not in (mine, theirs) and mine != theirs:
            return False
    longer = ours if len(ours) > len(others) else others
    return len(ours) == len(others) or longer[min(len(ours), len(others))] == "#"


def _levels(text: str) -> list[str]:
    levels = text.split("/")
    return levels[2:] if text.startswith(SHARED) else levels


TopicName = Annotated[str, AfterValidator(_name)]
"""A topic that is published to."""

TopicFilter = Annotated[str, AfterValidator(_filter)]
"""A topic that is subscribed to."""

TopicLevel = Annotated[str, AfterValidator(_level)]
"""One level of a topic."""
