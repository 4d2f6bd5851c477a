"""The benchmark runner finds, measures, judges and writes down."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from benchmarks.result import Result, at_least, at_most
from benchmarks.run import discover, main

GOOD = """
from benchmarks.result import Result, at_least, at_most
async def run(progress):
    progress("measuring")
    return Result({"rate_per_s": 1200.0, "p99_ms": 3.5}, {"rate_per_s": at_least(1000), "p99_ms": at_most(5)})
"""
MISSED = GOOD.replace("at_most(5)", "at_most(3)")
BROKEN = """
async def run(progress):
    assert False, "nothing arrived"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "bench_good_one.py").write_text(GOOD, encoding="utf-8")
    (tmp_path / "bench_missed.py").write_text(MISSED, encoding="utf-8")
    (tmp_path / "bench_broken.py").write_text(BROKEN, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("figure", "target", "met"),
    [
        (5.0, at_most(5), True),
        (5.1, at_most(5), False),
        (5.0, at_least(5), True),
        (4.9, at_least(5), False),
        (math.nan, at_most(5), False),
        (math.nan, at_least(5), False),
        (math.inf, at_most(5), False),
    ],
)
def test_target_judges_figure(figure: float, target: object, met: bool) -> None:
    assert isinstance(target, type(at_most(0)))
    assert target.met(figure) is met


def test_target_without_its_figure_is_missed() -> None:
    assert not Result({"other": 1.0}, {"p99_ms": at_most(5)}).met


def test_result_without_targets_is_met() -> None:
    assert Result({"p99_ms": 1.0}, {}).met


def test_names_come_from_files_with_hyphens(folder: Path) -> None:
    assert list(discover(folder)) == ["broken", "good-one", "missed"]


def test_met_targets_exit_0_and_are_written_down(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["good-one"], folder, tmp_path / "out") == 0
    written = json.loads((tmp_path / "out" / "good-one.json").read_text(encoding="utf-8"))
    assert written == {
        "figures": {"rate_per_s": 1200.0, "p99_ms": 3.5},
        "targets": {"rate_per_s": 1000, "p99_ms": 5},
        "met": True,
    }
    shown = capsys.readouterr().out
    assert "measuring" in shown
    assert "≥ 1,000" in shown
    assert "met" in shown


def test_missed_target_exits_1_and_is_still_written_down(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["missed"], folder, tmp_path / "out") == 1
    assert json.loads((tmp_path / "out" / "missed.json").read_text(encoding="utf-8"))["met"] is False
    assert "missed" in capsys.readouterr().out


def test_failed_benchmark_exits_1_while_the_others_run(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([], folder, tmp_path / "out") == 1
    assert "broken failed: nothing arrived" in capsys.readouterr().out
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["good-one.json", "missed.json"]


def test_unknown_name_exits_2_and_names_what_there_is(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["lightning"], folder, tmp_path / "out") == 2
    assert "good-one" in capsys.readouterr().out
