"""One name, one owner: agents and sensors that are moved, doubled or taken away, in the engine."""

from __future__ import annotations

import msgspec
import pytest

from hubwatch_core.wire import Channel, Clear, Detection, Sensor
from hubwatch_detectors.engine import Engine
from hubwatch_detectors.following import follow
from hubwatch_store.devices import Act
from support.detectors_engine import EngineBench, series
from support.detectors_hub import DOOR, HUB, PORTAL, at

CLONE = "01JD3Z0000000000000000000B"


def position(bench: EngineBench, t: float, agent: str, *, is_open: bool, **more: object) -> None:
    bench.send(t, series("door-1", "position", t - 0.4, *[float(is_open)] * 3), agent=agent, **more)  # type: ignore[arg-type]


def forced_open(bench: EngineBench, agent: str) -> Detection:
    bench.birth(inventory=(DOOR,), agent=agent)
    for t in range(1, 8):
        position(bench, t, agent, is_open=t > 3)
    (forced,) = bench.found
    assert isinstance(forced, Detection)
    assert forced.type == "access.forced"
    return forced


def ends(bench: EngineBench) -> list[Clear]:
    return [each for each in bench.found if isinstance(each, Clear)]


@pytest.mark.parametrize("restarted", [False, True])
def test_door_that_stands_open_stays_found_while_it_moves_to_another_gateway(*, restarted: bool) -> None:
    bench = EngineBench()
    forced_open(bench, "gw-a")
    bench.birth(8, inventory=(DOOR,), agent="gw-b")
    position(bench, 9, "gw-b", is_open=True)
    if restarted:
        found, bench = bench.found, bench.restarted()
        bench.found = found
    bench.birth(10, inventory=(), agent="gw-a")
    for t in range(11, 30):
        position(bench, t, "gw-b", is_open=True)
        bench.send(t, agent="gw-a")
    assert bench.types == ["access.forced"]
    position(bench, 31, "gw-b", is_open=False)
    assert bench.types == ["access.forced", "clear"]


def test_two_doors_of_one_name_are_found_at_once_and_one_is_judged() -> None:
    bench = EngineBench()
    for agent in ("gw-a", "gw-b"):
        bench.birth(inventory=(DOOR,), agent=agent)
    for t in range(1, 40, 2):
        position(bench, t, "gw-a", is_open=True)
        position(bench, t + 1, "gw-b", is_open=False)
    assert bench.types == ["integrity.sensor_twice", "access.held"]
    twice = bench.found[0]
    assert isinstance(twice, Detection)
    assert (twice.sensor, twice.detected, twice.evidence["judged"]) == ("door-1", at(3), ["gw-a"])
    bench.birth(50, inventory=(), agent="gw-b")
    assert [(end.id, end.why) for end in ends(bench)] == [(twice.id, "only agent gw-a reads it now")]


def test_door_that_two_list_and_one_reads_is_found_after_a_minute() -> None:
    bench = EngineBench()
    for agent in ("gw-a", "gw-b"):
        bench.birth(inventory=(DOOR,), agent=agent)
    for t in range(1, 61):
        position(bench, t, "gw-b", is_open=False)
        bench.send(t, agent="gw-a")
    assert bench.types == ["integrity.sensor_silent"]  # by who is judged
    for t in range(61, 64):
        position(bench, t, "gw-b", is_open=False)
    assert "integrity.sensor_twice" in bench.types


def test_gateway_that_is_offline_loses_its_sensors_to_one_that_is_there() -> None:
    bench = EngineBench()
    for agent in ("gw-a", "gw-b"):
        bench.birth(inventory=(DOOR,), agent=agent)
    position(bench, 1, "gw-a", is_open=False)
    bench.found += bench.engine.agent_state(HUB, "gw-a", online=False, at=at(2))
    position(bench, 3, "gw-b", is_open=False)
    for t in range(4, 8):
        position(bench, t, "gw-b", is_open=True)
    assert bench.types == ["integrity.agent_offline", "access.forced"]


def test_agent_taken_away_ends_all_that_is_open_about_it_and_leftovers_do_nothing() -> None:
    bench = EngineBench()
    forced = forced_open(bench, "gw-a")
    bench.found += bench.engine.agent_state(HUB, "gw-a", online=False, at=at(9))
    offline = bench.found[-1]
    assert isinstance(offline, Detection)
    bench.found += bench.engine.forget_agent(HUB, "gw-a", at(10), "sold", birth=at(0))
    assert {(end.id, end.why) for end in ends(bench)} == {(forced.id, "sold"), (offline.id, "sold")}
    known = len(bench.found)
    bench.birth(0, inventory=(DOOR,), agent="gw-a")  # the broker's copy
    bench.found += bench.engine.agent_state(HUB, "gw-a", online=False, at=at(11))
    for t in range(12, 100, 10):
        bench.tick(t)
    assert len(bench.found) == known
    _, gone = bench.engine.changes(HUB)
    assert {key.sensor for key in gone} == {"gw-a", "door-1"}


def test_agent_that_comes_again_is_simply_new() -> None:
    bench = EngineBench()
    forced_open(bench, "gw-a")
    bench.found += bench.engine.forget_agent(HUB, "gw-a", at(10), "sold", birth=at(0))
    bench.birth(20, inventory=(DOOR,), agent="gw-a")
    for t in range(21, 26):
        position(bench, t, "gw-a", is_open=t > 22)
    assert bench.types == ["access.forced", "clear", "access.forced"]


def test_agent_that_was_called_gone_and_goes_on_sending_is_judged_again() -> None:
    bench = EngineBench()
    bench.birth(inventory=(DOOR,), agent="gw-a")
    position(bench, 1, "gw-a", is_open=False)
    bench.engine.forget_agent(HUB, "gw-a", at(2), "by mistake")
    position(bench, 3, "gw-a", is_open=False)
    for t in range(4, 8):
        position(bench, t, "gw-a", is_open=True)
    assert bench.types == ["access.forced"]


def test_sensor_that_an_agent_lists_cannot_be_forgotten() -> None:
    bench = EngineBench()
    forced_open(bench, "gw-a")
    assert bench.engine.forget_sensor(HUB, "door-1", at(9), "gone") == []


def test_cloned_agent_with_an_epoch_of_its_own_is_found_at_once_and_not_judged() -> None:
    bench = EngineBench()
    bench.birth(inventory=(DOOR,), agent="gw-a")
    for t in range(1, 41):
        position(bench, t, "gw-a", is_open=True, seq=t)
        position(bench, t + 0.5, "gw-a", is_open=False, seq=t, epoch=CLONE)
    assert bench.types == ["integrity.agent_twice", "access.held"]
    twice = bench.found[0]
    assert isinstance(twice, Detection)
    assert (twice.sensor, twice.detected) == ("gw-a", at(2))
    for t in range(41, 110):
        position(bench, t, "gw-a", is_open=True, seq=t)
    assert [(end.id, end.why) for end in ends(bench)] == [
        (twice.id, "only one of them has been heard for a minute")
    ]  # fmt: skip


def test_cloned_agent_with_the_same_epoch_is_found_and_forces_no_door() -> None:
    bench = EngineBench()
    bench.birth(inventory=(DOOR,), agent="gw-a")
    for t in range(1, 28, 2):  # each sends two frames at a time, as two do that take a session from each other
        for agent_open, shift in ((True, 0.0), (False, 1.0)):
            position(bench, t + shift, "gw-a", is_open=agent_open, seq=t)
            position(bench, t + shift + 0.2, "gw-a", is_open=agent_open, seq=t + 1)
    assert "access.forced" not in bench.types
    assert bench.types[0] == "integrity.agent_twice"


def test_agent_with_a_new_spool_is_no_twin() -> None:
    bench = EngineBench()
    bench.birth(inventory=(DOOR,), agent="gw-a")
    for t in range(1, 10):
        position(bench, t, "gw-a", is_open=False, seq=t)
    for t in range(10, 20):
        position(bench, t, "gw-a", is_open=False, seq=t - 9, epoch=CLONE)
    position(bench, 9, "gw-a", is_open=False, seq=9)  # delivered again
    assert bench.found == []


@pytest.mark.parametrize(
    "other",
    [
        msgspec.structs.replace(PORTAL, zone="lane-2"),
        msgspec.structs.replace(PORTAL, profile="another"),
        msgspec.structs.replace(PORTAL, channels=[Channel("gamma.1", "cps", period_us=200_000)]),
    ],
    ids=["place", "device", "unit"],
)
def test_background_is_learned_anew_when_a_number_means_something_else(other: Sensor) -> None:
    portal = msgspec.structs.replace(PORTAL, channels=[Channel("gamma.1", "count", period_us=200_000)])
    bench = EngineBench()
    bench.birth(inventory=(portal,))
    for t in range(1, 60):
        bench.send(t, series("rpm-1", "gamma.1", t - 1, *[50.0, 51.0, 49.0, 50.0, 52.0]))
    bench.birth(60, inventory=(other,))
    for t in range(61, 120):
        bench.send(t, series("rpm-1", "gamma.1", t - 1, *[5000.0, 5010.0, 4990.0, 5000.0, 5020.0]))
    bench.send(121, series("rpm-1", "gamma.1", 20, *[50.0, 51.0, 49.0]), late=True)
    assert bench.found == []


def test_replaced_device_is_learned_anew() -> None:
    portal = msgspec.structs.replace(PORTAL, channels=[Channel("gamma.1", "count", period_us=200_000)])
    bench = EngineBench()
    bench.birth(inventory=(portal,))
    for t in range(1, 60):
        bench.send(t, series("rpm-1", "gamma.1", t - 1, *[50.0, 51.0, 49.0, 50.0, 52.0]))
    bench.engine.renew_sensor(HUB, "rpm-1", at(60))
    for t in range(61, 120):
        bench.send(t, series("rpm-1", "gamma.1", t - 1, *[5000.0, 5010.0, 4990.0, 5000.0, 5020.0]))
    assert bench.found == []


def test_what_a_switched_off_detector_had_open_is_not_remembered() -> None:
    bench = EngineBench()
    forced = forced_open(bench, "gw-a")
    bench.found += bench.engine.agent_state(HUB, "gw-a", online=False, at=at(9))
    both = {forced.id, bench.found[-1].id}
    makers = {"access", "presence"}
    assert bench.engine.remembered(makers) & both == both
    saved, _ = bench.engine.changes(HUB)
    for off, left in (("access", bench.found[-1].id), ("presence", forced.id)):
        other = Engine(EngineBench(**{off: {"enabled": False}}).settings.rules())
        other.restore(saved)
        assert other.remembered(makers) & both == {left}


def test_journal_is_followed_once_and_an_agent_that_has_come_again_stays() -> None:
    bench = EngineBench()
    forced = forced_open(bench, "gw-a")
    gone = Act(7, at(10), "agent forgotten", HUB, "gw-a", None, at(0), "kim", "sold")
    found = follow(bench.engine, [gone])
    assert [(each.id, each.why) for each in found if isinstance(each, Clear)] == [
        (forced.id, "agent gw-a was taken away for good: sold")
    ]
    bench.birth(20, inventory=(DOOR,), agent="gw-a")
    assert follow(bench.engine, [gone]) == []
    assert bench.engine.knows(HUB, "gw-a")
    saved, _ = bench.engine.changes(HUB)
    other = Engine(bench.settings.rules())
    other.restore(saved)
    assert follow(other, [gone, gone._replace(id=8)]) == []
    assert other.knows(HUB, "gw-a")


def test_copy_of_a_birth_does_nothing_after_a_restart_either() -> None:
    bench = EngineBench()
    follow(bench.engine, [Act(7, at(10), "agent forgotten", HUB, "gw-a", None, at(5), "kim", "sold")])
    bench.birth(5, inventory=(DOOR,), agent="gw-a")
    bench.tick(60)
    assert bench.found == []
    assert not bench.engine.knows(HUB, "gw-a")
