"""The span of stored history that somebody asks a command to look at."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from hubwatch_core.errors import BadCall
from hubwatch_core.plain_text import one_line

DEFAULT_DAYS = 7

Begin = Annotated[
    str | None, typer.Option("--from", help="First moment, as 2026-11-01 or 2026-11-01T06:00Z; a week ago.")
]
Until = Annotated[str | None, typer.Option("--to", help="End, not included; now.")]


def span(begin: str | None, until: str | None) -> tuple[datetime, datetime]:
    """Return the span that was asked for, the last week where nothing is said; raises BadCall."""
    end = _moment("--to", until) or datetime.now(UTC)
    start = _moment("--from", begin) or end - timedelta(days=DEFAULT_DAYS)
    if end <= start:
        raise BadCall(f"--to {end.isoformat()} is not after --from {start.isoformat()}")
    return start, end


def _moment(option: str, text: str | None) -> datetime | None:
    """Return the moment that people gave; without a zone it is UTC."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        said = one_line(text)[:40]
        raise BadCall(f"{option} {said}: give a day or a time, as 2026-11-01 or 2026-11-01T06:00Z") from None
    return moment.astimezone(UTC) if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
