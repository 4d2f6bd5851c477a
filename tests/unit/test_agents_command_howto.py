"""What docs/howto/operate-devices.md shows is what the program says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hubwatch_agents.cli.app import app
from hubwatch_agents.commands import server
from hubwatch_agents.commands.control import AT_ONCE, EVERY_S
from hubwatch_agents.commands.protocol import CommandResult
from hubwatch_core.words import CommandEvent

PAGE = (Path(__file__).parents[2] / "docs" / "howto" / "operate-devices.md").read_text(encoding="utf-8")
CONFIG = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)[0]
LISTED, GIVEN = (text.splitlines() for text in re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL))

REST = """
[spool]
directory = "/var/lib/hubwatch/spool"
[[connections]]
name = "quay-2"
transport = "tcp"
host = "10.7.0.21"
[[devices]]
sensor = "gas-1"
zone = "quay-2"
profile = "honeywell-midas"
connection = "quay-2"
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "agent.toml"
    path.write_text('hub = "rotterdam"\nagent = "gate-7"\n' + CONFIG + REST, encoding="utf-8")
    return path


def test_list_on_the_page_is_the_list_of_the_configuration_on_the_page(config: Path) -> None:
    said = CliRunner().invoke(app, ["commands", "-c", str(config)])
    assert said.exit_code == 0
    assert said.output.splitlines() == LISTED[1:]


def test_what_is_shown_before_a_command_is_what_the_page_shows(config: Path) -> None:
    said = CliRunner().invoke(app, ["command", "-c", str(config), "gas-1", "inhibit-alarms"], input="no\n")
    assert said.exit_code == 1
    shown = [line for line in said.output.splitlines() if not line.startswith(("Type", "hubwatch"))]
    assert shown == GIVEN[1:-2]
    assert "Type gas-1 to go on: " in said.output


def test_every_outcome_and_every_event_is_explained() -> None:
    assert [result for result in CommandResult if f"| `{result}` |" not in PAGE] == []
    assert [event for event in CommandEvent if f"`{event}`" not in PAGE] == []


def test_limits_on_the_page_are_those_of_the_program() -> None:
    assert (AT_ONCE, EVERY_S) == (10, 6.0), "ten at once, then one every six seconds"
    assert server.LOOK_S <= 1.0, "with the look at the file: within two seconds"
