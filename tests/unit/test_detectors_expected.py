"""What should have happened: lane steps, openings after grants, and shadows."""

from __future__ import annotations

import numpy as np
import pytest

from hubwatch_core.wire import Channel, Detection, Event, Sensor
from hubwatch_core.words import ChannelKind, SensorKind
from hubwatch_detectors.chunk import Chunk, ChunkReading
from hubwatch_detectors.contract import Finding, Origin, Site
from hubwatch_detectors.integrity.expected import ExpectedConfig, NotHappened
from hubwatch_site import HubSite
from support.detectors_hub import AGENT, DOOR, HUB, at

BARRIER = Sensor("barrier-1", SensorKind.ACCESS, "gate")
PORTAL = Sensor(
    "rpm-1",
    SensorKind.RADIATION_PORTAL,
    "gate",
    channels=[Channel("gamma.1", "count"), Channel("occupied", "1", ChannelKind.STATE)],
)
XRAY = Sensor("xray-1", SensorKind.SCREENING, "gate")
STEPS = [
    {"sensor": "barrier-1"},
    {"sensor": "rpm-1", "within_s": 60},
    {"sensor": "xray-1", "within_s": 900, "share": 0.1},
]
LANE = HubSite.model_validate(
    {
        "hub": {"id": HUB, "name": "A hub", "mode": "sea", "time_zone": "UTC"},
        "lanes": [{"id": "lane-1", "steps": STEPS}],
    }
)


def detector(site: HubSite | None = LANE) -> NotHappened:
    known = Site() if site is None else Site(hubs={HUB: site})
    return NotHappened(ExpectedConfig(), Origin("expected", 2, HUB), known)


def passes(one: NotHappened, sensor: Sensor, t: float, kind: str = "vehicle.seen") -> list[Finding]:
    return one.update(Chunk.of(HUB, AGENT, sensor, [], [Event(sensor.sensor, at(t), kind)]))


def test_lorry_that_never_comes_to_the_portal_is_found_when_its_time_is_over() -> None:
    one = detector()
    assert passes(one, BARRIER, 0) + passes(one, PORTAL, 40) + passes(one, BARRIER, 100) == []
    assert one.advance(at(169)) == []
    (found,) = one.advance(at(171))
    assert isinstance(found, Detection)
    assert (found.type, found.sensor, found.subject) == ("integrity.not_happened", "rpm-1", "lane:lane-1")
    assert (found.start, found.end, found.detected) == (at(100), at(170), at(170))


def test_step_that_only_some_pass_is_not_expected() -> None:
    one = detector()
    assert passes(one, BARRIER, 0) + passes(one, PORTAL, 40) + one.advance(at(5000)) == []


def test_two_lorries_in_a_row_are_expected_one_after_the_other() -> None:
    one = detector()
    for sensor, t in ((BARRIER, 0), (BARRIER, 20), (PORTAL, 30), (PORTAL, 50)):
        assert passes(one, sensor, t) == []
    assert one.advance(at(5000)) == []


def test_report_of_the_portal_that_came_before_that_of_the_barrier_counts() -> None:
    one = detector()
    assert passes(one, PORTAL, 10) + passes(one, BARRIER, 9.5) + one.advance(at(500)) == []


def test_step_that_is_missing_in_close_traffic_is_told_of_the_vehicle_it_is_of() -> None:
    one = detector()
    for i in range(30):
        assert passes(one, BARRIER, 100 * i) + passes(one, PORTAL, 100 * i + 20) == []
    going_on = detector()
    going_on.restore(one.state())
    found: list[Finding] = []
    signs = [(BARRIER, 4000 + 25 * i) for i in range(40)] + [(PORTAL, 4020 + 25 * i) for i in range(40) if i != 5]
    for sensor, t in sorted(signs, key=lambda each: each[1]):
        found += going_on.advance(at(t)) + passes(going_on, sensor, t)
    (missing,) = found + going_on.advance(at(9000))
    assert isinstance(missing, Detection)
    assert (missing.start, missing.detected) == (at(4125), at(4195))


def test_without_a_site_nothing_is_expected_of_a_lane() -> None:
    one = detector(None)
    assert passes(one, BARRIER, 0) + one.advance(at(5000)) == []


def grant(one: NotHappened, t: float, *, opens: bool) -> list[Finding]:
    found = passes(one, DOOR, t, "access.granted")
    if opens:
        found += passes(one, DOOR, t + 2, "door.opened")
    return found + one.advance(at(t + 100))


def test_grants_that_no_door_follows_are_found_when_chance_does_not_explain_them() -> None:
    one = detector(None)
    found: list[Finding] = []
    for i in range(60):
        found += grant(one, 1000 * i, opens=i % 10 != 5)
    assert found == []
    counts = [len(grant(one, 100_000 + 1000 * i, opens=False)) for i in range(12)]
    assert sum(counts) == 1
    assert 4 <= counts.index(1) <= 9
    assert grant(one, 200_000, opens=True) == []


def occupancy(one: NotHappened, random: np.random.Generator, t: float, depth: float) -> list[Finding]:
    readings = []
    for i in range(300):
        there = 200 <= i < 250
        x = float(random.poisson(400 * (1 - depth if there else 1)))
        readings += [
            ChunkReading(at(t + i * 0.2), "occupied", float(there)),
            ChunkReading(at(t + i * 0.2), "gamma.1", x),
        ]
    return one.update(Chunk.of(HUB, AGENT, PORTAL, readings))


def test_occupancy_without_a_shadow_is_found_where_every_vehicle_had_one() -> None:
    one, random = detector(None), np.random.default_rng(1)
    for i in range(30):
        assert occupancy(one, random, 100 * i, random.uniform(0.08, 0.25)) == []
    (found,) = occupancy(one, random, 4000, 0.0)
    assert isinstance(found, Detection)
    assert found.subject == "shadow"


@pytest.mark.parametrize(
    "learned", [0.025, -0.02, -0.3], ids=["empty, too low", "empty, too high", "load that radiates"]
)
def test_one_occupancy_that_is_learned_does_not_hide_the_next_without_a_shadow(learned: float) -> None:
    one, random = detector(None), np.random.default_rng(1)
    for i in range(30):
        assert occupancy(one, random, 100 * i, random.uniform(0.08, 0.25)) == []
    assert occupancy(one, random, 4000, learned) == []
    (found,) = occupancy(one, random, 5000, 0.0)
    assert isinstance(found, Detection)
    assert found.subject == "shadow"


def test_occupancies_without_shadows_are_normal_where_small_cars_pass() -> None:
    one, random = detector(None), np.random.default_rng(2)
    for i in range(40):
        assert occupancy(one, random, 100 * i, 0.0 if i % 3 else 0.15) == []
