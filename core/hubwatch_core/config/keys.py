"""Keys as people write them, and their order in a file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from hubwatch_core.config.section import KeyPath
from hubwatch_core.errors import Problem

_PARTS = re.compile(r"\[(\d+)\]|([^.\[\]]+)")


def key_of(path: KeyPath) -> str:
    """Write a path as people do: `routes[1].name`."""
    key = ""
    for part in path:
        key += f"[{part}]" if isinstance(part, int) else f".{part}" if key else part
    return key


def in_file_order(problems: Sequence[Problem], tree: Mapping[str, object]) -> list[Problem]:
    """Order problems as their keys stand in the file, without doubles; a missing key comes last in its table."""
    return sorted(dict.fromkeys(problems), key=lambda problem: _position(problem.key, tree))


def _position(key: str, tree: object) -> tuple[int, ...]:
    position: list[int] = []
    for index, name in _PARTS.findall(key):
        if isinstance(tree, Mapping) and name in tree:
            position.append(list(tree).index(name))
            tree = tree[name]
        elif isinstance(tree, list) and index and int(index) < len(tree):
            position.append(int(index))
            tree = tree[int(index)]
        else:
            position.append(len(tree) if isinstance(tree, Mapping | list) else 0)
            break
    return tuple(position)
