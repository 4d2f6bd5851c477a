"""Is there a source in the profile of an occupancy? A likelihood ratio with all that is not known averaged out.

The profile of a vehicle without a source is background times a shadow ("baseline depression", Geelhood 2003,
PNNL-14363) of unknown depth and shape, plus, in some vehicles, a long smooth load with natural radioactivity (NORM).
Cells (`cells_of`) are intervals of depth and load. Within one everything is normal: counting noise, the error of the
background, and the unevenness of shadow and load, which is a covariance of low rank. So the chance of a profile in a
cell, and of the same with a source of a given place, width, strength and spectrum, has a closed form. The ratio of
their averages is the statistic. By the lemma of Neyman and Pearson no other finds more at the same rate of false
alarms, as far as the model holds. Its threshold comes from simulation (`thresholds.py`).

The sums are of few counts where a portal is small: their skewness is taken out by the signed root of the Poisson
likelihood ratio (first order of Cornish and Fisher).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hubwatch_detectors.radiation.shapes import (
    AREA,
    GAPS_S,
    USUAL_TAU_S,
    Floats,
    load,
    places,
    source,
    trapezoid,
    waves,
    widths,
)

Indices = NDArray[np.intp]


class Cell(NamedTuple):
    """Vehicles of one kind: means and deviations of depth and load, as shares of the background, and their chance."""

    depth: float
    depth_sd: float
    load: float
    load_sd: float
    chance: float


FLAT = 0.3
"""Our choice: chance of a vehicle that casts no shadow (a person, a car between distant panels)."""
SHADES = ((0.025, 0.012), (0.07, 0.012), (0.11, 0.012), (0.15, 0.012), (0.19, 0.012), (0.23, 0.012), (0.30, 0.03))
"""Depths: about 15 % where vehicles stand at the panels (Ludlum 4525 manual p. 16); our choice is 0 to 35 %."""
LOADS = ((0.09, 0.04), (0.22, 0.07), (0.45, 0.12), (1.0, 0.35), (3.0, 1.0))
LOAD_SHADES = ((0.08, 0.02), (0.14, 0.03), (0.21, 0.03))
SHADE_WAVES = (0.09, 0.09, 0.09, 0.05)
"""Deviation of the cosines of the shadow, as shares of its depth: cab gap and axles, about 15 % in all."""
EDGE = 0.4
"""Our choice: deviation of where the ends of a shadow lie, as shares of what `GAPS_S` bound."""
LOAD_WAVES = (0.1, 0.1, 0.1, 0.05)
"""Deviation of the cosines of a load, as shares of it: 15 % unevenness, and that nobody knows where it begins."""
LOAD_FROM, LOAD_TO = 0.2, 0.8
"""Where a load is, as shares of the occupancy: 12 m of a vehicle of 16 to 20 m."""
COLOUR = 0.02
"""Deviation of the low window's share in what a vehicle shields."""
NORM_LOW, NORM_LOW_SD = -0.05, 0.025
"""Low-window share of NORM against that of the background: its lines are high, so less of it is low."""
SOURCE_LOW = (0.90, 0.75, 0.50)
"""Low-window shares of sources: special nuclear material, 137Cs, 60Co."""
STRENGTHS = (3.0, 4.5, 6.5, 9.0, 13.0, 20.0, 40.0)
STRENGTH_CHANCES = (0.1, 0.25, 0.25, 0.2, 0.1, 0.05, 0.05)
"""Strengths looked for, in units of d = sqrt(sum s²/b)."""
SHADED = 1.8
"""Our choice: weight of sources in vehicles with a shadow against those without, so that both make as few false alarms
at one threshold."""
LEAST_MEAN = 0.05


@dataclass(frozen=True, slots=True)
class ExpectedCounts:
    """What background leads to expect in the bins of a profile: `t` (n) s since its start, `counts` (windows, n)."""

    t: Floats
    counts: Floats
    duration: float
    error: float
    """Relative standard deviation of the background."""
    tau: float | None = None
    """Width of a source that a measured speed leads to expect (s)."""

    @property
    def rate(self) -> float:
        """Counts a second of all windows."""
        return float(self.counts.sum()) / self.duration


@dataclass(frozen=True, slots=True)
class Judged:
    """Logarithms of likelihood ratios, one for each profile, and where the best explanation lies."""

    source: Floats
    """A source against none."""
    norm: Floats
    """A load of NORM against none, both without a source."""
    cell: Indices
    template: Indices


def cells_of(norm: float) -> tuple[Cell, ...]:
    """Return kinds of vehicles, when a share `norm` of them has a load of NORM."""
    shade = (1 - FLAT - norm) / len(SHADES)
    share = norm / len(LOADS) / len(LOAD_SHADES)
    shaded = [Cell(depth, sd, 0, 0, shade) for depth, sd in SHADES]
    loaded = [Cell(depth, depth_sd, mean, sd, share) for mean, sd in LOADS for depth, depth_sd in LOAD_SHADES]
    return Cell(0, 0, 0, 0, FLAT), *shaded, *loaded


class GammaBank:
    """All cells and sources for profiles of one shape; `judge` takes any number of profiles at once."""

    def __init__(self, expected: ExpectedCounts, norm: float) -> None:
        self.expected, self.norm, self.cells = expected, norm, cells_of(norm)
        windows, n = expected.counts.shape
        self._nuisance = Nuisance(expected)
        step = expected.duration / n
        self.middle, self.tau, weights = places(expected.duration, step, *widths(expected.duration, expected.tau))
        shape = source(expected.t, self.middle, self.tau, step)
        scale = np.sqrt(expected.rate / (AREA * self.tau)) * step
        shares = [np.array([low, 1 - low]) for low in SOURCE_LOW] if windows == 2 else [np.ones(1)]
        self.templates = np.concatenate(
            [np.concatenate([w * shape * scale for w in share]) for share in shares], axis=1
        )
        self.log_weights = np.log(np.tile(weights, len(shares)) / len(shares))
        self.middle, self.tau = np.tile(self.middle, len(shares)), np.tile(self.tau, len(shares))

    def judge(self, profiles: Floats) -> Judged:
        """Judge profiles (N, windows, n)."""
        x = profiles.reshape(len(profiles), -1)
        plain = np.empty((len(self.cells), len(x)))
        sourced = np.empty_like(plain)
        best = np.empty((len(self.cells), len(x)), dtype=np.intp)
        for i, cell in enumerate(self.cells):
            mean, basis = self._nuisance.of(cell)
            plain[i], gain, best[i] = self._in_cell(x, mean, basis)
            plain[i] += np.log(cell.chance)
            sourced[i] = plain[i] + gain + (np.log(SHADED) if cell.depth else 0)
        clean = np.array([cell.load == 0 for cell in self.cells])
        none = _log_sum(plain)
        top = sourced.argmax(axis=0)
        norm = _log_sum(plain[~clean]) - np.log(self.norm) - _log_sum(plain[clean]) + np.log(1 - self.norm)
        return Judged(_log_sum(sourced) - none, norm, top, best[top, np.arange(len(x))])

    def explain(self, profile: Floats, cell: int, template: int | None) -> tuple[Floats, float]:
        """Return the best baseline (windows, n) in a cell, and the counts of a source there, 0 without a template."""
        mean, basis = self._nuisance.of(self.cells[cell])
        weighted = basis / mean[:, None]
        inner = np.eye(basis.shape[1]) + basis.T @ weighted
        rest, counts = profile.ravel() - mean, 0.0
        if template is not None:
            shape = self.templates[:, template]
            filtered = shape / mean - weighted @ np.linalg.solve(inner, weighted.T @ shape)
            strength = max(float(filtered @ rest) / max(float(filtered @ shape), 1e-12), 0.0)
            rest, counts = rest - strength * shape, strength * float(shape.sum())
        baseline = mean + basis @ np.linalg.solve(inner, weighted.T @ rest)
        return baseline.reshape(profile.shape), counts

    def _in_cell(self, x: Floats, mean: Floats, basis: Floats) -> tuple[Floats, Floats, Indices]:
        """Return log likelihoods without a source, the gain by one, and the best source."""
        weighted = basis / mean[:, None]
        inner = np.eye(basis.shape[1]) + basis.T @ weighted
        rest = x - mean
        projected = rest @ weighted
        quad = (rest**2 / mean).sum(axis=1) - (projected * np.linalg.solve(inner, projected.T).T).sum(axis=1)
        plain = -0.5 * (quad + np.linalg.slogdet(inner)[1] + np.log(mean).sum())
        filters = self.templates / mean[:, None]
        filters -= weighted @ np.linalg.solve(inner, basis.T @ filters)
        power = np.maximum((self.templates * filters).sum(axis=0), 1e-12)
        skew = (filters**3 * mean[:, None]).sum(axis=0) / power**1.5
        u = unskewed(rest @ filters / np.sqrt(power), skew)
        gain, best = _averaged(u, np.sqrt(power), self.log_weights)
        return plain, gain, best


class Nuisance:
    """Mean and covariance factors of a profile without a source, by cell."""

    def __init__(self, expected: ExpectedCounts) -> None:
        e, t, duration = expected.counts, expected.t, expected.duration
        tau = expected.tau or min(USUAL_TAU_S, duration / 8)
        self._shadow = e * trapezoid(t, duration)
        early, late = GAPS_S
        edges = [
            (trapezoid(t, duration, early) - trapezoid(t, duration, late)) * EDGE,
            (trapezoid(t, duration, leave=early) - trapezoid(t, duration, leave=late)) * EDGE,
        ]
        shade_waves = self._shadow[:, :, None] * waves(t, duration, len(SHADE_WAVES)) * np.array(SHADE_WAVES)
        self._uneven = _columns([*np.moveaxis(shade_waves, 2, 0), *(e * edge for edge in edges)])
        shape = load(t, duration, tau, LOAD_FROM, LOAD_TO) * e.sum(axis=0)
        low = e[0].sum() / e.sum() if len(e) == 2 else 1.0
        share = np.array([low + NORM_LOW, 1 - low - NORM_LOW]) if len(e) == 2 else np.ones(1)
        self._load = share[:, None] * shape
        load_waves = self._load[:, :, None] * waves(t, duration, len(LOAD_WAVES)) * np.array(LOAD_WAVES)
        uneven = list(np.moveaxis(load_waves, 2, 0))
        level = [np.where(np.arange(len(e))[:, None] == i, e, 0) * expected.error for i in range(len(e))]
        if len(e) == 2:
            sign = np.array([1.0, -1.0])[:, None]
            uneven.append(sign * shape * NORM_LOW_SD)
            level_colour = sign * self._shadow.sum(axis=0) * COLOUR
            self._uneven = np.column_stack([self._uneven, level_colour.ravel()])
        self._load_uneven, self._level = _columns(uneven), _columns(level)
        self._e = e

    def of(self, cell: Cell) -> tuple[Floats, Floats]:
        """Return the mean (windows·n) and the factors (windows·n, k) of the covariance beside counting noise."""
        mean = self._e - cell.depth * self._shadow + cell.load * self._load
        basis = [self._level]
        if cell.depth_sd:
            basis += [self._uneven * cell.depth, self._shadow.reshape(-1, 1) * cell.depth_sd]
        if cell.load:
            basis += [self._load_uneven * cell.load, self._load.reshape(-1, 1) * cell.load_sd]
        return np.maximum(mean.ravel(), LEAST_MEAN), np.column_stack(basis)


def unskewed(u: Floats, skew: Floats) -> Floats:
    """Return normal deviates for those of sums of counts with this skewness: the signed root of the Poisson ratio."""
    small = np.abs(skew) < 1e-6
    y = np.maximum(u * np.where(small, 1.0, skew), -0.999)
    root = np.sign(y) * np.sqrt(np.maximum(2 * ((1 + y) * np.log1p(y) - y), 0)) / np.where(small, 1.0, skew)
    out: Floats = np.where(small, u, root)
    return out


def _averaged(u: Floats, power: Floats, log_weights: Floats) -> tuple[Floats, Indices]:
    """Average exp(a·u - a²/2) over sources and strengths; the best source is that of the largest term."""
    total = np.full(u.shape, -np.inf)
    for strength, chance in zip(STRENGTHS, STRENGTH_CHANCES, strict=True):
        a = strength * power
        total = np.logaddexp(total, a * u + (np.log(chance) - a * a / 2))
    total += log_weights
    return _log_sum(total.T), total.argmax(axis=1)


def _log_sum(terms: Floats) -> Floats:
    top = terms.max(axis=0)
    out: Floats = top + np.log(np.exp(terms - top).sum(axis=0))
    return out


def _columns(parts: list[Floats]) -> Floats:
    return np.column_stack([part.ravel() for part in parts])
