"""The border of a command: one clear line a mistake, and exit codes."""

from __future__ import annotations

import inspect

import pytest
import typer
from typer.testing import CliRunner

from hubwatch_core.errors import BadCall, ConfigError, HubwatchError, Permanent, Poison, Problem, Transient
from hubwatch_core.process import border


def _run(error: BaseException, capsys: pytest.CaptureFixture[str]) -> tuple[object, list[str]]:
    @border
    def command() -> None:
        raise error

    with pytest.raises(SystemExit) as caught:
        command()
    said = capsys.readouterr()
    assert said.out == ""
    assert "Traceback" not in said.err
    return caught.value.code, said.err.splitlines()


@pytest.mark.parametrize("kind", [Transient, Permanent, Poison, HubwatchError])
def test_known_failure_is_one_line_and_code_1(kind: type[HubwatchError], capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(kind("the broker is away"), capsys) == (1, ["hubwatch: the broker is away"])


def test_call_that_cannot_be_meant_is_one_line_and_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(BadCall("'9x' is no duration"), capsys) == (2, ["hubwatch: '9x' is no duration"])


def test_configuration_mistakes_are_a_line_each_and_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    error = ConfigError([Problem("hub.toml", "mqtt.port", "is required"), Problem("HUBWATCH_LOG", "", "unknown")])
    code, lines = _run(error, capsys)
    assert code == 2
    assert lines == [
        "the configuration has 2 mistakes:",
        "  hub.toml: mqtt.port: is required",
        "  HUBWATCH_LOG: unknown",
    ]


def test_one_configuration_mistake_is_not_called_mistakes(capsys: pytest.CaptureFixture[str]) -> None:
    _, lines = _run(ConfigError([Problem("hub.toml", "", "is not UTF-8 text")]), capsys)
    assert lines[0] == "the configuration has 1 mistake:"


def test_interrupt_is_code_130_without_a_word(capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(KeyboardInterrupt(), capsys) == (130, [])


def test_fault_in_the_program_keeps_its_traceback() -> None:
    @border
    def command() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        command()


def test_command_that_works_gives_what_it_gave() -> None:
    @border
    def double(n: int, *, plus: int = 0) -> int:
        """Double it."""
        return 2 * n + plus

    assert double(2, plus=1) == 5
    assert (double.__name__, double.__doc__) == ("double", "Double it.")
    assert list(inspect.signature(double).parameters) == ["n", "plus"]


def test_command_line_sees_the_commands_own_arguments_and_its_exit_code() -> None:
    app = typer.Typer()

    @app.command()
    @border
    def fail(name: str, times: int = 1) -> None:
        raise Permanent(f"{name} failed {times} times")

    result = CliRunner().invoke(app, ["it", "--times", "3"])
    assert (result.exit_code, result.output) == (1, "hubwatch: it failed 3 times\n")
    assert CliRunner().invoke(app, ["it", "--times", "many"]).exit_code == 2
