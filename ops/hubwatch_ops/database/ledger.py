"""`hubwatch ledger`: proof that nothing was lost, or what was and why."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hubwatch_core.clock import to_datetime
from hubwatch_core.errors import Permanent
from hubwatch_core.plain_text import one_line
from hubwatch_core.process import border
from hubwatch_core.terminal import say
from hubwatch_ops.database.options import ConfigFile, Dsn

if TYPE_CHECKING:
    from hubwatch_store.backup import BackupAccount, Gap, RefusedEpoch, UnlistedEpochs

app = typer.Typer(name="ledger", help="Which frames arrived, and why others did not.", no_args_is_help=True)

EXIT_UNEXPLAINED = 4
EXIT_REFUSED = 5
REASON_CHARS = 100
MOST_SHOWN = 20
COUNTS = ("published", "committed", "dead_lettered", "evicted", "missing", "unexplained")


@app.callback()
def _commands() -> None:
    """Which frames arrived, and why others did not."""


@app.command()
@border
def report(
    config: ConfigFile = None,
    dsn: Dsn = None,
    hub: Annotated[str | None, typer.Option(help="Only this hub.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Show for every agent what it published and where that is, and every gap with its cause.

    Exit code 4 when a gap is unexplained; 5 when every frame that came of an epoch was refused.
    """
    from hubwatch_ops.database.settings import load_database
    from hubwatch_store.backup import accounts, gaps, refused_epochs, unlisted_epochs
    from hubwatch_store.database import connect_sync

    with connect_sync(load_database(config, dsn), "hubwatch ledger report") as connection:
        rows, holes = accounts(connection, hub), gaps(connection, hub)
        refused, unlisted = refused_epochs(connection, rows), unlisted_epochs(connection, hub)
    if as_json:
        body = {
            "accounts": [asdict(row) for row in rows],
            "gaps": [asdict(hole) for hole in holes],
            "refused": [asdict(each) for each in refused],
            "unlisted": [asdict(each) for each in unlisted],
        }
        say(json.dumps(body, default=str, indent=2))
    else:
        say("\n".join([_text(rows, holes), *_refusals(refused, unlisted)]))
    if any(row.unexplained for row in rows):
        raise typer.Exit(EXIT_UNEXPLAINED)
    if refused or unlisted:
        raise typer.Exit(EXIT_REFUSED)


def _refusals(refused: Sequence[RefusedEpoch], unlisted: Sequence[UnlistedEpochs]) -> list[str]:
    """Return a line for each epoch of which nothing could be stored, and where to look."""
    lines = [
        f"every frame of {each.hub}/{each.agent} {each.epoch} was refused, {each.letters} so far: "
        f"{one_line(each.reason)[:REASON_CHARS]}"
        for each in refused
    ]
    lines += [
        f"{each.letters} dead letters of {each.hub}/{each.agent} name {each.epochs} further epochs, too many to list"
        for each in unlisted
    ]
    return [*lines, "`hubwatch dead-letters list` has the refused frames whole"] if lines else []


def _text(rows: Sequence[BackupAccount], holes: Sequence[Gap]) -> str:
    if not rows:
        return "no frame was ever stored or heard of"
    head = ["hub/agent", "epoch", *(name.replace("_", "-") for name in COUNTS)]
    body = [[f"{row.hub}/{row.agent}", row.epoch, *(str(getattr(row, name)) for name in COUNTS)] for row in rows]
    total = ["total", "", *(str(sum(getattr(row, name) for row in rows)) for name in COUNTS)]
    lines = _aligned([head, *body, total])
    if holes:
        lines += ["", "gaps:"]
        lines += [f"  {hole.hub}/{hole.agent} {_span(hole)}: {hole.cause}, since {hole.since:%F %T}Z" for hole in holes]
    unexplained = sum(row.unexplained for row in rows)
    closing = f"{unexplained} frames are missing and nothing explains it" if unexplained else "every gap is explained"
    return "\n".join([*lines, "", closing if holes else "no gaps: every frame that was published is stored"])


def _span(hole: Gap) -> str:
    many = "frame" if hole.frames == 1 else f"{hole.frames} frames"
    return f"{many} {hole.first_seq}" + (f"-{hole.last_seq}" if hole.frames > 1 else "")


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lay out columns: names to the left, numbers to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if i < 2 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]


@app.command()
@border
def prove(
    agent: Annotated[str, typer.Argument(metavar="HUB/AGENT", help="Whose frames.")],
    file: Annotated[Path, typer.Option("-o", "--output", help="File to write.")],
    begin: Annotated[datetime, typer.Option("--from", help="Received since (UTC).")],
    end: Annotated[datetime, typer.Option("--to", help="Received before (UTC).")],
    config: ConfigFile = None,
    dsn: Dsn = None,
) -> None:
    """Write the signed frames of an agent as they came, for others to check (`intake.keep_signed`)."""
    from hubwatch_ops.database.settings import load_database
    from hubwatch_store.database import connect_sync
    from hubwatch_store.ingest import signed_lines

    hub, _, name = agent.partition("/")
    lines = 0
    with connect_sync(load_database(config, dsn), "hubwatch ledger prove") as connection, file.open("wb") as out:
        for line in signed_lines(connection, hub, name, begin.replace(tzinfo=UTC), end.replace(tzinfo=UTC)):
            out.write(line + b"\n")
            lines += 1
    say(f"{lines} frames; check them with: hubwatch ledger verify {file} --key CERTIFICATE")


@app.command()
@border
def verify(
    file: Annotated[Path, typer.Argument(help="What `prove` has written.")],
    key: Annotated[list[Path], typer.Option("--key", help="Certificate or public key of the agent (PEM).")],
) -> None:
    """Check signed frames without database and network: who said it, and that nothing is left out in between.

    Exit code 1 when a line does not hold or a frame is missing.
    """
    from hubwatch_core.evidence import account

    with file.open("rb") as lines:
        found = account((line.rstrip(b"\n") for line in lines), [_public_key(each) for each in key])
    for each in found.epochs:
        between = f"{to_datetime(each.first_sent):%F %T}Z and {to_datetime(each.last_sent):%F %T}Z"
        say(
            f"{each.hub}/{each.agent} epoch {each.epoch}: {len(each.seqs)} frames, {min(each.seqs)} to "
            f"{max(each.seqs)}, sent between {between}, {len(each.missing)} missing"
        )
        if each.missing:
            more = " …" if len(each.missing) > MOST_SHOWN else ""
            say(f"  missing: {', '.join(map(str, each.missing[:MOST_SHOWN]))}{more}")
    for number, reason in list(found.faults.items())[:MOST_SHOWN]:
        say(f"line {number} does not hold: {one_line(reason)}")
    if len(found.faults) > MOST_SHOWN:
        say(f"{len(found.faults) - MOST_SHOWN} more lines do not hold")
    say("everything holds" if found.holds else "it does not hold")
    if not found.holds:
        raise typer.Exit(1)


def _public_key(file: Path) -> bytes:
    """Return the Ed25519 key in a certificate or public key; raises Permanent when there is none."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key
    from cryptography.x509 import load_pem_x509_certificate

    try:
        data = file.read_bytes()
        is_certificate = b"BEGIN CERTIFICATE" in data
        key = load_pem_x509_certificate(data).public_key() if is_certificate else load_pem_public_key(data)
    except OSError as error:
        raise Permanent(f"{file} cannot be read: {error.strerror or error}") from None
    except ValueError:
        raise Permanent(f"{file} is neither a certificate nor a public key (PEM)") from None
    if not isinstance(key, Ed25519PublicKey):
        raise Permanent(f"the key in {file} is not of the kind Ed25519")
    return key.public_bytes_raw()
