"""The demo's report, as JSON and as text."""

from __future__ import annotations

import msgspec
from rich.console import Console
from rich.table import Table


class DetectionLine(msgspec.Struct, frozen=True):
    """A detection, and how long after its start it was made."""

    type: str
    sensor: str
    start: str
    detected_after_s: float


class AlarmLine(msgspec.Struct, frozen=True):
    """An alarm in its state at the end."""

    type: str
    sensor: str
    state: str
    priority: int


class ExpectedLine(msgspec.Struct, frozen=True):
    """A detection that the script expects; `after_s` counts from the start of the attack."""

    type: str
    sensor: str
    found: bool
    after_s: float | None


class Percentiles(msgspec.Struct, frozen=True):
    """Milliseconds."""

    p50: float
    p99: float


class Report(msgspec.Struct, frozen=True):
    """Result of the demo: what the database holds, compared with what the devices produced."""

    readings: int
    events: int
    frames: int
    lost: int
    duplicated: int
    differ: dict[str, list[int]]
    """Of which sensor and channel readings were lost or stored twice: how many of each."""
    unexplained_gaps: int
    detections: list[DetectionLine]
    alarms: list[AlarmLine]
    expected: list[ExpectedLine]
    false_alarms: int
    latency_ms: Percentiles
    poll_wait_ms: Percentiles
    alarm_latency_ms: Percentiles
    alarms_measured: int
    seconds: float

    @property
    def passed(self) -> bool:
        """True when every attack was detected, nothing was lost or duplicated, and there was no false alarm."""
        clean = not (self.lost or self.duplicated or self.unexplained_gaps or self.false_alarms)
        return clean and self.readings > 0 and all(line.found for line in self.expected)


def percentiles(values_ms: list[float]) -> Percentiles:
    """Return the median and the 99th percentile (nearest rank); 0 where nothing was measured."""
    ordered = sorted(values_ms)
    if not ordered:
        return Percentiles(0.0, 0.0)
    return Percentiles(round(ordered[len(ordered) // 2], 1), round(ordered[int(len(ordered) * 0.99)], 1))


def show(report: Report, console: Console) -> None:
    """Print the report."""
    table = Table(title="What was staged, and its detection", title_justify="left")
    for heading in ("expected detection", "sensor", "result", "delay"):
        table.add_column(heading, justify="right" if heading == "delay" else "left")
    for line in report.expected:
        verdict = "[green]detected[/]" if line.found else "[bold red]MISSED[/]"
        table.add_row(line.type, line.sensor, verdict, "–" if line.after_s is None else f"{line.after_s:.1f} s")
    console.print()
    console.print(table)
    _line(console, "false alarms", str(report.false_alarms), report.false_alarms == 0)
    _line(console, "readings lost", f"{report.lost} of {report.readings}", report.lost == 0)
    _line(console, "readings duplicated", str(report.duplicated), report.duplicated == 0)
    for name, (lost, twice) in report.differ.items():
        console.print(f"  of {name}: {lost} lost, {twice} duplicated", highlight=False)
    _line(console, "unexplained gaps", str(report.unexplained_gaps), report.unexplained_gaps == 0)
    _latency(console, "register change to stored row", report.latency_ms)
    _latency(console, "  of which waiting for the poll", report.poll_wait_ms)
    _latency(console, "register change to open alarm", report.alarm_latency_ms)
    verdict = "[bold green]PASSED[/]" if report.passed else "[bold red]FAILED[/]"
    console.print(f"{verdict}  {report.readings} readings, {report.events} events, {report.frames} frames")


def _line(console: Console, what: str, figure: str, good: bool) -> None:
    console.print(f"{what:<32} [{'green' if good else 'bold red'}]{figure}[/]", highlight=False)


def _latency(console: Console, what: str, figures: Percentiles) -> None:
    console.print(f"{what:<32} p50 {figures.p50:.0f} ms, p99 {figures.p99:.0f} ms", highlight=False)
