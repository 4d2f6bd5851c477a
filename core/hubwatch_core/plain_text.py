"""Text from the field, made safe to show: what a device or a badge says must not steer a terminal or forge a line."""

from __future__ import annotations


def one_line(text: str) -> str:
    """Return `text` as one line of printable characters; whatever else it holds becomes a space."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def escaped(text: str) -> str:
    """Return `text` with everything unprintable as a Python escape, line breaks left as they are."""
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)


def is_text(text: str) -> bool:
    """Whether `text` can be written as UTF-8: what the environment or a command line holds may be other bytes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
