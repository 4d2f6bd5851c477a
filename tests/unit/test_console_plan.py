"""The plan: what is not seen looks like no priority, and a picture behind it; blind spots and the dead man in words."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hubwatch_console.pages import plan_labels
from hubwatch_console.pages.plan_drawing import LabelsOfSite, draw_plan
from hubwatch_console.pages.plan_picture import picture_of
from hubwatch_console.pages.rendering import statics
from hubwatch_console.pages.sight import SensorSight, sights
from hubwatch_console.pages.watch import outside_hears
from hubwatch_site import HubSite, shapes
from support.console_page import page_in
from support.doubling import assert_linear

BAD = "Critical · 1 BLIND"
FACTS = {"id": "rotterdam", "name": "Terminal", "mode": "sea", "time_zone": "UTC"}
SITE = HubSite.model_validate(
    {
        "hub": FACTS,
        "plan": {"width_m": 100, "height_m": 60, "image": "plan.svg"},
        "zones": [
            {"id": "yard", "outline": [[0, 0], [50, 0], [50, 30], [0, 30]]},
            {"id": "office", "outline": [[60, 0], [90, 0], [90, 30], [60, 30]]},
        ],
        "paths": [{"from": "yard", "to": "office", "metres": 20}],
        "doors": [{"sensor": "door-1", "from": "office", "to": "yard"}],
        "sensors": [{"id": "door-1", "at": [55, 10]}],
    }
)
SEEN = SensorSight(
    hub="rotterdam", zone="office", sensor="door-1", kind="access", agent="gate", cause=None, age_s=1.0, unseen_s=None,
    until=None, by=None, alarm=None, alarm_type=None, priority=None, exercise=None, reason=None,
)  # fmt: skip
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><rect width="9" height="9"/></svg>'


def drawn(*, known: bool = True, picture: str | None = None, **of_sensor: Any) -> str:
    return str(draw_plan(SITE, [replace(SEEN, **of_sensor)], page_in("en"), known=known, picture=picture))


def test_each_state_of_a_sensor_has_a_shape_a_class_and_a_word_of_its_own() -> None:
    pictures = {
        "p4": drawn(alarm=1, priority=4), "p3": drawn(alarm=1, priority=3), "seen": drawn(),
        "unknown": drawn(known=False), "blind": drawn(cause="device"),
    }  # fmt: skip
    found = {}
    for kind, text in pictures.items():
        mark = re.search(rf'<g class="sensor {kind}"><title>door-1: ([^<]+)</title>(.*?)</g>', text)
        assert mark is not None, kind
        found[kind] = mark[1], re.sub(r'"[^"]*"', "", mark[2])
    assert len({word for word, _ in found.values()}) == len(pictures)
    assert len({shape for _, shape in found.values()}) == len(pictures)
    assert found["p4"][0] == "Low"
    assert "NOT KNOWN" in found["unknown"][0]


def test_zone_that_is_not_seen_is_hatched_and_one_of_low_priority_is_not() -> None:
    assert drawn(known=False).count("hatched") == 2
    assert drawn(cause="device").count("hatched") == 2  # the yard has no sensor at all
    assert drawn(alarm=1, priority=4).count("hatched") == 1
    assert "BLIND" in drawn(cause="device")


def test_zones_that_a_path_or_a_door_joins_are_joined_once() -> None:
    assert drawn().count('class="joined"') == 1


@pytest.mark.parametrize(
    ("zone", "state", "marks"),
    [
        ((0, 0, 18, 5), "Critical", [(9, 2.5), (15, 1)]), ((0, 0, 15, 9), BAD, [(2, 2.5), (4, 9), (11, 9)]),
        ((0, 0, 4, 32), BAD, [(2, 27)]), ((0, 0, 7, 8), "Medium", [(7, 4)]), ((0, 0, 51, 2.5), BAD, [(46, 1.2)]),
        ((0, 0, 9, 9), BAD, []), ((0, 0, 12, 12), BAD, [(6, 6)]),
    ],
)  # fmt: skip
def test_words_of_a_zone_stay_inside_it_and_cover_no_sensor(
    zone: plan_labels.Box, state: str, marks: list[tuple[float, float]]
) -> None:
    size, name = 1.5, "Gate 2"
    taken = [(x - size, y - size, x + size, y + size) for x, y in marks]
    where = plan_labels.place(outline_of(zone), name, state, taken, size)
    longest = len(state) if where.lines == 2 else len(name) + 1 + len(state)
    along, thick = longest * plan_labels.LETTER_WIDTH * where.size, where.lines * plan_labels.LINE * where.size
    wide, tall = (thick, along) if where.turned else (along, thick)
    box = (where.x - wide / 2, where.y - tall / 2, where.x + wide / 2, where.y + tall / 2)
    assert zone[0] <= box[0] <= box[2] <= zone[2], where
    assert zone[1] <= box[1] <= box[3] <= zone[3], where
    for mark in taken:
        apart = box[2] <= mark[0] or mark[2] <= box[0] or box[3] <= mark[1] or mark[3] <= box[1]
        assert apart, (where, mark)


def outline_of(box: plan_labels.Box) -> list[tuple[float, float]]:
    left, top, right, bottom = box
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


@pytest.mark.parametrize("turn", [(1, 1), (-1, 1), (1, -1), (-1, -1)])
def test_words_of_a_zone_with_a_corner_cut_out_stand_inside_its_outline(turn: tuple[int, int]) -> None:
    outline = [(x * turn[0], y * turn[1]) for x, y in [(0, 0), (60, 0), (60, 8), (14, 8), (14, 60), (0, 60)]]
    where = plan_labels.place(outline, "Gate 2", BAD, [], 1.5)
    wide, tall = len(BAD) * plan_labels.LETTER_WIDTH * where.size, where.lines * plan_labels.LINE * where.size
    if where.turned:
        wide, tall = tall, wide
    for x in (where.x - wide / 2, where.x + wide / 2):
        assert all(shapes.holds(outline, (x, y)) for y in (where.y - tall / 2, where.y + tall / 2)), where


def crowded(size: int) -> HubSite:
    """Return a site of which half stands in one zone and the other half in zones of its own."""
    zones = [{"id": "all", "outline": outline_of((0, 0, 1000, 1000))}]
    zones += [{"id": f"z{n}", "outline": outline_of((n * 4, 0, n * 4 + 3, 9))} for n in range(size // 8)]
    sensors = [{"id": f"s{n}", "at": [n * 997 % 1000, n * 991 % 1000]} for n in range(size // 2)]
    sensors += [{"id": f"t{n}", "at": [500, 500]} for n in range(size // 2)]
    return HubSite.model_validate(
        {"hub": FACTS, "plan": {"width_m": 1000, "height_m": 1000}, "zones": zones, "sensors": sensors}
    )


def test_place_of_all_words_is_found_with_work_as_the_plan_grows() -> None:
    sites = {size: crowded(size) for size in (250, 2000)}

    def all_places(site: HubSite) -> None:
        labels = LabelsOfSite(site)
        for zone in site.zones:
            labels.place(zone, zone.id, "seen")

    assert_linear(lambda size: sites[size], all_places, 2000)


def test_plan_is_searched_once_for_each_version_of_its_site(monkeypatch: pytest.MonkeyPatch) -> None:
    sought: list[str] = []
    place = plan_labels.place

    def seeking(outline: Any, name: str, *rest: Any) -> plan_labels.LabelPlace:
        sought.append(name)
        return place(outline, name, *rest)

    monkeypatch.setattr(plan_labels, "place", seeking)
    first, second = SITE.model_copy(), SITE.model_copy()
    for site in (first, first, second):
        draw_plan(site, [SEEN], page_in("en"), known=True)
    assert sought == ["yard", "office"] * 2


def test_words_are_measured_as_large_as_they_are_drawn() -> None:
    styles = statics()["hubwatch.css"][0].decode()
    of_words = re.findall(r"(?:\.zone|\.plan)[^{}]*\.state[^{}]*{([^}]*)}", styles)
    assert len(of_words) > 3
    assert [each for each in of_words if "font" in each.replace("font-weight", "")] == []


def test_words_that_fit_nowhere_stand_where_they_go_least_beyond_their_zone() -> None:
    where = plan_labels.place(outline_of((0, 0, 2, 2)), "Gatehouse", "Critical", [(0, 0, 2, 2)], 1.5)
    assert (where.size, where.x, where.y) == pytest.approx((1.5 * min(plan_labels.SCALES), 1, 1))


def test_picture_lies_behind_the_plan() -> None:
    text = drawn(picture="/plan/picture/rotterdam?version=1")
    assert text.index("<image ") < text.index("<polygon ")
    assert "<image" not in drawn()


def test_picture_is_shown_only_when_it_may_be(tmp_path: Path) -> None:
    assert picture_of(None, tmp_path) is None
    assert picture_of(SITE, None).fault == "no folder of plans is set"  # type: ignore[union-attr]
    assert "cannot be read" in str(picture_of(SITE, tmp_path).fault)  # type: ignore[union-attr]
    file = tmp_path / "rotterdam" / "plan.svg"
    file.parent.mkdir()
    file.write_bytes(SVG)
    good = picture_of(SITE, tmp_path)
    assert good is not None
    assert (good.fault, good.kind, good.content) == (None, "image/svg+xml", SVG)
    file.write_bytes(SVG.replace(b"<rect", b"<script/><rect"))
    bad = picture_of(SITE, tmp_path)
    assert bad is not None
    assert "script" in str(bad.fault)
    assert bad.content == b""


def test_picture_outside_the_folder_is_not_read(tmp_path: Path) -> None:
    inside = tmp_path / "plans"
    for hub in ("rotterdam", "basel"):
        (inside / hub).mkdir(parents=True)
    for secret in (tmp_path / "secret.svg", inside / "basel" / "plan.svg"):
        secret.write_bytes(SVG)
        link = inside / "rotterdam" / "plan.svg"
        link.symlink_to(secret)
        found = picture_of(SITE, inside)
        assert found is not None
        assert found.fault == "lies outside the folder of its hub"
        link.unlink()
    named = SITE.model_copy(update={"plan": SITE.plan.model_copy(update={"image": "plan\0.svg"})})  # type: ignore[union-attr]
    assert "cannot be read" in str(picture_of(named, inside).fault)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("beat", "heard"),
    [
        (None, "none"), ({"age_s": 5.0, "every_s": 60.0, "outcome": "taken"}, "taken"),
        ({"age_s": 239.0, "every_s": 60.0, "outcome": "failed"}, "failed"),
        ({"age_s": 241.0, "every_s": 60.0, "outcome": "taken"}, "old"),
    ],
)  # fmt: skip
def test_dead_man_counts_only_while_it_beats(beat: dict[str, Any] | None, heard: str) -> None:
    assert outside_hears(beat) == heard


ROW: dict[str, Any] = {
    "hub": "h", "zone": "z", "sensor": "s", "kind": "access", "agent": "a", "agent_state": "online",
    "agent_heard_s": 1.0, "age_s": 2.0, "channels": True, "max_age_s": 30.0, "quality": 0, "expected": None,
    "until": None, "expected_by": None, "acknowledged_by": None, "alarm": None, "alarm_type": None, "priority": None,
    "exercise": None, "reason": None,
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "since"),
    [
        ({"age_s": 90.0}, 90.0),
        ({"age_s": None}, None),
        ({"age_s": None, "channels": False, "agent_state": "offline", "agent_heard_s": 70.0}, 70.0),
    ],
)
def test_blind_spot_says_since_when(change: dict[str, Any], since: float | None) -> None:
    (found,) = sights([ROW | change])
    assert found.cause is not None
    assert found.unseen_s == since
