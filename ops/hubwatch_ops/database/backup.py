"""`hubwatch db backup / restore / verify`: everything into one file, and back into an empty database."""

from __future__ import annotations

import sys
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated

import typer

from hubwatch_core.process import border
from hubwatch_core.terminal import rewrite_line, say
from hubwatch_ops.database.options import ConfigFile, Dsn, SignKey

if TYPE_CHECKING:
    from hubwatch_store.backup import Manifest

TELL_EVERY_S = 2.0

Quiet = Annotated[bool, typer.Option("--quiet", help="No progress, as for cron.")]
Trusted = Annotated[
    Path | None,
    typer.Option("--trusted-key", help="File with a public key (PEM): the backup must have been signed by that one."),
]
Recipients = Annotated[
    list[str] | None,
    typer.Option("--recipient", help="Public key (age1…) to encrypt the backup for; may be given again."),
]
Identity = Annotated[
    Path | None, typer.Option("--identity", help="File with an identity (age) that the backup is encrypted for.")
]
File = Annotated[Path, typer.Argument(help="The backup's file.")]


def register(app: typer.Typer) -> None:
    """Hang these commands beneath `hubwatch db`."""
    for command in (backup, restore, verify, backup_identity):
        app.command()(command)


@border
def backup(
    file: File,
    quiet: Quiet = False,
    sign_key: SignKey = None,
    recipient: Recipients = None,
    config: ConfigFile = None,
    dsn: Dsn = None,
) -> None:
    """Write everything as it is at this moment into one file, while all goes on. Restores on any engine.

    Key and recipients that are not given are those that the hub's file names for backups.
    """
    from hubwatch_ops.database.settings import load_backup
    from hubwatch_store.backup import create_backup as run

    database, settings = load_backup(config, dsn)
    recipients = recipient or settings.recipients
    progress = ProgressBar("backup", quiet)
    manifest = run(database, file, progress, sign_key or settings.sign_key_file, recipients)
    progress.end()
    closed = f", encrypted for {len(recipients)}" if recipients else ""
    say(f"{file}: {_summary(manifest)}{closed}, {file.stat().st_size / 1e6:.1f} MB, {progress.seconds:.0f} s")


@border
def restore(
    file: File,
    quiet: Quiet = False,
    trusted: Trusted = None,
    identity: Identity = None,
    config: ConfigFile = None,
    dsn: Dsn = None,
) -> None:
    """Restore a backup into an empty database: all of it, or nothing. The file is checked first."""
    from hubwatch_ops.database.settings import load_database
    from hubwatch_store.backup import restore_backup as run

    progress = ProgressBar("restore", quiet)
    manifest = run(load_database(config, dsn), file, progress, trusted, identity)
    progress.end()
    say(f"{file}: {_summary(manifest)} restored, {progress.seconds:.0f} s")


@border
def verify(file: File, quiet: Quiet = False, trusted: Trusted = None, identity: Identity = None) -> None:
    """Check that a backup is whole and as it was written, and with a trusted key by whom. Needs no database."""
    from hubwatch_store.backup import verify as run

    progress = ProgressBar("verify", quiet)
    manifest = run(file, progress, trusted, identity)
    progress.end()
    say(f"{file}: whole{'' if trusted is None else f', signed with the key of {trusted}'}; {_summary(manifest)}")


@border
def backup_identity(
    file: Annotated[Path, typer.Argument(help="File to write the identity to; keep it away from the hub.")],
) -> None:
    """Make an identity that reads encrypted backups, and print its recipient, which backups are encrypted for."""
    from hubwatch_store.backup import make_identity

    recipient = make_identity(file)
    say(
        f"{file} reads what is encrypted for the recipient below. Keep copies of it; without it no backup can be read.",
        err=True,
    )
    say(recipient)


class ProgressBar:
    """Tells on stderr, every two seconds and in one line, which table is under way and how fast."""

    def __init__(self, what: str, quiet: bool) -> None:
        self._what = what
        self._quiet = quiet
        self._began = self._told = monotonic()
        self._width = 0

    @property
    def seconds(self) -> float:
        """Return how long it has been."""
        return monotonic() - self._began

    def __call__(self, table: str, size: int) -> None:
        """Note how many bytes of a table are done."""
        now = monotonic()
        if self._quiet or now - self._told < TELL_EVERY_S:
            return
        self._told = now
        self._say(f"{self._what}  {table}  {size / 1e6:.0f} MB  {self.seconds:.0f} s")

    def end(self) -> None:
        """Clear the line."""
        if self._width and sys.stderr.isatty():
            rewrite_line("", sys.stderr, over=self._width, end="\r")

    def _say(self, line: str) -> None:
        # A terminal has one line that changes; a log file gets a line each time.
        if sys.stderr.isatty():
            rewrite_line(line, sys.stderr, over=self._width, end="")
        else:
            say(line, err=True)
        self._width = len(line)


def _summary(manifest: Manifest) -> str:
    rows = sum(table.rows for table in manifest.tables)
    schema = manifest.migrations[-1].number
    return (
        f"{rows} rows of {len(manifest.tables)} tables, schema {schema:04d}, made {manifest.made} on {manifest.engine}"
    )
