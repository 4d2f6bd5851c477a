"""Runs the detectors of plants over published data sets, from the folder that the environment names."""

from __future__ import annotations

import csv
import json
import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hubwatch_core.errors import Permanent
from hubwatch_core.wire import Channel, Clear, Detection, Sensor
from hubwatch_core.words import SensorKind
from hubwatch_detectors.chunk import Chunk, ChunkReading
from hubwatch_detectors.contract import Finding, Origin, Site
from hubwatch_detectors.process.model import PlantModel, encode
from hubwatch_detectors.process.multivariate import ProcessConfig, ProcessDetector
from hubwatch_detectors.process.series import SeriesConfig, SeriesDetector
from support.batadal_score import Hours
from support.nab_score import Raw, raw_score

VARIABLE = "HUBWATCH_DATA"
HOUR_US = 3_600_000_000
BEGIN = 500_000 * HOUR_US
HUB = "waterworks"


def data_folder(name: str) -> Path:
    """Return the folder of a data set; raises Permanent where it is not on this machine."""
    root = os.environ.get(VARIABLE)
    if not root:
        raise Permanent(f"the data sets are not part of the repository: set {VARIABLE} to the folder that holds {name}")
    folder = Path(root) / name
    if not folder.is_dir():
        raise Permanent(f"{VARIABLE} names {root}, which has no folder {name}")
    return folder


def plant_sensor(signals: tuple[str, ...]) -> Sensor:
    """Return one sensor with all signals as channels, read once an hour."""
    channels = [Channel(name.lower(), "1", period_us=HOUR_US) for name in signals]
    return Sensor("plant", SensorKind.PROCESS, "plant", channels=channels)


def names_in_model(signals: tuple[str, ...]) -> list[str]:
    """Return the signals as a model names them."""
    return [f"plant/{name.lower()}" for name in signals]


def alarmed_hours(model: PlantModel, hours: Hours) -> NDArray[np.bool_]:
    """Return the hours that the detector calls anomalous, fed hour by hour."""
    sensor = plant_sensor(hours.signals)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.json"
        file.write_bytes(encode(model))
        config = ProcessConfig.model_validate({"plants": [{"hub": HUB, "model_file": file}]})
        detector = ProcessDetector(config, Origin("process", 1, HUB), Site())
    found: list[Finding] = []
    for hour, row in enumerate(hours.rows.tolist()):
        t = BEGIN + hour * HOUR_US
        readings = [ChunkReading(t, each.name, x) for each, x in zip(sensor.channels, row, strict=True)]
        found += detector.update(Chunk.of(HUB, "plc", sensor, readings))
    found += detector.advance(BEGIN + len(hours.rows) * HOUR_US + HOUR_US)
    return _covered(found, len(hours.rows))


def nab_file(folder: Path, name: str, windows: list[list[str]], config: SeriesConfig) -> Raw:
    """Return the score of one file of NAB."""
    with (folder / "data" / name).open(encoding="utf-8", newline="") as stream:
        rows = [(_us(t), float(x)) for t, x in list(csv.reader(stream))[1:]]
    times = np.array([t for t, _ in rows])
    bounds = [
        (int(np.searchsorted(times, _us(first))), int(np.searchsorted(times, _us(last), side="right")) - 1)
        for first, last in windows
    ]
    sensor = Sensor("s-1", SensorKind.PROCESS, "z", channels=[Channel("x", "1")])
    detector = SeriesDetector(config, Origin("series", 1, HUB, "s-1"), Site())
    readings = [ChunkReading(t, "x", x) for t, x in rows]
    found = [
        each
        for first in range(0, len(readings), 500)
        for each in detector.update(Chunk(HUB, "a", sensor, tuple(readings[first : first + 500])))
        if isinstance(each, Detection)
    ]
    return raw_score(len(rows), bounds, [int(np.searchsorted(times, each.detected)) for each in found])


def nab_group(config: SeriesConfig) -> list[Raw]:
    """Return the scores of the files of NAB's realAWSCloudwatch group."""
    folder = data_folder("nab-aws")
    every = json.loads((folder / "windows.json").read_text(encoding="utf-8"))
    return [nab_file(folder, name, windows, config) for name, windows in sorted(every.items())]


def _us(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1e6)


def _covered(found: list[Finding], hours: int) -> NDArray[np.bool_]:
    alarmed = np.zeros(hours, dtype=bool)
    ends = {each.id: each.end for each in found if isinstance(each, Clear)}
    for each in found:
        if isinstance(each, Detection):
            first = (each.start - BEGIN) // HOUR_US
            alarmed[first : (ends.get(each.id, BEGIN + hours * HOUR_US) - BEGIN) // HOUR_US] = True
    return alarmed
