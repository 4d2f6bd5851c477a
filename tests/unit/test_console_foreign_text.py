"""What others write is text to tables and drawings, and an address leads only where it is ours."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hubwatch_alarms.acts import NoSuchAlarm
from hubwatch_alarms.incident_acts import NoSuchIncident
from hubwatch_console.pages import drawing
from hubwatch_console.pages.downloads import plain_cell
from hubwatch_console.pages.rendering import camera_page, without_commands
from hubwatch_console.pages.visiting import own_path
from support.alarms_examples import alarm

ELSEWHERE = (
    "//evil.example", "/\\evil.example", "https://evil.example", "javascript:x", "/\n/x", "/\t/evil.example",
    "/x\r\nSet-Cookie: a=b", "evil", "", None, "/" + "x" * 2000,
)  # fmt: skip


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "\n=1", " =1", "\u202e=1", "\uff1d1", "\uff0b1"]
)
def test_no_cell_of_a_table_begins_a_formula(text: str) -> None:
    assert plain_cell(text).startswith("'")


@pytest.mark.parametrize("text", ["badge:1A", "a = b", "", "1.5 m"])
def test_cell_that_is_text_stays_as_it_is(text: str) -> None:
    assert plain_cell(text) == text


@pytest.mark.parametrize("text", ELSEWHERE)
def test_address_to_go_back_to_is_a_path_of_ours(text: str | None) -> None:
    assert own_path(text) == "/"


@pytest.mark.parametrize(
    ("refusal", "shown"),
    [
        (str(NoSuchAlarm(7)), "there is no alarm 7"),
        (str(NoSuchIncident(7)), "there is no incident 7"),
        (
            "x waits for a second person already: `hubwatch approvals list` shows it",
            "x waits for a second person already",
        ),
        (
            "nobody has taken 7: take them first, `hubwatch alarms ack-incident 3`",
            "nobody has taken 7: take them first",
        ),
        ("it is over: ask an administrator for `hubwatch users reset`", "it is over: ask an administrator"),
        ("kim said `x`: it is\nover", "kim said `x`: it is over"),
    ],
)
def test_page_says_a_refusal_without_what_is_typed_at_a_command_line(refusal: str, shown: str) -> None:
    assert without_commands(refusal) == shown


def test_camera_opens_at_the_moment_in_which_the_alarm_began() -> None:
    one = replace(alarm(), opened=1_764_493_200_000_000, sensor="door-1&x")
    page = camera_page("https://vms/{camera}?t={time_iso}&u={time_unix}&s={sensor}", "cam 12/a", one)
    assert page == "https://vms/cam%2012%2Fa?t=2025-11-30T09%3A00%3A00%2B00%3A00&u=1764493200&s=door-1%26x"


@pytest.mark.parametrize("value", [10**400, float("inf"), float("nan"), True, "1", None])
def test_what_is_no_number_of_a_drawing_is_not_drawn(value: object) -> None:
    assert drawing.series_of({"x": [1.0, 2.0, 3.0, value]}) == []
    assert drawing.threshold_of({"threshold": value}) is None
    assert len(drawing.series_of({"x": [1.0, 2.0, 3.0]})) == 1
