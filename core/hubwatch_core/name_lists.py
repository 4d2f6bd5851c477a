"""The list of names in a packed frame, taken apart once for all frames that carry the same.

A line for each sensor, with its channels behind it, apart by one space. Agents say the same lists again and again, and
taking one apart costs more than the readings of a short frame.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from functools import lru_cache

from hubwatch_core.errors import Poison
from hubwatch_core.ids import is_id
from hubwatch_core.plain_text import one_line

SeriesName = tuple[str, str]
"""sensor, channel"""
SeriesNames = tuple[SeriesName, ...]

MOST_SERIES = 8192
"""Series of one frame: more than fit into one of version 1."""
_FEW = 200
"""Names of a list whose text is remembered, too."""
MOST_REMEMBERED = 100_000
"""Names that are remembered in all; about 20 MB."""


def text_of(names: SeriesNames) -> str:
    """Return a list as it is written."""
    return _text_of_few(names) if len(names) <= _FEW else _text_of(names)


def _text_of(names: SeriesNames) -> str:
    lines: list[str] = []
    last: str | None = None
    for sensor, channel in names:
        lines.append(f" {channel}" if sensor == last else f"\n{sensor} {channel}")
        last = sensor
    return "".join(lines)[1:]


_text_of_few = lru_cache(maxsize=256)(_text_of)


def count_in(text: str) -> int:
    """Return how many series a list names, if it is a right one."""
    return text.count(" ")


class NameLists:
    """Takes lists apart and remembers them; those used longest ago are forgotten first."""

    def __init__(self, most: int = MOST_REMEMBERED) -> None:
        self._most = most
        self._names = 0
        self._known: OrderedDict[str, SeriesNames] = OrderedDict()

    def __len__(self) -> int:
        """Return how many names are remembered."""
        return self._names

    def of(self, text: str) -> SeriesNames:
        """Return what a list names, in its order; raises Poison when it is none."""
        known = self._known.get(text)
        if known is not None:
            self._known.move_to_end(text)
            return known
        names = _taken_apart(text)
        self._known[text] = names
        self._names += len(names)
        while self._names > self._most:
            self._names -= len(self._known.popitem(last=False)[1])
        return names


def _taken_apart(text: str) -> SeriesNames:
    if not text:
        return ()
    if count_in(text) > MOST_SERIES:
        raise Poison(f"names {count_in(text)} series, more than {MOST_SERIES}")
    names: list[SeriesName] = []
    for line in text.split("\n"):
        sensor, *channels = line.split(" ")
        if not is_id(sensor):
            raise Poison(f"names: sensor {one_line(sensor[:64])} is no valid name")
        if not channels:
            raise Poison(f"names: sensor {sensor} has no channel")
        for channel in channels:
            if not is_id(channel):
                raise Poison(f"names: channel {sensor}/{one_line(channel[:64])} is no valid name")
            names.append((sensor, channel))
    if len(set(names)) < len(names):
        (sensor, channel), _ = Counter(names).most_common(1)[0]
        raise Poison(f"names: {sensor}/{channel} is there twice")
    return tuple(names)
