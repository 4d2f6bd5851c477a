"""The pictures of boards say what the queries answered, and break lines where these have a gap."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from xml.etree import ElementTree

from support.board_drawing import drawn
from support.board_reader import BOARDS, board_json

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


def _answers(board: dict[str, Any], rows: dict[str, list[dict[str, Any]]]) -> dict[tuple[str, str], Any]:
    """Return no answer of any panel but some."""
    every = [(panel["title"], target["refId"]) for panel in board["panels"] for target in panel["targets"]]
    return {(title, letter): rows.get(title, []) for title, letter in every}


def test_every_board_without_an_answer_says_not_known_in_each_panel() -> None:
    for name in BOARDS:
        board = board_json(name)
        picture = drawn(board, _answers(board, {}), NOW)
        assert picture.count("NOT KNOWN") == len(board["panels"]), name
        ElementTree.fromstring(picture)


def test_cells_have_the_words_colours_and_ages_of_the_board() -> None:
    board = board_json("hub-overview")
    alarm = {"Priority": 1, "Where": "gate <2>", "Since": NOW - timedelta(minutes=9), "Taken by": None}
    picture = drawn(board, _answers(board, {"Open alarms": [alarm]}), NOW)
    assert 'fill="#A50F20"' in picture
    assert ">1 critical<" in picture
    assert "gate &lt;2&gt;" in picture
    assert ">9 min ago<" in picture
    assert ">–<" in picture


def test_line_breaks_at_a_gap_and_not_elsewhere() -> None:
    board = board_json("portals")
    at = [0, 60, 61, 600, 660]
    values = [1.0, 2.0, None, 3.0, 4.0]
    rows = [
        {"time": NOW + timedelta(seconds=s), "metric": "rpm-2 gamma", "value": v}
        for s, v in zip(at, values, strict=True)
    ]
    picture = drawn(board, _answers(board, {"Background": rows}), NOW)
    (path,) = re.findall(r'class="line"[^>]* d="([^"]*)"', picture)
    assert [step[0] for step in re.findall(r"[ML][^ML]*", path)] == ["M", "L", "M", "L"]
