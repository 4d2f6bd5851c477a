"""Runs the benchmarks: `make bench [ONLY=name]`.

A benchmark is a file `bench_NAME.py` beside this one with `async def run(progress: Progress) -> Result`; underscores in
the file's name are hyphens in the benchmark's. Exit code 1 when a target is missed or a benchmark fails, 2 when there
is none of that name.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table

from benchmarks.result import Progress, Result
from hubwatch_core.errors import HubwatchError
from support import services
from support.databases import durable

Benchmark = Callable[[Progress], Awaitable[Result]]
HERE = Path(__file__).parent
OUTPUT = HERE.parents[1] / "build" / "bench"


def main(arguments: list[str], folder: Path = HERE, output: Path = OUTPUT) -> int:
    """Run the benchmarks named, or all."""
    os.umask(0o077)  # as in the tests: what a scene writes as a secret is one, and is refused if others could read it
    console = Console()
    found = discover(folder)
    unknown = [name for name in arguments if name not in found]
    if unknown:
        console.print(f"no benchmark is called {', '.join(unknown)}; there are: {', '.join(found) or 'none'}")
        return 2
    chosen = {name: found[name] for name in arguments or found}
    with _durable_server():
        results = [_measure(name, file, console, output) for name, file in chosen.items()]
    return 0 if all(result is not None and result.met for result in results) else 1


@contextlib.contextmanager
def _durable_server() -> Iterator[None]:
    """Let the shared database write as one in production does, where there is one."""
    try:
        server = services.timescale_server()
    except (pytest.skip.Exception, pytest.fail.Exception):
        yield
        return
    with durable(server):
        yield


def discover(folder: Path) -> dict[str, Path]:
    """Return every benchmark's file by name, sorted."""
    files = sorted(folder.glob("bench_*.py"))
    return {file.stem.removeprefix("bench_").replace("_", "-"): file for file in files}


def _measure(name: str, file: Path, console: Console, output: Path) -> Result | None:
    """Run one benchmark, show its table and write its JSON; None when it failed."""
    console.rule(name)
    began = time.monotonic()

    def progress(message: str) -> None:
        console.print(f"[dim]{time.monotonic() - began:6.1f} s  {message}[/dim]", highlight=False)

    try:
        result = asyncio.run(_await(load(file), progress))
    except (HubwatchError, AssertionError, pytest.skip.Exception, pytest.fail.Exception) as error:
        console.print(f"[red]{name} failed: {error}[/red]")
        return None
    console.print(_table(result))
    output.mkdir(parents=True, exist_ok=True)
    text = json.dumps(result.as_json(), indent=2, sort_keys=True)
    (output / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    return result


async def _await(run: Benchmark, progress: Progress) -> Result:
    return await run(progress)


def load(file: Path) -> Benchmark:
    """Import a benchmark's file and give its `run`."""
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    run: Benchmark = module.run
    return run


def _table(result: Result) -> Table:
    table = Table("figure", "measured", "target", "verdict")
    for column in table.columns[1:3]:
        column.justify = "right"
    for key in dict.fromkeys([*result.figures, *result.targets]):
        figure, target = result.figures.get(key), result.targets.get(key)
        measured = "not measured" if figure is None else f"{figure:,.4g}" if abs(figure) < 1000 else f"{figure:,.0f}"
        verdict = "" if target is None else "[green]met[/green]" if target.met(figure) else "[red]missed[/red]"
        table.add_row(key, measured, "" if target is None else str(target), verdict)
    return table


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
