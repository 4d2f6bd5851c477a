"""What a list that was cut says in its last line."""

from __future__ import annotations

import pytest

from hubwatch_core.cut_lists import more_text


@pytest.mark.parametrize(
    ("more", "most", "at_least", "said"),
    [
        (3, 10, False, "3 more; --most 13 shows them"),
        (50, 10, False, "50 more; --most 40 shows the first 40"),
        (30, 10, True, "at least 30 more; --most 40 shows the first 40"),
        (30, 40, True, "at least 30 more; that is the longest list there is"),
    ],
)
def test_list_that_was_cut_says_how_much_is_left_out(more: int, most: int, *, at_least: bool, said: str) -> None:
    assert more_text(more, most, limit=40, at_least=at_least) == said
