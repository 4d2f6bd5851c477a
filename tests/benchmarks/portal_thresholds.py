"""Makes the tables of `thresholds.py` of the portal (`python -m benchmarks.portal_thresholds` in `tests/`).

How rare a likelihood ratio is in vehicles without a source is measured by importance sampling: most of the simulated
vehicles have one, and each counts with its likelihood without a source over that of the mixture it was drawn from, both
of which are known exactly because the mean counts of each are. A quarter has none, so that no weight is above four and
what looks like a source without being one is seen as well. Loads of NORM are simulated as they are.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from hubwatch_detectors.radiation.gamma import ExpectedCounts, GammaBank
from hubwatch_detectors.radiation.neutron import NeutronBank
from support.portal_model import AREA, LOW_SHARE, Floats, Shadow, Traffic, clean_means, times, vehicles

RATES = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5)
NORM_SHARE, ONE_WINDOW_NORM = 0.02, 0.001
NORM_TRAFFIC = 0.05
ERROR = 0.002
"""Relative error of a background of 2000 counts/s that is steady."""
NEUTRON_ERROR = 0.03
PLAIN = 0.25
BINS = 50
CHUNK = 500
SHADOWS = {"no shadow": None, "shadow": Shadow(), "shadow at once": Shadow(gap_s=0.0)}


def exceeded(ratios: Floats, weights: Floats, rates: Sequence[float] = RATES) -> list[float]:
    """Return the ratios that are exceeded at these rates."""
    order = np.argsort(-ratios)
    return [float(np.interp(rate, np.cumsum(weights[order]), ratios[order])) for rate in rates]


def drawn(means: Floats, sources: Floats, random: np.random.Generator) -> tuple[Floats, Floats]:
    """Return counts with sources in most of them, and how much each counts for vehicles without one."""
    picked = sources[random.integers(0, len(sources), len(means))]
    picked[random.random(len(means)) < PLAIN] = 0
    counts = random.poisson(means + picked).astype(float)
    log_mixture = np.empty(len(means))
    for i in range(0, len(means), CHUNK):
        gains = np.log1p(sources[None] / means[i : i + CHUNK, None, :])
        terms = np.einsum("isn,in->is", gains, counts[i : i + CHUNK]) - sources.sum(axis=1)
        log_mixture[i : i + CHUNK] = np.logaddexp.reduce(terms, axis=1) - np.log(len(sources))
    return counts, 1 / (PLAIN + (1 - PLAIN) * np.exp(np.minimum(log_mixture, 600)))


def passes(t: Floats, duration: float, peaks: Sequence[float], step: float) -> Floats:
    """Return sources of some widths, places and peak rates (counts/s at a width of 1 s) as counts in bins."""
    found = [
        peak / np.sqrt(tau) * (1 + ((t - middle) / tau) ** 2) ** -1.5 * step
        for tau in (0.7, 1.125, 1.8)
        for middle in np.linspace(1, duration - 1, 24)
        for peak in peaks
    ]
    return np.array(found)


def gamma(count: int, traffic: Traffic, seed: int, *, windows: bool) -> tuple[Floats, Floats]:
    """Return log ratios of vehicles without a source or NORM, and their weights."""
    random = np.random.default_rng(seed)
    size = len(times(traffic)) // BINS
    means = clean_means(count, traffic, random)[0]
    means = means.reshape(count, 2, BINS, size).sum(axis=3)
    step = traffic.seconds / BINS
    t: Floats = np.arange(0.5, BINS, dtype=np.float64) * step
    sources = passes(t, traffic.seconds, [d * np.sqrt(traffic.gamma_cps / AREA) for d in (3.5, 5.0, 6.5)], step)
    if windows:
        sources = np.concatenate([np.concatenate([low * sources, (1 - low) * sources], axis=1) for low in (0.9, 0.6)])
        counts, weights = drawn(means.reshape(count, -1), sources, random)
        return bank(traffic, windows=True).judge(counts.reshape(count, 2, BINS)).source, weights / count
    counts, weights = drawn(means.sum(axis=1), sources, random)
    return bank(traffic, windows=False).judge(counts[:, None]).source, weights / count


def loaded(count: int, traffic: Traffic, seed: int, *, windows: bool) -> Floats:
    """Return log ratios of vehicles with NORM and no source."""
    many = vehicles(count, traffic, np.random.default_rng(seed))
    both = np.stack([many.low, many.high], axis=1).reshape(count, 2, BINS, -1).sum(axis=3)
    return bank(traffic, windows=windows).judge(both if windows else both.sum(axis=1, keepdims=True)).source


def bank(traffic: Traffic, *, windows: bool) -> GammaBank:
    """Return the bank for a traffic."""
    level = traffic.gamma_cps * traffic.seconds / BINS
    shares = [LOW_SHARE, 1 - LOW_SHARE] if windows else [1.0]
    expected = np.array([np.full(BINS, level * share) for share in shares])
    t: Floats = np.arange(0.5, BINS, dtype=np.float64) * traffic.seconds / BINS
    return GammaBank(ExpectedCounts(t, expected, traffic.seconds, ERROR), NORM_SHARE if windows else ONE_WINDOW_NORM)


def neutron(count: int, traffic: Traffic, seed: int) -> tuple[Floats, Floats]:
    """Return log ratios of vehicles without neutrons, and their weights."""
    random = np.random.default_rng(seed)
    step = traffic.seconds / BINS
    t: Floats = np.arange(0.5, BINS, dtype=np.float64) * step
    level: Floats = np.full((count, BINS), traffic.neutron_cps * step)
    # A pass of M counts has a peak of M/(2·tau).
    sources = passes(t, traffic.seconds, [m / 2 for m in (6.0, 12.0, 18.0)], step)
    counts, weights = drawn(level, sources, random)
    return NeutronBank(t, level[0], traffic.seconds, NEUTRON_ERROR).judge(counts), weights / count


def tables(count: int) -> Iterator[tuple[str, list[float]]]:
    """Yield the ratios at `RATES` for each population."""
    for name, shadow in SHADOWS.items():
        yield f"one window, {name}", exceeded(*gamma(count, Traffic(shadow), 1, windows=False))
    for cps in (200.0, 8000.0):
        yield f"one window, no shadow, {cps:g}/s", exceeded(*gamma(count, Traffic(gamma_cps=cps), 2, windows=False))
        traffic = Traffic(Shadow(), gamma_cps=cps)
        yield f"one window, shadow, {cps:g}/s", exceeded(*gamma(count, traffic, 2, windows=False))
    for seconds in (5.0, 30.0):
        traffic = Traffic(seconds=seconds)
        yield f"one window, no shadow, {seconds:g} s", exceeded(*gamma(count, traffic, 3, windows=False))
    norm: NDArray[np.float64] = np.empty(0)
    for name, shadow in SHADOWS.items():
        ratios, weights = gamma(count, Traffic(shadow), 4, windows=True)
        yield f"two windows, {name}", exceeded(ratios, weights)
        norm = loaded(count, Traffic(shadow or Shadow(), norm=1.0), 5, windows=True)
        mixed = np.concatenate([weights * (1 - NORM_TRAFFIC), np.full(count, NORM_TRAFFIC / count)])
        yield f"two windows, {name}, 5 % NORM", exceeded(np.concatenate([ratios, norm]), mixed)
    for cps in (0.5, 2.0, 8.0):
        yield f"neutrons, {cps:g}/s", exceeded(*neutron(count, Traffic(neutron_cps=cps), 6))


def main(count: int) -> None:
    """Print the tables."""
    sys.stdout.write(f"{'rate':40} {'  '.join(f'{rate:g}' for rate in RATES)}\n")
    for name, ratios in tables(count):
        sys.stdout.write(f"{name:40} {'  '.join(f'{ratio:5.2f}' for ratio in ratios)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
