"""`hubwatch db`: the schema and what the database can do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hubwatch_core.process import border
from hubwatch_core.terminal import say
from hubwatch_ops.database import backup, retention, roles
from hubwatch_ops.database.options import ConfigFile, Dsn

if TYPE_CHECKING:
    from hubwatch_store.database import DatabaseSection, Features, Phase, Standing
    from hubwatch_store.upkeep import Upkeep

app = typer.Typer(name="db", help="The database: migrate, see its state.", no_args_is_help=True)
retention.register(app)
backup.register(app)
roles.register(app)

EXIT_PENDING = 3


@app.command()
@border
def migrate(
    config: ConfigFile = None,
    dsn: Dsn = None,
    phase: Annotated[
        str | None,
        typer.Option(help="pre: what may run beside old programs; post: what needs them gone. Without it: all."),
    ] = None,
) -> None:
    """Bring the schema up to this program's version. Safe to run at any time and from several places at once."""
    from hubwatch_store.database import migrate as apply

    applied = apply(_settings(config, dsn), _phase(phase))
    for migration in applied:
        say(f"applied {migration}")
    say(f"{len(applied)} migrations applied" if applied else "nothing to do: the schema is up to date")


@app.command()
@border
def status(config: ConfigFile = None, dsn: Dsn = None) -> None:
    """Show the engine, the features in force and pending migrations; exit code 3 when some are pending."""
    from hubwatch_store.database import connect_sync, detect, standing
    from hubwatch_store.upkeep import upkeep

    with connect_sync(_settings(config, dsn), "hubwatch db status") as connection:
        features, stands = detect(connection), standing(connection)
        kept = None if stands.pending else upkeep(connection)
    for line in [*_feature_lines(features, kept), *_standing_lines(stands)]:
        say(line)
    if stands.pending:
        raise typer.Exit(EXIT_PENDING)


def _feature_lines(features: Features, kept: Upkeep | None) -> list[str]:
    timescale = features.timescaledb is not None
    storage = (
        f"{features.hypertables} hypertables"
        if timescale
        else f"{features.partitioned_tables} tables partitioned by day"
    )
    aggregates = (
        f"{features.continuous_aggregates} continuous"
        if features.continuous_aggregates
        else "tables kept by hubwatch (continuous ones need TimescaleDB's community licence)"
    )
    columns = (
        f"{features.columnstores} hypertables"
        if features.columnstores
        else "off (needs TimescaleDB's community licence)"
    )
    return [
        f"engine       {features.engine}",
        f"storage      {storage}",
        f"aggregates   {aggregates}",
        f"columnstore  {columns}",
        f"retention    {features.retention}",
        *(_upkeep_lines(kept) if kept is not None else []),
    ]


def _upkeep_lines(kept: Upkeep) -> list[str]:
    lines = [f"holds        {kept.holds} in force"]
    if kept.maintained:
        behind = "never made" if kept.behind_s is None else f"made up to {kept.behind_s:.0f} s ago"
        lines.append(f"upkeep       aggregates {behind}, {kept.late_hours} hours of channels wait for late readings")
    last = "never" if kept.retention is None else kept.retention.isoformat(timespec="seconds")
    return [*lines, f"             retention completed {last}"]


def _standing_lines(stands: Standing) -> list[str]:
    lines = [f"migrations   {len(stands.applied)} applied, {len(stands.pending)} pending"]
    lines += [f"  pending    {migration}" for migration in stands.pending]
    if stands.unknown:
        lines.append(f"  newer      {', '.join(stands.unknown)} (applied by a newer program)")
    if stands.pending:
        lines.append("run `hubwatch db migrate`")
    return lines


def _phase(text: str | None) -> Phase | None:
    phases: dict[str | None, Phase | None] = {None: None, "pre": "pre", "post": "post"}
    if text not in phases:
        raise typer.BadParameter("is pre or post", param_hint="--phase")
    return phases[text]


def _settings(config: Path | None, dsn: str | None) -> DatabaseSection:
    from hubwatch_ops.database.settings import load_database

    return load_database(config, dsn)
