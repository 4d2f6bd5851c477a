"""Who may read which view is decided for each of them, and the same by both ways to make a reader."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

import psycopg

REPOSITORY = Path(__file__).parents[2]
NOT_FOR_READERS = {
    "frame_ranges": "what is left of frames that were folded; `frames` and `ledger_gaps` say what matters",
    "kept_ranges": "for the maintenance",
    "ledger_account": "adds up the whole ledger at each reading",
    "ledger_spans": "adds up the whole ledger at each reading",
    "legal_holds": "what is kept for a case, and why, is told to operators",
}
"""Views that readers do not see, each with the reason."""


def granted(text: str, begin: str, end: str) -> set[str]:
    """Return the names in the first grant after a place in a file."""
    part = text[text.index(begin) :]
    return set(re.findall(r"hubwatch\.(\w+)", part[: part.index(end)]))


def test_reader_for_grafana_sees_what_other_readers_see() -> None:
    reader = (REPOSITORY / "ops" / "grafana" / "reader.sql").read_text(encoding="utf-8")
    roles = resources.files("hubwatch_store").joinpath("sql/roles.sql").read_text(encoding="utf-8")
    of_roles = granted(roles, "-- Readers: the public names", "TO @reader")
    assert len(of_roles) > 50
    assert granted(reader, "GRANT SELECT ON\n", "TO hubwatch_reader") == of_roles


def test_every_view_is_for_readers_or_is_not_for_a_reason(migrated_plain_dsn: str) -> None:
    reader = (REPOSITORY / "ops" / "grafana" / "reader.sql").read_text(encoding="utf-8")
    for_readers = granted(reader, "GRANT SELECT ON\n", "TO hubwatch_reader")
    with psycopg.connect(migrated_plain_dsn) as connection:
        views = {
            name
            for (name,) in connection.execute(
                "SELECT relname FROM pg_class WHERE relnamespace = 'hubwatch'::regnamespace AND relkind IN ('v', 'm')"
            )
        }
    assert views - for_readers - set(NOT_FOR_READERS) == set(), "decide who may read it"
    assert (set(NOT_FOR_READERS) - views, for_readers & set(NOT_FOR_READERS)) == (set(), set())
