"""Lists that end before everything was shown say so."""

from __future__ import annotations


def more_text(more: int, most: int, *, limit: int | None = None, option: str = "--most", at_least: bool = False) -> str:
    """Return the last line of a list that shows `most` and leaves out `more`; `limit` is the option's largest.

    `at_least` says that `more` was counted up to a bound.
    """
    every = most + more
    left_out = f"at least {more} more" if at_least else f"{more} more"
    if not at_least and (limit is None or every <= limit):
        return f"{left_out}; {option} {every} shows them"
    if limit is None or most >= limit:
        return f"{left_out}; that is the longest list there is"
    return f"{left_out}; {option} {limit} shows the first {limit}"
