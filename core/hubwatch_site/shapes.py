"""Shapes on a plan: is an outline one, and does a point lie inside. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, pairwise

Point = tuple[float, float]


def fault_of_outline(corners: Sequence[Point]) -> str | None:
    """Return what is wrong with the corners of a zone, None when they make a shape."""
    if len(corners) < 3:
        return "needs at least three corners"
    sides = [*pairwise(corners), (corners[-1], corners[0])]
    for (i, one), (j, other) in combinations(enumerate(sides), 2):
        neighbours = j - i == 1 or (i == 0 and j == len(sides) - 1)
        if not neighbours and _cross(one, other):
            return f"crosses itself: the side from corner {i} and the side from corner {j}"
    return "has no area" if area(corners) == 0 else None


def area(corners: Sequence[Point]) -> float:
    """Return the area within an outline."""
    closed = [*corners, corners[0]]
    return abs(sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in pairwise(closed))) / 2


def holds(corners: Sequence[Point], point: Point) -> bool:
    """Return whether a point lies within an outline; on a side of it may be either."""
    x, y = point
    inside = False
    for (x1, y1), (x2, y2) in pairwise([*corners, corners[0]]):
        if (y1 > y) != (y2 > y) and x < x1 + (y - y1) * (x2 - x1) / (y2 - y1):
            inside = not inside
    return inside


def centre(corners: Sequence[Point]) -> Point:
    """Return the mean of the corners, where a name is written."""
    return sum(x for x, _ in corners) / len(corners), sum(y for _, y in corners) / len(corners)


def _cross(one: tuple[Point, Point], other: tuple[Point, Point]) -> bool:
    """Return whether two sides have a point in common."""
    a, b = one
    c, d = other
    turns = (_turn(a, b, c), _turn(a, b, d), _turn(c, d, a), _turn(c, d, b))
    if turns[0] != turns[1] and turns[2] != turns[3]:
        return True
    ends = ((a, b, c), (a, b, d), (c, d, a), (c, d, b))
    return any(turn == 0 and _between(*end) for turn, end in zip(turns, ends, strict=True))


def _turn(a: Point, b: Point, c: Point) -> int:
    cross = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
    return (cross > 0) - (cross < 0)


def _between(a: Point, b: Point, c: Point) -> bool:
    return min(a[0], b[0]) <= c[0] <= max(a[0], b[0]) and min(a[1], b[1]) <= c[1] <= max(a[1], b[1])
