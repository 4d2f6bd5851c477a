"""What people are used to: cloned badges, unusual hours, dormant badges, and how much is remembered."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest

from hubwatch_core.wire import Clear, Detection
from hubwatch_detectors.access import people as people_module
from hubwatch_detectors.access.badge_config import BadgesConfig
from hubwatch_detectors.access.habits import Habits
from hubwatch_detectors.access.people import (
    MAX_DOORS,
    MAX_KEPT,
    MAX_PERSON_BYTES,
    PROBATION,
    USUAL_PERSON_BYTES,
    People,
    Person,
    Use,
)
from hubwatch_site import Cardholder, HubSite
from hubwatch_site.model import Readers
from support.badge_model import DAY_S, HOUR_S, At, BadgeBench, building, clones, nights, us

WHO = "badge:1"
SHIFT = {"shifts": [{"name": "late", "days": "mon-sun", "from": "14:00", "to": "22:00"}]}


def lived(days: int = 30, doors: tuple[int, ...] = (1, 1, 2), hour: float = 9.0, **bench: Any) -> BadgeBench:
    """Return a bench with one person who uses the same doors every day."""
    made = BadgeBench(**bench)
    for day in range(days):
        made.play([At(day * DAY_S + (hour + n) * HOUR_S, door, WHO) for n, door in enumerate(doors)])
    assert made.kinds() == []
    return made


def free_exits(**more: Any) -> HubSite:
    """Return a building that is left without a badge."""
    site = building(10, **more)
    return site.model_copy(
        update={"doors": tuple(door.model_copy(update={"readers": Readers(**{"in": "in"})}) for door in site.doors)}
    )


def used(day: float, hour: float, *doors: int) -> list[At]:
    return [At(day * DAY_S + (hour + n / 4) * HOUR_S, door, WHO) for n, door in enumerate(doors)]


def test_badge_at_doors_of_others_is_cloned_until_it_rests_and_its_end_has_the_highest_score() -> None:
    bench = lived()
    bench.play(used(31, 9, 5, 6, 7, 8, 9))
    bench.found += bench.detector.advance(us(31 * DAY_S + 13 * HOUR_S))
    detection, clear = bench.found
    assert isinstance(detection, Detection)
    assert isinstance(clear, Clear)
    assert (detection.type, detection.subject, detection.end) == ("access.cloned", WHO, None)
    assert detection.priority < 4
    assert detection.evidence["usual_doors"] == {"door-1": 60, "door-2": 30}
    assert clear.id == detection.id
    assert clear.end == us(31 * DAY_S + 10 * HOUR_S)
    assert clear.detected == clear.end + 3_600_000_000
    assert clear.score is not None
    assert clear.score > detection.score


def test_usual_doors_are_not_cloned_and_a_person_without_history_is_not_judged() -> None:
    bench = lived()
    bench.play(used(31, 9, 1, 2, 1, 1))
    bench.play([At(31 * DAY_S + n * 60, door, "badge:new") for n, door in enumerate((3, 4, 5, 6))])
    assert bench.kinds() == []


def test_what_a_clone_did_is_not_learned() -> None:
    bench = lived()
    for day in range(31, 61):
        bench.play(used(day, 9, 5, 6, 7, 8))
    assert bench.kinds().count("access.cloned") == 30
    assert set(bench.detector.memory.people.known[WHO].doors) == {0, 1}


def lived_among_others() -> BadgeBench:
    """Return a bench with one person who uses three doors, and others who use another two."""
    bench = BadgeBench()
    for day in range(30):
        bench.play(used(day, 9, 1, 2, 3))
        bench.play([At(day * DAY_S + (10 + n) * HOUR_S, 5 + n % 2, f"badge:other-{n}") for n in range(6)])
    assert bench.kinds() == []
    return bench


def doors_of(bench: BadgeBench) -> set[str]:
    """Return the doors that were learned of the person."""
    memory = bench.detector.memory
    return {memory.habits.names[door] for door in memory.people.known[WHO].doors}


def test_what_may_have_been_the_owner_is_learned_once_it_has_been_calm_for_long_enough() -> None:
    bench = lived_among_others()
    bench.play(used(31, 9, 1, 2, 3, 5))
    assert bench.kinds() == ["access.cloned"]
    for day in range(32, 33 + PROBATION // 3):
        bench.play(used(day, 9, 1, 2, 3))
        assert doors_of(bench) == {"door-1", "door-2", "door-3"}
    bench.play(used(60, 9, 1, 2, 3))
    assert doors_of(bench) == {"door-1", "door-2", "door-3", "door-5"}
    assert bench.kinds() == ["access.cloned"]


@pytest.mark.parametrize("doors", [(1, 2, 3, 5, 5), (5, 6, 7, 8)], ids=["again", "no owner does it"])
def test_what_is_called_cloned_again_or_was_nothing_an_owner_does_is_never_learned(doors: tuple[int, ...]) -> None:
    bench = lived_among_others()
    bench.play(used(31, 9, *doors))
    if 7 not in doors:
        bench.play(used(32, 9, 1, 2, 3, 6))
    cloned = bench.kinds()
    assert cloned == ["access.cloned"] * (1 if 7 in doors else 2)
    for day in range(34, 44):
        bench.play(used(day, 9, 1, 2, 3))
    assert not doors_of(bench) & {"door-5", "door-7", "door-8"}


def test_threshold_set_by_hand_goes_before_the_rate() -> None:
    bench = lived(config=BadgesConfig(clone_score=1000.0))
    bench.play(used(31, 9, 5, 6, 7, 8))
    assert bench.kinds() == []


def test_clones_are_found_at_about_the_allowed_rate_in_a_small_hub() -> None:
    figures = clones(people=15, days=15, rounds=4, seed=5)
    assert figures.found / figures.sessions > 0.55
    assert figures.false / figures.sessions < 0.06


def test_concentration_is_learned_from_the_hub() -> None:
    keeping, roaming = Habits(), Habits()
    for hub, spread in ((keeping, 1), (roaming, 24)):
        for number in range(24):
            hub.number(f"door-{number}")
        for who in range(40):
            person = Person()
            for n in range(40):
                door = (who + n * 7 % spread) % 24
                hub.learn(person, door, 24)
                person.learn(door, 9)
    assert keeping.concentration() < roaming.concentration()


def test_stranger_at_night_is_told_and_a_call_to_the_usual_doors_is_not() -> None:
    bench = lived()
    bench.play(used(31, 1.5, 1, 2))
    assert bench.kinds() == []
    bench.play(used(33, 1.5, 5, 6, 7, 8))
    assert "access.after_hours" in bench.kinds()
    found = next(each for each in bench.found if isinstance(each, Detection) and each.type == "access.after_hours")
    assert math.exp(-found.score) <= found.evidence["allowed"]


def test_person_with_a_shift_who_is_not_on_call_has_no_excuse_and_one_on_call_has() -> None:
    for on_call, expected in ((False, ["access.after_hours"]), (True, [])):
        who = {WHO: Cardholder(WHO, shift="late", on_call=on_call)}
        bench = lived(hour=15, site=free_exits(**SHIFT), people=who)
        bench.play([At(31 * DAY_S + 3 * HOUR_S, 1, WHO, inward=True)])
        assert [kind for kind in bench.kinds() if kind == "access.after_hours"] == expected


def test_hours_within_a_shift_are_usual_even_to_somebody_who_never_came_in_them() -> None:
    bench = lived(hour=15, site=free_exits(**SHIFT), people={WHO: Cardholder(WHO, shift="late")})
    bench.play([At(31 * DAY_S + 21 * HOUR_S + n, door, WHO) for n, door in enumerate((6, 7, 8, 9))])
    assert "access.after_hours" not in bench.kinds()


def test_people_on_call_make_hardly_any_alarms_and_strangers_at_night_do() -> None:
    figures = nights(people=15, days=20, seed=4, on_call=0.02)
    assert figures.false == 0
    assert figures.found >= 8


def test_badge_that_rested_long_or_is_outside_its_validity_is_dormant() -> None:
    bench = lived(people={"badge:old": Cardholder("badge:old", valid_to=us(DAY_S))})
    bench.play([At(100 * DAY_S, 1, WHO), At(100 * DAY_S + 60, 1, "badge:old"), At(100 * DAY_S + 120, 1, "badge:old")])
    assert bench.kinds() == ["access.dormant"] * 2
    whys = [each.why for each in bench.found if isinstance(each, Detection)]
    assert whys == ["badge used for the first time in 71 days", "badge used after its validity ended"]


def test_somebody_who_comes_every_quarter_is_not_dormant_each_time() -> None:
    bench = BadgeBench()
    for quarter in range(5):
        bench.play([At(quarter * 90 * DAY_S, 1, WHO)])
    assert bench.kinds() == ["access.dormant"]


def test_vital_zone_makes_it_more_urgent() -> None:
    plain, vital = lived(site=free_exits()), lived(site=_vital())
    for bench in (plain, vital):
        bench.play([At(120 * DAY_S, 1, WHO)])
    assert [each.priority for bench in (plain, vital) for each in bench.found if isinstance(each, Detection)] == [3, 2]


def _vital() -> Any:
    site = free_exits()
    zones = tuple(zone.model_copy(update={"criticality": 3}) for zone in site.zones)
    return site.model_copy(update={"zones": zones})


def test_person_takes_no_more_than_is_stated() -> None:
    largest = Person(last=2**52, zone="z" * 63, stood="z" * 63, used=2**52, longest_us=2**50)
    for n in range(100):
        largest.learn(4000 + n, n % 24)
    largest.session = [Use(2**52, 4000, 23, -1.234567890123456)] * 5
    largest.cloned = largest.after_hours = "0" * 26
    largest.peaks = (12.123456789012345, 12.123456789012345)
    largest.conflict = largest.told = 2**52
    largest.kept, largest.probation = [(4000, 23)] * MAX_KEPT, PROBATION
    assert len(largest.doors) == MAX_DOORS
    assert len(msgspec.json.encode({"s" * 120: largest})) <= MAX_PERSON_BYTES
    usual = lived().detector.memory.people.known
    assert len(msgspec.json.encode(usual)) <= USUAL_PERSON_BYTES


def test_who_was_not_seen_for_longest_is_forgotten_and_what_goes_on_about_them_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(people_module, "MAX_PEOPLE", 3)
    bench = lived()
    bench.play(used(31, 9, 5, 6, 7, 8))
    found = bench.play([At(31 * DAY_S + 10 * HOUR_S + n, 1, f"badge:new-{n}") for n in range(4)])
    assert [type(each) for each in found] == [Clear]
    assert list(bench.detector.memory.people.known) == [f"badge:new-{n}" for n in (1, 2, 3)]
    assert bench.detector.memory.people.active == {}


def test_strangers_who_are_refused_are_not_remembered() -> None:
    bench = BadgeBench()
    bench.play([At(n, 1, f"badge:{n}", denied=True) for n in range(50)])
    assert bench.detector.memory.people == People()
