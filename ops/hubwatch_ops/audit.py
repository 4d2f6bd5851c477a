"""`hubwatch audit`: who did what, and the proof that nothing of it was changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from hubwatch_core.audit_chain import AuditRow, ChainFault, check
from hubwatch_core.errors import BadCall, Permanent
from hubwatch_core.plain_text import escaped, one_line
from hubwatch_core.process import border
from hubwatch_core.terminal import hand_over, say
from hubwatch_ops.database.options import ConfigFile, Dsn

if TYPE_CHECKING:
    from hubwatch_core.audit_signature import SignedEnd

app = typer.Typer(name="audit", help="Who did what, chained and signed.", no_args_is_help=True)

EXIT_CHANGED = 5
MOST_FAULTS = 100

Heads = Annotated[
    Path | None, typer.Option("--heads", help="File of signed heads, kept where the database's owner cannot write.")
]


@app.command("list")
@border
def list_(
    hub: Annotated[str | None, typer.Option("--hub", help="Of one hub only.")] = None,
    most: Annotated[int, typer.Option("--most", min=1, max=100_000, help="How many, the newest.")] = 50,
    config: ConfigFile = None,
    dsn: Dsn = None,
) -> None:
    """Show the newest rows."""
    from hubwatch_ops.site_database import connection_to
    from hubwatch_store import audit

    with connection_to(config, dsn, "hubwatch audit") as connection:
        rows = audit.last_rows(connection, most, hub)
    for row in reversed(rows):
        say(_said(row))
    if not rows:
        say("nothing was done yet")


@app.command()
@border
def verify(
    file: Annotated[
        Path | None, typer.Option("--file", help="Check an export (`export --format lines`), without a database.")
    ] = None,
    heads: Heads = None,
    keys: Annotated[
        list[str] | None, typer.Option("--key", help="A public key that may sign, in hexadecimal; may come again.")
    ] = None,
    config: ConfigFile = None,
    dsn: Dsn = None,
) -> None:
    """Find rows that are missing, altered or added. Exit code 5 when there are any.

    Against the database's owner, who could make the chain anew, only heads help that were signed with a key and kept in
    a file that this owner cannot reach: give both --heads and --key.
    """
    known = [] if heads is None else _trusted(heads, keys or [])
    faults = _in_file(file, known) if file is not None else _in_database(config, dsn, known, keys or [])
    found = 0
    for fault in faults:
        found += 1
        if found <= MOST_FAULTS:
            where = "" if fault.row is None else f"row {fault.row}: "
            say(f"{where}{fault.what}")
    if found:
        more = f" ({found - MOST_FAULTS} more not shown)" if found > MOST_FAULTS else ""
        say(f"{found} faults{more}", err=True)
        raise typer.Exit(EXIT_CHANGED)
    say(f"the chain holds; {len(known)} signed heads agree" if known else "the chain holds; no heads were given")


@app.command()
@border
def export(
    form: Annotated[str, typer.Option("--format", help="lines, cef or ocsf.")] = "lines",
    after: Annotated[int, typer.Option("--after", min=0, help="Only rows after this one.")] = 0,
    config: ConfigFile = None,
    dsn: Dsn = None,
) -> None:
    """Print rows: JSON lines that `verify --file` checks, syslog with CEF, or OCSF."""
    from hubwatch_ops.audit_formats import FORMATS
    from hubwatch_ops.site_database import connection_to
    from hubwatch_store import audit

    if form not in FORMATS:
        raise BadCall(f"--format {escaped(form)}: there are {', '.join(FORMATS)}")
    with connection_to(config, dsn, "hubwatch audit") as connection:
        for row in audit.audit_rows(connection, after):
            hand_over(FORMATS[form](row) + "\n")


@app.command("new-key")
@border
def new_key(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where the private key goes; only you can read it.")],
) -> None:
    """Make a key that signs heads, and print its public part, which whoever verifies needs."""
    from hubwatch_core.audit_signature import SigningKey

    say(SigningKey.make(file).public)


@app.command()
@border
def sign(
    key: Annotated[Path, typer.Option("--key", help="File with the private key (`new-key` makes one).")],
    heads: Heads = None,
    config: ConfigFile = None,
    dsn: Dsn = None,
) -> None:
    """Sign the end of the chain. A collector that has a key (`audit.key_file`) does it once a day."""
    from hubwatch_core.audit_signature import SigningKey
    from hubwatch_ops.site_database import connection_to
    from hubwatch_store import audit

    signing = SigningKey.load(key)
    with connection_to(config, dsn, "hubwatch audit") as connection:
        signed = audit.sign(connection, signing, heads)
    say("nothing is new since the last signature" if signed is None else f"row {signed.id} is signed")


def _said(row: AuditRow) -> str:
    moment = datetime.fromtimestamp(row.at / 1e6, UTC)
    who = "(erased)" if row.who is None else one_line(row.who)
    proven = "" if row.verified else " (unverified)"
    where = "" if row.hub is None else f" at {one_line(row.hub)}"
    what = "" if row.subject is None else f": {one_line(row.subject)}"
    details = "" if row.details in (None, "{}") else f"  {one_line(row.details or '')}"
    return f"{row.id:>8}  {moment:%Y-%m-%d %H:%M:%S} UTC  {who}{proven}  {row.act}{where}{what}{details}"


def _trusted(file: Path, keys: list[str]) -> list[SignedEnd]:
    """Return the heads of a file, each signed by one of the keys. Raises BadCall or Permanent."""
    from hubwatch_core.audit_signature import read_ends

    if not keys:
        raise BadCall("--heads needs --key: a head counts as proof only by whose key has signed it")
    found = list(read_ends(file))
    if not found:
        raise Permanent(f"{file} holds no head")
    for number, each in enumerate(found, start=1):
        if each.key not in keys or not each.holds:
            raise Permanent(f"{file}, line {number} is not signed by a key that was given")
    return found


def _in_file(file: Path, known: Iterable[SignedEnd]) -> Iterator[ChainFault]:
    return check(_rows_in(file), [each.end for each in known])


def _rows_in(file: Path) -> Iterator[AuditRow]:
    try:
        with file.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                try:
                    yield msgspec.json.decode(line, type=AuditRow)
                except msgspec.MsgspecError as error:
                    raise Permanent(f"{file}, line {number} is no row: {error}") from None
    except OSError as error:
        raise Permanent(f"{file} cannot be read: {error.strerror}") from None


def _in_database(config: Path | None, dsn: str | None, known: list[SignedEnd], keys: list[str]) -> Iterator[ChainFault]:
    from hubwatch_ops.site_database import connection_to
    from hubwatch_store import audit

    with connection_to(config, dsn, "hubwatch audit") as connection:
        yield from audit.verify(connection, known, keys)
