"""The engine: frames once, late lanes, lost sight, restarts."""

from __future__ import annotations

import msgspec
import pytest

from hubwatch_core.wire import Clear, Detection, Sensor
from hubwatch_core.words import SensorKind
from hubwatch_detectors.engine.instance import LATE, InstanceKey, Saved
from hubwatch_detectors.engine.left_out import MAX_UNKNOWN
from support.detectors_engine import EngineBench, event, series, types
from support.detectors_hub import AGENT, DOOR, FENCES, HUB, Passage, SimulatedHub, at, birth
from support.detectors_stories import SITE, attacked


def door_frames(bench: EngineBench, first: float, last: float, *, is_open: bool = False, late: bool = False) -> None:
    """Send a frame every second with the door's position five times in it."""
    for t in range(int(first), int(last)):
        bench.send(t + 1, series("door-1", "position", t, *[float(is_open)] * 5), late=late)


def test_frame_that_comes_twice_counts_once() -> None:
    bench = EngineBench()
    bench.birth(inventory=(DOOR,))
    denied = [event("door-1", 5 + 4 * i, "access.denied", f"badge:{i}", reader="in") for i in range(2)]
    for _ in range(3):
        bench.send(14, *denied, seq=1)
    assert bench.found == []
    assert bench.engine.counts.duplicates == 2
    assert bench.engine.counts.events == 2


def test_sensor_without_inventory_is_counted_and_judged_once_it_is_known() -> None:
    bench = EngineBench()
    bench.send(1, series("door-1", "position", 0, 0, 0, 0))
    assert bench.engine.counts.unknown == 3
    bench.birth(2, inventory=(DOOR,))
    door_frames(bench, 3, 6)
    door_frames(bench, 6, 9, is_open=True)
    assert bench.types == ["access.forced"]


def test_reading_from_the_future_is_left_out_and_counted() -> None:
    bench = EngineBench()
    bench.birth(inventory=(DOOR,))
    door_frames(bench, 0, 5)
    bench.send(6, series("door-1", "position", 4000, 0))
    door_frames(bench, 6, 9, is_open=True)
    assert bench.engine.counts.ahead == 1
    assert bench.types == ["access.forced"]


def test_backlog_is_judged_apart_and_marked_late() -> None:
    bench = EngineBench()
    bench.birth(inventory=(DOOR,))
    door_frames(bench, 0, 10)
    waiting = bench.skip(10)
    door_frames(bench, 20, 25)
    assert bench.engine.counts.blind == 1
    for i, t in enumerate(range(10, 20)):
        state = [float(13 <= t < 16)] * 5
        bench.send(26, series("door-1", "position", t, *state), seq=waiting + i, late=True)
        door_frames(bench, 26 + i, 27 + i)
    (forced, end) = bench.found
    assert isinstance(forced, Detection)
    assert (forced.type, forced.late, forced.start) == ("access.forced", True, at(13))
    assert end == Clear(forced.id, at(16), at(16))
    assert bench.engine.counts.late_frames == 10


def test_grant_from_before_the_cut_explains_the_opening_in_the_backlog() -> None:
    bench = EngineBench()
    bench.birth(inventory=(DOOR,))
    door_frames(bench, 0, 10)
    bench.send(10.5, event("door-1", 10.2, "access.granted", "badge:7"))
    waiting = bench.skip(3)
    door_frames(bench, 15, 20)
    for i, t in enumerate((11, 12, 13)):
        bench.send(20, series("door-1", "position", t, *[float(t == 12)] * 5), seq=waiting + i, late=True)
    door_frames(bench, 20, 100)
    assert bench.found == []


def test_door_that_opened_unseen_is_not_called_forced_by_live_data() -> None:
    bench = EngineBench()
    bench.birth(inventory=(DOOR,))
    door_frames(bench, 0, 10)
    bench.skip(10)
    door_frames(bench, 20, 30, is_open=True)
    assert bench.found == []
    door_frames(bench, 30, 60, is_open=True)
    assert bench.types == ["access.held"]


def test_alarm_that_was_open_when_sight_was_lost_ends_with_the_backlog() -> None:
    bench = EngineBench()
    bench.birth(inventory=(DOOR,))
    door_frames(bench, 0, 10)
    door_frames(bench, 10, 15, is_open=True)
    (forced,) = bench.found
    waiting = bench.skip(5)
    door_frames(bench, 20, 22)
    bench.send(22, series("door-1", "position", 17, 0), seq=waiting, late=True)
    assert bench.found[1:] == [Clear(forced.id, at(17), at(17))]


def test_alarm_that_was_open_when_sight_was_lost_ends_when_no_backlog_comes() -> None:
    bench = EngineBench(engine={"late_idle_s": 30})
    bench.birth(inventory=(DOOR,))
    door_frames(bench, 0, 10)
    door_frames(bench, 10, 15, is_open=True)
    (forced,) = bench.found
    bench.skip(5)
    door_frames(bench, 20, 60)
    assert bench.found[1:] == [Clear(forced.id, at(21), at(21))]
    _, gone = bench.engine.changes(HUB)
    assert InstanceKey(HUB, "access", "door-1", LATE) in gone


def test_alarm_that_was_open_when_sight_was_lost_waits_for_its_backlog_through_our_own_absence() -> None:
    bench = EngineBench(engine={"late_idle_s": 30})
    bench.birth(inventory=(DOOR,))
    door_frames(bench, 0, 10)
    door_frames(bench, 10, 15, is_open=True)
    (forced,) = bench.found
    waiting = bench.skip(5)
    door_frames(bench, 20, 22)
    bench.engine.resume(at(3600))
    bench.tick(3601)
    bench.send(22, series("door-1", "position", 17, 0), seq=waiting, late=True, received=3602)
    assert bench.found[1:] == [Clear(forced.id, at(17), at(17))]


def test_late_lane_knows_the_background_the_live_one_learned() -> None:
    bench = EngineBench()
    bench.birth()
    hub = SimulatedHub(60, passages=[Passage(40, gamma_peak=90)])
    frames = list(hub.frames())
    cut, back = 95, 120
    for frame in frames[:cut] + frames[back:]:
        bench.found += bench.engine.frame(frame, frame.sent)
    assert bench.found == []
    for frame in frames[cut:back]:
        bench.found += bench.engine.frame(msgspec.structs.replace(frame, late=True), frame.sent)
    gamma = bench.found[0]
    assert isinstance(gamma, Detection)
    assert (gamma.type, gamma.late) == ("radiation.gamma", True)
    assert abs(gamma.start - at(40)) <= 200_000


def test_old_readings_of_a_live_frame_are_judged_late() -> None:
    bench = EngineBench()
    bench.birth(inventory=(DOOR,))
    door_frames(bench, 100, 103)
    bench.send(104, series("door-1", "position", 10, 0, 1, 1, 1, 1, 1, 1, 1))
    bench.tick(300)
    forced = bench.found[0]
    assert isinstance(forced, Detection)
    assert (forced.late, forced.start) == (True, at(10.2))


def test_clock_that_is_set_back_does_not_stop_judging() -> None:
    bench = EngineBench()
    bench.birth(inventory=(DOOR,))
    door_frames(bench, 86_400, 86_410)
    door_frames(bench, 100, 110)
    door_frames(bench, 110, 115, is_open=True)
    assert bench.types == ["access.forced"]
    assert bench.engine.counts.blind == 1


def test_sensor_that_leaves_the_inventory_leaves_nothing_open() -> None:
    bench = EngineBench()
    bench.birth(inventory=(DOOR,))
    door_frames(bench, 0, 5)
    door_frames(bench, 5, 8, is_open=True)
    (forced,) = bench.found
    bench.birth(9, inventory=())
    assert bench.found[1:] == [Clear(forced.id, at(8), at(8), "no agent lists it any more")]


def test_two_agents_may_speak_of_one_door() -> None:
    bench = EngineBench()
    bench.birth(inventory=(DOOR,))
    bench.birth(inventory=(Sensor("door-1", SensorKind.ACCESS, "office"),), agent="reader-agent")
    for t in range(20):
        bench.send(t + 1, series("door-1", "position", t, *[float(t >= 10)] * 5))
        if t == 9:
            bench.send(10, event("door-1", 9.9, "access.granted", "badge:1"), agent="reader-agent")
    assert bench.found == []


def test_crossing_between_sections_of_two_agents_is_found() -> None:
    bench = EngineBench(SITE)
    bench.birth(inventory=FENCES[:1])
    bench.birth(inventory=FENCES[1:], agent="east")
    bench.send(11, event("fence-1", 10, "perimeter.alarm"))
    bench.send(15, event("fence-2", 14, "perimeter.alarm"), agent="east")
    assert bench.types == ["perimeter.intrusion", "perimeter.intrusion", "perimeter.crossing"]


def test_restart_at_any_frame_gives_the_same_findings() -> None:
    frames = list(attacked().frames())

    def findings(restart_every: int) -> list[bytes]:
        bench = EngineBench()
        bench.found += bench.engine.birth(birth(), at(0))
        found = []
        for i, frame in enumerate(frames):
            if i % restart_every == restart_every - 1:
                bench = bench.restarted()
            found += bench.engine.frame(frame, frame.sent)
        return [msgspec.json.encode(each) for each in found]

    plain = findings(10**9)
    assert len(plain) > 10
    assert findings(37) == plain


def test_only_what_changed_is_to_be_saved_and_what_failed_to_be_saved_is_given_again() -> None:
    bench = EngineBench()
    bench.birth(inventory=(DOOR,))
    door_frames(bench, 0, 3)
    first, _ = bench.engine.changes(HUB)
    assert {each.key.detector for each in first} >= {"access", "agent"}
    assert bench.engine.changes(HUB) == ([], [])
    bench.engine.not_saved(each.key for each in first)
    again, _ = bench.engine.changes(HUB)
    assert sorted(again) == sorted(first)


def test_state_of_another_version_or_that_cannot_be_read_begins_anew() -> None:
    bench = EngineBench()
    key = InstanceKey(HUB, "access", "door-1", "live")
    agent = InstanceKey(HUB, "agent", AGENT, "live")
    states = [Saved(key, 99, b"{}"), Saved(key, 1, b"nonsense"), Saved(agent, 99, b"{}"), Saved(agent, 1, b"[]")]
    states += [Saved(key, 1, b'{"state":{"moved":"x"}}'), Saved(key._replace(detector="gone"), 1, b"{}")]
    assert bench.engine.restore(states) == 0
    bench.birth(inventory=(DOOR,))
    door_frames(bench, 0, 5)
    door_frames(bench, 5, 8, is_open=True)
    assert bench.types == ["access.forced"]


def test_detector_that_is_switched_off_finds_nothing() -> None:
    bench = EngineBench(access={"enabled": False}, presence={"enabled": False})
    bench.birth(inventory=(DOOR,))
    door_frames(bench, 0, 5)
    door_frames(bench, 5, 8, is_open=True)
    bench.tick(1000)
    assert types(bench.found) == []


def test_made_up_sensors_are_counted_and_fill_neither_memory_nor_log(capsys: pytest.CaptureFixture[str]) -> None:
    bench = EngineBench()
    bench.birth(inventory=())
    for i in range(0, 3000, 100):
        bench.send(i / 100 + 1, *(series(f"made-up-{i + n}", "x", i / 100, 1.0) for n in range(100)))
    assert bench.engine.counts.unknown == 3000
    assert capsys.readouterr().out.count("sensor is in no inventory") == MAX_UNKNOWN


def hourly(bench: EngineBench, hours: range, opened: int | None = None) -> None:
    """Send a frame every hour with the position of each quarter of it; in the hour `opened` the door is open once."""
    for hour in hours:
        t = hour * 3600.0
        states = [float(hour == opened and i == 1) for i in range(4)]
        bench.send(t + 3600, series("door-1", "position", t, *states, period_s=900.0))


def test_frames_an_hour_apart_are_no_lost_sight_once_that_is_known() -> None:
    bench = EngineBench(access={"held_s": 3600})
    bench.birth(inventory=(DOOR,))
    hourly(bench, range(12), opened=9)
    assert bench.engine.counts.blind == 1
    (forced,) = [each for each in bench.found if isinstance(each, Detection) and each.detector == "access"]
    assert (forced.type, forced.late, forced.start) == ("access.forced", False, at(9 * 3600 + 900))


def test_pause_of_an_hour_is_lost_sight_for_one_that_speaks_every_second() -> None:
    bench = EngineBench()
    bench.birth(inventory=(DOOR,))
    door_frames(bench, 0, 10)
    door_frames(bench, 3610, 3620)
    door_frames(bench, 7220, 7230)
    assert bench.engine.counts.blind == 2


def test_pace_is_known_after_a_restart() -> None:
    bench = EngineBench()
    bench.birth(inventory=(DOOR,))
    hourly(bench, range(6))
    bench.engine.changes(HUB)
    bench.engine.not_saved([InstanceKey(HUB, "agent", AGENT, "live")])
    bench = bench.restarted()
    hourly(bench, range(6, 8))
    assert bench.engine.counts.blind == 0
