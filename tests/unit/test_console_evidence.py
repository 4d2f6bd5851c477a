"""Evidence in words of the field: every fact that a detector keeps has one, and numbers are as people read them."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import hubwatch_detectors
from hubwatch_console.pages import drawing
from hubwatch_console.pages.evidence import DRAWN, INSIDE, WORDS, facts_of, odds
from support.console_page import page_in

SOURCES = sorted(Path(hubwatch_detectors.__file__).parent.rglob("*.py"))
BY_DETECTOR = {"_of_habit", "plain_evidence", "profile_evidence", "_evidence"}
"""Functions that make an evidence, or a part of one."""


def keys(node: ast.AST) -> set[str]:
    """Return the keys of the dicts that a node joins, not of those inside them."""
    if isinstance(node, ast.Dict):
        named = {key.value for key in node.keys if isinstance(key, ast.Constant) and isinstance(key.value, str)}
        return named.union(*(keys(value) for key, value in zip(node.keys, node.values, strict=True) if key is None))
    if isinstance(node, ast.BinOp):
        return keys(node.left) | keys(node.right)
    return set()


def kept() -> set[str]:
    """Return the names of all facts that detectors keep."""
    found: set[str] = set()
    for tree in (ast.parse(file.read_text(encoding="utf-8")) for file in SOURCES):
        for node in ast.walk(tree):
            if isinstance(node, ast.keyword) and node.arg == "evidence":
                found |= keys(node.value)
            elif isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign) and node.value is not None:
                target = node.targets[0] if isinstance(node, ast.Assign) else node.target
                if isinstance(target, ast.Name) and target.id in {"evidence", "facts"}:
                    found |= keys(node.value)
            elif isinstance(node, ast.FunctionDef) and node.name in BY_DETECTOR:
                found = found.union(
                    *(keys(each.value) for each in ast.walk(node) if isinstance(each, ast.Return) and each.value)
                )
    return found


KEPT = kept()


def test_facts_of_many_detectors_are_found() -> None:
    assert {"source_counts", "usual_per_hour", "gate_open", "nats_needed", "feeds", "rest_h", "usual_doors"} <= KEPT


@pytest.mark.parametrize("name", sorted(KEPT))
def test_fact_of_a_detector_has_a_word(name: str) -> None:
    assert name in WORDS or name in DRAWN | INSIDE


def test_no_word_is_left_over() -> None:
    others = {
        "minutes",
        "seconds_since_grant",
        "reason",
        "frames",
        "first_seq",
        "last_seq",
        "epoch",
        "speed_m_s",
        "speed_is",
        "scatter",
        "unit",
    }
    assert set(WORDS) - KEPT - others == set()


@pytest.mark.parametrize(
    ("chance", "language", "said"),
    [
        (1e-19, "en", "one in 10¹⁹"), (2.4e-6, "en", "one in 416,667"), (2.4e-6, "nl", "één op 416.667"),
        (0.5, "en", "one in 2"), (0.0, "en", "never seen"), (-1.0, "en", "never seen"),
        (1e-300, "es", "una de cada 10³⁰⁰"),
    ],
)  # fmt: skip
def test_chance_is_said_as_one_in_so_many(chance: float, language: str, said: str) -> None:
    assert odds(chance, page_in(language)) == said


def test_facts_have_units_and_the_order_of_the_table() -> None:
    evidence = {
        "own_alarm": False, "speed_m_s": 2.1, "counts": 25430, "set_by_hand": True, "profile": {}, "rule": "profile",
        "series": [1, 2], "load_share": 0.05, "source_at_s": 7.0, "chance": 1e-19,
    }  # fmt: skip
    assert facts_of(evidence, page_in("en")) == [
        ("Counts during the passage", "25,430"), ("Source passed after", "7 s"), ("By chance", "one in 10¹⁹"),
        ("Rise by the whole load", "5%"), ("Speed", "2.1 m/s"), ("The device itself alarmed", "no"),
        ("Threshold set by hand", "yes"),
    ]  # fmt: skip


def test_value_has_the_unit_of_its_channel() -> None:
    facts = dict(facts_of({"value": 0.42, "unit": "µSv/h", "usual": 0.11}, page_in("nl")))
    assert facts == {"Waarde": "0,42 µSv/h", "Gewoonlijk": "0,11 µSv/h"}


def test_signals_are_named_with_their_shares() -> None:
    signals = [{"signal": "flow", "share": 0.6, "value": 1, "expected": 2}, {"signal": "level", "share": 0.4}]
    assert facts_of({"signals": signals}, page_in("en")) == [("Signals that differ", "flow 60%, level 40%")]


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), None, [], {}, [[1]], {"a": None}, {"a": [{}]}, 10**400, -(10**400)],
    ids=lambda value: str(value)[:9],
)
def test_what_says_nothing_is_left_out(value: object) -> None:
    assert facts_of({"value": value}, page_in("en")) == []


def test_foreign_facts_are_short_lines() -> None:
    facts = facts_of({f"\x1b[31m{i}" * 50: "\u202ex\n" * 500 for i in range(99)}, page_in("en"))
    assert len(facts) == 24
    assert all(
        name.isprintable() and said.isprintable() and len(name) <= 60 and len(said) <= 200 for name, said in facts
    )


@pytest.mark.parametrize(("chance", "allowed"), [(1e-19, 1e-6), (1.0, 1.0), (5e-324, 0.5)])
def test_odds_are_drawn_within_the_drawing(chance: float, allowed: float) -> None:
    drawn = drawing.odds("how seldom", ("found <b>", chance), ("threshold", allowed))
    assert "found &lt;b&gt;" in drawn
    assert 'width="-' not in drawn
    assert not drawing.is_chance(0)
    assert not drawing.is_chance(True)
