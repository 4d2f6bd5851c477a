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

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
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
AT_ONCE = 50
"""Profiles that are judged in one go: more would only need more memory."""


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


class Judged(NamedTuple):
    """Logarithms of likelihood ratios, one for each profile, and where the best explanation lies."""

    source: Floats
    """A source against none."""
    norm: Floats
    """A load of NORM against none, both without a source."""
    cell: Indices
    template: Indices


@lru_cache(maxsize=8)
def cells_of(norm: float) -> tuple[Cell, ...]:
    """Return kinds of vehicles, when a share `norm` of them has a load of NORM."""
    shade = (1 - FLAT - norm) / len(SHADES)
    share = norm / len(LOADS) / len(LOAD_SHADES)
    shaded = [Cell(depth, sd, 0, 0, shade) for depth, sd in SHADES]
    loaded = [Cell(depth, depth_sd, mean, sd, share) for mean, sd in LOADS for depth, depth_sd in LOAD_SHADES]
    return Cell(0, 0, 0, 0, FLAT), *shaded, *loaded


@lru_cache(maxsize=8)
def _weights_of(norm: float) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Return by cell the logarithms of its chance and of the weight of a source there, and whether it has no load."""
    cells = cells_of(norm)
    chances = np.log([cell.chance for cell in cells])[:, None]
    shaded = np.log([SHADED if cell.depth else 1.0 for cell in cells])[:, None]
    return chances, shaded, np.array([cell.load == 0 for cell in cells])


class GammaBank:
    """All cells and sources for profiles of one shape; `judge` takes any number of profiles at once.

    All cells are computed in one go, each a leading index of the arrays: a call of numpy costs more than its work here.
    """

    def __init__(self, expected: ExpectedCounts, norm: float) -> None:
        self.expected, self.norm, self.cells = expected, norm, cells_of(norm)
        windows, n = expected.counts.shape
        step = expected.duration / n
        self.middle, self.tau, weights, shape = _sources(expected.t.tobytes(), n, expected.duration, expected.tau)
        scale = np.sqrt(expected.rate / (AREA * self.tau)) * step
        shares = [np.array([low, 1 - low]) for low in SOURCE_LOW] if windows == 2 else [np.ones(1)]
        self.templates = np.concatenate(
            [np.concatenate([w * shape * scale for w in share]) for share in shares], axis=1
        )
        self.log_weights = np.log(np.tile(weights, len(shares)) / len(shares))
        self.middle, self.tau = np.tile(self.middle, len(shares)), np.tile(self.tau, len(shares))
        self._nuisance = Nuisance(expected, self.cells)
        self._prepare()

    def judge(self, profiles: Floats) -> Judged:
        """Judge profiles (N, windows, n)."""
        x = profiles.reshape(len(profiles), -1)
        parts = [self._judge(x[i : i + AT_ONCE]) for i in range(0, len(x), AT_ONCE)]
        return parts[0] if len(parts) == 1 else Judged(*(np.concatenate(each) for each in zip(*parts, strict=True)))

    def explain(self, profile: Floats, cell: int, template: int | None) -> tuple[Floats, float]:
        """Return the best baseline (windows, n) in a cell, and the counts of a source there, 0 without a template."""
        mean, basis = self._nuisance.means[cell], self._nuisance.factors * self._nuisance.scales[cell]
        weighted, inverse = basis / mean[:, None], self._inverse[cell]
        rest, counts = profile.ravel() - mean, 0.0
        if template is not None:
            shape = self.templates[:, template]
            filtered = shape / mean - weighted @ (inverse @ (weighted.T @ shape))
            strength = max(float(filtered @ rest) / max(float(filtered @ shape), 1e-12), 0.0)
            rest, counts = rest - strength * shape, strength * float(shape.sum())
        baseline = mean + basis @ (inverse @ (weighted.T @ rest))
        return baseline.reshape(profile.shape), counts

    def _prepare(self) -> None:
        """Compute by cell what does not depend on the profiles: the filters of all sources, and what they respond."""
        nuisance, templates = self._nuisance, self.templates
        means, factors, scales = nuisance.means, nuisance.factors, nuisance.scales
        self._weighted = (factors.T * scales[:, :, None]) / means[:, None, :]
        inner = np.eye(factors.shape[1]) + (self._weighted @ factors) * scales[:, None, :]
        self._inverse = np.linalg.inv(inner)
        self._log_size = np.linalg.slogdet(inner)[1] + np.log(means).sum(axis=1)
        along = self._weighted @ templates
        solved = self._inverse @ along
        filters = self._weighted.transpose(0, 2, 1) @ solved
        np.subtract(templates * (1 / means)[:, :, None], filters, out=filters)
        power = np.maximum((1 / means) @ (templates * templates) - (along * solved).sum(axis=1), 1e-12)
        self._power = np.sqrt(power)[:, None, :]
        cubes = filters * filters
        cubes *= filters
        skew = (means[:, None, :] @ cubes) / (power * np.sqrt(power))[:, None, :]
        self._filters, self._skew = filters, skew

    def _judge(self, x: Floats) -> Judged:
        norm, (log_chances, log_shaded, clean) = self.norm, _weights_of(self.norm)
        plain, gain, best = self._in_cells(x)
        plain += log_chances
        sourced = plain + gain + log_shaded
        none, top = _log_sum(plain), sourced.argmax(axis=0)
        load = _log_sum(plain[~clean]) - np.log(norm) - _log_sum(plain[clean]) + np.log(1 - norm)
        return Judged(_log_sum(sourced) - none, load, top, best[top, np.arange(len(x))])

    def _in_cells(self, x: Floats) -> tuple[Floats, Floats, Indices]:
        """Return by cell and profile log likelihoods without a source, the gain by one, and the best source."""
        means = self._nuisance.means[:, None, :]
        rest = x - means
        projected = self._weighted @ rest.transpose(0, 2, 1)
        quad = (rest**2 / means).sum(axis=2) - (projected * (self._inverse @ projected)).sum(axis=1)
        plain = -0.5 * (quad + self._log_size[:, None])
        u = unskewed(rest @ self._filters / self._power, self._skew)
        gain, best = _averaged(u, self._power, self.log_weights)
        return plain, gain, best


class Nuisance:
    """Profiles without a source: by cell their `means` (cells, windows·n), and the covariance beside counting noise.

    That is of low rank: its `factors` (windows·n, k) are the same in all cells, each by the cell's `scales` (cells, k).
    """

    def __init__(self, expected: ExpectedCounts, cells: Sequence[Cell]) -> None:
        e, t, duration = expected.counts, expected.t, expected.duration
        tau = expected.tau or min(USUAL_TAU_S, duration / 8)
        shapes = _shapes(t.tobytes(), duration, tau)
        shadow = e * shapes.shadow
        low = e[0].sum() / e.sum() if len(e) == 2 else 1.0
        share = np.array([low + NORM_LOW, 1 - low - NORM_LOW]) if len(e) == 2 else np.ones(1)
        shape = shapes.load * e.sum(axis=0)
        load = share[:, None] * shape
        uneven = [shadow * wave for wave in shapes.shade_waves] + [e * edge for edge in shapes.edges]
        load_uneven = [load * wave for wave in shapes.load_waves]
        level = [np.where(np.arange(len(e))[:, None] == i, e, 0) * expected.error for i in range(len(e))]
        if len(e) == 2:
            sign = np.array([1.0, -1.0])[:, None]
            load_uneven.append(sign * shape * NORM_LOW_SD)
            uneven.append(sign * shadow.sum(axis=0) * COLOUR)
        columns = [*level, *uneven, shadow, *load_uneven, load]
        self.factors: Floats = np.array(columns).reshape(len(columns), -1).T
        kinds = np.array([(each.depth, each.depth_sd, each.load, each.load_sd) for each in cells])
        depth, depth_sd, loaded, load_sd = kinds.T[:, :, None]
        parts = [np.ones((len(cells), 1)), np.where(depth_sd > 0, depth, 0), depth_sd, loaded, load_sd]
        widths = [len(level), len(uneven), 1, len(load_uneven), 1]
        self.scales: Floats = np.repeat(np.hstack(parts), widths, axis=1)
        means = e.ravel() - depth * shadow.ravel() + loaded * load.ravel()
        self.means: Floats = np.maximum(means, LEAST_MEAN)


class VehicleShapes(NamedTuple):
    """Shapes over the time of an occupancy that are the same for all panels."""

    shadow: Floats
    shade_waves: list[Floats]
    edges: list[Floats]
    load: Floats
    load_waves: list[Floats]


@lru_cache(maxsize=8)
def _shapes(times: bytes, duration: float, tau: float) -> VehicleShapes:
    """Return the shapes of shadow and load at `times`; the panels of an occupancy ask for them in turn."""
    t = np.frombuffer(times)
    early, late = GAPS_S
    return VehicleShapes(
        trapezoid(t, duration),
        list((waves(t, duration, len(SHADE_WAVES)) * np.array(SHADE_WAVES)).T),
        [
            (trapezoid(t, duration, early) - trapezoid(t, duration, late)) * EDGE,
            (trapezoid(t, duration, leave=early) - trapezoid(t, duration, leave=late)) * EDGE,
        ],
        load(t, duration, tau, LOAD_FROM, LOAD_TO),
        list((waves(t, duration, len(LOAD_WAVES)) * np.array(LOAD_WAVES)).T),
    )


@lru_cache(maxsize=8)
def _sources(times: bytes, n: int, duration: float, tau: float | None) -> tuple[Floats, Floats, Floats, Floats]:
    """Return the middles, widths, chances and shapes (n, sources) of the sources that are looked for."""
    step = duration / n
    middle, width, weights = places(duration, step, *widths(duration, tau))
    return middle, width, weights, source(np.frombuffer(times), middle, width, step)


def unskewed(u: Floats, skew: Floats) -> Floats:
    """Return normal deviates for those of sums of counts with this skewness: the signed root of the Poisson ratio."""
    small = np.abs(skew) < 1e-6
    y = np.maximum(u * np.where(small, 1.0, skew), -0.999)
    root = np.sign(y) * np.sqrt(np.maximum(2 * ((1 + y) * np.log1p(y) - y), 0)) / np.where(small, 1.0, skew)
    out: Floats = np.where(small, u, root)
    return out


def _averaged(u: Floats, power: Floats, log_weights: Floats) -> tuple[Floats, Indices]:
    """Average exp(a·u - a²/2) over sources and strengths; the best source is that of the largest term."""
    a = np.array(STRENGTHS).reshape(-1, *[1] * power.ndim) * power
    chances = np.log(STRENGTH_CHANCES).reshape(a.shape[:1] + (1,) * power.ndim)
    total = _log_sum(a * u + (chances - a * a / 2)) + log_weights
    return _log_sum(np.moveaxis(total, -1, 0)), total.argmax(axis=-1)


def _log_sum(terms: Floats) -> Floats:
    top = terms.max(axis=0)
    out: Floats = top + np.log(np.exp(terms - top).sum(axis=0))
    return out
