"""BATADAL's score, held against what its organisers state."""

from __future__ import annotations

import numpy as np
import pytest

from support.batadal_score import runs, score

ATTACKED = np.zeros(100, dtype=bool)
ATTACKED[20:40] = ATTACKED[60:80] = True


def test_always_alarming_scores_three_quarters_and_never_a_quarter() -> None:
    assert score(np.ones(100, dtype=bool), ATTACKED).s == 0.75
    assert score(np.zeros(100, dtype=bool), ATTACKED).s == 0.25


def test_perfect_alarm_scores_one_and_a_late_one_less() -> None:
    assert score(ATTACKED, ATTACKED).s == 1
    late = ATTACKED.copy()
    late[20:30] = False
    assert score(late, ATTACKED).s == pytest.approx(0.5 * 0.75 + 0.25 * (0.75 + 1))


def test_runs_are_half_open() -> None:
    assert runs(ATTACKED) == [(20, 40), (60, 80)]
