"""`hubwatch ledger`: proof that nothing was lost, or what was and why."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from hubwatch_core.cli_border import border
from hubwatch_ops.database_options import ConfigFile, Dsn

if TYPE_CHECKING:
    from hubwatch_store.account import Account, Gap

app = typer.Typer(name="ledger", help="Which frames arrived, and why others did not.", no_args_is_help=True)

EXIT_UNEXPLAINED = 4
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

    Exit code 4 when a gap is unexplained.
    """
    from hubwatch_ops.database_settings import load_database
    from hubwatch_store.account import accounts, gaps
    from hubwatch_store.pool import connect_sync

    with connect_sync(load_database(config, dsn), "hubwatch ledger report") as connection:
        rows, holes = accounts(connection, hub), gaps(connection, hub)
    typer.echo(_json(rows, holes) if as_json else _text(rows, holes))
    if any(row.unexplained for row in rows):
        raise typer.Exit(EXIT_UNEXPLAINED)


def _json(rows: Sequence[Account], holes: Sequence[Gap]) -> str:
    body = {"accounts": [asdict(row) for row in rows], "gaps": [asdict(hole) for hole in holes]}
    return json.dumps(body, default=str, indent=2)


def _text(rows: Sequence[Account], holes: Sequence[Gap]) -> str:
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
