"""`hubwatch ledger`: proof that nothing was lost, or what was and why."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

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
