"""Gas and chemicals: rises against a channel's own noise, the device's alarms, spent sensors, watched substances."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hubwatch_core.wire import Channel, Clear, Detection, Event, Sensor
from hubwatch_core.words import ChannelKind, SensorKind
from hubwatch_detectors.chemical.concentration import Concentration, needed
from hubwatch_detectors.chemical.gas import ChemicalConfig, Gas
from hubwatch_detectors.chemical.precursors import RESTRICTED, plain, substances
from hubwatch_detectors.chunk import Chunk, ChunkReading
from hubwatch_detectors.contract import Finding, Origin, Site
from support.detectors_hub import AGENT, HUB, at


def sensor(name: str = "gas-1", unit: str = "ppm", zone: str = "store", period_s: float = 1.0) -> Sensor:
    channels = [
        Channel("concentration", unit, period_us=round(period_s * 1e6), resolution=0.1),
        Channel("alarm_1", "1", ChannelKind.STATE),
        Channel("alarm_2", "1", ChannelKind.STATE),
    ]
    return Sensor(name, SensorKind.CHEMICAL, zone, channels=channels)


class Store:
    """The gas detectors of a hub."""

    def __init__(self, **config: Any) -> None:
        self.detector = Gas(ChemicalConfig(**config), Origin("chemical", 1, HUB), Site())
        self.found: list[Finding] = []
        self.now: dict[str, float] = {}

    def feed(self, values: Any, entry: Sensor | None = None, channel: str = "concentration") -> None:
        entry = entry or sensor()
        for value in values:
            t = self.now[entry.sensor] = self.now.get(entry.sensor, 0.0) + 1
            chunk = Chunk.of(HUB, AGENT, entry, [ChunkReading(at(t), channel, float(value))])
            self.found += self.detector.update(chunk)

    def event(self, t: float, kind: str = "device.alarm", entry: Sensor | None = None, **attrs: Any) -> None:
        entry = entry or sensor()
        event = Event(entry.sensor, at(t), kind, None, attrs)
        self.found += self.detector.update(Chunk.of(HUB, AGENT, entry, [], [event]))

    def of(self, kind: str) -> list[Detection]:
        return [each for each in self.found if isinstance(each, Detection) and each.type == kind]

    def ends(self, detection: Detection) -> list[Clear]:
        return [each for each in self.found if isinstance(each, Clear) and each.id == detection.id]


def noise(seed: int, count: int, mean: float = 0.0, sigma: float = 0.5) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, sigma, count)


def test_slow_leak_below_the_first_alarm_is_found_and_ends() -> None:
    store = Store()
    store.feed(noise(1, 600))
    store.feed(noise(2, 120) + np.linspace(0, 6, 120))
    store.feed(noise(3, 200))
    (rise,) = store.of("chemical.concentration")
    assert rise.detected < at(600 + 60)
    assert rise.evidence["rise_per_min"] > 0
    assert (rise.sensor, rise.priority) == ("gas-1", 2)
    (end,) = store.ends(rise)
    assert at(720) - 20_000_000 < end.end < at(760)
    assert end.score is not None
    assert end.score > rise.score


def test_noise_drift_and_clean_air_alone_find_nothing() -> None:
    noisy, flat, drifting = Store(), Store(), Store()
    noisy.feed(noise(4, 4000))
    flat.feed([0.0] * 3000)
    drifting.feed(noise(5, 6000) + np.linspace(0, 0.5, 6000))
    assert noisy.found == flat.found == drifting.found == []


def test_first_hint_of_gas_at_a_device_that_shows_zero_is_found() -> None:
    store = Store()
    store.feed([0.0] * 600 + [3.0] * 5)
    assert len(store.of("chemical.concentration")) == 1


def test_nothing_is_found_before_the_noise_is_known() -> None:
    store = Store()
    store.feed([0.0] * 20 + [50.0] * 20)
    assert store.of("chemical.concentration") == []


def test_too_little_oxygen_is_found() -> None:
    store = Store()
    store.feed(noise(6, 600, 20.9, 0.05), sensor(unit="%vol"))
    store.feed(noise(7, 30, 19.5, 0.05), sensor(unit="%vol"))
    (lack,) = store.of("chemical.concentration")
    assert lack.why.startswith("19.")


def test_end_of_the_range_is_a_rise_at_once_and_critical() -> None:
    store = Store(min_rise_nats=500)
    store.feed([0.0] * 100 + [100.0], sensor(unit="%LEL"))
    (over,) = store.of("chemical.concentration")
    assert over.priority == 1


def test_rise_says_which_neighbours_rise_too() -> None:
    store, other, far = Store(), sensor("gas-2"), sensor("gas-3", zone="yard")
    for entry in (sensor(), other, far):
        store.feed(noise(8, 300), entry)
    store.feed(noise(9, 20, 10), other)
    store.feed(noise(10, 20, 10), far)
    store.feed(noise(11, 20, 10))
    last = store.of("chemical.concentration")[-1]
    assert last.evidence["others_rising"] == ["gas-2"]
    assert last.priority == 1


def test_alarm_of_the_device_lasts_as_long_as_its_state() -> None:
    store = Store()
    store.feed([0, 1, 1, 0], channel="alarm_1")
    store.feed([1], channel="alarm_2")
    store.found += store.detector.advance(at(4000))
    first, second = store.of("chemical.alarm")
    assert (first.priority, second.priority) == (2, 1)
    assert [each.end for each in store.ends(first)] == [at(4)]
    assert store.ends(second) == []


def test_alarm_of_a_device_without_state_ends_by_itself() -> None:
    store = Store()
    store.event(10, level=2)
    store.event(30, level=2)
    store.found += store.detector.advance(at(91))
    (alarm,) = store.of("chemical.alarm")
    assert alarm.subject == "alarm_2"
    assert [each.end for each in store.ends(alarm)] == [at(30)]


def test_poisoned_cell_is_told_once_until_it_is_mended() -> None:
    store = Store()
    store.feed(noise(12, 200, -2.0, 0.2))
    (spent,) = store.of("chemical.concentration")
    assert (spent.subject, spent.priority) == ("sensor", 3)
    assert "below zero" in spent.why


def test_channel_that_used_to_move_and_stands_at_zero_is_dead() -> None:
    store = Store()
    store.feed(np.abs(noise(13, 400, 5, 1.5)))
    store.feed([0.0] * 900)
    assert [each.subject for each in store.of("chemical.concentration")] == ["sensor"]


def test_another_unit_begins_anew() -> None:
    store = Store()
    store.feed(noise(14, 300) + 1)
    store.feed(noise(15, 300) * 50 + 1000, sensor(unit="ppb"))
    assert store.found == []


@pytest.mark.parametrize(
    ("attrs", "found"),
    [
        ({"substance": "Hydrogen peroxide"}, ("hydrogen peroxide",)),
        ({"gas": "H2O2"}, ("hydrogen peroxide",)),
        ({"substance": ["nitric acid", "Acetone"]}, ("nitric acid",)),
        ({"material": "Sulfuric-Acid (H2SO4)"}, ("sulphuric acid",)),
        ({"substance": "ammonium nitrate/fuel oil"}, ("ammonium nitrate",)),
        ({"substance": "ethanol", "level": 2}, ()),
        ({"substance": 7, "gas": None, "name": {"a": 1}}, ()),
        ({"note": "hydrogen peroxide"}, ()),
    ],
)
def test_watched_substances_are_recognised_by_their_names(attrs: dict[str, object], found: tuple[str, ...]) -> None:
    assert substances(attrs, RESTRICTED) == found


def test_hit_of_a_trace_detector_is_told_once_a_minute() -> None:
    store, trace = Store(), Sensor("trace-1", SensorKind.SCREENING, "lane-1")
    for t in (10, 20, 75, 200):
        store.event(t, "screening.alarm", trace, substance="NH4NO3")
    hits = store.of("chemical.precursor")
    assert [each.start for each in hits] == [at(10), at(200)]
    assert {(each.sensor, each.subject, each.end == each.start) for each in hits} == {
        ("trace-1", "ammonium nitrate", True)
    }
    assert store.of("chemical.alarm") == []


def test_watch_list_of_the_configuration_counts() -> None:
    store = Store(watch_list=("Acetone",))
    store.event(10, substance="propanone")
    store.event(20, substance="hydrogen peroxide")
    assert [each.subject for each in store.of("chemical.precursor")] == ["Acetone"]
    assert plain("x" * 10_000) == "x" * 200


def test_false_rises_come_no_more_often_than_allowed() -> None:
    state, level, alarms = Concentration(), needed(40.0, 1.0), 0
    for i, value in enumerate(noise(16, 20_000).tolist()):
        state.note(at(i), value, 1)
        if not state.is_known():
            state.learn(value)
        elif state.step(at(i), value, state.noise("", None)) >= level:
            alarms += 1
            state.settle()
        else:
            state.learn(value)
    assert alarms <= 16  # 40 a day would be nine
