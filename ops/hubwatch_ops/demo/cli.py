"""`hubwatch demo`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from hubwatch_core.errors import Permanent
from hubwatch_core.process import EXIT_FAILED, border


@border
def demo(
    seconds: Annotated[float, typer.Option(min=45, max=86_400, help="Duration of the demo.")] = 60.0,
    report: Annotated[Path | None, typer.Option(help="Write the report to this file, as JSON.")] = None,
    plan: Annotated[Path | None, typer.Option(help="Draw the plan of the hub as this file, as SVG.")] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the hub running after the report, to be explored, until Ctrl-C.")
    ] = False,
    headless: Annotated[
        bool, typer.Option("--headless", help="Print one line per event instead of the live view.")
    ] = False,
) -> None:
    """Watch a simulated hub under attack, on embedded services, and print a report.

    Exit code 0 only if every scripted attack was detected, no reading was lost and there was no false alarm.
    """
    from hubwatch_ops.demo.run import run

    _writable("--report", report)
    _writable("--plan", plan)
    result = asyncio.run(run(seconds, headless=headless, plan=plan, report_file=report, keep=keep))
    raise SystemExit(0 if result.passed else EXIT_FAILED)


def _writable(option: str, file: Path | None) -> None:
    """Raise Permanent if a file's folder is missing, before a demo that may take hours."""
    if file is not None and not file.absolute().parent.is_dir():
        raise Permanent(f"{option} {file}: the folder does not exist; create it first")
