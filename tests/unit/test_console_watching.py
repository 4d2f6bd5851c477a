"""When an empty queue means that all is well, which sensors are not seen, and what pages make of foreign text."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from hubwatch_console.pages.downloads import plain_cell
from hubwatch_console.pages.drawing import DrawnLine, fence, lines, profile_of, timeline
from hubwatch_console.pages.rendering import span
from hubwatch_console.pages.sight import blind_zones, cause_of, sights
from hubwatch_console.pages.visiting import own_path
from hubwatch_console.watching import WatchDoubt, Watching
from hubwatch_store.console import Beat, HubWork
from support.console_hub import gamma_evidence

HUB = "rotterdam"


def watched(
    *, rises: tuple[str, ...] = ("alarms", "detectors"), heard_s: float | None = 1.0, judged_s: float | None = 1.0,
    waits: int | None = None, looks: int = 8,
) -> list[WatchDoubt]:  # fmt: skip
    """Return the doubts after some looks, two seconds apart."""
    watching = Watching()
    for i in range(looks):
        beats = [Beat(kind, (), i if kind in rises else 7, waits) for kind in ("alarms", "detectors")]
        watching.take(beats, [HubWork(HUB, heard_s, judged_s)], 100.0 + 2 * i)
    return watching.doubts(HUB, 100.0 + 2 * looks)


@pytest.mark.parametrize(
    ("facts", "doubts"),
    [
        ({}, []),
        ({"looks": 1}, [WatchDoubt.NOT_JUDGED, WatchDoubt.NO_ALARMS]),
        ({"heard_s": 31.0}, [WatchDoubt.NOTHING_HEARD]),
        ({"heard_s": None}, [WatchDoubt.NOTHING_HEARD]),
        ({"heard_s": -40.0}, [WatchDoubt.NOTHING_HEARD]),
        ({"judged_s": 121.0}, [WatchDoubt.NOT_JUDGED]),
        ({"rises": ("alarms",)}, [WatchDoubt.NOT_JUDGED]),
        ({"rises": ("detectors",)}, [WatchDoubt.NO_ALARMS]),
        ({"waits": 41}, [WatchDoubt.ALARMS_WAIT]),
    ],
)
def test_calm_is_said_by_data(facts: dict[str, Any], doubts: list[WatchDoubt]) -> None:
    assert watched(**facts) == doubts


def test_what_was_not_asked_lately_and_a_hub_nobody_knows_are_not_well() -> None:
    watching = Watching()
    assert watching.doubts(HUB, 0.0) == [WatchDoubt.NOT_ASKED]
    for i in range(8):
        beats = [Beat(kind, ("basel",), i, None) for kind in ("alarms", "detectors")]
        watching.take(beats, [HubWork(HUB, 1.0, 1.0), HubWork("basel", 1.0, 1.0)], 2.0 * i)
    assert watching.doubts("basel", 15.0) == []
    assert watching.doubts(HUB, 15.0) == [WatchDoubt.NOT_JUDGED, WatchDoubt.NO_ALARMS]  # another hub's are no help
    assert watching.doubts("nowhere", 15.0)[0] is WatchDoubt.NOTHING_HEARD
    assert watching.doubts("basel", 60.0) == [WatchDoubt.NOT_ASKED]


SEEN = {
    "hub": HUB, "zone": "office", "sensor": "area-1", "kind": "radiation_area", "agent": "gate", "channels": True,
    "agent_state": "online", "agent_heard_s": 1.0, "age_s": 1.0, "max_age_s": 30.0, "quality": 0, "reason": None,
    "expected": None, "until": None, "expected_by": None, "acknowledged_by": None, "alarm": None, "alarm_type": None,
    "priority": None, "exercise": None,
}  # fmt: skip


@pytest.mark.parametrize(
    ("facts", "cause"),
    [
        ({}, None),
        ({"agent_state": "offline"}, "agent"),
        ({"agent_heard_s": 31.0}, "silent"),
        ({"agent_heard_s": None}, "silent"),
        ({"age_s": None}, "never"),
        ({"age_s": None, "channels": False}, None),
        ({"age_s": 31.0}, "device"),
        ({"age_s": 59.0, "max_age_s": None}, None),
        ({"age_s": 61.0, "max_age_s": None}, "device"),
        ({"quality": 2}, "bad"),
        ({"expected": "maintenance"}, "maintenance"),
        ({"expected": "works", "agent_state": "offline"}, "agent"),
    ],
)
def test_cause_of_blindness_is_the_one_nearest_to_its_root(facts: dict[str, Any], cause: str | None) -> None:
    assert cause_of(SEEN | facts) == cause


def test_zone_where_nothing_is_seen_goes_first() -> None:
    rows = [
        SEEN | {"zone": "a", "sensor": "a1", "quality": 2}, SEEN | {"zone": "a", "sensor": "a2"},
        SEEN | {"zone": "z", "sensor": "z1", "quality": 2}, SEEN | {"zone": "m", "sensor": "m1"},
    ]  # fmt: skip
    found = blind_zones(sights(rows))
    assert [(zone, [each.sensor for each in blind], all_) for _, zone, blind, all_ in found] == [
        ("z", ["z1"], 1), ("a", ["a1"], 2)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("us", "text"),
    [
        (0, "0 s"), (59_900_000, "59 s"), (61_000_000, "1 min 01 s"), (3_600_000_000, "1 h 00 min"),
        (90_061_000_000, "1 d 01 h"), (-2_000_000, "−2 s"), (-400_000, "0 s"),
    ],
)  # fmt: skip
def test_age_has_its_two_largest_units(us: int, text: str) -> None:
    assert span(us) == text


@pytest.mark.parametrize(
    ("text", "path"),
    [
        (None, "/"), ("/alarms/7?p=2", "/alarms/7?p=2"), ("//evil.example", "/"), ("https://evil.example", "/"),
        ("/\\evil.example", "/"), ("/a\r\nSet-Cookie: x", "/"), ("/" + "x" * 2000, "/"),
    ],
)  # fmt: skip
def test_log_in_leads_nowhere_else(text: str | None, path: str) -> None:
    assert own_path(text) == path


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx"])
def test_spreadsheet_takes_foreign_text_for_text(text: str) -> None:
    assert plain_cell(text).startswith("'")


HOSTILE = '"><script>alert(1)</script>'


def test_foreign_text_in_a_drawing_stays_text() -> None:
    now = datetime(2026, 11, 30, tzinfo=UTC)
    section = {"fence": 0, "section": 0, "sensor": HOSTILE, "from_m": 0.0, "to_m": 1.0}
    drawn = [
        lines(
            HOSTILE, [DrawnLine("seen", HOSTILE, [(0, 1), (1, 2)])], unit=HOSTILE, across=HOSTILE, limit=(HOSTILE, 1.0)
        ),
        timeline(HOSTILE, [(HOSTILE, [(now, HOSTILE)])], now, now, now),
        fence(HOSTILE, [section], {HOSTILE: [0.0]}),
    ]
    for each in drawn:
        assert each
        assert "<script" not in each
        assert "style=" not in each


def test_profile_is_drawn_with_its_model_and_background_and_not_when_it_is_none() -> None:
    names = {"seen": "counts", "model": "model", "background": "background"}
    drawn = profile_of(gamma_evidence(), names)
    assert [each.kind for each in drawn] == ["seen", "model", "background"]
    assert [len(each.points) for each in drawn] == [60, 60, 2]
    assert drawn[2].points[0][1] == pytest.approx(400.0)
    for broken in ({}, {"profile": 3}, {"profile": {"t_s": [1, 2], "counts": [1]}}, {"profile": {"t_s": ["x"]}}):
        assert profile_of(broken, names) == []
