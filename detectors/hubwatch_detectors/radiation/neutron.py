"""Is there a neutron source in the profile of an occupancy? The exact likelihood ratio of Poisson counts.

Neutron counts are few (2/s), so nothing is normal about them. For a source at a place, of a width and a strength, the
likelihood ratio of counts n against background b is the product of (1 + s/b)^n·exp(-s). It is averaged over places,
widths and strengths, and over what the background may be. The weights log(1 + s/b) are the best there are (Ofek and
Zackay 2017; Vio and Andreani 2018, A&A 616:A25). The threshold comes from simulation (`thresholds.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hubwatch_detectors.radiation.shapes import Floats, places, source

WIDTHS_S = (0.6, 1.1, 2.2)
WIDTH_CHANCES = (0.15, 0.7, 0.15)
COUNTS = (4.0, 8.0, 13.0, 20.0, 30.0, 60.0, 200.0)
"""Strengths looked for: counts of a whole pass."""
COUNT_CHANCES = (0.1, 0.2, 0.25, 0.2, 0.15, 0.05, 0.05)
RATES = 5
"""Rates of the background that are tried, so that also a few counts of it say no more than they know."""
LEAST_ERROR = 1e-3
LEAST_EXPECTED = 1e-6


@dataclass(frozen=True, slots=True)
class NeutronBank:
    """Sources for profiles of one shape: `t` (n) s since the start, `expected` (n) counts of background."""

    t: Floats
    expected: Floats
    duration: float
    error: float

    def judge(self, counts: Floats) -> Floats:
        """Return log likelihood ratios of a source against none, one for each row of `counts` (N, n)."""
        templates, log_weights = self._templates()
        none, some = [], []
        for factor, chance in _rates(self.error):
            base = np.maximum(self.expected * factor, LEAST_EXPECTED)
            plain = np.log(chance) + counts @ np.log(base / np.maximum(self.expected, LEAST_EXPECTED)) - base.sum()
            terms = counts @ np.log1p(templates / base).T - templates.sum(axis=1) + log_weights
            top = terms.max(axis=1)
            none.append(plain)
            some.append(plain + top + np.log(np.exp(terms - top[:, None]).sum(axis=1)))
        out: Floats = np.logaddexp.reduce(some) - np.logaddexp.reduce(none)
        return out

    def _templates(self) -> tuple[Floats, Floats]:
        """Return the counts of all sources (sources, n) and the logarithms of their chances."""
        step = self.duration / len(self.t)
        middle, tau, weights = places(self.duration, step, np.array(WIDTHS_S), np.array(WIDTH_CHANCES))
        # A whole pass of a source of peak rate a brings 2·a·tau counts.
        shape = source(self.t, middle, tau, step).T * (step / (2 * tau))[:, None]
        templates = np.concatenate([count * shape for count in COUNTS])
        log_weights = np.concatenate([np.log(weights * chance) for chance in COUNT_CHANCES])
        return templates, log_weights


def _rates(error: float) -> list[tuple[float, float]]:
    """Return what the background may be, as a factor of what is expected, and with which chance.

    With Jeffreys' prior the rate behind n learned counts, n = 1 / error², follows a gamma law of the shape n + 1/2. A
    normal law would be too sure that it is not much higher: after 3 s of background, of 6 counts, it gave 86 times the
    false alarms that 1e-4 stands for. These are the nodes and weights of Gauss-Laguerre quadrature (Golub and Welsch
    1969).
    """
    learned = max(error, LEAST_ERROR) ** -2
    k = np.arange(RATES)
    beside = np.sqrt(k[1:] * (k[1:] + learned - 0.5))
    rates, vectors = np.linalg.eigh(np.diag(2 * k + learned + 0.5) + np.diag(beside, 1) + np.diag(beside, -1))
    return list(zip((rates / learned).tolist(), (vectors[0] ** 2).tolist(), strict=True))
