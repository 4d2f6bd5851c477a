"""Does a topic match a filter? (MQTT 5.0, section 4.7)."""

from __future__ import annotations


def matches(pattern: str, topic: str) -> bool:
    """Tell whether a filter with `+` and `#` matches a topic."""
    if topic.startswith("$") and pattern[:1] in ("+", "#"):
        return False
    wanted, given = pattern.split("/"), topic.split("/")
    for i, level in enumerate(wanted):
        if level == "#":
            return True
        if i >= len(given) or level not in ("+", given[i]):
            return False
    return len(wanted) == len(given)
