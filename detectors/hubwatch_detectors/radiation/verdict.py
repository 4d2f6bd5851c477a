"""Judges the profile of an occupancy as a whole: gamma by panels or energy windows, neutrons by their sum.

Channels are called `gamma.1`, `gamma.2`, … (panels) or, where the device tells energies apart, `gamma.low` and
`gamma.high` (`gamma.1.low`, …): a part of the name says the window, and what is not low counts as high.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from hubwatch_detectors.radiation.gamma import ExpectedCounts, GammaBank
from hubwatch_detectors.radiation.neutron import NeutronBank
from hubwatch_detectors.radiation.profile import Bins
from hubwatch_detectors.radiation.shapes import Floats
from hubwatch_detectors.radiation.thresholds import GAMMA, GAMMA_WINDOWS, NEUTRON, Table, deviate, log_chance

ONE_WINDOW_NORM = 0.05
"""With one window a weak load looks like a source. Our choice for the alarm: NORM counts a twentieth of its share."""
MAX_PATTERNS = 8
OTHERS = 0.4
"""Weight of the other panels where one is nearest to the source."""
SUM_SHARE = 0.5
PLOTTED = 3
"""Decimals of the series in the evidence."""


@dataclass(frozen=True, slots=True)
class ProfileVerdict:
    """What the profile of one ray says."""

    ratio: float
    """Logarithm of the likelihood ratio of a source against none."""
    table: Table
    counts: float
    expected: float
    background: float
    """What the background would have given without a vehicle."""
    source: float
    """Counts of the best source."""
    at_s: float
    width_s: float
    depth: float
    load: float
    norm: float
    """Logarithm of the likelihood ratio of a load of NORM against none."""
    t: Floats
    seen: Floats
    baseline: Floats
    windows: int

    @property
    def log_chance(self) -> float:
        """The logarithm of the probability that a vehicle without a source looks so much like one with it."""
        return log_chance(self.table, self.ratio)

    @property
    def score(self) -> float:
        """The normal deviate of that probability."""
        return deviate(self.log_chance)


def judge_gamma(bins: Bins, norm_share: float, tau: float | None) -> ProfileVerdict:
    """Judge the gamma counts of an occupancy."""
    windows = [window_of(name) for name in bins.channels]
    both = "low" in windows and "high" in windows
    groups = [[i for i, each in enumerate(windows) if each == name] for name in ("low", "high")] if both else []
    if not groups:
        groups = [[i for i, each in enumerate(windows) if each is None] or list(range(len(windows)))]
    norm = norm_share if both else norm_share * ONE_WINDOW_NORM
    counts = np.array([bins.counts[group].sum(axis=0) for group in groups])
    expected = np.array([bins.expected[group].sum(axis=0) for group in groups])
    bank = GammaBank(ExpectedCounts(bins.t, expected, bins.duration, _error(bins, groups), tau), norm)
    found = bank.judge(counts[None])
    ratio = float(found.source[0])
    if not both and 1 < len(groups[0]) <= MAX_PATTERNS:
        ratio = _with_panels(bins, groups[0], ratio, norm, tau)
    table = GAMMA_WINDOWS if both else GAMMA
    return _explained(bank, counts, ratio, float(found.norm[0]), (int(found.cell[0]), int(found.template[0])), table)


def judge_neutron(bins: Bins) -> ProfileVerdict:
    """Judge the neutron counts of an occupancy."""
    counts, expected = bins.counts.sum(axis=0), bins.expected.sum(axis=0)
    error = _error(bins, [list(range(len(bins.channels)))])
    bank = NeutronBank(bins.t, expected, bins.duration, error)
    ratio = float(bank.judge(counts[None])[0])
    total = float(expected.sum())
    return ProfileVerdict(
        ratio,
        NEUTRON,
        float(counts.sum()),
        total,
        total,
        max(float(counts.sum()) - total, 0.0),
        float(bins.t[int(np.argmax(counts - expected))]),
        0.0,
        0.0,
        0.0,
        -math.inf,
        bins.t,
        counts,
        expected,
        1,
    )


def _with_panels(bins: Bins, group: list[int], plain: float, norm: float, tau: float | None) -> float:
    """Average over which panel the source is nearest to; half the weight is that of the plain sum."""
    ratios = []
    for nearest in group:
        weights = np.array([1.0 if i == nearest else OTHERS for i in group])[:, None]
        # Divided by this, the weighted sum has a variance equal to its mean, as counts have.
        scale = float((weights**2 * bins.expected[group]).sum() / (weights * bins.expected[group]).sum())
        counts = (weights * bins.counts[group]).sum(axis=0) / scale
        expected = (weights * bins.expected[group]).sum(axis=0) / scale
        bank = GammaBank(ExpectedCounts(bins.t, expected[None], bins.duration, _error(bins, [group]), tau), norm)
        ratios.append(float(bank.judge(counts[None, None]).source[0]))
    panels = float(np.logaddexp.reduce(ratios)) - math.log(len(ratios))
    return float(np.logaddexp(math.log(SUM_SHARE) + plain, math.log(1 - SUM_SHARE) + panels))


def _explained(
    bank: GammaBank, counts: Floats, ratio: float, norm: float, best: tuple[int, int], table: Table
) -> ProfileVerdict:
    cell, template = best
    baseline, strength = bank.explain(counts, cell, template)
    kind = bank.cells[cell]
    return ProfileVerdict(
        ratio,
        table,
        float(counts.sum()),
        float(baseline.sum()),
        float(bank.expected.counts.sum()),
        strength,
        float(bank.middle[template]),
        float(bank.tau[template]),
        kind.depth,
        kind.load,
        norm,
        bank.expected.t,
        counts.sum(axis=0),
        baseline.sum(axis=0),
        len(counts),
    )


def _error(bins: Bins, groups: list[list[int]]) -> float:
    """Return the relative error of the background of all groups; the errors of channels are independent."""
    members = [i for group in groups for i in group]
    totals = bins.expected[members].sum(axis=1)
    return float(np.sqrt(((totals * bins.errors[members]) ** 2).sum()) / max(totals.sum(), 1e-9)) * math.sqrt(
        len(groups)
    )


@lru_cache(maxsize=256)
def window_of(name: str) -> str | None:
    """Return the energy window that a channel's name tells."""
    parts = name.replace("_", ".").replace("-", ".").split(".")
    if "low" in parts:
        return "low"
    return "high" if {"high", "mid", "middle"} & set(parts) else None
