"""`hubwatch export`: the history of a hub as files for an analyst."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hubwatch_core.errors import BadCall
from hubwatch_core.process import border
from hubwatch_core.terminal import say
from hubwatch_ops.database.options import ConfigFile, Dsn, SignKey

if TYPE_CHECKING:
    from hubwatch_store.history import Export, History

DEFAULT_DAYS = 7


@border
def export(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where the files go, one for each day.")],
    hub: Annotated[str, typer.Option("--hub", help="The hub.")],
    config: ConfigFile = None,
    dsn: Dsn = None,
    begin: Annotated[
        str | None, typer.Option("--from", help="First moment, as 2026-11-01 or 2026-11-01T06:00Z; a week ago.")
    ] = None,
    until: Annotated[str | None, typer.Option("--to", help="End, not included; now.")] = None,
    sensors: Annotated[list[str] | None, typer.Option("--sensor", help="Only this sensor; may come again.")] = None,
    contents: Annotated[
        list[str] | None, typer.Option("--what", help="readings, events or detections; may come again. All three.")
    ] = None,
    form: Annotated[str, typer.Option("--format", help="parquet or csv.")] = "parquet",
    sign_key: SignKey = None,
) -> None:
    """Write readings, events and detections to files, one for each day (UTC).

    Ask again to go on with an export that was cut off: days that are written are not written again. Signed by the key
    that is given, or else that the hub's file names for backups; `hubwatch verify FOLDER` checks it.
    """
    from hubwatch_core.signed_files import sign
    from hubwatch_ops.database.settings import load_backup
    from hubwatch_store.history import History, days_between

    now = datetime.now(UTC)
    start, end = _moment("--from", begin, now - timedelta(days=DEFAULT_DAYS)), _moment("--to", until, now)
    if end <= start:
        raise BadCall(f"--to {end.isoformat()} is not after --from {start.isoformat()}")
    order = _order(folder, hub, sensors or (), contents or (), form)
    database, backups = load_backup(config, dsn)
    key = sign_key or backups.sign_key_file
    with History(database) as history:
        if hub not in history.hubs():
            raise BadCall(f"--hub {hub}: the database knows {', '.join(history.hubs()) or 'no hub'}")
        rows = _written(order, history, days_between(start, end), now)
    say(f"{folder}: " + ", ".join(f"{count} {name}" for name, count in rows.items()) + " written")
    if key is not None:
        say(f"signed: {sign(folder, f'export of hub {hub}', key)}")


def _order(folder: Path, hub: str, sensors: Sequence[str], contents: Sequence[str], form: str) -> Export:
    """Return what is to be written; raises BadCall for a content or a format that there is not."""
    from hubwatch_store.history import CONTENTS, Export, ExportFormat

    wanted = tuple(contents) or tuple(CONTENTS)
    if unknown := sorted(set(wanted) - set(CONTENTS)):
        raise BadCall(f"--what {unknown[0]}: it may be {', '.join(CONTENTS)}")
    if form not in set(ExportFormat):
        raise BadCall(f"--format {form}: it may be {', '.join(ExportFormat)}")
    return Export(hub, folder, ExportFormat(form), tuple(sensors), wanted)


def _written(order: Export, history: History, days: Sequence[date], now: datetime) -> dict[str, int]:
    """Write day by day under a progress bar; return the rows of each content."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    rows = dict.fromkeys(order.contents, 0)
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("days"), TimeRemainingColumn())
    with Progress(TextColumn("{task.description}"), *columns, transient=True) as bar:
        task = bar.add_task("exporting", total=len(days))
        for day in days:
            bar.update(task, description=day.isoformat())
            for name, count in order.run(history, [day], now).items():
                rows[name] += count
            bar.advance(task)
    return rows


def _moment(option: str, text: str | None, unset: datetime) -> datetime:
    """Return the moment that people gave; without a zone it is UTC."""
    if text is None:
        return unset
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadCall(f"{option} {text}: give a day or a time, as 2026-11-01 or 2026-11-01T06:00Z") from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
