"""What `hubwatch detectors evaluate` counts, and what it says of bad files."""

from __future__ import annotations

import json
import math
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from typer.testing import CliRunner

from hubwatch_core.clock import SECOND_US
from hubwatch_core.errors import ConfigError
from hubwatch_detectors.cli import app
from hubwatch_detectors.evaluation import (
    Incident,
    Made,
    evaluate,
    interval,
    rate_interval,
    read_detections,
    read_truth,
)
from hubwatch_detectors.plotting import drawn, in_blocks, series_of

T0 = 1_790_000_000 * SECOND_US
HEAD = "type,hub,sensor,start,end\n"


def incident(start_s: float, end_s: float, sensor: str = "door-1") -> Incident:
    return Incident("access.forced", "h", sensor, T0 + round(start_s * SECOND_US), T0 + round(end_s * SECOND_US))


def made(at_s: float, sensor: str = "door-1", kind: str = "access.forced") -> Made:
    return Made(kind, "h", sensor, T0 + round(at_s * SECOND_US))


def test_found_missed_and_false_are_told_apart() -> None:
    truth = [incident(0, 10), incident(100, 110), incident(200, 210, sensor="")]
    scores = evaluate([made(4), made(6), made(50), made(205, "door-9"), made(105, "door-2")], truth, grace_s=5)
    score = scores["access.forced"]
    assert (score.incidents, score.found, score.false) == (3, 2, 2)
    assert score.delays_s == [4.0, 5.0], "the first detection of an incident counts, the second is none that is false"


def test_grace_reaches_over_the_end_and_not_before_the_start() -> None:
    truth = [incident(10, 20)]
    assert evaluate([made(25)], truth, 5)["access.forced"].found == 1
    assert evaluate([made(26)], truth, 5)["access.forced"].false == 1
    assert evaluate([made(9)], truth, 5)["access.forced"].false == 1


def test_a_type_that_never_happened_has_only_false_alarms() -> None:
    score = evaluate([made(1, kind="access.held")], [], 0)["access.held"]
    assert (score.incidents, score.false) == (0, 1)
    assert math.isnan(score.probability[0])


def test_intervals_are_those_of_the_tables() -> None:
    low, high = interval(0, 2995)
    assert low == 0
    assert high == pytest.approx(1.231e-3, rel=0.01), "two-sided; one-sided at 95 % it is the 1e-3 of the standards"
    assert interval(8, 10) == pytest.approx((0.4439, 0.9748), abs=1e-4)
    assert rate_interval(0, 1.0) == pytest.approx((0.0, 3.689), abs=1e-3)
    assert rate_interval(10, 10.0) == pytest.approx((0.4795, 1.839), abs=1e-3)


def test_every_wrong_line_is_told_at_once(tmp_path: Path) -> None:
    truth = tmp_path / "truth.csv"
    lines = ["a,h,s,2026-11-01T00:00Z,2026-11-01T00:01Z", "a,h,s,2026-11-01T00:00,1", "a,h,s,9,5", "a,h,s,x,5"]
    truth.write_text(HEAD + "\n".join(lines) + "\n")
    with pytest.raises(ConfigError) as caught:
        read_truth(truth)
    assert [problem.key for problem in caught.value.problems] == ["3", "4", "5"]
    truth.write_text("type,hub\n")
    with pytest.raises(ConfigError, match="the column start is missing"):
        read_truth(truth)
    found = tmp_path / "found.ndjson"
    found.write_text('{"type": "a"}\nnot json\n[]\n' * 20)
    with pytest.raises(ConfigError, match="and 40 lines more"):
        read_detections(found)


def test_command_prints_figures_and_draws_them(tmp_path: Path) -> None:
    detections, truth, plot = tmp_path / "found.ndjson", tmp_path / "truth.csv", tmp_path / "plot.svg"
    detections.write_text(json.dumps({"type": "a<b", "hub": "h", "sensor": "s", "detected": T0 + 2 * SECOND_US}) + "\n")
    truth.write_text(HEAD + f"a<b,h,s,{T0},{T0 + SECOND_US * 5}\n")
    order = ["evaluate", "--detections", str(detections), "--truth", str(truth), "--exposure", "30"]
    shown = CliRunner().invoke(app, [*order, "--plot", str(plot), "--json"])
    assert shown.exit_code == 0, shown.output
    figures = json.loads(shown.output)["a<b"]
    assert (figures["found"], figures["false_alarms"], figures["delay_p50_s"]) == (1, 0, 2.0)
    assert figures["false_rate_high"] == pytest.approx(3.689 / 30, abs=1e-3)
    assert "a<b" in "".join(ET.fromstring(plot.read_text()).itertext())
    assert "1 of 1" in CliRunner().invoke(app, order).output


def test_series_of_an_evidence_are_found_and_drawn() -> None:
    evidence = {
        "counts": [1, 2, 9, 4],
        "sigma": 5.0,
        "mixed": [1, "x", 2, 3],
        "series": {"model": [1.0, 1.5, 2.0, 2.0]},
        "short": [1, 2],
        "endless": [1.0, math.inf, 1.0, 1.0],
    }
    series = series_of(evidence)
    assert list(series) == ["counts", "series model"]
    assert in_blocks(series["counts"]) == "▁▂█▄"
    assert in_blocks([5.0] * 4) == "▁▁▁▁"
    assert len(in_blocks([float(i) for i in range(1000)])) <= 60
    root = ET.fromstring(drawn("t <x>", "why & how", series))
    assert len(root.findall("{http://www.w3.org/2000/svg}polyline")) == 2
