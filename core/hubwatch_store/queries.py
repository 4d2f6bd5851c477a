"""Named SQL: each file in `sql/` holds queries under headers of the form `-- name: what it does`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from types import MappingProxyType

_HEADER = re.compile(r"^-- ([a-z][a-z0-9_]*): .+$", re.MULTILINE)


@cache
def queries(topic: str, package: str = "hubwatch_store") -> Mapping[str, str]:
    """Give the queries of a package's `sql/{topic}.sql` by name.

    Raises FileNotFoundError, or ValueError when the file is malformed.
    """
    text = (resources.files(package) / "sql" / f"{topic}.sql").read_text(encoding="utf-8")
    pieces = _HEADER.split(text)[1:]
    named: dict[str, str] = {}
    for name, body in zip(pieces[::2], pieces[1::2], strict=True):
        if name in named:
            raise ValueError(f"sql/{topic}.sql names {name} twice")
        named[name] = body.strip()
    if not named:
        raise ValueError(f"sql/{topic}.sql holds no query under a header `-- name: what it does`")
    return MappingProxyType(named)
