"""Shapes over time in a portal: a passing source, the shadow of a vehicle, and a load that fills a part of it.

A point source that passes at distance h with speed v is seen as (1 + ((t - t0)/tau)²)^(-3/2), tau = h/v: solid angle
and obliquity of a flat panel. For 2.5 m and 8 km/h (Fehlau, INMM 1983) tau is 1.125 s.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

AREA = 3 * np.pi / 8
"""The square of the shape of a source, integrated over time, in units of tau."""
USUAL_TAU_S = 1.1
WIDTHS_S = (0.5, 1.1, 2.4)
"""Our choice: 2.5 m at 18, 8 and 4 km/h. Between two of them a source loses at most a tenth of its strength."""
WIDTH_CHANCES = (0.15, 0.7, 0.15)
SLOW_WIDTHS_S = (5.0, 12.0, 30.0)
"""Beside them where a vehicle takes long, so that it may crawl or stop."""
SLOW_S = 20.0
SPREAD = (0.6, 1.0, 1.6)
"""Widths about the one that a measured speed leads to expect."""
MAX_POSITIONS = 48
EDGE_S = 1.0
"""Cargo begins behind the front of a vehicle: no source is looked for in the first and last second."""
RAMP_S = 1.0
"""A vehicle comes in over the length a panel sees: about 2.5 m, 1 s at 8 km/h."""
GAP_S, GAPS_S = 0.5, (0.0, 1.0)
"""Our choice: between the beam that reports a vehicle and its front before the panels; and what bounds it."""


SHORT_S = 6.0
"""Below it the ends of a shadow are as much shorter as the occupancy."""


def source(t: Floats, middle: Floats, tau: Floats, step: float) -> Floats:
    """Return the shape of sources, one a column, averaged over bins of `step` s around the times `t`."""
    out: Floats = (_passed(t[:, None] + step / 2, middle, tau) - _passed(t[:, None] - step / 2, middle, tau)) / step
    return out


def _passed(t: Floats, middle: Floats, tau: Floats) -> Floats:
    """Return the integral of the shape up to `t`, from the middle on."""
    y = (t - middle) / tau
    out: Floats = tau * y / np.sqrt(1 + y * y)
    return out


def widths(duration: float, tau: float | None) -> tuple[Floats, Floats]:
    """Return the widths that are looked for, and their chances; `tau` is what a measured speed leads to expect."""
    usual = np.array(WIDTHS_S) if tau is None else np.array(SPREAD) * tau
    slow = [each for each in SLOW_WIDTHS_S if duration > SLOW_S and each <= duration / 8]
    chances = np.array(WIDTH_CHANCES + (WIDTH_CHANCES[-1],) * len(slow))
    return np.append(usual, slow), chances / chances.sum()


def places(duration: float, step: float, taus: Floats, chances: Floats) -> tuple[Floats, Floats, Floats]:
    """Return the middles, widths and chances of the sources that are looked for in an occupancy of `duration` s."""
    margin = min(EDGE_S, 0.1 * duration)
    middles, wide, weights = [], [], []
    for tau, chance in zip(taus, chances, strict=True):
        span = duration - 2 * margin
        count = int(np.clip(np.ceil(span / max(0.4 * tau, step)), 1, MAX_POSITIONS)) + 1
        middles.append(np.linspace(margin, duration - margin, count))
        wide.append(np.full(count, tau))
        weights.append(np.full(count, chance / count))
    return np.concatenate(middles), np.concatenate(wide), np.concatenate(weights)


def trapezoid(t: Floats, duration: float, enter: float = GAP_S, leave: float = GAP_S) -> Floats:
    """Return the share of a vehicle's shadow; `enter` and `leave` are the seconds without one at both ends."""
    scale = min(1.0, duration / SHORT_S)
    rise = (t - enter * scale) / (RAMP_S * scale)
    fall = (duration - t - leave * scale) / (RAMP_S * scale)
    out: Floats = np.clip(np.minimum(rise, fall), 0, 1)
    return out


def waves(t: Floats, duration: float, count: int) -> Floats:
    """Return `count` cosines over the occupancy, one a column: the slow unevenness of shadow and load."""
    out: Floats = np.cos(np.pi * np.arange(1, count + 1) * np.clip(t / duration, 0, 1)[:, None])
    return out


def load(t: Floats, duration: float, tau: float, first: float, last: float) -> Floats:
    """Return the shape of a load from `first` to `last` (shares of the occupancy), 1 where it is all around."""

    def seen(edge: float) -> Floats:
        y = (t - edge * duration) / tau
        out: Floats = y / np.sqrt(1 + y * y)
        return out

    shape: Floats = (seen(first) - seen(last)) / 2
    return shape / max(float(shape.max()), 1e-9)
