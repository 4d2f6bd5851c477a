"""Plants held against their model: what is fitted, what is refused, and what is named."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from hubwatch_core.errors import Permanent
from hubwatch_core.wire import Clear, Detection
from hubwatch_detectors.chunk import Chunk, ChunkReading
from hubwatch_detectors.contract import Finding, Origin, Site
from hubwatch_detectors.process.model import PlantModel, Predictor, encode, fit, load, window_means
from hubwatch_detectors.process.multivariate import ProcessConfig, ProcessDetector
from support.detectors_hub import AGENT, HUB
from support.plant import PERIOD_S, PUMP, SIGNALS, TANK, fitted, model_file, plant

PERIOD_US = round(PERIOD_S * 1e6)
BEGIN = 400_000_000 * PERIOD_US


def detector(hub: str = HUB, **config: object) -> ProcessDetector:
    settings = {"plants": [{"hub": hub, "model_file": model_file()}], **config}
    return ProcessDetector(ProcessConfig.model_validate(settings), Origin("process", 1, HUB), Site())


def fed(one: ProcessDetector, rows: np.ndarray, first: int = 0, without: str = "") -> list[Finding]:
    found: list[Finding] = []
    for row, values in enumerate(rows.tolist(), first):
        for sensor in (PUMP, TANK):
            said = [
                ChunkReading(BEGIN + row * PERIOD_US, name.partition("/")[2], value)
                for name, value in zip(SIGNALS, values, strict=True)
                if name.startswith(sensor.sensor) and name != without
            ]
            found += one.update(Chunk.of(HUB, AGENT, sensor, said))
    return found + one.advance(BEGIN + (first + len(rows)) * PERIOD_US + PERIOD_US)


def test_falsified_level_is_found_named_and_ends() -> None:
    found = fed(detector(), plant(120, seed=5, falsified=(60, 80)))
    detection, end = found[0], found[-1]
    assert isinstance(detection, Detection)
    assert isinstance(end, Clear)
    assert (detection.start - BEGIN) // PERIOD_US == 60
    named = [each["signal"] for each in detection.evidence["signals"]]
    assert "tank-1/level" in named
    assert detection.sensor in {"pump-1", "tank-1"}
    assert (end.score or 0) >= detection.score >= 1


def test_normal_operation_is_as_quiet_as_the_model_states() -> None:
    found = fed(detector(), plant(3000, seed=6))
    alarms = [each for each in found if isinstance(each, Detection)]
    assert len(alarms) <= 10  # 3 periods expected at 1e-3, and a window of twelve keeps an alarm once


def test_plant_of_another_hub_is_not_watched() -> None:
    assert fed(detector(hub="antwerp"), plant(100, seed=5, falsified=(60, 80))) == []


def test_without_one_of_its_signals_nothing_is_judged() -> None:
    assert fed(detector(), plant(100, seed=5, falsified=(60, 80)), without="tank-1/level") == []


def test_after_a_pause_it_begins_anew_and_what_was_open_has_ended() -> None:
    one = detector()
    rows = plant(100, seed=5, falsified=(60, 100))
    found = fed(one, rows)
    found += one.advance(BEGIN + 100_000 * PERIOD_US)
    assert [type(each) for each in found][-1] is Clear
    assert fed(one, plant(50, seed=7), first=200_000) == []


def test_absurd_values_are_found_and_break_nothing() -> None:
    rows = plant(60, seed=5)
    rows[30] = 1e300
    assert [each.type for each in fed(detector(), rows) if isinstance(each, Detection)] == ["process.multivariate"]


def test_model_survives_its_file(tmp_path: Path) -> None:
    file = tmp_path / "model.json"
    file.write_bytes(encode(fitted()))
    assert load(file) == fitted()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{}", "no model of a plant"),
        (encode(msgspec.structs.replace(fitted(), version=9)), "version 9"),
        (encode(msgspec.structs.replace(fitted(), weights=fitted().weights[:1])), "do not fit together"),
        (encode(msgspec.structs.replace(fitted(), tails=(0.0,) * len(fitted().tails))), "not above zero"),
    ],
)
def test_file_that_is_no_model_is_refused_with_the_reason(tmp_path: Path, content: bytes, reason: str) -> None:
    file = tmp_path / "model.json"
    file.write_bytes(content)
    with pytest.raises(Permanent, match=reason):
        load(file)


def test_configuration_with_a_missing_model_says_so() -> None:
    with pytest.raises(ValueError, match="no-such-file cannot be read: No such file"):
        ProcessConfig.model_validate({"plants": [{"hub": HUB, "model_file": "no-such-file"}]})


@pytest.mark.parametrize("rows", [plant(50, 1), np.full((500, 4), 3.0)], ids=["too short", "constant"])
def test_history_that_teaches_nothing_is_refused(rows: np.ndarray) -> None:
    with pytest.raises(Permanent, match="history"):
        fit(rows, SIGNALS, period_s=PERIOD_S)


def test_gaps_in_history_are_left_out() -> None:
    rows = plant(2000, seed=1)
    rows[500:520, 1] = np.nan
    assert fit(rows, SIGNALS, period_s=PERIOD_S, resolution=0.001).rows == 2000 - 1 - 21


def test_history_in_more_digits_than_live_values_gives_the_same_model() -> None:
    rows = plant(2000, seed=1)
    finer = rows + np.random.default_rng(1).uniform(-4e-4, 4e-4, rows.shape)
    assert fit(finer, SIGNALS, period_s=PERIOD_S, resolution=0.001) == fit(
        rows, SIGNALS, period_s=PERIOD_S, resolution=0.001
    )


def test_what_it_expects_is_what_it_would_not_wonder_at() -> None:
    model: PlantModel = fitted()
    past, now = plant(2, seed=1)
    target = next(i for i, signal in enumerate(model.targets) if model.signals[signal] == "tank-1/level")
    predictor = Predictor(model)
    now[2] = predictor.expected(past, now, target)
    assert predictor.squares(past, now)[target] == pytest.approx(0, abs=1e-9)


def test_mean_over_a_window_is_over_what_there_is_at_first() -> None:
    assert window_means(np.array([[1.0], [3.0], [5.0]]), 2).ravel().tolist() == [1, 2, 4]
