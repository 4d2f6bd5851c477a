"""The first thing a stranger does."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import aiohttp
import psutil
import pytest

from support.children import run

KEYS = {
    "readings",
    "events",
    "frames",
    "lost",
    "duplicated",
    "unexplained_gaps",
    "detections",
    "alarms",
    "expected",
    "false_alarms",
    "latency_ms",
}


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "hubwatch_ops", "demo", "--headless", *arguments]


async def ended_by(demo: asyncio.subprocess.Process, number: signal.Signals) -> tuple[int, bytes, bytes]:
    """End a demo as somebody who is impatient; return its code and what it still said. Nothing of it is left."""
    family = psutil.Process(demo.pid).children(recursive=True)
    assert len(family) >= 5
    demo.send_signal(number)
    await asyncio.sleep(0.2)
    demo.send_signal(number)
    async with asyncio.timeout(60):
        output, errors = await demo.communicate()
    _, alive = await asyncio.to_thread(psutil.wait_procs, family, 10)
    assert alive == []
    assert b"ending already" in output
    assert b"all processes of the demo have ended" in output
    assert demo.returncode is not None
    return demo.returncode, output, errors


async def said_until(demo: asyncio.subprocess.Process, words: bytes, within_s: float) -> bytes:
    """Return what a demo says up to some words."""
    assert demo.stdout is not None
    said = b""
    async with asyncio.timeout(within_s):
        while words not in said:
            line = await demo.stdout.readline()
            assert line, said
            said += line
    return said


async def answers(address: str) -> bool:
    async with aiohttp.ClientSession() as http, http.get(address + "login") as answer:
        return answer.status == 200


@pytest.mark.timeout(300)
async def test_demo_finds_everything_loses_nothing_and_goes_on_until_it_is_ended(tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    demo = await asyncio.create_subprocess_exec(
        *command("--seconds", "45", "--keep", "--report", str(file)), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    said = await said_until(demo, b"the hub goes on: ", 220)
    assert await answers(re.findall(rb"the hub goes on: (\S+)", said)[0].decode())
    code, _, errors = await ended_by(demo, signal.SIGINT)
    assert code == 0, said + errors
    assert errors == b""
    assert b">>>>>" not in said
    assert said.startswith(b"the console will be at http://127.0.0.1:")
    report = json.loads(file.read_text(encoding="utf-8"))
    assert report.keys() >= KEYS
    assert (report["lost"], report["duplicated"], report["unexplained_gaps"], report["false_alarms"]) == (0, 0, 0, 0)
    assert report["readings"] > 5000
    assert len(report["expected"]) >= 10
    assert all(line["found"] for line in report["expected"])
    assert {line["type"] for line in report["alarms"]} == {line["type"] for line in report["expected"]}
    assert report["detections"][0].keys() == {"type", "sensor", "start", "detected_after_s"}
    assert report["latency_ms"]["p50"] <= report["latency_ms"]["p99"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_demo_that_is_interrupted_ends_cleanly_and_leaves_no_process(number: signal.Signals) -> None:
    demo = await asyncio.create_subprocess_exec(*command(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    said = await said_until(demo, b"lorry", 120)
    assert await answers(re.findall(rb"watch the attack and acknowledge it: (\S+)", said)[0].decode())
    code, _, errors = await ended_by(demo, number)
    assert code == 130, errors
    assert b"Traceback" not in errors


def test_demo_refuses_what_it_could_not_do_before_it_starts(tmp_path: Path) -> None:
    short = run("demo", "--seconds", "5")
    assert short.returncode == 2
    assert "45" in short.stderr
    nowhere = run("demo", "--report", str(tmp_path / "missing" / "report.json"))
    assert nowhere.returncode == 1
    assert "folder does not exist" in nowhere.stderr
