"""No known pitfall is without a fault device, and the page says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.pitfall_page import cases, page, pitfalls

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "pitfalls.md"
KNOWN = 27
"""Rows of the collection the pitfalls were taken from: none is dropped unseen."""


@pytest.mark.parametrize("key", pitfalls())
def test_every_pitfall_has_a_fault_device(key: str) -> None:
    assert pitfalls()[key].cases


def test_no_pitfall_was_dropped() -> None:
    assert len(pitfalls()) >= KNOWN


@pytest.mark.parametrize("name", [name for name in cases() if name.startswith("modbus/")])
def test_every_modbus_case_says_what_it_proves_and_where_that_was_seen(name: str) -> None:
    case = cases()[name]
    assert case["pitfall"] in pitfalls()
    assert case["title"]
    assert case["source"]


def test_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), (
        "PYTHONPATH=tests python -m support.pitfall_page > docs/reference/pitfalls.md"
    )
