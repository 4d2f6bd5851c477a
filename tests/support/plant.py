"""A simulated plant: a pump that fills a tank from which people draw, and the model fitted on its normal days."""

from __future__ import annotations

import atexit
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hubwatch_core.wire import Channel, Sensor
from hubwatch_core.words import ChannelKind, SensorKind
from hubwatch_detectors.process.model import PlantModel, encode, fit

SIGNALS = ("pump-1/running", "pump-1/flow", "tank-1/level", "tank-1/pressure")
PERIOD_S = 5.0
PUMP = Sensor(
    "pump-1",
    SensorKind.PROCESS,
    "waterworks",
    channels=[Channel("running", "1", ChannelKind.STATE), Channel("flow", "l/s")],
)
TANK = Sensor("tank-1", SensorKind.PROCESS, "waterworks", channels=[Channel("level", "m"), Channel("pressure", "bar")])


def plant(rows: int, seed: int, *, falsified: tuple[int, int] | None = None) -> NDArray[np.float64]:
    """Return rows of the signals; in rows `falsified` the level is said to be a metre higher than it is."""
    random = np.random.default_rng(seed)
    found = np.empty((rows, len(SIGNALS)))
    level, running = 3.0, True
    for row in range(rows):
        told = level + (1.0 if falsified is not None and falsified[0] <= row < falsified[1] else 0.0)
        running = told < 4.0 if running else told < 2.0
        flow = 18 + random.normal(0, 0.2) if running else 0.0
        drawn = 8 + 3 * np.sin(2 * np.pi * row / 500) + random.normal(0, 0.3)
        level += (flow - drawn) / 200
        found[row] = running, flow, told, 0.098 * level + random.normal(0, 0.002) + (0.3 if running else 0.0)
    return np.round(found, 3)


@cache
def fitted() -> PlantModel:
    """Return a model of the plant's normal operation."""
    return fit(plant(6000, seed=1), SIGNALS, period_s=PERIOD_S, resolution=0.001, false_share=1e-3)


@cache
def model_file() -> Path:
    """Return a file with the fitted model; it goes when the tests end."""
    folder = tempfile.TemporaryDirectory()
    atexit.register(folder.cleanup)
    file = Path(folder.name) / "waterworks.json"
    file.write_bytes(encode(fitted()))
    return file
