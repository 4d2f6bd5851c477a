"""The perimeter of three layers: one alarm an intruder, weather, nuisance, and sections that are masked."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.detectors_perimeter import crossings, found_intruders
from hubwatch_core.wire import Clear, Detection, Event, Sensor
from hubwatch_detectors.chunk import Chunk, ChunkReading
from hubwatch_detectors.contract import Finding, Neighbour, Origin, Site
from hubwatch_detectors.perimeter.crossing import Perimeter
from hubwatch_detectors.perimeter.nuisance_rates import CLASSES, NuisanceTally, Weather
from hubwatch_detectors.perimeter.perimeter_config import PerimeterConfig
from hubwatch_detectors.perimeter.walks import around, length_km, walks
from support.detectors_hub import AGENT, HUB, at
from support.perimeter_model import (
    MAST,
    SECTIONS,
    SensorAlarm,
    animals,
    intruder,
    nuisance,
    site,
    wind,
)

DAY_S = 86_400


class Line:
    """Three layers of twenty zones."""

    def __init__(self) -> None:
        self.detector = Perimeter(PerimeterConfig(), Origin("perimeter", 2, HUB), site())
        self.found: list[Finding] = []

    def alarm(self, t: float, layer: int, zone: int = 5) -> None:
        self.event(t, SECTIONS[layer][zone], "perimeter.alarm")

    def event(self, t: float, sensor: Sensor, kind: str, **attrs: object) -> None:
        event = Event(sensor.sensor, at(t), kind, None, attrs)
        self.found += self.detector.update(Chunk.of(HUB, AGENT, sensor, [], [event]))

    def wind(self, t: float, speed: float) -> None:
        self.detector.update(Chunk.of(HUB, AGENT, MAST, [ChunkReading(at(t), "wind_speed", speed)]))

    def reading(self, t: float, sensor: Sensor) -> None:
        self.found += self.detector.update(Chunk.of(HUB, AGENT, sensor, [ChunkReading(at(t), "disturbance", 0.0)]))

    def of(self, kind: str) -> list[Detection]:
        return [each for each in self.found if isinstance(each, Detection) and each.type == kind]


def test_intruder_past_three_layers_is_one_crossing_with_its_peak() -> None:
    line = Line()
    for t, layer, zone in ((10, 0, 5), (11, 0, 6), (18, 1, 5), (19, 1, 6), (26, 2, 6)):
        line.alarm(t, layer, zone)
    line.found += line.detector.advance(at(200))
    (crossing,) = line.of("perimeter.crossing")
    assert crossing.subject == "fence-5>microwave-5"
    (end,) = [each for each in line.found if isinstance(each, Clear) and each.id == crossing.id]
    assert end.end == at(26)
    assert end.score is not None
    assert end.score > crossing.score > 2


def test_two_intruders_far_apart_are_two_crossings() -> None:
    line = Line()
    for t, layer in ((10, 0), (18, 1)):
        line.alarm(t, layer, 3)
        line.alarm(t + 1, layer, 15)
    assert len(line.of("perimeter.crossing")) == 2


@pytest.mark.parametrize("first", [(0, 5), (0, 6), (0, 4)])
def test_layer_between_that_notices_nothing_hides_nobody(first: tuple[int, int]) -> None:
    line = Line()
    line.alarm(10, *first)
    line.alarm(25, 2, 5)
    assert len(line.of("perimeter.crossing")) == 1


def test_slow_way_that_begins_inside_is_no_person() -> None:
    line = Line()
    line.alarm(10, 1)
    line.alarm(35, 2)
    assert line.of("perimeter.crossing") == []


def test_storm_needs_three_layers_where_a_calm_day_needs_two() -> None:
    for storm, layers, crossed in ((25.0, 2, 0), (25.0, 3, 1), (2.0, 2, 1)):
        line = Line()
        for hour in range(60):
            line.wind(hour * 3600, storm)
            line.alarm(hour * 3600, 0)
            line.alarm(hour * 3600 + 1800, 1)
        found = len(line.of("perimeter.crossing"))
        line.wind(300_000, storm)
        for layer in range(layers):
            line.alarm(300_000 + 16 * layer, layer)
        assert len(line.of("perimeter.crossing")) - found == crossed


def test_section_that_alarms_again_and_again_is_told_once_and_crossings_still() -> None:
    line = Line()
    for i in range(40):
        line.event(100 + 2 * i, SECTIONS[0][5], "perimeter.alarm")
        line.event(101 + 2 * i, SECTIONS[0][5], "perimeter.clear")
    line.alarm(185, 1)
    line.found += line.detector.advance(at(2000))
    assert len(line.of("perimeter.intrusion")) == 9 + 1
    (trouble,) = line.of("perimeter.nuisance")
    assert (trouble.sensor, trouble.start, trouble.priority) == ("fence-5", at(100), 3)
    assert at(178 + 600) in [each.detected for each in line.found if isinstance(each, Clear) and each.id == trouble.id]
    assert len(line.of("perimeter.crossing")) == 1


def test_section_that_says_it_is_masked_is_believed_until_it_alarms() -> None:
    line = Line()
    line.event(10, SECTIONS[2][5], "device.fault", what="Masking")
    line.event(20, SECTIONS[2][5], "device.fault", what="masking")
    line.event(30, SECTIONS[2][5], "device.fault", what=["relay"])
    assert len(line.of("perimeter.masked")) == 1
    line.alarm(40, 2)
    assert [each.end for each in line.found if isinstance(each, Clear)] == [at(40)]


def test_section_that_lives_and_is_quiet_for_too_long_is_masked() -> None:
    line, sensor = Line(), SECTIONS[0][5]
    for minute in range(0, 14 * 1440, 4):
        if minute % 1000 == 0 and minute < 5 * 1440:
            line.event(minute * 60, sensor, "perimeter.alarm")
        line.reading(minute * 60 + 1, sensor)
    (masked,) = line.of("perimeter.masked")
    assert 5 * DAY_S + 4 * DAY_S < (masked.start - at(0)) / 1e6 < 14 * DAY_S
    assert masked.evidence["chance"] < masked.evidence["chance_allowed"]


def test_section_that_speaks_only_of_alarms_is_never_called_masked() -> None:
    line, sensor = Line(), SECTIONS[0][5]
    for day in range(20):
        line.event(day * DAY_S, sensor, "perimeter.alarm")
    line.found += line.detector.advance(at(400 * DAY_S))
    assert line.of("perimeter.masked") == []


def test_intruder_does_not_raise_what_nuisance_is_usual() -> None:
    line = Line()
    for layer in range(3):
        line.alarm(10 + 8 * layer, layer)
    tallies = [line.detector.memory.sections[SECTIONS[layer][5].sensor].tally for layer in range(3)]
    assert [sum(each.alarms) for each in tallies] == [0, 0, 0]


def test_ways_follow_from_what_the_site_says() -> None:
    place = site()
    ways = {(way.from_, way.to): way for way in walks(place.neighbours, place.of(HUB))}
    assert len(ways) == 174  # 20 straight and 38 slanting ones, for each pair of layers
    assert ways["fence-5", "pir-6"].metres == 17
    assert ways["fence-5", "pir-6"].outer
    assert not ways["microwave-5", "pir-5"].outer
    assert "pir-5" in around(ways.values(), place.of(HUB))["fence-5"]
    assert length_km(place.of(HUB), ways.values()) == 1.0


def test_sensors_behind_the_same_section_stand_one_behind_the_other() -> None:
    pairs = [Neighbour(HUB, "fence-1", to, metres) for to, metres in (("radar", 20), ("pir", 6))]
    ways = {(way.from_, way.to): way.metres for way in walks(pairs, None)}
    assert ways["pir", "radar"] == 14
    assert length_km(None, walks(pairs, None)) == 0.05


def test_nuisance_is_learned_apart_for_each_weather() -> None:
    tally, weather = NuisanceTally(), Weather()
    weather.take(at(0), "wind_speed", 15.0)
    storm = weather.kind()
    weather.take(at(60), "wind_speed", 1.0)
    assert weather.kind() == storm
    weather.take(at(120), "wind_speed", 1.0)
    calm = weather.kind()
    assert calm == 0
    for hour in range(48):
        tally.pass_time(at(hour * 3600), storm, alive=False)
        tally.alarmed(storm)
    assert tally.rate(storm, "ordinary") > 10 * tally.rate(calm, "ordinary")
    assert tally.rate(calm, "exposed") == 2 * tally.rate(calm, "ordinary")
    assert len(tally.alarms) == CLASSES


def test_model_gives_the_reference_simulations_figures() -> None:
    random = np.random.default_rng(1)
    people = [sorted(intruder(random, 100.0)) for _ in range(3000)]
    for seconds, share in ((10, 0.695), (30, 0.967), (60, 0.976)):
        assert np.mean([paired(each, seconds) for each in people]) == pytest.approx(share, abs=0.02)
    days = 200
    winds = wind(random, days * 24)
    alone = [sum(each.layer == layer for each in nuisance(random, winds)) / days / 20 for layer in range(3)]
    assert alone == pytest.approx([1.29, 0.66, 1.25], rel=0.1)
    assert sum(each.layer == 0 for each in animals(random, 2000)) / 2000 == pytest.approx(0.376, rel=0.15)


def test_line_finds_intruders_once_and_is_seldom_wrong() -> None:
    assert len(crossings(40, [], seed=7)) <= 36  # half a km and day would be 20; more than 36 of that is one in 1000
    found = found_intruders(20, seed=8)
    assert found["perimeter_pd_high"] >= 0.97
    assert found["perimeter_alarms_per_intruder"] < 1.02


def test_site_of_another_hub_changes_nothing() -> None:
    detector = Perimeter(PerimeterConfig(), Origin("perimeter", 2, "antwerp"), site())
    assert detector._into == {}
    assert Perimeter(PerimeterConfig(), Origin("perimeter", 2, HUB), Site())._out == {}


def paired(alarms: list[SensorAlarm], seconds: float) -> bool:
    return any(
        one.layer != other.layer and abs(one.zone - other.zone) <= 1 and abs(one.t - other.t) <= seconds
        for i, one in enumerate(alarms)
        for other in alarms[i + 1 :]
    )
