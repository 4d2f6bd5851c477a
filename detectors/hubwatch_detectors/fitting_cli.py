"""`hubwatch detectors fit`: learns from stored history what is normal for a plant."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hubwatch_core import tables
from hubwatch_core.errors import BadCall, Permanent
from hubwatch_core.plain_text import one_line
from hubwatch_core.process import border
from hubwatch_core.terminal import say
from hubwatch_detectors.asked_span import Begin, Until, span

if TYPE_CHECKING:
    from hubwatch_detectors.process.model import PlantModel, Rows
    from hubwatch_store.history import History

HOLD_PERIODS = 2.0


@border
def fit(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where the model goes; `process.plants` names it.")],
    hub: Annotated[str, typer.Option("--hub", help="The hub the plant stands in.")],
    config: Annotated[
        Path | None, typer.Option("-c", "--config", help="The component's or the hub's TOML file.")
    ] = None,
    begin: Begin = None,
    until: Until = None,
    sensors: Annotated[
        list[str] | None, typer.Option("--sensor", help="A sensor of the plant; may come again. All of kind process.")
    ] = None,
    period_s: Annotated[float, typer.Option("--period", min=0.1, max=86_400, help="Seconds of a period.")] = 60.0,
    resolution: Annotated[float, typer.Option(min=1e-9, help="Smallest step of the values.")] = 0.01,
    false_share: Annotated[float, typer.Option(help="Share of normal periods that may alarm.")] = 1e-3,
    windows: Annotated[
        list[int] | None,
        typer.Option("--window", min=1, max=1000, help="Periods to average; may come again. 1 and 12."),
    ] = None,
) -> None:
    """Fit a model on the history of a plant in which everything was normal, and write it to a file.

    A file that is there already is replaced when the new model is whole. Detectors read it when they start.
    """
    from hubwatch_core.config.load import load
    from hubwatch_detectors.listing import ListSettings
    from hubwatch_detectors.process import model
    from hubwatch_store.history import History

    if not 0 < false_share < 1:
        raise BadCall(f"--false-share {false_share:g}: it must be between 0 and 1")
    start, end = span(begin, until)
    settings = load(ListSettings, config)
    with History(settings.database) as history:
        signals = _signals(history, hub, sensors or ())
        rows = _rows(history, hub, signals, (start, end), period_s)
    fitted = model.fit(
        rows, [f"{sensor}/{channel}" for sensor, channel in signals], period_s=period_s, resolution=resolution,
        false_share=false_share, windows=windows or (1, 12),
    )  # fmt: skip
    _write(file, model.encode(fitted))
    say(_said(file, fitted, hub))


def _signals(history: History, hub: str, sensors: Sequence[str]) -> list[tuple[str, str]]:
    """Return the channels of the plant, by sensor and name; raises BadCall where there are none."""
    from hubwatch_core.words import ChannelKind, SensorKind
    from hubwatch_store.history import listed

    if hub not in history.hubs():
        raise BadCall(f"--hub {one_line(hub)[:40]}: the database knows {', '.join(history.hubs()) or 'no hub'}")
    known = [each.sensor for each in listed(history, hub)]
    if missing := sorted(set(sensors) - {each.sensor for each in known}):
        raise BadCall(f"--sensor {one_line(missing[0])[:40]}: no agent of {hub} lists it")
    mine = [each for each in known if (each.sensor in sensors if sensors else each.kind is SensorKind.PROCESS)]
    found = [
        (each.sensor, channel.name)
        for each in mine
        for channel in each.channels
        if channel.kind is not ChannelKind.COUNTER
    ]
    if not found:
        raise BadCall(f"{hub} has no sensor of kind process with a gauge or a state: name the plant's with --sensor")
    return found


def _rows(
    history: History, hub: str, signals: Sequence[tuple[str, str]], between: tuple[datetime, datetime], period_s: float
) -> Rows:
    """Read signal by signal; return a row for each period. Raises Permanent where a signal says nothing or changed."""
    import numpy as np

    from hubwatch_core.clock import SECOND_US, to_us
    from hubwatch_detectors.process.plant_history import column, periods, unheard
    from hubwatch_store.history import micros_of

    start, end = between
    ends = periods(to_us(start), to_us(end), period_s)
    columns = []
    with _progress(len(signals)) as step:
        for sensor, channel in signals:
            readings = history.readings(hub, sensor, channel, start, end)
            good = readings[(readings["quality"] == "good") & readings["value"].notna()]
            if good["version"].nunique() > 1:
                raise Permanent(
                    f"{sensor}/{channel} has changed its meaning in this time ({_meanings(good)}): fit from the last "
                    f"change on, with --from {good.index[good['version'] == good['version'].max()][0].isoformat()}"
                )
            columns.append(
                column(
                    micros_of(good.index), good["value"].to_numpy(), ends, round(HOLD_PERIODS * period_s * SECOND_US)
                )
            )
            step()
    rows = np.column_stack(columns)
    if silent := unheard([f"{sensor}/{channel}" for sensor, channel in signals], rows):
        more = f" and {len(silent) - 1} more" if len(silent) > 1 else ""
        raise Permanent(
            f"no data: nothing good is stored of {silent[0]}{more} between {start.isoformat()} and {end.isoformat()}"
        )
    return rows


def _meanings(good: Any) -> str:
    return ", then ".join(str(unit) or "no unit" for unit in good.groupby("version")["unit"].first())


@contextmanager
def _progress(signals: int) -> Iterator[Any]:
    """Give a function that moves the bar which a person at a terminal sees."""
    from rich.progress import Progress

    console = tables.console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("reading signals", total=signals)
        yield lambda: progress.advance(task)


def _write(file: Path, data: bytes) -> None:
    """Write a file whole or not at all."""
    half = file.with_name(file.name + ".part")
    try:
        half.write_bytes(data)
        half.replace(file)
    except OSError as error:
        half.unlink(missing_ok=True)
        raise Permanent(f"{file} cannot be written: {error.strerror}") from None


def _said(file: Path, fitted: PlantModel, hub: str) -> str:
    left_out = len(fitted.signals) - len(fitted.targets)
    also = f" ({left_out} only help to predict the others)" if left_out else ""
    return (
        f"{file}: version {fitted.version}, fitted on {fitted.rows} periods of {fitted.period_s:g} s of "
        f"{len(fitted.signals)} signals{also}\n"
        f'To use it: [[process.plants]] hub = "{hub}", model_file = "{file}", and start the detectors again'
    )
