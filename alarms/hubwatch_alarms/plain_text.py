"""Text from the field, made safe to show: what a device or a badge says must not steer a terminal or forge a line."""

from __future__ import annotations


def one_line(text: str) -> str:
    """Give `text` as one line of printable characters; whatever else it holds becomes a space."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
