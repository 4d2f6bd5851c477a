"""Where the words of a zone stand on the plan: inside it, beside the marks of its sensors, as large as there is room.

In a narrow zone they are smaller, or turned along it. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from hubwatch_site import shapes

Point = tuple[float, float]
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
MOST_NEAR = 200
"""Marks beside which room is sought; among more there is none."""
MOST_OVERALL = 40_000
"""The same of all zones together: so long a plan may take."""
CELLS = 64
"""Into so many rows and columns marks are sorted."""


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


class MarksByPlace:
    """The marks of a plan, each `size` wide to either side, sorted so that those near a zone are found at once."""

    def __init__(self, points: Sequence[Point], size: float) -> None:
        self._size = size
        self._left, self._top = min((x for x, _ in points), default=0.0), min((y for _, y in points), default=0.0)
        right, bottom = max((x for x, _ in points), default=0.0), max((y for _, y in points), default=0.0)
        self._step = max(right - self._left, bottom - self._top, size) / CELLS
        self._cells: dict[tuple[int, int], list[Point]] = {}
        for at in points:
            self._cells.setdefault(self._cell(at), []).append(at)

    def near(self, zone: Box, most: int = MOST_NEAR) -> list[Box]:
        """Return the marks that lie over a zone; none where there are more than `most` around it."""
        size = self._size
        first, last = self._cell((zone[0] - size, zone[1] - size)), self._cell((zone[2] + size, zone[3] + size))
        around: list[Point] = []
        columns, rows = (range(max(0, a), min(CELLS, b) + 1) for a, b in zip(first, last, strict=True))
        for cell in product(columns, rows):
            around += self._cells.get(cell, ())
            if len(around) > most:
                return []
        marks = [(x - size, y - size, x + size, y + size) for x, y in around]
        return [mark for mark in marks if _common(zone, mark)]

    def _cell(self, at: Point) -> tuple[int, int]:
        return int((at[0] - self._left) // self._step), int((at[1] - self._top) // self._step)


def place(outline: Sequence[Point], name: str, state: str, marks: Sequence[Box], size: float) -> LabelPlace:
    """Return where a zone's name and state stand: where they fit and cover no mark; else where they cover least."""
    found: tuple[tuple[float, bool, float], LabelPlace] | None = None
    for box, spilt, where in _candidates(around(outline), name, state, size):
        if found is not None and spilt > found[0][0]:
            continue
        outside = not spilt and not _inside(outline, box)
        worse = spilt, outside, sum(_common(box, mark) for mark in marks)
        if not any(worse):
            return where
        if found is None or worse < found[0]:
            found = worse, where
    assert found is not None
    return found[1]


def around(outline: Sequence[Point]) -> Box:
    """Return the box around an outline."""
    xs, ys = [x for x, _ in outline], [y for _, y in outline]
    return min(xs), min(ys), max(xs), max(ys)


def _inside(outline: Sequence[Point], box: Box) -> bool:
    """Return whether a box lies within an outline, as its corners and the outline's say."""
    left, top, right, bottom = box
    if any(left < x < right and top < y < bottom for x, y in outline):
        return False
    return all(shapes.holds(outline, corner) for corner in product((left, right), (top, bottom)))


def _candidates(zone: Box, name: str, state: str, size: float) -> Iterator[tuple[Box, float, LabelPlace]]:
    """Yield, the best first, the box of each place, how far it goes beyond the zone, and the place."""
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
            yield box, spilt, LabelPlace(x, y, height, turned, lines)


def _common(one: Box, other: Box) -> float:
    """Return how much area two boxes have in common."""
    wide = min(one[2], other[2]) - max(one[0], other[0])
    tall = min(one[3], other[3]) - max(one[1], other[1])
    return max(0.0, wide) * max(0.0, tall)
