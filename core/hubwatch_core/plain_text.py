"""Text from the field, made safe to show: what a device or a badge says must not steer a terminal or forge a line.

Not printable is what Unicode calls so: the controls C0 and C1 (ESC, and CSI as U+009B), the marks that turn the order
of letters (U+202E), the line separators (U+2028), spaces other than the plain one, lone surrogates, what is not
assigned.
"""

from __future__ import annotations

LONGEST_QUOTED = 40


def one_line(text: str) -> str:
    """Return `text` as one line of printable characters; whatever else it holds becomes a space."""
    plain = text if text.isprintable() else "".join(c if c.isprintable() else " " for c in text)
    return " ".join(plain.split())


def quoted(text: str) -> str:
    """Return what somebody gave between quotes, on one line, cut where a refusal would be as long as they like."""
    return repr(text if len(text) <= LONGEST_QUOTED else f"{text[: LONGEST_QUOTED - 1]}…")


def escaped(text: str) -> str:
    """Return `text` with everything unprintable as a Python escape, line breaks left as they are."""
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)


def escaped_line(text: str) -> str:
    """Return `text` with everything unprintable as a Python escape, line breaks too."""
    return text if text.isprintable() else escaped(text).replace("\n", r"\n")


def escaped_json(text: str) -> str:
    """Return JSON that means the same and in which everything unprintable inside a string is a JSON escape.

    Line breaks stay: inside a string of JSON there are none.
    """
    return text if text.isprintable() else "".join(c if c.isprintable() or c == "\n" else _code(c) for c in text)


def is_text(text: str) -> bool:
    """Whether `text` can be written as UTF-8: what the environment or a command line holds may be other bytes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _code(character: str) -> str:
    """Write a character as JSON does: beyond 16 bits as two."""
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(rf"\u{units[i : i + 2].hex()}" for i in range(0, len(units), 2))
