"""The database and the hub that a command about a site means."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from hubwatch_core.errors import BadCall
from hubwatch_core.plain_text import one_line

Hub = Annotated[str | None, typer.Option("--hub", help="The hub; may be left out when there is only one.")]


@contextmanager
def connection_to(config: Path | None, dsn: str | None, name: str = "hubwatch site") -> Iterator[Any]:
    """Connect to the database that a file, the environment or `dsn` names. Raises ConfigError, Transient, Permanent."""
    from hubwatch_ops.database.settings import load_database
    from hubwatch_store.database import check_schema, connect_sync

    settings = load_database(config, dsn)
    check_schema(settings)
    with connect_sync(settings, name) as connection:
        yield connection


def hub_meant(connection: Any, name: str | None) -> str:
    """Return the hub that is named, or the only one. Raises BadCall."""
    from hubwatch_store.site import hubs

    if name is not None:
        return name
    known = hubs(connection)
    if len(known) != 1:
        raise BadCall(f"name the hub with --hub; known are: {', '.join(map(one_line, known)) or 'none'}")
    return known[0]
