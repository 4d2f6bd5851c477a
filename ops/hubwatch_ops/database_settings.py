"""The [database] section for commands that need nothing else of a configuration file."""

from __future__ import annotations

from pathlib import Path

from pydantic import ConfigDict

from hubwatch_core.config import Section, load
from hubwatch_store.config import DatabaseSection


class _OnlyDatabase(Section):
    # The file may be any component's: its other sections are checked by that component.
    model_config = ConfigDict(extra="ignore")

    database: DatabaseSection = DatabaseSection()


def load_database(config: Path | None, dsn: str | None) -> DatabaseSection:
    """Read where the database is from a file, the environment and `dsn`; raises ConfigError."""
    return load(_OnlyDatabase, config, flags={"database.dsn": dsn}).database
