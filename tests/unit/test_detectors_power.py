"""Mains that are gone, and batteries and voltages that are low."""

from __future__ import annotations

import pytest

from hubwatch_core.wire import Channel, Clear, Detection, Event, Sensor
from hubwatch_core.words import ChannelKind, Priority, SensorKind
from hubwatch_detectors.chunk import Chunk, ChunkReading
from hubwatch_detectors.contract import Finding, Origin, Site
from hubwatch_detectors.power.supply import Power, PowerConfig
from hubwatch_site import parse_site
from support.detectors_hub import AGENT, HUB, at

UPS = Sensor(
    "ups-1",
    SensorKind.POWER,
    "office",
    channels=[Channel("mains", "1", ChannelKind.STATE), Channel("battery", "%"), Channel("voltage", "V")],
)


def detector(**config: object) -> Power:
    return Power(PowerConfig.model_validate(config), Origin("power", 1, HUB, "ups-1"), Site())


def said(one: Power, channel: str, *values: float, first: float = 0.0) -> list[Finding]:
    readings = [ChunkReading(at(first + i), channel, x) for i, x in enumerate(values)]
    return one.update(Chunk.of(HUB, AGENT, UPS, readings))


def event(one: Power, t: float, kind: str) -> list[Finding]:
    return one.update(Chunk.of(HUB, AGENT, UPS, [], [Event("ups-1", at(t), kind)]))


def test_mains_that_are_gone_for_a_second_are_found_with_what_they_feed() -> None:
    one = detector(feeds=[{"hub": HUB, "sensor": "ups-1", "feeds": ["door-1", "rpm-1"]}])
    detection, end = said(one, "mains", 1, 1, 0, 0, 0, 1)
    assert isinstance(detection, Detection)
    assert isinstance(end, Clear)
    assert (detection.start, detection.detected, end.end) == (at(2), at(3), at(5))
    assert detection.evidence["feeds"] == ["door-1", "rpm-1"]
    assert detection.priority == Priority.CRITICAL


def test_what_the_site_says_of_a_supply_goes_before_the_configuration() -> None:
    site = parse_site(
        f'[hub]\nid = "{HUB}"\nname = "H"\nmode = "sea"\ntime_zone = "UTC"\n[[zones]]\nid = "quay"\n'
        '[[supplies]]\nsensor = "ups-1"\nsensors = ["rpm-2"]\nagents = ["gate-7"]\nzones = ["quay"]\n',
        "site",
    )
    feeds = [{"hub": HUB, "sensor": name, "feeds": ["door-1"]} for name in ("ups-1", "ups-2")]
    for sensor, named in (("ups-1", ["rpm-2", "gate-7", "quay"]), ("ups-2", ["door-1"])):
        config = PowerConfig.model_validate({"feeds": feeds})
        (found,) = event(Power(config, Origin("power", 1, HUB, sensor), Site(hubs={HUB: site})), 5, "power.lost")
        assert isinstance(found, Detection)
        assert (found.evidence["feeds"], found.priority) == (named, Priority.CRITICAL)


def test_time_alone_finds_mains_that_stay_away() -> None:
    one = detector()
    assert said(one, "mains", 1, 0) == []
    (found,) = one.advance(at(10))
    assert isinstance(found, Detection)
    assert (found.detected, found.priority) == (at(2), Priority.HIGH)
    assert "office" in found.why


def test_word_of_the_device_counts_at_once_and_ends_it() -> None:
    one = detector()
    (found,) = event(one, 5, "power.lost")
    assert isinstance(found, Detection)
    assert event(one, 6, "power.lost") == []
    assert [type(each) for each in event(one, 9, "power.restored")] == [Clear]


def test_switching_over_is_no_loss() -> None:
    one = detector(lost_s=2)
    assert said(one, "mains", 1, 0, 1, 1) == []


def test_battery_is_low_until_it_is_well_above_the_threshold() -> None:
    one = detector(low_s=2)
    found = said(one, "battery", 50, 29, 28, 27, 35, 31, 41)
    assert [type(each) for each in found] == [Detection, Clear]
    assert (found[0].type, found[0].start) == ("power.low", at(1))  # type: ignore[union-attr]


def test_voltage_that_sags_below_what_is_usual_is_low() -> None:
    one = detector(low_s=2)
    assert said(one, "voltage", *[230.0] * 100) == []
    found = said(one, "voltage", *[190.0] * 5, 229, first=100)
    assert [type(each) for each in found] == [Detection, Clear]


def test_voltage_without_a_history_is_not_judged() -> None:
    assert said(detector(), "voltage", *[230.0] * 20, *[100.0] * 20) == []


def test_thresholds_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ValueError, match="clear_battery must be more"):
        PowerConfig(low_battery=50, clear_battery=40)
