"""Detectors under clocks that are ahead, behind, or set while they run."""

from __future__ import annotations

import pytest

from hubwatch_core.wire import Birth, Clear, Sensor
from hubwatch_core.words import SensorKind
from hubwatch_detectors.journal import Journal
from hubwatch_detectors.own_time import WallClockGuard
from support.detectors_engine import EngineBench, event, series
from support.detectors_hub import AGENT, DOOR, EPOCH, FENCES, HUB, at

HOUR = 3600.0
DAY = 24 * HOUR
YEAR = 365 * DAY
AHEAD = [pytest.param(HOUR, id="hour"), pytest.param(DAY - 60, id="day"), pytest.param(YEAR, id="year")]
STEPS = [pytest.param(sign * size, id=f"{sign * size:+.0f}s") for size in (HOUR, DAY, YEAR) for sign in (1, -1)]

OTHER = Sensor("door-9", SensorKind.ACCESS, "yard", max_age_s=5)


def born(bench: EngineBench, sent: float, received: float, sensor: Sensor, *, retained: bool = False) -> None:
    message = Birth(1, HUB, AGENT, EPOCH, at(sent), "test", "sha256:0", [sensor])
    bench.found += bench.engine.birth(message, at(received), retained=retained)


def judged(bench: EngineBench, sensor: str, t: float, received: float | None = None) -> bool:
    """Whether a sensor is in the inventory that is in force."""
    before = bench.engine.counts.unknown
    bench.send(t, series(sensor, "position", t, 0.0), received=received)
    return bench.engine.counts.unknown == before


@pytest.mark.parametrize("ahead", AHEAD)
def test_a_birth_of_the_future_gives_way_to_the_next_one(ahead: float) -> None:
    bench = EngineBench()
    born(bench, ahead, 0, DOOR)
    born(bench, 1, 1, OTHER)
    assert judged(bench, OTHER.sensor, 2)


def test_an_older_birth_that_the_broker_kept_changes_nothing() -> None:
    bench = EngineBench()
    born(bench, 0, 0, DOOR)
    born(bench, 5, 5, OTHER)
    born(bench, 0, 9, DOOR, retained=True)
    assert judged(bench, OTHER.sensor, 10)
    assert not judged(bench, DOOR.sensor, 11)


def test_a_birth_of_the_future_that_the_broker_kept_is_no_news_at_each_delivery() -> None:
    bench = EngineBench()
    born(bench, HOUR, 0, DOOR)
    born(bench, 5, 5, OTHER)
    born(bench, HOUR, 9, DOOR, retained=True)
    assert judged(bench, OTHER.sensor, 10)


@pytest.mark.parametrize("back", [HOUR, DAY, YEAR])
def test_a_birth_of_an_agent_whose_clock_was_set_back_is_taken(back: float) -> None:
    bench = EngineBench()
    born(bench, 0, 0, DOOR)
    bench.send(5 - back, received=5)
    born(bench, 6 - back, 6, OTHER)
    assert judged(bench, OTHER.sensor, 7 - back, received=7)


def test_what_is_known_survives_a_restart_and_a_second_delivery() -> None:
    bench = EngineBench()
    born(bench, 5, 5, OTHER)
    other = bench.restarted()
    born(other, 0, 9, DOOR, retained=True)
    assert judged(other, OTHER.sensor, 10)


def test_offline_that_the_broker_kept_wakes_nothing_of_an_agent_that_is_heard() -> None:
    bench = EngineBench()
    bench.birth(inventory=(DOOR,))
    bench.send(1)
    found = bench.engine.agent_state(HUB, AGENT, online=False, at=at(2), retained=True)
    assert found == []
    bench.tick(20)
    assert bench.types == ["integrity.agent_offline"], "its silence is found all the same"


@pytest.mark.parametrize("ahead", [pytest.param(DAY + 60, id="day"), pytest.param(YEAR, id="year")])
def test_frames_of_the_future_are_not_judged_and_told_once(ahead: float) -> None:
    bench = EngineBench()
    bench.birth(inventory=(DOOR,))
    bench.send(1)
    for i in range(3):
        bench.send(ahead + i, series("door-1", "position", ahead, 1.0), received=2 + i)
    assert (bench.engine.counts.from_future, bench.engine.counts.frames) == (3, 1)
    bench.send(6, series("door-1", "position", 6, 0.0))
    assert bench.engine.counts.frames == 2
    bench.tick(30)
    assert bench.types == ["integrity.agent_offline"]


@pytest.mark.parametrize("ahead", [pytest.param(HOUR, id="hour"), pytest.param(DAY - 60, id="day")])
def test_a_sensor_is_found_silent_after_its_agents_clock_was_right_again(ahead: float) -> None:
    bench = EngineBench()
    bench.birth(inventory=(DOOR,))
    bench.send(ahead, series("door-1", "position", ahead, 0.0), received=0)
    for t in range(1, 10):
        bench.send(t, series("door-1", "position", t, None))
    assert "integrity.sensor_silent" in bench.types


def test_a_device_whose_clock_is_a_little_ahead_is_no_longer_believed_than_its_frames() -> None:
    bench = EngineBench()
    bench.birth(inventory=(DOOR,))
    bench.send(1, series("door-1", "position", 50, 0.0))
    for t in range(2, 9):
        bench.send(t, series("door-1", "position", t, None))
    assert bench.types == ["integrity.sensor_silent"]


@pytest.mark.parametrize("step", STEPS)
def test_an_agent_that_falls_silent_is_found_whichever_way_our_clock_was_set(step: float) -> None:
    bench, now = EngineBench(), [at(0)]
    guard = WallClockGuard(Journal(bench.engine), lambda: now[0])
    guard.now()
    bench.birth(inventory=(DOOR,))
    bench.send(0)
    now[0] = at(step)
    bench.engine.tick(guard.now())
    found = []
    for tenths in range(200):
        now[0] = at(step + tenths / 10)
        found += bench.engine.tick(guard.now())
    assert [each.type for each in found if not isinstance(each, Clear)] == ["integrity.agent_offline"]


@pytest.mark.parametrize("ahead", [pytest.param(HOUR, id="hour"), pytest.param(DAY - 60, id="day")])
def test_an_intrusion_reported_in_the_future_ends_in_our_time(ahead: float) -> None:
    bench = EngineBench()
    bench.birth(inventory=FENCES)
    bench.send(ahead, event("fence-1", ahead, "perimeter.alarm"), received=0)
    assert bench.types == ["perimeter.intrusion"]
    for tenths in range(0, 400, 2):
        bench.tick(tenths / 10)
    assert "clear" in bench.types


@pytest.mark.parametrize("back", [HOUR, DAY, YEAR])
def test_an_intrusion_is_told_again_after_the_clock_was_set_back(back: float) -> None:
    bench = EngineBench()
    bench.birth(inventory=FENCES)
    bench.send(0, event("fence-1", 0, "perimeter.alarm"))
    bench.send(-back, event("fence-1", -back, "perimeter.alarm"), received=-back)
    assert bench.types.count("perimeter.intrusion") == 2
