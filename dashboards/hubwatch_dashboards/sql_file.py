"""The queries of a board: `sql/BOARD.sql`, each under a header `-- name: description`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib import resources

_HEADER = re.compile(r"^-- ([a-z][a-z0-9_]*): (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Query:
    """One query with Grafana's macros and variables in it; the description is also the panel's."""

    name: str
    description: str
    text: str


@cache
def queries(board: str) -> dict[str, Query]:
    """Give the queries of a board by name."""
    text = (resources.files("hubwatch_dashboards") / "sql" / f"{board}.sql").read_text(encoding="utf-8")
    _, *pieces = _HEADER.split(text)
    names, descriptions, bodies = pieces[::3], pieces[1::3], pieces[2::3]
    found = [Query(*parts) for parts in zip(names, descriptions, map(str.strip, bodies), strict=True)]
    return {query.name: query for query in found}
