"""`hubwatch detectors evaluate` and `explain`: what detections are worth, and why one was made."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hubwatch_core import tables
from hubwatch_core.errors import BadCall, Permanent
from hubwatch_core.plain_text import one_line
from hubwatch_core.process import border
from hubwatch_core.terminal import say

if TYPE_CHECKING:
    from hubwatch_detectors.evaluation import Score

EVIDENCE_CHARS = 200


@border
def evaluate(
    detections: Annotated[Path, typer.Option(help="NDJSON, as `hubwatch detectors replay` prints it.")],
    truth: Annotated[Path, typer.Option(help="CSV of what happened: type, hub, start, end and, where known, sensor.")],
    grace_s: Annotated[
        float, typer.Option("--grace", min=0, help="Seconds after an incident's end in which it may still be found.")
    ] = 60.0,
    exposure: Annotated[
        float | None,
        typer.Option(min=0, help="How many sensor-days, passages, … the detections are from; for a rate."),
    ] = None,
    unit: Annotated[str, typer.Option(help="What the exposure counts.")] = "sensor-day",
    plot: Annotated[Path | None, typer.Option(help="Draw the shares found into this SVG file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of a table.")] = False,
) -> None:
    """Hold detections against what happened: shares found, delays, false alarms, each with its interval of 95 %."""
    from hubwatch_detectors import evaluation
    from hubwatch_detectors.plotting import shares

    for file in (detections, truth):
        if not file.is_file():
            raise BadCall(f"{file} is no file")
    happened = evaluation.read_truth(truth)
    scores = evaluation.evaluate(evaluation.read_detections(detections), happened, grace_s)
    rows = {name: _figures(score, exposure) for name, score in scores.items()}
    if as_json:
        say(json.dumps(rows, indent=2))
    else:
        _print(rows, unit)
    if plot is not None:
        drawn = shares(
            "Share of incidents found",
            f"{len(happened)} incidents; the line is the interval of 95 %",
            {name: score.probability for name, score in scores.items() if score.incidents},
        )
        _write(plot, drawn)


def _figures(score: Score, exposure: float | None) -> dict[str, Any]:
    from hubwatch_detectors.evaluation import QUANTILES, rate_interval

    share, low, high = score.probability
    figures: dict[str, Any] = {"incidents": score.incidents, "found": score.found, "false_alarms": score.false}
    if score.incidents:
        figures |= {"share": share, "share_low": low, "share_high": high}
    if score.found:
        figures |= {f"delay_p{round(share * 100)}_s": score.delay_s(share) for share in QUANTILES}
    if exposure:
        low, high = rate_interval(score.false, exposure)
        figures |= {"false_rate": score.false / exposure, "false_rate_low": low, "false_rate_high": high}
    return figures


def _print(rows: Mapping[str, Mapping[str, Any]], unit: str) -> None:
    from rich.table import Table

    table = Table("type", "found", "share (95 %)", "delay p50 / p90 / p99", "false alarms", f"per {unit} (95 %)")
    for name, row in rows.items():
        table.add_row(
            one_line(name),
            f"{row['found']} of {row['incidents']}",
            _with_interval(row, "share"),
            " / ".join(f"{row[key]:.1f} s" for key in row if key.startswith("delay_")) or "–",
            str(row["false_alarms"]),
            _with_interval(row, "false_rate"),
        )
    tables.console().print(table)


def _with_interval(row: Mapping[str, Any], key: str) -> str:
    if key not in row:
        return "–"
    return f"{row[key]:.3g} ({row[f'{key}_low']:.3g} … {row[f'{key}_high']:.3g})"


@border
def explain(
    detection: Annotated[str, typer.Argument(metavar="ID", help="The detection's id, as alarms and lists show it.")],
    config: Annotated[Path | None, typer.Option("-c", "--config", help="The component's TOML file.")] = None,
    dsn: Annotated[str | None, typer.Option("--dsn", help="Connection string; goes before the file's.")] = None,
    svg: Annotated[Path | None, typer.Option(help="Draw the series into this SVG file.")] = None,
) -> None:
    """Show why a detection was made: its sentence, the numbers that decided, and the series around it."""
    from hubwatch_core.config.load import load
    from hubwatch_detectors.plotting import drawn, in_blocks, series_of
    from hubwatch_detectors.settings import DetectorsSettings
    from hubwatch_store.database import connect_sync
    from hubwatch_store.detections import detection_of

    database = load(DetectorsSettings, config, flags={"database.dsn": dsn}).database
    with connect_sync(database, "hubwatch detectors explain") as connection:
        found = detection_of(connection, detection)
    if found is None:
        raise BadCall(f"no detection has the id {one_line(detection)[:40]}")
    series = series_of(found.evidence)
    title = f"{found.type} at {found.hub} / {found.sensor}"
    say(f"{title}, score {found.score:g}, {'late, ' if found.late else ''}by {found.detector} {found.version}")
    say(f"from {found.start} to {found.end or 'now'}, detected {found.detected}")
    say(one_line(found.why))
    for name, numbers in series.items():
        say(f"  {one_line(name)}: {in_blocks(numbers)}  {min(numbers):g} … {max(numbers):g}")
    for name, value in found.evidence.items():
        if name not in {each.split(" ")[0] for each in series}:
            say(f"  {one_line(str(name))}: {one_line(json.dumps(value, ensure_ascii=False))[:EVIDENCE_CHARS]}")
    if svg is not None:
        _write(svg, drawn(title, found.why, series))
        say(f"drawn in {svg}")


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Permanent(f"{file} cannot be written: {error.strerror}") from None
