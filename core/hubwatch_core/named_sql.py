"""Named SQL: each file in a package's `sql/` holds queries under headers of the form `-- name: what it does`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType

_HEADER = re.compile(r"^-- ([a-z][a-z0-9_]*): (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Query:
    """One query; on a board its description is also the panel's."""

    name: str
    description: str
    text: str


@cache
def named_queries(package: str, topic: str) -> Mapping[str, Query]:
    """Return the queries of a package's `sql/{topic}.sql` by name.

    Raises FileNotFoundError, or ValueError when the file is malformed.
    """
    text = (resources.files(package) / "sql" / f"{topic}.sql").read_text(encoding="utf-8")
    return MappingProxyType(_parse(text, f"sql/{topic}.sql"))


def _parse(text: str, file: str) -> dict[str, Query]:
    _, *pieces = _HEADER.split(text)
    named: dict[str, Query] = {}
    for name, description, body in zip(pieces[::3], pieces[1::3], pieces[2::3], strict=True):
        if name in named:
            raise ValueError(f"{file} names {name} twice")
        named[name] = Query(name, description, body.strip())
    if not named:
        raise ValueError(f"{file} holds no query under a header `-- name: what it does`")
    return named
