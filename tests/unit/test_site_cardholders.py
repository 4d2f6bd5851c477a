"""A list of cardholders: what it says, every mistake at once, and the pseudonyms that agents send."""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from hubwatch_agents.values.pseudonyms import keyed
from hubwatch_core.clock import to_datetime
from hubwatch_core.errors import ConfigError
from hubwatch_site import Cardholder
from hubwatch_site.cardholder_list import MAX_TOLD, ListedPerson, Surroundings, read_list

HEAD = "badge,home zone,shift,on call,clearance,valid from,valid to"
HERE = Surroundings({"office", "apron"}, {"early"}, ZoneInfo("Europe/Amsterdam"))
PSEUDONYM = keyed(b"0123456789abcdef")


def read(tmp_path: Path, *lines: str, head: str = HEAD, with_names: bool = False) -> list[ListedPerson]:
    file = tmp_path / "people.csv"
    file.write_text("\n".join([head, *lines]) + "\n", encoding="utf-8")
    return read_list(file, HERE, PSEUDONYM, with_names=with_names)


def mistakes(tmp_path: Path, *lines: str, head: str = HEAD, with_names: bool = False) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, *lines, head=head, with_names=with_names)
    return [str(problem).removeprefix(f"{tmp_path}/people.csv") for problem in caught.value.problems]


def test_person_is_known_by_the_pseudonym_that_agents_send(tmp_path: Path) -> None:
    (named,) = read(tmp_path, "0123,office,early,yes,2,2026-03-01,2026-03-31")
    person = named.person
    assert person.subject == PSEUDONYM("badge:", "0123")
    assert (person.home_zone, person.shift, person.on_call, person.clearance) == ("office", "early", True, 2)
    assert named.name is None


def test_days_are_those_of_the_hub_and_the_last_one_counts_whole(tmp_path: Path) -> None:
    (named,) = read(tmp_path, "1,,,,,2026-03-01,2026-03-29")
    assert named.person.valid_from is not None
    assert named.person.valid_to is not None
    assert to_datetime(named.person.valid_from).isoformat() == "2026-02-28T23:00:00+00:00"
    assert to_datetime(named.person.valid_to).isoformat() == "2026-03-29T22:00:00+00:00"  # summer time began


def test_moments_with_and_without_a_zone_are_taken_as_they_are_said(tmp_path: Path) -> None:
    (named,) = read(tmp_path, "1,,,,,2026-03-01T06:00,2026-03-01T06:00+00:00")
    assert named.person.valid_from is not None
    assert named.person.valid_to == named.person.valid_from + 3600 * 1_000_000


def test_what_is_empty_says_nothing(tmp_path: Path) -> None:
    (named,) = read(tmp_path, "1,,,,,,")
    assert named.person == Cardholder(PSEUDONYM("badge:", "1"))


def test_columns_may_stand_in_any_order_between_semicolons_and_with_underscores(tmp_path: Path) -> None:
    head = "Valid_To;valid_from;clearance;on_call;shift;home_zone;Badge;name"
    (named,) = read(tmp_path, ";;3;no;early;apron;7;Kim", "", ";;;;;;;", head=head, with_names=True)
    assert (named.name, named.person.clearance, named.person.home_zone) == ("Kim", 3, "apron")


def test_names_are_not_taken_unless_they_are_wanted(tmp_path: Path) -> None:
    (named,) = read(tmp_path, "1,,,,,,,Kim", head=HEAD + ",name")
    assert named.name is None
    assert mistakes(tmp_path, "1,,,,,,", with_names=True) == [":1: column 'name' is missing"]


def test_every_mistake_is_told_with_line_and_column_and_no_badge(tmp_path: Path) -> None:
    found = mistakes(
        tmp_path,
        "4711,cellar,late,perhaps,-1,1.3.2026,",
        ",,,,,2026-03-02,2026-03-01",
        "4711,,,,101,,2026-13-01",
    )
    assert found == [
        ":2: valid from: must be a day as in 2026-03-01, or a moment as in 2026-03-01T06:00",
        ":2: home zone: there is no zone cellar at this hub",
        ":2: shift: there is no shift late in the site of this hub",
        ":2: on call: must be yes or no",
        ":2: clearance: must be a whole number from 0 to 100",
        ":3: badge: is required",
        ":3: valid to: must be after valid from",
        ":4: valid to: must be a day as in 2026-03-01, or a moment as in 2026-03-01T06:00",
        ":4: clearance: must be a whole number from 0 to 100",
        ":4: badge: is there already, on line 2",
    ]
    assert "4711" not in "".join(found)


def test_wrong_columns_are_told_at_once(tmp_path: Path) -> None:
    head = "badge,home zone,shift,on call,clearance,valid from,colour,badge"
    assert mistakes(tmp_path, head=head) == [
        ":1: column 'valid to' is missing",
        ":1: column 'colour' is unknown",
        ":1: column 'badge' is there twice",
    ]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["1,office"], ":2: has 2 values, the first line names 7"),
        ([], ": has no cardholders"),
        (['"1' + "x" * 200_000], ":2: is no CSV: field larger than field limit (131072)"),
        (["\x1b[31m,,,,,,"], ":2: badge: must be at most 200 printable characters"),
    ],
)
def test_file_that_is_no_such_list_is_refused(tmp_path: Path, lines: list[str], said: str) -> None:
    assert mistakes(tmp_path, *lines) == [said]


def test_a_wrong_column_does_not_fill_the_screen(tmp_path: Path) -> None:
    found = mistakes(tmp_path, *(f"{i},cellar,,,,," for i in range(MAX_TOLD + 50)))
    assert len(found) == MAX_TOLD + 1
    assert found[-1] == ": and 50 more mistakes"
