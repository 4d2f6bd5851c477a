"""Where the words of a zone stand on the plan: inside it, beside the marks of its sensors, as large as there is room.

In a narrow zone they are smaller, or turned along it. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

Box = tuple[float, float, float, float]
"""Left, top, right and bottom."""
SCALES = (1.0, 0.8, 0.65, 0.5)
LETTER_WIDTH = 0.64
"""Of a bold letter, on average, as a share of its height."""
LINE = 1.3
"""Height of a line, as a share of that of a letter."""
EDGE, ENDS = 0.12, 0.3
"""Between words and the outline, above and below them and at their ends, as shares of the height of a letter."""
SHARES = (0.0, 0.5, 1.0, 0.25, 0.75)
"""How far from the left or the top words stand, of what is free: in this order."""
ACROSS = (0.5, 0.0, 1.0, 0.25, 0.75)


@dataclass(frozen=True, slots=True)
class LabelPlace:
    """Where the words of a zone stand: around `x` and `y`, in `lines` lines of letters of a `size`."""

    x: float
    y: float
    size: float
    turned: bool
    """Whether they are read from below to above."""
    lines: int

    def baseline(self, line: int) -> float:
        """Return how far the foot of a line is from the middle, downwards as they are read."""
        return (line - (self.lines - 1) / 2) * LINE * self.size + 0.35 * self.size


def place(zone: Box, name: str, state: str, marks: Sequence[Box], size: float) -> LabelPlace:
    """Return where a zone's name and state stand: where they fit and cover no mark; else where they cover least."""
    found, near = None, [mark for mark in marks if _common(zone, mark)]
    for covered, spilt, where in _candidates(zone, name, state, near, size):
        if not covered and not spilt:
            return where
        if found is None or (spilt, covered) < found[0]:
            found = (spilt, covered), where
    assert found is not None
    return found[1]


def _candidates(
    zone: Box, name: str, state: str, marks: Sequence[Box], size: float
) -> Iterator[tuple[float, float, LabelPlace]]:
    """Yield, the best first, what each place covers of marks, how far it goes beyond the zone, and the place."""
    left, top, right, bottom = zone
    for scale, turned, lines in product(SCALES, (False, True), (2, 1)):
        height = size * scale
        longest = max(len(name), len(state)) if lines == 2 else len(name) + 1 + len(state)
        across = (longest * LETTER_WIDTH + 2 * (ENDS - EDGE)) * height
        down = lines * LINE * height
        wide, tall = (down, across) if turned else (across, down)
        free_x, free_y = right - left - wide - 2 * EDGE * height, bottom - top - tall - 2 * EDGE * height
        spilt = max(0.0, -free_x) + max(0.0, -free_y)
        for share_y, share_x in product(SHARES, ACROSS):
            x = left + EDGE * height + wide / 2 + free_x * (share_x if free_x > 0 else 0.5)
            y = top + EDGE * height + tall / 2 + free_y * (share_y if free_y > 0 else 0.5)
            box = (x - wide / 2, y - tall / 2, x + wide / 2, y + tall / 2)
            yield sum(_common(box, mark) for mark in marks), spilt, LabelPlace(x, y, height, turned, lines)


def _common(one: Box, other: Box) -> float:
    """Return how much area two boxes have in common."""
    wide = min(one[2], other[2]) - max(one[0], other[0])
    tall = min(one[3], other[3]) - max(one[1], other[1])
    return max(0.0, wide) * max(0.0, tall)
