"""Where the database is, for commands that need little else of a configuration file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ConfigDict, Field

from hubwatch_core.config import Conflict, SecretFile, Section
from hubwatch_core.config.load import load
from hubwatch_core.errors import BadCall
from hubwatch_store.backup import RECIPIENT
from hubwatch_store.database import DatabaseSection

if TYPE_CHECKING:
    from hubwatch_collector.settings import CollectorSettings


NO_RULES = (
    "nothing says by which rules frames are stored, such as whether they must be signed: give the collector's file "
    "with -c, or log in with `hubwatch login URL`, and a collector does it by its own rules"
)


class BackupSection(Section):
    """What `hubwatch db backup` does where it is not told otherwise."""

    recipients: tuple[str, ...] = Field(
        (),
        description="Public keys (`age1…`, as `hubwatch db backup-identity` prints them) that backups are encrypted "
        "for; none: they are not encrypted.",
    )
    sign_key_file: SecretFile | None = Field(
        None,
        examples=["/etc/hubwatch/backup.key"],
        description="Ed25519 key (PEM) that backups and exports are signed with.",
    )

    def conflicts(self) -> Iterator[Conflict]:
        """Recipients look like some."""
        for index, each in enumerate(self.recipients):
            if not RECIPIENT.fullmatch(each):
                yield ("recipients", index), "is no recipient: age1 and 58 letters and digits"


class _OnlyDatabase(Section):
    # The file may be any component's: its other sections are checked by that component.
    model_config = ConfigDict(extra="ignore")

    database: DatabaseSection = DatabaseSection()
    backup: BackupSection = BackupSection()


def load_database(config: Path | None, dsn: str | None) -> DatabaseSection:
    """Read where the database is from a file, the environment and `dsn`; raises ConfigError."""
    return load(_OnlyDatabase, config, flags={"database.dsn": dsn}).database


def load_backup(config: Path | None, dsn: str | None) -> tuple[DatabaseSection, BackupSection]:
    """Read where the database is, and how what is given out of it is signed and encrypted; raises ConfigError."""
    settings = load(_OnlyDatabase, config, flags={"database.dsn": dsn})
    return settings.database, settings.backup


def load_collector(config: Path | None, dsn: str | None) -> CollectorSettings:
    """Read by which rules a collector stores, and where to; raises ConfigError, and BadCall where nothing says whether
    frames must be signed: what a collector refuses must not get in by a command that knows nothing of it.
    """
    from hubwatch_collector.settings import CollectorSettings

    settings = load(CollectorSettings, config, flags={"database.dsn": dsn})
    if config is None and "signatures" not in settings.intake.model_fields_set:
        raise BadCall(NO_RULES)
    return settings
