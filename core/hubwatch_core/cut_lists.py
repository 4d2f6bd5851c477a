"""Lists that end before everything was shown say so."""

from __future__ import annotations


def more_text(more: int, most: int, *, limit: int | None = None, option: str = "--most") -> str:
    """Return the last line of a list that shows `most` and leaves out `more`; `limit` is the option's largest."""
    every = most + more
    if limit is not None and every > limit:
        return f"{more} more; {option} {limit} shows the first {limit}"
    return f"{more} more; {option} {every} shows them"
