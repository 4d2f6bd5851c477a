"""What docs/howto/tell-people.md shows is a configuration that is taken, and does what the page says."""

from __future__ import annotations

import re
from pathlib import Path

from typer.testing import CliRunner

from hubwatch_alarms.cli import app
from hubwatch_alarms.settings import AlarmsSettings
from hubwatch_core.config.load import load

PAGE = (Path(__file__).parents[2] / "docs" / "howto" / "tell-people.md").read_text(encoding="utf-8")


def shown(folder: Path) -> Path:
    file = folder / "alarms.toml"
    blocks = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    file.write_text("\n".join(blocks), encoding="utf-8")
    return file


def test_everything_on_the_page_is_one_configuration_that_is_taken(tmp_path: Path) -> None:
    settings = load(AlarmsSettings, shown(tmp_path), env={})
    assert {route.kind for route in settings.routes} == {
        "log", "smtp", "pagerduty", "alertmanager", "cap", "apprise", "mqtt",
    }  # fmt: skip
    assert [len(each.steps) for each in settings.escalations] == [2]
    assert (settings.acknowledge is None, settings.heartbeat is None) == (False, False)


def test_command_prints_what_the_page_says(tmp_path: Path) -> None:
    (line,) = re.findall(r"^The second prints `(.*)`\.$", PAGE, re.MULTILINE)
    done = CliRunner().invoke(app, ["oncall", "-c", str(shown(tmp_path)), "--at", "2026-10-24T12:00"])
    assert done.output == f"{line}\n"
