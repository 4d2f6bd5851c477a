from __future__ import annotations

from importlib import resources
from pathlib import Path

import pytest

import hubwatch_store
from hubwatch_store.queries import queries

SQL = resources.files("hubwatch_store") / "sql"
PACKAGE = Path(hubwatch_store.__file__).parent


@pytest.mark.parametrize("topic", sorted(each.name.removesuffix(".sql") for each in SQL.iterdir()))
def test_every_file_of_queries_loads(topic: str) -> None:
    assert all(queries(topic).values())


def test_a_topic_that_is_not_there_is_an_error() -> None:
    with pytest.raises(FileNotFoundError):
        queries("no_such_topic")


def test_every_migration_file_has_a_name_that_is_understood() -> None:
    from hubwatch_store.migrate import migrations

    files = {file.stem for file in (PACKAGE / "migrations").glob("*.sql")}
    assert {str(migration) for migration in migrations()} == files
