"""Screening: alarms, vehicles that were not scanned, and scanners one cannot rely on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hubwatch_core.wire import Clear, Detection, Event, Sensor
from hubwatch_core.words import SensorKind
from hubwatch_detectors.chunk import Chunk, ChunkReading
from hubwatch_detectors.contract import Finding, Origin, Site
from hubwatch_detectors.screening.lanes import ExpectedVehicles, ScannerStep, scanner_steps
from hubwatch_detectors.screening.scanner import Screening, ScreeningConfig
from hubwatch_site import HubSite
from support.detectors_hub import AGENT, HUB, at

XRAY = Sensor("xray-1", SensorKind.SCREENING, "lane-2")
PORTAL = Sensor("rpm-2", SensorKind.RADIATION_PORTAL, "lane-2")
BARRIER = Sensor("barrier-2", SensorKind.ACCESS, "lane-2")


def site(share: float = 1.0, before: str = "rpm-2") -> Site:
    steps = [{"sensor": before}, {"sensor": "xray-1", "within_s": 60, "share": share}]
    place = {
        "hub": {"id": HUB, "name": "Gate", "mode": "land", "time_zone": "UTC"},
        "lanes": [{"id": "lane-2", "steps": steps}],
    }
    return Site(hubs={HUB: HubSite.model_validate(place)})


class Gate:
    """A lane with a portal, and a scanner after it."""

    def __init__(self, where: Site | None = None, **config: Any) -> None:
        self.detector = Screening(ScreeningConfig(**config), Origin("screening", 2, HUB), where or site())
        self.found: list[Finding] = []

    def state(self, t: float, channel: str, value: float, entry: Sensor = XRAY) -> None:
        self.found += self.detector.update(Chunk.of(HUB, AGENT, entry, [ChunkReading(at(t), channel, value)]))

    def event(self, t: float, kind: str, entry: Sensor = XRAY, **attrs: Any) -> None:
        event = Event(entry.sensor, at(t), kind, None, attrs)
        self.found += self.detector.update(Chunk.of(HUB, AGENT, entry, [], [event]))

    def vehicle(self, t: float) -> None:
        self.state(t, "occupied", 0, PORTAL)
        self.state(t + 0.2, "occupied", 1, PORTAL)

    def scan(self, t: float) -> None:
        self.state(t, "beam", 1)
        self.state(t + 3, "beam", 0)

    def until(self, t: float) -> None:
        self.found += self.detector.advance(at(t))

    def of(self, kind: str) -> list[Detection]:
        return [each for each in self.found if isinstance(each, Detection) and each.type == kind]

    def subjects(self) -> list[str | None]:
        return [each.subject for each in self.of("screening.degraded")]

    def ends(self) -> list[int]:
        return [each.end for each in self.found if isinstance(each, Clear)]


def test_alarm_of_the_device_is_one_detection_that_ends() -> None:
    gate = Gate()
    gate.event(10, "screening.alarm", substance="TNT" * 100)
    gate.event(25, "screening.alarm")
    gate.until(100)
    (alarm,) = gate.of("screening.alarm")
    assert alarm.priority == 2
    assert len(alarm.why) < 200
    assert gate.ends() == [at(25)]


def test_vehicle_that_does_not_come_is_told_once_the_scanner_is_heard() -> None:
    gate = Gate()
    gate.vehicle(10)
    gate.until(1000)
    assert gate.found == []
    gate.state(1001, "ready", 1)
    (skipped,) = gate.of("screening.skipped")
    assert (skipped.sensor, skipped.subject, skipped.start) == ("xray-1", "lane-2", at(10.2))
    gate.vehicle(1100)
    gate.scan(1120)
    assert gate.ends() == [at(1120)]


def test_vehicles_that_come_in_time_are_no_finding() -> None:
    gate = Gate()
    for i in range(50):
        gate.vehicle(100 * i + 10)
        gate.scan(100 * i + 40)
        gate.state(100 * i + 90, "ready", 1)
    assert gate.found == []


def test_two_vehicles_on_their_way_are_told_apart() -> None:
    gate = Gate()
    gate.vehicle(10)
    gate.vehicle(20)
    gate.scan(60)
    gate.state(200, "ready", 1)
    assert [each.start for each in gate.of("screening.skipped")] == [at(20.2)]


def test_scan_in_close_traffic_is_of_the_vehicle_whose_delay_is_usual() -> None:
    gate = Gate()
    for i in range(30):
        gate.vehicle(100 * i)
        gate.scan(100 * i + 20)
    for i in range(40):
        gate.vehicle(4000 + 25 * i)
        if i != 5:
            gate.scan(4020 + 25 * i)
    (skipped,) = gate.of("screening.skipped")
    assert skipped.start == at(4125.2)


def test_scan_of_a_vehicle_that_was_told_to_be_missing_is_no_scan_of_nothing() -> None:
    gate = Gate()
    gate.vehicle(10)
    gate.scan(30)
    gate.vehicle(100)
    gate.state(170, "ready", 1)
    assert len(gate.of("screening.skipped")) == 1
    gate.scan(180)
    assert gate.subjects() == []
    assert gate.ends() == [at(180)]


def test_barrier_counts_by_its_grants() -> None:
    gate = Gate(site(before="barrier-2"))
    gate.event(10, "access.granted", BARRIER)
    gate.event(11, "door.opened", BARRIER)
    gate.event(12, "access.denied", BARRIER)
    gate.state(200, "ready", 1)
    (skipped,) = gate.of("screening.skipped")
    assert skipped.evidence["vehicles"] == 1


@pytest.mark.parametrize(("actual", "found"), [(0.3, False), (0.0, True)])
def test_share_that_falls_is_found_and_chance_is_not(actual: float, found: bool) -> None:
    gate, pick = Gate(site(share=0.3)), np.random.default_rng(3)
    for i in range(300):
        gate.vehicle(100 * i + 10)
        if pick.random() < actual:
            gate.scan(100 * i + 40)
        gate.state(100 * i + 99, "ready", 1)
    assert bool(gate.of("screening.skipped")) is found


def test_false_alarms_of_a_share_come_no_more_often_than_allowed() -> None:
    pick, step = np.random.default_rng(4), ScannerStep("lane", "rpm", 60, 0.2)
    expected, alarms = ExpectedVehicles(), 0
    for i, scanned in enumerate((pick.random(100_000) < 0.2).tolist()):
        expected._count(i, step, came=scanned)
        if expected.skipped_sum >= np.log(1000):
            alarms, expected = alarms + 1, ExpectedVehicles()
    assert alarms <= 100


def test_scanner_that_is_not_ready_for_long_is_degraded_until_it_is() -> None:
    gate = Gate()
    gate.state(10, "ready", 0)
    gate.until(129)
    assert gate.found == []
    gate.state(131, "ready", 0)
    (degraded,) = gate.of("screening.degraded")
    assert (degraded.start, degraded.detected, degraded.priority) == (at(10), at(130), 3)
    gate.state(200, "ready", 1)
    assert gate.ends() == [at(200)]


def test_beam_with_the_interlock_open_is_critical() -> None:
    gate = Gate()
    gate.state(10, "beam", 1)
    gate.state(12, "interlock_open", 1)
    gate.state(14, "interlock_open", 0)
    (danger,) = gate.of("screening.degraded")
    assert (danger.subject, danger.priority) == ("interlock", 1)
    assert gate.ends() == [at(14)]


def test_beam_that_stays_on_is_told() -> None:
    gate = Gate()
    gate.state(10, "beam", 1)
    gate.until(300)
    gate.state(301, "beam", 0)
    assert gate.subjects() == ["beam"]
    assert gate.ends() == [at(301)]


def test_scan_of_nothing_is_told_where_every_vehicle_is_scanned() -> None:
    gate = Gate()
    gate.vehicle(10)
    gate.scan(30)
    gate.scan(300)
    assert gate.subjects() == ["scan of nothing"]
    sampled = Gate(site(share=0.5))
    sampled.vehicle(10)
    sampled.scan(30)
    sampled.scan(300)
    assert sampled.found == []


def test_fault_is_told_and_ends_a_while_after_the_last() -> None:
    gate = Gate()
    gate.event(10, "device.fault", what="interlock open")
    gate.event(100, "device.fault", what={"a": 1})
    gate.until(401)
    assert gate.subjects() == ["fault"]
    assert gate.ends() == [at(100)]


def test_scanner_that_never_alarms_any_more_is_told() -> None:
    gate = Gate(Site())
    for i in range(3000):
        gate.scan(30 * i)
        if i < 400 and i % 20 == 0:
            gate.event(30 * i + 5, "screening.alarm")
    assert gate.subjects() == ["quiet"]
    (quiet,) = gate.of("screening.degraded")
    assert "one in 19 was usual" in quiet.why


def test_steps_without_a_time_expect_nothing() -> None:
    steps = [{"sensor": "a"}, {"sensor": "b"}, {"sensor": "c", "within_s": 9}]
    place = {
        "hub": {"id": HUB, "name": "Gate", "mode": "land", "time_zone": "UTC"},
        "lanes": [{"id": "lane-2", "steps": steps}],
    }
    assert scanner_steps(HubSite.model_validate(place)) == {"c": ScannerStep("lane-2", "b", 9, 1.0)}
    assert scanner_steps(None) == {}
