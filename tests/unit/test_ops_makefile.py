"""The Makefile offers what the README and CI rely on."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from support import ports

REPOSITORY = Path(__file__).parents[2]
TARGETS = ["setup", "demo", "services", "test", "check", "bench", "dashboards"]


def _dry_run(target: str, *settings: str) -> str:
    command = ["make", "--no-print-directory", "--dry-run", target, *settings]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout


def test_help_lists_every_target_and_is_the_default() -> None:
    shown = subprocess.run(["make", "--no-print-directory"], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    listed = re.findall(r"^  make (\S+)", shown.stdout, re.MULTILINE)
    assert set(TARGETS) < set(listed)


@pytest.mark.parametrize("target", ["demo", "test", "check", "bench", "dashboards"])
def test_target_makes_the_environment_first_where_it_is_out_of_date(target: str) -> None:
    text = _dry_run(target, "--what-if=pyproject.toml")
    assert text.index("pip install") < text.rindex(".venv/bin/")


def test_setup_with_an_environment_up_to_date_does_nothing() -> None:
    done = subprocess.run(
        ["make", "--no-print-directory", "--dry-run", "--old-file=pyproject.toml", "setup", "STAMP=Makefile"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "pip" not in done.stdout


def test_bench_passes_the_name_on() -> None:
    assert "-m benchmarks.run demo-latency" in _dry_run("bench", "ONLY=demo-latency")


def _runs() -> list[str]:
    """Return the commands that run tests."""
    return [line for line in _dry_run("test").splitlines() if "-m pytest" in line and "--collect-only" not in line]


def test_every_folder_of_tests_is_run_once() -> None:
    folders = {f"tests/{file.parent.name}" for file in (REPOSITORY / "tests").glob("*/test_*.py")}
    assert len(folders) > 4
    run = [folder for command in _runs() for folder in re.findall(r"tests/\w+", command)]
    assert sorted(run) == sorted(folders)


def test_runs_beside_each_other_have_ports_of_their_own() -> None:
    taken: list[int] = []
    for command in _runs():
        first = re.search(r"TEST_PORTS_FROM=(\d+)", command)
        workers = re.search(r" -n (\d+) --dist", command)
        begin = int(first[1]) if first else 0
        taken += range(begin, begin + (int(workers[1]) if workers else 1))
    assert len(taken) == len(set(taken)) > 2
    assert max(taken) < ports.SHARES


def test_check_covers_every_component() -> None:
    text = _dry_run("check")
    for folder in ("core", "agents", "collector", "detectors", "alarms", "dashboards", "ops", "tests"):
        assert re.search(rf"mypy .*\b{folder}\b", text)


def test_ci_runs_every_step_with_services_required() -> None:
    text = (REPOSITORY / ".ci" / "run").read_text(encoding="utf-8")
    assert "HUBWATCH_REQUIRE_SERVICES=1" in text
    for target in ("services", "setup", "check", "test"):
        assert f"--no-print-directory {target}" in text
