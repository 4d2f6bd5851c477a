"""Where badges are: impossible travel, passback, tailgating between zones, and exits that go unread."""

from __future__ import annotations

from typing import Any

import pytest

from hubwatch_core.wire import Detection
from hubwatch_detectors.access.badge_config import BadgesConfig
from support.badge_model import DAY_S, HOUR_S, At, BadgeBench, building, chunk_of, passback, travel, us

WHO = "badge:1"
INNER: dict[str, Any] = {
    "zones": [{"id": "vault"}, {"id": "pier"}],
    "doors": [
        {"sensor": "door-20", "from": "building", "to": "vault", "readers": {"in": "in", "out": "out"}},
        {"sensor": "door-21", "from": "pier", "to": "street"},
    ],
    "paths": [{"from": "street", "to": "pier", "metres": 600}],
}


def bench(**config: Any) -> BadgeBench:
    return BadgeBench(building(4, zones=list(INNER["zones"]), doors=list(INNER["doors"]), paths=INNER["paths"]),
                      config=BadgesConfig(**config))  # fmt: skip


def played(*moments: At, **config: Any) -> list[str]:
    tested = bench(**config)
    tested.play(moments)
    return tested.kinds()


def test_pair_of_doors_is_impossible_below_the_least_time_and_possible_at_it() -> None:
    assert played(At(0, 0, WHO, inward=False), At(99.9, 21, WHO)) == ["access.impossible_travel"]
    assert played(At(0, 0, WHO, inward=False), At(100, 21, WHO)) == []
    assert played(At(0, 0, WHO, inward=False), At(50, 21, WHO), fastest_m_s=15) == []


def test_refused_badge_proves_where_it_is_too_and_that_of_a_stranger_nothing() -> None:
    assert played(At(0, 0, WHO, inward=False), At(50, 21, WHO, denied=True)) == ["access.impossible_travel"]
    assert played(At(0, 0, WHO, denied=True), At(50, 21, WHO, denied=True)) == []


def test_every_pair_below_the_least_time_is_found_and_none_above_it() -> None:
    figures = travel(300, seed=3)
    assert figures.found == figures.trials > 100
    assert figures.false == 0 < figures.chances


def test_badge_that_comes_in_while_its_owner_is_in_is_passed_back() -> None:
    tested = bench()
    tested.play([At(0, 0, WHO), At(2 * HOUR_S, 1, WHO)])
    (found,) = tested.found
    assert isinstance(found, Detection)
    assert (found.type, found.sensor, found.subject, found.priority) == ("access.passback", "door-1", WHO, 2)
    assert found.end == found.start
    assert found.evidence["hours_since"] == 2
    assert "read 2.0 h before at door-0" in found.why


@pytest.mark.parametrize(
    "moments",
    [
        [At(0, 0, WHO), At(HOUR_S, 1, WHO, inward=False), At(2 * HOUR_S, 1, WHO)],
        [At(0, 0, WHO), At(20, 0, WHO)],
        [At(0, 0, WHO), At(20, 1, WHO, inward=True, denied=True)],
        [
            At(0, 0, WHO),
            At(HOUR_S, 20, WHO),
            At(2 * HOUR_S, 20, WHO, inward=False),
            At(3 * HOUR_S, 0, WHO, inward=False),
        ],
        [At(0, 0, WHO), At(HOUR_S, 0, "badge:2")],
    ],
    ids=["out between", "badged again", "turned round", "through the vault", "another person"],
)
def test_ordinary_ways_are_in_order(moments: list[At]) -> None:
    assert played(*moments) == []


def test_at_a_turnstile_nobody_turns_round() -> None:
    sides = {"in": "in", "out": "out"}
    for one_person, expected in ((True, ["access.passback"]), (False, [])):
        doors = [{"sensor": "door-9", "from": "street", "to": "building", "one_person": one_person, "readers": sides}]
        tested = BadgeBench(building(0, doors=doors))
        tested.play([At(0, 9, WHO), At(2, 9, WHO), At(12, 9, WHO)])
        assert tested.kinds() == expected


def test_exit_without_a_reader_leaves_the_owner_anywhere() -> None:
    doors = [{"sensor": "door-9", "from": "street", "to": "building", "readers": {"in": "in"}}]
    tested = BadgeBench(building(0, doors=doors))
    tested.play([At(HOUR_S * n, 9, WHO) for n in range(3)])
    assert tested.kinds() == []


def test_exit_that_was_forgotten_in_the_evening_is_inferred_in_the_morning() -> None:
    tested = bench()
    tested.play([At(8 * HOUR_S, 0, WHO), At(DAY_S + 8 * HOUR_S, 1, WHO), At(DAY_S + 12 * HOUR_S, 1, WHO)])
    assert tested.kinds() == []  # the only evening there was went unread: one conflict proves nothing here
    tested.play([At(DAY_S + 13 * HOUR_S, 0, WHO)])
    assert tested.kinds() == ["access.passback"]
    assert tested.detector.memory.exits.unread == 1


def test_where_many_exits_go_unread_one_conflict_is_not_enough() -> None:
    tested = bench()
    for person in range(60):
        who = f"badge:{person}"
        tested.play([At(8 * HOUR_S, 0, who), At(DAY_S + 8 * HOUR_S, 1, who)])
    assert tested.kinds() == []
    tested.play([At(DAY_S + 9 * HOUR_S, 0, WHO)])
    assert tested.kinds() == []
    tested.play([At(DAY_S + (10 + n) * HOUR_S, 0, WHO) for n in range(6)])
    assert set(tested.kinds()) == {"access.passback"}


def test_badge_deep_inside_that_was_not_read_on_the_way_was_followed_in() -> None:
    assert played(At(0, 0, WHO, inward=False), At(HOUR_S, 20, WHO)) == ["access.tailgating"]
    assert played(At(0, 0, WHO, inward=False), At(HOUR_S, 1, WHO, inward=False)) == ["access.tailgating"]


def test_clones_that_come_in_are_found_as_the_reference_says_without_false_alarms() -> None:
    figures = passback(60, 2, seed=2)
    assert figures.false == 0
    assert figures.found >= 55


def test_without_a_site_nothing_is_said_of_places() -> None:
    tested = BadgeBench()
    tested.play([At(0, 0, WHO), At(1, 9, WHO), At(2, 3, WHO)])
    assert tested.kinds() == []


def test_events_of_two_agents_are_judged_in_the_order_of_their_times() -> None:
    tested, straight = bench(settle_s=5), bench(settle_s=5)
    moments = [At(0, 0, WHO, inward=False), At(3, 21, WHO)]
    straight.play(moments)
    for each in reversed(moments):
        tested.found += tested.detector.update(chunk_of(each))
    tested.found += tested.detector.advance(us(60))
    assert tested.found == straight.found != []
