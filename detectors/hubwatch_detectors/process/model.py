"""What is normal for a plant: each signal told by the others and by the moment before, fitted on normal history.

A signal is predicted by ridge regression from all others now and from all of them one period ago; so the model knows
what a running pump does to a pressure, and what flows do to a level. What remains is divided by what it exceeded in one
of a thousand periods of history, predicted by a model that had not seen them (cross-validation in blocks). The score of
a window is the highest mean square of a signal over it; thresholds are quantiles of those scores in that history.

A linear model of all signals with its residuals watched over windows is the plain form of what worked for the BATADAL
data (Taormina et al. 2018, J. Water Resour. Plann. Manage. 144(8) 04018048: PCA subspaces and autoencoders).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from hubwatch_core.errors import Permanent

VERSION = 1
Rows = NDArray[np.float64]

MAX_FILE_BYTES = 16 << 20
LEAST_ROWS = 100
BLOCKS = 5
"""Of cross-validation: in time order, so that neighbours do not tell on each other."""
RIDGE = 1.0
"""Weight of the penalty, in rows of history. Our choice: small against months of it, enough for signals that are sums
of others."""
TAIL = 0.999
"""Residuals are measured by this quantile of their size. Our choice: the edge of what is normal, not its middle, so
that signals with rare large residuals do not decide alone."""
CAP = 25.0
"""A squared residual counts at most as this. Our choice: one wild sample does not fill a window."""
ABSURD = 1e12
"""Larger values say no more than that they are wrong."""
LEAST_VALUES = 20
LEAST_SPREAD = 5.0
"""A signal with fewer values, or that varies by less than this many of its smallest steps, is used to predict others
and is not predicted."""


class PlantFrame(Protocol):
    """A table as pandas has it: one column a signal, one row a period."""

    @property
    def columns(self) -> Any:
        """Return its names."""

    def to_numpy(self) -> Any:
        """Return its values."""


class PlantModel(msgspec.Struct, frozen=True):
    """A fitted model, as it stands in its file."""

    version: int
    signals: tuple[str, ...]
    """`sensor/channel`, in the order of the columns."""
    period_s: float
    centre: tuple[float, ...]
    spread: tuple[float, ...]
    targets: tuple[int, ...]
    """Signals that are predicted."""
    weights: tuple[tuple[float, ...], ...]
    """For each target: of all signals now (its own is 0), of all one period ago, and the constant."""
    tails: tuple[float, ...]
    windows: tuple[int, ...]
    """Periods over which residuals are averaged."""
    thresholds: tuple[float, ...]
    false_share: float
    """Share of normal periods that may alarm; the thresholds follow from it."""
    rows: int
    """Rows of history it was fitted on."""


class Predictor:
    """A model at work."""

    def __init__(self, model: PlantModel) -> None:
        self.model = model
        self._centre, self._spread = np.array(model.centre), np.array(model.spread)
        self._weights, self._tails = np.array(model.weights), np.array(model.tails)
        self._targets = np.array(model.targets)

    def squares(self, before: Rows, now: Rows) -> Rows:
        """Return the capped squared residual of each target; `before` and `now` are rows, or arrays of rows."""
        before, now = self._scaled(before), self._scaled(now)
        signals = self._centre.size
        told = now @ self._weights[:, :signals].T + before @ self._weights[:, signals:-1].T + self._weights[:, -1]
        found: Rows = np.minimum(((now[..., self._targets] - told) / self._tails) ** 2, CAP)
        return found

    def expected(self, before: Rows, now: Rows, target: int) -> float:
        """Return what the model expects of a target (by its place among the targets), in its own unit."""
        before, now = self._scaled(before), self._scaled(now)
        signal = self.model.targets[target]
        told = float(np.concatenate([now, before, [1.0]]) @ self._weights[target])
        return told * float(self._spread[signal]) + float(self._centre[signal])

    def _scaled(self, rows: Rows) -> Rows:
        scaled: Rows = (np.clip(rows, -ABSURD, ABSURD) - self._centre) / self._spread
        return scaled


def fit(
    history: PlantFrame | Rows,
    signals: Sequence[str] | None = None,
    *,
    period_s: float,
    resolution: float = 0.01,
    false_share: float = 0.01,
    windows: Sequence[int] = (1, 12),
) -> PlantModel:
    """Return a model of normal history: one row a period, one column a signal (`sensor/channel`). Raises Permanent.

    `resolution` is the smallest step of the live values: history kept in more digits is rounded to it. Rows with a
    missing value are left out. `false_share` of the periods of a normal history would alarm.
    """
    names, rows = _table(history, signals)
    rows = np.round(rows / resolution) * resolution
    whole = np.asarray(np.isfinite(rows).all(axis=1))
    pairs = np.flatnonzero(whole[1:] & whole[:-1])
    if pairs.size < max(LEAST_ROWS, 4 * len(names)):
        raise Permanent(f"{pairs.size} whole periods of history are too few for {len(names)} signals")
    centre = rows[whole].mean(axis=0)
    spread = np.maximum(rows[whole].std(axis=0), 2 * resolution)
    targets = [i for i, column in enumerate(rows[whole].T) if _is_predicted(column, resolution)]
    if not targets:
        raise Permanent("no signal of this history varies enough to be predicted")
    scaled = (rows - centre) / spread
    design = np.hstack([scaled[1:], scaled[:-1], np.ones((len(scaled) - 1, 1))])[pairs]
    fits = [_regress(design, target) for target in targets]
    residuals = np.column_stack([residual for _, residual in fits])
    tails = np.maximum(np.quantile(np.abs(residuals), TAIL, axis=0), resolution / spread[targets])
    squares = np.minimum((residuals / tails) ** 2, CAP)
    return PlantModel(
        version=VERSION,
        signals=tuple(names),
        period_s=period_s,
        centre=_rounded(centre),
        spread=_rounded(spread),
        targets=tuple(targets),
        weights=tuple(_rounded(weights) for weights, _ in fits),
        tails=_rounded(tails),
        windows=tuple(windows),
        thresholds=_rounded(_thresholds(squares, windows, false_share)),
        false_share=false_share,
        rows=int(pairs.size),
    )


def window_means(squares: Rows, window: int) -> Rows:
    """Return the mean of each column over the last `window` rows; over all there are in the first ones."""
    sums = np.cumsum(squares, axis=0)
    sums[window:] = sums[window:] - sums[:-window]
    means: Rows = sums / np.minimum(np.arange(len(squares)) + 1, window)[:, None]
    return means


def encode(model: PlantModel) -> bytes:
    """Return the file of a model."""
    return msgspec.json.encode(model)


def load(file: Path) -> PlantModel:
    """Return the model in a file; raises Permanent with the reason when there is none that can be used."""
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_FILE_BYTES + 1)
        if len(data) > MAX_FILE_BYTES:
            raise Permanent(f"{file} is longer than {MAX_FILE_BYTES >> 20} MiB")
        model = msgspec.json.decode(data, type=PlantModel)
    except OSError as error:
        raise Permanent(f"{file} cannot be read: {error.strerror or error}") from None
    except msgspec.DecodeError as error:
        raise Permanent(f"{file} is no model of a plant: {error}") from None
    fault = _fault(model)
    if fault is not None:
        raise Permanent(f"{file} cannot be used: {fault}")
    return model


def _fault(model: PlantModel) -> str | None:
    signals, targets = len(model.signals), len(model.targets)
    if model.version != VERSION:
        return f"it is of version {model.version}, and this program reads version {VERSION}: fit it again"
    sizes = (len(model.centre), len(model.spread), len(model.weights), len(model.tails), len(model.thresholds))
    if sizes != (signals, signals, targets, targets, len(model.windows)) or not targets:
        return "its parts do not fit together"
    if any(len(each) != 2 * signals + 1 for each in model.weights) or not all(0 <= i < signals for i in model.targets):
        return "its weights do not fit its signals"
    if model.period_s <= 0 or min(*model.spread, *model.tails, *model.thresholds, *model.windows) <= 0:
        return "a period, spread, tail, window or threshold is not above zero"
    return None


def _table(history: PlantFrame | Rows, signals: Sequence[str] | None) -> tuple[list[str], Rows]:
    if isinstance(history, np.ndarray):
        names, rows = list(signals or ()), history
    else:
        names = [str(each) for each in history.columns] if signals is None else list(signals)
        rows = history.to_numpy()
    rows = np.asarray(rows, dtype=np.float64)
    if rows.ndim != 2 or rows.shape[1] != len(names) or len(set(names)) != len(names):
        raise Permanent("history must have one column for each signal, each named once")
    return names, rows


def _is_predicted(column: Rows, resolution: float) -> bool:
    return len(np.unique(column)) > LEAST_VALUES and float(column.std()) > LEAST_SPREAD * resolution


def _regress(design: Rows, target: int) -> tuple[Rows, Rows]:
    """Return the weights for one signal, and the residuals of each block by a model of the other blocks."""
    wanted = design[:, target]
    others = design.copy()
    others[:, target] = 0.0
    penalty = RIDGE * np.eye(design.shape[1])
    gram, product = others.T @ others + penalty, others.T @ wanted
    residuals = np.empty(len(design))
    for block in np.array_split(np.arange(len(design)), BLOCKS):
        part = others[block]
        without = np.linalg.solve(gram - part.T @ part, product - part.T @ wanted[block])
        residuals[block] = wanted[block] - part @ without
    return np.linalg.solve(gram, product).astype(np.float64), residuals


def _thresholds(squares: Rows, windows: Sequence[int], false_share: float) -> Rows:
    """Return for each window what its score exceeds in an equal part of `false_share`."""
    quantile = 1 - false_share / len(windows)
    return np.array([np.quantile(window_means(squares, window).max(axis=1), quantile) for window in windows])


def _rounded(values: Rows) -> tuple[float, ...]:
    """Return numbers of seven digits: more say nothing, and the file stays small."""
    return tuple(float(f"{each:.7g}") for each in values)
