"""The page on IEC 62443-3-3 is whole, and names tests that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reference" / "iec-62443.md").read_text(encoding="utf-8")

# Of each foundational requirement the numbers of its system requirements, and the enhancements that SL 2 asks for.
# Ref: IEC 62443-3-3:2013, annex B; SR 2.7 and SR 2.12 begin at SL 3.
REQUIREMENTS = {1: 13, 2: 12, 3: 9, 4: 3, 5: 4, 6: 2, 7: 8}
FROM_SL_3 = {"2.7", "2.12"}
ENHANCEMENTS = {"1.1 RE 1", "1.6 RE 1", "1.13 RE 1", "2.1 RE 1", "2.1 RE 2", "3.2 RE 1", "4.1 RE 1", "5.1 RE 1"}
ENHANCEMENTS |= {"5.2 RE 1", "7.1 RE 1", "7.3 RE 1"}
VERDICTS = {"met", "partly", "not met", "outside"}


class Line(NamedTuple):
    """One requirement as the page has it."""

    number: str
    verdict: str
    how: str
    tests: list[str]


def lines() -> list[Line]:
    found = []
    for row in re.findall(r"^\| SR (\d.*) \|$", PAGE, re.MULTILINE):
        number, _, verdict, how, tests = (cell.strip() for cell in row.split("|"))
        found.append(Line(number, verdict, how, re.findall(r"`([^`]+)`", tests)))
    return found


def test_every_requirement_of_level_2_stands_there_once() -> None:
    wanted = {f"{group}.{n}" for group, many in REQUIREMENTS.items() for n in range(1, many + 1)} - FROM_SL_3
    numbers = [line.number for line in lines()]
    assert sorted(numbers) == sorted(wanted | ENHANCEMENTS)


def test_each_has_a_verdict_and_says_how() -> None:
    assert {line.verdict for line in lines()} <= VERDICTS
    assert [line.number for line in lines() if len(line.how) < 5] == []


def test_what_is_met_is_shown_by_a_test_and_what_is_not_is_by_none() -> None:
    assert [line.number for line in lines() if line.verdict in {"met", "partly"} and not line.tests] == []
    assert [line.number for line in lines() if line.verdict == "not met" and line.tests] == []


@pytest.mark.parametrize("line", lines(), ids=lambda line: f"SR {line.number}")
def test_every_test_that_is_named_exists(line: Line) -> None:
    for name in line.tests:
        file, _, function = name.partition("::")
        path = ROOT / "tests" / file
        assert path.is_file(), name
        if function:
            tree = ast.parse(path.read_text(encoding="utf-8"))
            functions = {
                each.name for each in ast.walk(tree) if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
            }
            assert function in functions, name
