"""The named SQL of this package, and of others that ask the database by it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from hubwatch_core.named_sql import named_queries


@cache
def queries(topic: str, package: str = "hubwatch_store") -> Mapping[str, str]:
    """Return the texts of a package's `sql/{topic}.sql` by name; raises as `named_queries` does."""
    return MappingProxyType({name: query.text for name, query in named_queries(package, topic).items()})
