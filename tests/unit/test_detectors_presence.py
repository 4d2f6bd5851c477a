"""Agents that are away and sensors that are silent, and that the one is not taken for the other."""

from __future__ import annotations

import pytest

from hubwatch_core.wire import Channel, Clear, Detection, Sensor
from hubwatch_core.words import SensorKind
from hubwatch_detectors.integrity.presence import max_age_us
from support.detectors_engine import EngineBench, event, series
from support.detectors_hub import AGENT, DOOR, HUB, PORTAL, at

READER = Sensor("gate-1", SensorKind.ACCESS, "gate")
PAIR = (DOOR, PORTAL, READER)


def born(**settings: object) -> EngineBench:
    bench = EngineBench(**settings)
    bench.birth(inventory=PAIR)
    return bench


def alive(bench: EngineBench, first: float, last: float, *, door: float | None = 0.0) -> None:
    """Send a frame a second; the portal always speaks, the door says `door` (None: bad readings)."""
    for t in range(int(first), int(last)):
        bench.send(t + 1, series("rpm-1", "occupied", t, 0, 0, 0, 0, 0), series("door-1", "position", t, *[door] * 5))


def test_sensor_with_only_bad_readings_is_silent_after_its_max_age() -> None:
    bench = born()
    alive(bench, 0, 10)
    alive(bench, 10, 20, door=None)
    (silent,) = bench.found
    assert isinstance(silent, Detection)
    assert (silent.type, silent.sensor, silent.start) == ("integrity.sensor_silent", "door-1", at(9.8))
    assert silent.detected == at(15)
    alive(bench, 20, 22)
    assert bench.found[1:] == [Clear(silent.id, at(20.8), at(21))]


def test_sensor_that_never_spoke_is_silent_too() -> None:
    bench = born()
    for t in range(10):
        bench.send(t + 1, series("rpm-1", "occupied", t, 0, 0, 0, 0, 0))
    assert [(each.type, each.sensor) for each in bench.found if isinstance(each, Detection)] == [
        ("integrity.sensor_silent", "door-1")
    ]


def test_cut_link_is_told_of_the_agent_and_not_of_its_sensors() -> None:
    bench = born()
    alive(bench, 0, 10)
    for t in range(10, 60):
        bench.tick(t)
    assert bench.types == ["integrity.agent_offline"]
    (offline,) = bench.found
    assert isinstance(offline, Detection)
    assert (offline.sensor, offline.start) == (AGENT, at(10))
    assert 25 <= (offline.detected - at(0)) / 1e6 <= 26
    waiting = bench.skip(50)
    alive(bench, 60, 62)
    assert bench.found[1:] == [Clear(offline.id, at(61), at(61))]
    for i in range(50):
        bench.send(62, series("door-1", "position", 10 + i, 0, 0), seq=waiting + i, late=True, received=62 + i / 10)
    alive(bench, 62, 80)
    assert len(bench.found) == 2


@pytest.mark.parametrize("restarted", [False, True])
def test_agent_that_is_away_names_the_zones_that_nobody_sees(restarted: bool) -> None:
    bench = born()
    alive(bench, 0, 3)
    bench = bench.restarted() if restarted else bench
    (offline,) = bench.engine.agent_state(HUB, AGENT, online=False, at=at(4))
    assert isinstance(offline, Detection)
    assert offline.why.endswith("its 3 sensors cannot be seen; blind: gate, lane-1, office")
    assert offline.evidence["zones"] == ["gate", "lane-1", "office"]


def test_agent_with_many_zones_names_five_and_counts_the_others() -> None:
    bench = EngineBench()
    bench.birth(inventory=tuple(Sensor(f"d-{n}", SensorKind.ACCESS, f"room-{n}") for n in range(8)))
    (offline,) = bench.engine.agent_state(HUB, AGENT, online=False, at=at(4))
    assert isinstance(offline, Detection)
    assert offline.why.endswith("blind: room-0, room-1, room-2, room-3, room-4 and 3 more zones")
    assert len(offline.evidence["zones"]) == 8


def test_sensors_get_their_time_anew_when_an_agent_is_back() -> None:
    bench = born()
    alive(bench, 0, 10)
    bench.skip(30)
    bench.send(41, series("rpm-1", "occupied", 40, 0))
    assert bench.found == []
    for t in range(41, 50):
        bench.send(t + 1, series("rpm-1", "occupied", t, 0))
    assert [(each.type, each.sensor) for each in bench.found if isinstance(each, Detection)] == [
        ("integrity.sensor_silent", "door-1")
    ]


def test_agent_that_was_stopped_for_a_while_leaves_no_silent_sensors() -> None:
    bench = born()
    alive(bench, 0, 10)
    alive(bench, 600, 610)
    assert bench.found == []


def test_broker_word_that_an_agent_is_gone_is_taken_at_once_and_only_frames_prove_it_back() -> None:
    bench = born()
    alive(bench, 0, 5)
    found = bench.engine.agent_state(HUB, AGENT, online=False, at=at(6))
    found += bench.engine.agent_state(HUB, AGENT, online=False, at=at(7))
    found += bench.engine.agent_state(HUB, AGENT, online=True, at=at(8))
    assert len(found) == 1
    assert isinstance(found[0], Detection)
    assert (found[0].type, found[0].start, found[0].detected) == ("integrity.agent_offline", at(5), at(6))
    alive(bench, 8, 9)
    assert bench.found == [Clear(found[0].id, at(9), at(9))]


def test_agent_known_by_its_state_alone_is_missed_too() -> None:
    bench = EngineBench()
    bench.engine.agent_state(HUB, "quiet", online=True, at=at(0))
    bench.tick(10)
    assert bench.found == []
    bench.tick(20)
    assert bench.types == ["integrity.agent_offline"]


def test_our_own_absence_is_not_blamed_on_agents() -> None:
    bench = born()
    alive(bench, 0, 5)
    again = bench.restarted()
    again.engine.resume(at(3600))
    again.tick(3610)
    assert again.found == []
    again.tick(3620)
    assert again.types == ["integrity.agent_offline"]


def test_clock_of_ours_that_is_set_back_blinds_nobody() -> None:
    bench = born()
    for t in range(10):
        bench.send(t + 1, series("rpm-1", "occupied", t, 0), series("door-1", "position", t, 0), received=t + 7201)
    bench.engine.resume(at(11))
    for t in range(10, 20):
        bench.send(t + 1, series("rpm-1", "occupied", t, 0), series("door-1", "position", t, 0), received=t + 1)
    assert bench.found == []
    bench.tick(34)
    assert bench.found == []
    bench.tick(36)
    assert bench.types == ["integrity.agent_offline"]


def test_clock_of_an_agent_that_runs_wrong_does_not_matter() -> None:
    bench = born()
    for t in range(40):
        readings = (series("rpm-1", "occupied", t + 9000, 0, 0, 0, 0, 0), series("door-1", "position", t + 9000, 0))
        bench.send(t + 9001, *readings, received=t + 1)
        bench.tick(t + 1.5)
    assert bench.found == []


def test_heartbeats_without_content_keep_an_agent_alive_but_not_its_sensors() -> None:
    bench = born()
    alive(bench, 0, 2)
    for t in range(10, 60, 10):
        bench.send(t)
    assert sorted(each.sensor for each in bench.found if isinstance(each, Detection)) == ["door-1", "rpm-1"]


def test_sensor_that_speaks_only_of_events_is_exempt_unless_it_states_an_age() -> None:
    bench = EngineBench()
    bench.birth(inventory=(READER, Sensor("gate-2", SensorKind.ACCESS, "gate", max_age_s=30)))
    for t in range(5, 100, 5):
        bench.send(t, *([event("gate-2", t, "access.granted")] if t < 50 else []))
    assert [each.sensor for each in bench.found if isinstance(each, Detection)] == ["gate-2"]


def test_sensor_that_leaves_the_inventory_is_no_longer_silent() -> None:
    bench = born()
    alive(bench, 0, 10)
    alive(bench, 10, 20, door=None)
    bench.birth(20, inventory=(PORTAL,))
    alive(bench, 20, 30, door=None)
    assert bench.types == ["integrity.sensor_silent", "clear"]


@pytest.mark.parametrize(
    ("max_age_s", "periods", "expected"),
    [
        (5, [200_000], 5_000_000),
        (None, [200_000], 10_000_000),
        (None, [60_000_000, 1000], 300_000_000),
        (None, [], None),
    ],
)
def test_allowed_silence_follows_from_age_or_periods(
    max_age_s: float | None, periods: list[int], expected: int | None
) -> None:
    channels = [Channel(f"c{i}", "1", period_us=period) for i, period in enumerate(periods)]
    assert max_age_us(Sensor("s", SensorKind.PROCESS, "z", "", max_age_s, channels)) == expected


@pytest.mark.parametrize("offset", [-3600.0, 3600.0])
def test_sensor_that_says_the_wrong_time_has_a_wrong_clock_and_is_not_silent(offset: float) -> None:
    bench = EngineBench()
    bench.birth(inventory=(DOOR,))
    for t in range(40):
        wrong = offset if 10 <= t < 30 else 0.0
        bench.send(t + 1, series("door-1", "position", t + wrong, *[0.0] * 5))
    assert bench.types == ["integrity.clock", "clear"]
    detection = bench.found[0]
    assert isinstance(detection, Detection)
    assert detection.sensor == "door-1"
    assert abs(detection.evidence["offset_s"] - offset) < 2


def test_sensor_with_a_wrong_clock_that_falls_silent_is_silent() -> None:
    bench = EngineBench()
    bench.birth(inventory=(DOOR,))
    for t in range(60):
        said = [series("door-1", "position", t - (3600 if t >= 10 else 0), 0.0)] if t < 30 else []
        bench.send(t + 1, *said)
    assert bench.types == ["integrity.clock", "clear", "integrity.sensor_silent"]


def test_sensor_whose_last_word_is_repeated_is_silent() -> None:
    bench = EngineBench()
    bench.birth(inventory=(DOOR,))
    for t in range(30):
        bench.send(t + 1, series("door-1", "position", min(t, 10), 0.0))
    assert bench.types == ["integrity.sensor_silent"]


@pytest.mark.parametrize("offset", [-7200.0, 7200.0])
def test_agent_whose_clock_is_wrong_is_said_to_have_a_wrong_clock(offset: float) -> None:
    bench = EngineBench()
    bench.birth(inventory=(DOOR,))
    for t in range(0, 200, 2):
        bench.send(t + offset, series("door-1", "position", t + offset, 0.0), received=t)
    assert bench.types == ["integrity.clock"]
    for t in range(200, 240, 2):
        bench.send(t, series("door-1", "position", t, 0.0), received=t)
    assert "clear" in bench.types[1:]


def test_backlog_that_catches_up_is_no_wrong_clock() -> None:
    bench = EngineBench()
    bench.birth(inventory=(DOOR,))
    for t in range(0, 1200, 2):
        bench.send(t, series("door-1", "position", t, 0.0), received=1200 + t / 20)
    assert bench.types == []


def test_event_is_a_sign_of_life_of_a_door_that_speaks_only_of_events() -> None:
    reader = Sensor("gate-2", SensorKind.ACCESS, "gate", max_age_s=10, channels=[Channel("position", "1")])
    bench = EngineBench()
    bench.birth(inventory=(reader,))
    for t in range(40):
        bench.send(t + 1, *([event("gate-2", t, "access.granted")] if t % 5 == 0 else []))
    assert bench.types == []
