"""The demo ends all of its processes, whenever Ctrl-C comes."""

from __future__ import annotations

import asyncio
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from hubwatch_ops.demo.processes import Processes
from hubwatch_ops.demo.run import Ending, _kept
from support.eventually import eventually

SLOW = """#!/bin/sh
trap 'sleep 0.2; exit 0' TERM
echo there
while :; do sleep 0.05; done
"""


@pytest.fixture
def slow_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have each process of the demo be one that takes a while to end; return the folder of their logs."""
    program = tmp_path / "slow"
    program.write_text(SLOW)
    program.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(program))
    return tmp_path


async def test_all_processes_end_although_whoever_ends_them_is_cancelled(slow_to_end: Path) -> None:
    processes = Processes(slow_to_end)
    for name in ("up", "gate"):
        await processes.start(name)
        await eventually(lambda name=name: "there" in (slow_to_end / f"{name}.log").read_text())  # type: ignore[misc]
    children = list(processes._children.values())
    ending = asyncio.create_task(processes.stop_all())
    await asyncio.sleep(0)
    ending.cancel()
    await asyncio.sleep(0)
    ending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await ending
    assert [child.returncode for child in children] == [0, 0]


async def test_process_whose_end_nobody_waited_for_is_ended_with_the_others(slow_to_end: Path) -> None:
    processes = Processes(slow_to_end)
    await processes.start("gate")
    (child,) = processes._children.values()
    stopping = asyncio.create_task(processes.stop("gate"))
    await asyncio.sleep(0)
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping
    await processes.stop_all()
    assert child.returncode is not None


@pytest.mark.parametrize("is_over", [True, False])
async def test_ctrl_c_ends_the_play_and_not_what_comes_after_it(*, is_over: bool) -> None:
    out = StringIO()
    task = asyncio.create_task(asyncio.sleep(60))
    ending = Ending(task, Console(file=out))
    if is_over:
        with ending.in_order():
            pass
    ending.ask()
    await asyncio.sleep(0)
    assert (task.cancelling() > 0, "ending already" in out.getvalue()) == (not is_over, is_over)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


class Starting(Processes):
    """Processes that are still being started."""

    async def start(self, name: str, *arguments: str) -> None:
        await asyncio.sleep(60)


class Devices:
    def speak(self) -> None:
        """Go on."""


async def test_ctrl_c_while_agents_start_again_is_the_end_of_the_demo_as_it_was_found(tmp_path: Path) -> None:
    devices: Any = Devices()
    files = {"quay": tmp_path, "gate": tmp_path}
    going_on = asyncio.create_task(_kept(files, devices, Starting(tmp_path), Console(file=StringIO()), "x"))
    await asyncio.sleep(0)
    going_on.cancel()
    await asyncio.gather(going_on, return_exceptions=True)
    assert not going_on.cancelled()
