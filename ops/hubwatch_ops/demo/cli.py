"""`hubwatch demo`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from hubwatch_core.cli_border import EXIT_FAILED, border
from hubwatch_core.errors import Permanent


@border
def demo(
    seconds: Annotated[float, typer.Option(min=45, max=86_400, help="How long the hub is watched.")] = 60.0,
    report: Annotated[Path | None, typer.Option(help="Write the report to this file as JSON.")] = None,
    headless: Annotated[bool, typer.Option("--headless", help="A line an event instead of the live view.")] = False,
) -> None:
    """Guard a whole simulated hub on embedded services while it is attacked; ends with a report.

    Exit code 0 only if every scripted attack was found, nothing was lost and there was no false alarm.
    """
    from hubwatch_ops.demo.run import run

    _writable(report)
    result = asyncio.run(run(seconds, headless=headless))
    if report is not None:
        report.write_bytes(msgspec.json.format(msgspec.json.encode(result)) + b"\n")
    raise SystemExit(0 if result.passed else EXIT_FAILED)


def _writable(report: Path | None) -> None:
    """Refuse a report that could not be written before the hub is watched for an hour."""
    if report is not None and not report.absolute().parent.is_dir():
        raise Permanent(f"--report {report}: its folder does not exist")
