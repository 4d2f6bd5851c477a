"""Parts of the judgement by the profile: shapes, statistics, thresholds, profile and background."""

from __future__ import annotations

import math

import numpy as np
import pytest

from hubwatch_detectors.radiation.gamma import ExpectedCounts, GammaBank, unskewed
from hubwatch_detectors.radiation.neutron import NeutronBank
from hubwatch_detectors.radiation.panels import BLOCK, Learner, Panel
from hubwatch_detectors.radiation.portal_memory import ray_of
from hubwatch_detectors.radiation.profile import MAX_BINS, MAX_ROWS, Bins, Profile, binned
from hubwatch_detectors.radiation.shapes import AREA, source
from hubwatch_detectors.radiation.thresholds import GAMMA, NEUTRON, Table, deviate, log_chance, threshold
from hubwatch_detectors.radiation.verdict import judge_gamma, window_of
from support.portal_model import Floats, Shadow, Traffic, vehicles

SECOND_US = 1_000_000


def bank() -> GammaBank:
    t = np.arange(0.5, 50, dtype=np.float64) / 5
    return GammaBank(ExpectedCounts(t, np.full((1, 50), 400.0), 10.0, 0.002), 0.001)


def clean(count: int, traffic: Traffic, seed: int = 1) -> Floats:
    many = vehicles(count, traffic, np.random.default_rng(seed))
    summed: Floats = many.gamma.reshape(count, 1, 50, -1).sum(axis=3)
    return summed


def bins(counts: Floats, expected: Floats, names: tuple[str, ...]) -> Bins:
    n = counts.shape[1]
    t = np.arange(0.5, n, dtype=np.float64) * 10 / n
    return Bins(names, t, counts, expected, 10.0, np.full(len(names), 0.002))


def test_shape_of_a_source_has_the_area_of_the_formula_however_wide_the_bins() -> None:
    for n in (10, 1000):
        step = 200 / n
        t = np.arange(0.5, n, dtype=np.float64) * step
        seen = source(t, np.array([100.0]), np.array([1.125]), step)[:, 0]
        assert seen.sum() * step == pytest.approx(2 * 1.125, rel=1e-3)
    assert (seen**2).sum() * step == pytest.approx(AREA * 1.125, rel=0.02)


def test_deviates_without_skewness_have_the_tail_of_poisson() -> None:
    # P(N >= 76) with mean 50 is 3.4e-4 by the sum of its terms: a deviate of 3.4, where the plain one says 3.68.
    tail = 1 - sum(math.exp(-50 + n * math.log(50) - math.lgamma(n + 1)) for n in range(76))
    plain = (75.5 - 50) / math.sqrt(50)
    better = float(unskewed(np.array([plain]), np.array([1 / math.sqrt(50)]))[0])
    right = deviate(math.log(tail))
    assert abs(better - right) < 0.25 * abs(plain - right)


@pytest.mark.parametrize("shadow", [None, Shadow()])
def test_false_alarms_come_no_more_often_than_stated(shadow: Shadow | None) -> None:
    ratios = bank().judge(clean(2000, Traffic(shadow), seed=3)).source
    assert int((ratios > threshold(GAMMA, 1e-2)).sum()) <= 31  # 20 expected, 31 in one of a hundred seeds
    assert int((ratios > threshold(GAMMA, 1e-3)).sum()) <= 6


@pytest.mark.parametrize(("shadow", "d"), [(None, 5.4), (Shadow(), 9.5)])
def test_sources_are_found_as_the_tables_say(shadow: Shadow | None, d: float) -> None:
    ratios = bank().judge(clean(400, Traffic(shadow, d=d), seed=4)).source
    assert (ratios > threshold(GAMMA, 1e-3)).mean() > 0.88


def test_neutrons_are_found_as_the_tables_say_and_no_more_often_alarmed_than_stated() -> None:
    t = np.arange(0.5, 50, dtype=np.float64) / 5
    judge = NeutronBank(t, np.full(50, 0.4), 10.0, 0.03).judge
    random = np.random.default_rng(5)
    quiet = vehicles(4000, Traffic(), random).neutron.reshape(4000, 50, 2).sum(axis=2)
    source = vehicles(400, Traffic(neutrons=22.5), random).neutron.reshape(400, 50, 2).sum(axis=2)
    assert int((judge(quiet) > threshold(NEUTRON, 1e-3)).sum()) <= 10
    assert (judge(source) > threshold(NEUTRON, 1e-4)).mean() > 0.86


@pytest.mark.parametrize("learned_s", [2, 3])
def test_neutrons_of_a_background_that_is_hardly_known_alarm_no_more_often_than_stated(learned_s: int) -> None:
    t = np.arange(0.5, 25, dtype=np.float64) / 5
    random, alarms, vehicles_each = np.random.default_rng(9), 0, 200
    for learned in random.poisson(2 * learned_s, 100):
        known = max(float(learned), 0.5)
        bank = NeutronBank(t, np.full(25, known / learned_s / 5), 5.0, known**-0.5)
        alarms += int(
            (bank.judge(random.poisson(0.4, (vehicles_each, 25)).astype(float)) > threshold(NEUTRON, 1e-3)).sum()
        )
    assert alarms <= 60  # 20 expected, in clusters of one background; with a normal law 396 and 113


@pytest.mark.parametrize("table", [GAMMA, NEUTRON])
def test_threshold_and_chance_are_each_others_inverse_and_fall(table: Table) -> None:
    rates = [0.05, 1e-2, 3e-3, 1e-4, 1e-6, 1e-9]
    ratios = [threshold(table, rate) for rate in rates]
    assert ratios == sorted(ratios)
    for rate, ratio in zip(rates, ratios, strict=True):
        assert log_chance(table, ratio) == pytest.approx(math.log(rate))


def test_score_rises_steadily_with_the_ratio() -> None:
    scores = [deviate(log_chance(GAMMA, ratio)) for ratio in (-50.0, 0.0, 4.0, 20.0, 599.0, 601.0, 1e6)]
    assert scores == sorted(scores)
    assert scores[4] == pytest.approx(scores[5], abs=0.1)


def test_source_beside_one_panel_is_clearer_with_panels_told_apart() -> None:
    random, expected = np.random.default_rng(6), np.full((4, 50), 100.0)
    t = np.arange(0.5, 50, dtype=np.float64) / 5
    shares = np.array([0.85, 0.05, 0.05, 0.05])[:, None]
    names = ("gamma.1", "gamma.2", "gamma.3", "gamma.4")
    apart = together = 0.0
    for _ in range(8):
        counts = random.poisson(expected + shares * 40 * (1 + ((t - 5) / 1.1) ** 2) ** -1.5).astype(float)
        apart += judge_gamma(bins(counts, expected, names), 0.02, None).ratio
        together += judge_gamma(bins(counts.sum(axis=0)[None], np.full((1, 50), 400.0), names[:1]), 0.02, None).ratio
    assert apart > together + 16


def test_two_windows_keep_norm_out_that_one_window_would_call_a_source() -> None:
    many = vehicles(20, Traffic(Shadow(), norm=1.0), np.random.default_rng(7))
    low, high = (each.reshape(20, 50, 2).sum(axis=2) for each in (many.low, many.high))
    expected = np.array([np.full(50, 240.0), np.full(50, 160.0)])
    verdicts = [
        judge_gamma(bins(np.array(pair), expected, ("gamma.low", "gamma.high")), 0.02, None)
        for pair in zip(low, high, strict=True)
    ]
    assert sum(each.log_chance < math.log(1e-3) for each in verdicts) <= 2
    assert sum(each.norm > math.log(1e3) for each in verdicts) > 12


@pytest.mark.parametrize(
    ("name", "window", "ray"),
    [
        ("gamma.1", None, "gamma"),
        ("gamma.low", "low", "gamma"),
        ("gamma.2.high", "high", "gamma"),
        ("gamma_low.1", "low", "gamma"),
        ("gamma_background", None, None),
        ("neutron.1", None, "neutron"),
        ("lowgamma", None, None),
    ],
)
def test_name_of_a_channel_says_ray_and_window(name: str, window: str | None, ray: str | None) -> None:
    assert (window_of(name), ray_of(name)) == (window, ray)


def test_profile_stays_bounded_and_loses_no_counts() -> None:
    profile = Profile()
    for i in range(5 * MAX_ROWS + 3):
        profile.add(i * SECOND_US, {"gamma.1": 1.0} | ({"gamma.2": 2.0} if i % 2 else {}))
    assert len(profile.times) <= MAX_ROWS
    assert sum(profile.counts["gamma.1"]) == sum(profile.samples["gamma.1"]) == 5 * MAX_ROWS + 3
    assert sum(profile.counts["gamma.2"]) == 2 * sum(profile.samples["gamma.2"])


def test_bins_leave_out_a_panel_that_falls_silent_and_expect_nothing_of_missing_samples() -> None:
    panels = {name: Panel(mean=10.0, samples=100, learned=100.0) for name in ("gamma.1", "gamma.2")}
    profile = Profile()
    for i in range(100):
        row = {"gamma.1": 10.0} if i % 10 else {}
        profile.add(i * 100_000, row | ({"gamma.2": 10.0} if i < 30 else {}))
    made = binned(profile, panels, (0, 10 * SECOND_US), 10, 0.0)
    assert made is not None
    assert made.channels == ("gamma.1",)
    assert made.counts.shape[1] <= MAX_BINS
    assert made.counts.sum() == made.expected.sum() == 900
    assert binned(profile, panels, (0, 10 * SECOND_US), 101, 0.0) is None


def test_background_follows_rain_and_knows_its_own_error() -> None:
    random, panel, learner = np.random.default_rng(8), Panel(), Learner()
    levels = np.concatenate([np.full(1500, 100.0), np.linspace(100, 120, 3000), np.full(1500, 120.0)])
    off = []
    for level in levels:
        panel.sum += float(random.poisson(level))
        panel.count += 1
        if panel.count >= BLOCK:
            learner.learn([panel], 150.0)
            off.append((panel.mean - level) * math.sqrt(panel.learned / panel.mean))
    assert np.mean(np.abs(off[20:]) < 3) > 0.95
    assert panel.mean == pytest.approx(120, abs=1.5)


def test_steady_background_is_known_ever_better() -> None:
    random, panel, learner = np.random.default_rng(9), Panel(), Learner()
    for count in random.poisson(100.0, 6000):
        panel.sum += float(count)
        panel.count += 1
        learner.learn([panel], 150.0)
    assert panel.learned > 600
    assert panel.mean == pytest.approx(100, abs=1)
