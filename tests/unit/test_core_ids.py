"""Names and ULIDs."""

from __future__ import annotations

import re

import pytest

from hubwatch_core.ids import ULID_PATTERN, is_id, new_ulid


@pytest.mark.parametrize("name", ["a", "0", "gate-7", "gamma.upper", "a_b", "a--..__", "a" * 63])
def test_name_of_allowed_characters_is_an_id(name: str) -> None:
    assert is_id(name)


@pytest.mark.parametrize(
    "name",
    ["", "-a", ".a", "_a", "A", "gäte", "a b", "a/b", "a+", "a#", "a\n", "\na", "a\0", "a" * 64, "٣", "ⓐ"],
)
def test_anything_else_is_none(name: str) -> None:
    assert not is_id(name)


def test_new_ulids_are_well_formed_and_differ() -> None:
    made = [new_ulid() for _ in range(1000)]
    assert all(re.match(ULID_PATTERN, each) for each in made)
    assert len(set(made)) == 1000


def test_new_ulids_sort_by_the_millisecond_of_their_making() -> None:
    made = [new_ulid() for _ in range(1000)]
    assert [each[:10] for each in made] == sorted(each[:10] for each in made)
