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


@pytest.mark.timeout(240)
def test_demo_finds_everything_and_loses_nothing(tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    done = subprocess.run(
        command("--seconds", "45", "--report", str(file)), capture_output=True, text=True, timeout=220, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert ">>>>>" not in done.stdout
    assert done.stdout.startswith("the console will be at http://127.0.0.1:")
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
    assert demo.stdout is not None
    said = b""
    while b"lorry" not in said:
        async with asyncio.timeout(60):
            line = await demo.stdout.readline()
        assert line, said
        said += line
    address = re.findall(rb"watch the attack and acknowledge it: (\S+)", said)[0].decode()
    async with aiohttp.ClientSession() as http, http.get(address + "login") as answer:
        assert answer.status == 200
    family = psutil.Process(demo.pid).children(recursive=True)
    assert len(family) >= 5
    demo.send_signal(number)
    async with asyncio.timeout(60):
        output, errors = await demo.communicate()
    assert demo.returncode == 130, errors
    assert b"all processes of the demo have ended" in output
    assert b"Traceback" not in errors
    _, alive = await asyncio.to_thread(psutil.wait_procs, family, 10)
    assert alive == []


def test_demo_refuses_what_it_could_not_do_before_it_starts(tmp_path: Path) -> None:
    short = run("demo", "--seconds", "5")
    assert short.returncode == 2
    assert "45" in short.stderr
    nowhere = run("demo", "--report", str(tmp_path / "missing" / "report.json"))
    assert nowhere.returncode == 1
    assert "folder does not exist" in nowhere.stderr
