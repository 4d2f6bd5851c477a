"""What a handover calls NOT KNOWN: whatever nobody has looked at, or not lately."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from hubwatch_alarms.handover import unknown_of
from hubwatch_alarms.handover_text import text_of
from hubwatch_store.alarms import Handover, HubLag, handovers

BEATS = {("collector", "a"): 5, ("detectors", "b"): 5, ("alarms", "c"): 5}
EVERY = frozenset({"collector", "detectors", "alarms"})
WELL = HubLag(known=True, agents=2, sensors=9, heard_s=4.0, judged_s=6.0, waiting_s=None)
AT = datetime(2026, 11, 30, 6, tzinfo=UTC)


def test_what_everybody_looks_at_is_known() -> None:
    assert unknown_of(BEATS, EVERY, WELL) == {}
    assert unknown_of(BEATS, EVERY, replace(WELL, waiting_s=0.5)) == {}


@pytest.mark.parametrize(
    ("silent", "behind", "unknown"),
    [
        ("collector", {}, {"alarms", "incidents", "blind"}),
        ("detectors", {}, {"alarms", "incidents"}),
        ("alarms", {}, {"alarms", "incidents", "set_aside", "routes"}),
        (None, {"heard_s": 181.0}, {"alarms", "incidents", "blind"}),
        (None, {"heard_s": None}, {"alarms", "incidents", "blind"}),
        (None, {"heard_s": -200.0}, {"alarms", "incidents", "blind"}),
        (None, {"agents": 0}, {"alarms", "incidents", "blind"}),
        (None, {"sensors": 0}, {"alarms", "incidents", "blind"}),
        (None, {"judged_s": 121.0}, {"alarms", "incidents"}),
        (None, {"judged_s": None}, {"alarms", "incidents"}),
        (None, {"waiting_s": 31.0}, {"alarms", "incidents", "set_aside", "routes"}),
        (None, {"waiting_s": -1.0}, {"alarms", "incidents", "set_aside", "routes"}),
    ],
)
def test_part_is_not_known_when_what_it_depends_on_is_silent_or_behind(
    silent: str | None, behind: dict[str, float | int | None], unknown: set[str]
) -> None:
    found = unknown_of(BEATS, EVERY - {silent}, replace(WELL, **behind))  # type: ignore[arg-type]
    assert set(found) == unknown
    assert all(found.values())


def test_reason_says_whether_there_is_no_such_process_or_it_shows_no_life() -> None:
    without = {each: count for each, count in BEATS.items() if each[0] != "detectors"}
    assert unknown_of(without, EVERY - {"detectors"}, WELL)["alarms"] == "no process judges this hub"
    silent = unknown_of(BEATS, EVERY - {"detectors"}, WELL)["alarms"]
    assert silent == "the process that judges this hub shows no life"


def drafted(**sections: dict[str, object]) -> Handover:
    calm: dict[str, object] = {name: {"not_known": None, "whole": 0, "rows": []} for name in handovers.SECTIONS}
    level = {"level": 1, "at": None, "by": None, "note": None, "until": None}
    facts = {"at": "2026-11-30T06:00:00Z", "time_zone": "Europe/Amsterdam", "level": level} | calm | sections
    return Handover(3, "rotterdam", AT, "kim", False, facts, "", None, None, None, None, None, None, "d" * 64)


def test_text_is_on_the_clock_of_the_hub_and_says_who_is_unverified() -> None:
    text = text_of(drafted())
    assert "as of 2026-11-30 07:00 CET, drafted by kim (unverified)" in text
    assert "OPEN ALARMS\n  no open alarm\n" in text
    assert text.endswith(f"Left: not signed\nTaken over: not signed\nDigest: {'d' * 64}")


def test_what_is_cut_off_is_counted_and_what_is_listed_may_not_be_all() -> None:
    row = {
        "id": 7, "type": "perimeter.intrusion", "title": "Intrusion\x1b[2J", "zone": "north\n", "sensor": "fence-1",
        "priority": 1, "state": "unacknowledged", "opened": "2026-11-30T05:00:00Z", "acknowledged_by": None,
        "told": None,
    }  # fmt: skip
    text = text_of(drafted(alarms={"not_known": "findings wait", "whole": 9, "rows": [row]}))
    assert (
        "OPEN ALARMS: 9\n  NOT KNOWN whether that is all: findings wait\n  CRITICAL: Intrusion [2J, north / fence-1"
        in text
    )
    assert "NOBODY HAS IT, told to nobody (alarm 7)\n  … and 8 more" in text
    assert "PROMISED\n  NOT KNOWN: 8 open alarms and incidents are not listed; findings wait" in text
