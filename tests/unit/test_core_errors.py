"""Errors: their tree says what to do next, their text is for people."""

from __future__ import annotations

import pytest

from hubwatch_core.errors import ConfigError, Permanent, Poison, Problem


@pytest.mark.parametrize(
    ("problem", "line"),
    [
        (Problem("hub.toml", "mqtt.port", "is required"), "hub.toml: mqtt.port: is required"),
        (Problem("hub.toml", "", "is not UTF-8 text"), "hub.toml: is not UTF-8 text"),
        (Problem("", "mqtt.port", "is required"), "mqtt.port: is required"),
    ],
)
def test_problem_is_one_line_of_where_key_and_message(problem: Problem, line: str) -> None:
    assert str(problem) == line


def test_configuration_error_holds_every_problem_and_is_permanent() -> None:
    problems = [Problem("a", "b", "c"), Problem("d", "e", "f")]
    error = ConfigError(problems)
    assert error.problems == tuple(problems)
    assert str(error) == "a: b: c\nd: e: f"
    assert isinstance(error, Permanent)


def test_poison_keeps_its_reason() -> None:
    assert Poison("x[0] is null").reason == str(Poison("x[0] is null")) == "x[0] is null"
