"""NAB's score, held against what its authors state."""

from __future__ import annotations

import pytest

from support.nab_score import Raw, normalised, probation, raw_score, scaled_sigmoid


def test_detector_that_says_nothing_has_0_and_a_perfect_one_100() -> None:
    windows = [(200, 299), (500, 599)]
    assert normalised([raw_score(1000, windows, [])]) == 0
    assert normalised([raw_score(1000, windows, [200, 500])]) == pytest.approx(100, abs=0.1)


def test_second_detection_in_a_window_earns_nothing_and_one_far_outside_costs_its_weight() -> None:
    once = raw_score(1000, [(200, 299)], [210])
    assert raw_score(1000, [(200, 299)], [210, 220, 250]) == once
    assert raw_score(1000, [(200, 299)], [210, 900]).points == pytest.approx(once.points - 0.11)
    assert raw_score(1000, [(200, 299)], [180, 210]).points == pytest.approx(once.points - 0.11)


def test_late_detection_earns_less_and_one_just_after_the_window_costs_little() -> None:
    points = [raw_score(1000, [(200, 299)], [row]).points for row in (200, 250, 299)]
    assert points == sorted(points, reverse=True)
    after = raw_score(1000, [(200, 299)], [210, 301]).points
    assert raw_score(1000, [(200, 299)], [210]).points - after < 0.01


def test_first_rows_are_not_scored() -> None:
    assert (probation(1000), probation(10_000)) == (150, 750)
    assert raw_score(1000, [(200, 299)], [10, 149]) == Raw(-1, 1, 0, 0)


def test_sigmoid_is_the_published_one() -> None:
    assert scaled_sigmoid(0) == 0
    assert scaled_sigmoid(-1) == pytest.approx(0.98661, abs=1e-5)
    assert scaled_sigmoid(3.1) == -1
