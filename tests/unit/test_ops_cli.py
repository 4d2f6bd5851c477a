"""The `hubwatch` command as people start it: unknown words, missing extras, version, entry points."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from importlib.metadata import distribution
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from hubwatch_core import __version__
from hubwatch_ops import cli

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
COMMANDS: dict[str, str] = PROJECT["entry-points"]["hubwatch.commands"]
EXTRAS = ("agent", "collector", "detectors", "alarms", "dashboards", "embedded")

BLOCKER = """
import os, sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in os.environ["BLOCKED"].split(","):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocker())
"""
"""What a child reads as its sitecustomize: the libraries named in BLOCKED are not installed, as far as it can see."""

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def hubwatch(tmp_path: Path) -> Run:
    """Run the command in a child, in an empty folder, with some libraries missing."""
    (tmp_path / "sitecustomize.py").write_text(BLOCKER, encoding="utf-8")

    def run(*arguments: str, without: tuple[str, ...] = (), **env: str) -> subprocess.CompletedProcess[str]:
        env = os.environ | {"PYTHONPATH": str(tmp_path), "BLOCKED": ",".join(without), "COLUMNS": "200"} | env
        command = [str(Path(sys.executable).with_name("hubwatch")), *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, env=env, cwd=tmp_path, check=False)

    return run


def _modules_of(requirement: str) -> set[str]:
    """Return the top-level modules that an installed requirement brings."""
    name = re.split(r"[\[<>=~! ;]", requirement, maxsplit=1)[0]
    files = distribution(name).files or []
    tops = {file.parts[0].removesuffix(".py") for file in files if file.suffix == ".py" and ".." not in file.parts}
    return {top for top in tops if top.isidentifier() and top not in {"test", "tests"}}


def test_version_is_that_of_the_package(hubwatch: Run) -> None:
    done = hubwatch("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"hubwatch {__version__}\n", "")


def test_module_run_by_python_is_the_same_command() -> None:
    command = [sys.executable, "-m", "hubwatch_ops", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == f"hubwatch {__version__}\n"


def test_help_names_every_command(hubwatch: Run) -> None:
    done = hubwatch("--help")
    assert done.returncode == 0
    assert [command for command in COMMANDS if command not in done.stdout] == []


@pytest.mark.parametrize("words", [["alarms", "list", "--hub"], ["dead-letters", "list", "--reason"], []], ids=" ".join)
def test_argument_that_is_no_text_is_a_mistake_of_the_caller(hubwatch: Run, words: list[str]) -> None:
    done = hubwatch(*words, "\udcff")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [r"hubwatch: '\udcff' is not UTF-8 text"]


def test_variable_that_nobody_reads_is_told_once_and_stops_nothing(hubwatch: Run) -> None:
    done = hubwatch("--version", HUBWATCH_NONSENSE__X="1", HUBWATCH_MQTT__HOST="broker")
    assert (done.returncode, done.stdout) == (0, f"hubwatch {__version__}\n")
    assert done.stderr == (
        "hubwatch: the environment variable HUBWATCH_NONSENSE__X is not used by any component; check its spelling\n"
    )


@pytest.mark.parametrize("words", [[], ["alarms"], ["db", "hold", "add"], ["agent", "run"], ["up"]], ids=" ".join)
def test_short_option_for_help_is_the_same_at_every_level(words: list[str]) -> None:
    texts = []
    for option in ("-h", "--help"):
        result = CliRunner().invoke(cli.build([*words, option]), [*words, option], prog_name="hubwatch")
        assert result.exit_code == 0
        texts.append(result.stdout)
    assert texts[0] == texts[1]


def test_unknown_command_is_one_line_that_names_those_there_are(hubwatch: Run) -> None:
    done = hubwatch("colector", "run")
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("hubwatch: unknown command 'colector'; the commands are agent, ")
    assert "collector" in line


@pytest.mark.parametrize("arguments", [["--colour"], ["collector", "walk"], ["collector", "run", "--fast"]])
def test_unknown_option_or_sub_command_is_a_mistake_of_the_caller(hubwatch: Run, arguments: list[str]) -> None:
    done = hubwatch(*arguments)
    assert done.returncode == 2
    assert "No such" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_entry_point_loads(name: str) -> None:
    module, _, attribute = COMMANDS[name].partition(":")
    loaded = getattr(importlib.import_module(module), attribute)
    assert isinstance(loaded, typer.Typer) or callable(loaded)


@pytest.mark.parametrize("name", COMMANDS)
def test_command_has_help_that_says_what_it_does(name: str) -> None:
    result = CliRunner().invoke(cli.build([name]), [name, "--help"], prog_name="hubwatch")
    assert result.exit_code == 0
    assert f"hubwatch {name}" in result.stdout
    assert len(result.stdout.splitlines()) > 5


LIBRARIES = tuple(cli.EXTRA_OF)


@pytest.mark.parametrize("extra", EXTRAS)
def test_every_library_of_an_extra_is_known_to_come_with_one(extra: str) -> None:
    needed = {module for each in PROJECT["optional-dependencies"][extra] for module in _modules_of(each)}
    assert needed - set(LIBRARIES) == set()


def test_help_works_where_no_extra_is_installed(hubwatch: Run) -> None:
    done = hubwatch("--help", without=LIBRARIES)
    assert (done.returncode, done.stderr) == (0, "")
    assert "dead-letters" in done.stdout


@pytest.mark.parametrize(
    ("command", "library", "extra"),
    [
        (["agent", "run", "-c", "hub.toml"], "psutil", "agent"),
        (["collector", "run", "-c", "hub.toml"], "psycopg", "collector"),
        (["detectors", "run", "-c", "hub.toml"], "psycopg", "detectors"),
        (["alarms", "list", "-c", "hub.toml"], "psycopg", "alarms"),
        (["dashboards", "build"], "grafana_foundation_sdk", "dashboards"),
        (["db", "status"], "psycopg", "collector"),
        (["up", "-c", "hub.toml"], "psycopg", "collector,detectors,alarms,console"),
        (["demo"], "amqtt", "all"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else value,
)
def test_missing_extra_is_one_line_that_says_which_to_install(
    hubwatch: Run, tmp_path: Path, command: list[str], library: str, extra: str
) -> None:
    if "run" in command:
        sample = hubwatch(command[0], "sample-config").stdout
        (tmp_path / "hub.toml").write_text(sample, encoding="utf-8")
    done = hubwatch(*command, without=(library,))
    assert done.returncode == 1
    assert done.stderr == f"hubwatch: {library} is not installed: pip install 'hubwatch[{extra}]'\n"


def test_module_missing_for_another_reason_is_a_fault_that_shows_itself(hubwatch: Run) -> None:
    done = hubwatch("collector", "--help", without=("hubwatch_collector",))
    assert done.returncode == 1
    assert "No module named 'hubwatch_collector" in done.stderr
    assert "Traceback" in done.stderr
