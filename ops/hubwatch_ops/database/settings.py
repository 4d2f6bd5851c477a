"""Where the database is, for commands that need little else of a configuration file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ConfigDict

from hubwatch_core.config import Section
from hubwatch_core.config.load import load
from hubwatch_store.database import DatabaseSection

if TYPE_CHECKING:
    from hubwatch_core.time_limits import Limits


class _OnlyDatabase(Section):
    # The file may be any component's: its other sections are checked by that component.
    model_config = ConfigDict(extra="ignore")

    database: DatabaseSection = DatabaseSection()


def load_database(config: Path | None, dsn: str | None) -> DatabaseSection:
    """Read where the database is from a file, the environment and `dsn`; raises ConfigError."""
    return load(_OnlyDatabase, config, flags={"database.dsn": dsn}).database


def load_collector(config: Path | None, dsn: str | None) -> tuple[DatabaseSection, Limits]:
    """Read where the database is and which times a collector takes for absurd; raises ConfigError."""
    from hubwatch_collector.decoding import limits_of
    from hubwatch_collector.settings import CollectorSettings

    settings = load(CollectorSettings, config, flags={"database.dsn": dsn})
    return settings.database, limits_of(settings.intake)
