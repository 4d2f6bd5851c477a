"""Changes of the configuration file: what is taken up, what is refused, what needs a restart."""

from __future__ import annotations

from pathlib import Path

import pytest

from hubwatch_agents.checked import Checked, read
from hubwatch_agents.reload import Reload, read_or_last_good, remember, tell_bad_start
from hubwatch_core.errors import ConfigError, Permanent
from hubwatch_core.health import Health

GOOD = """
hub = "h"
agent = "a"
[[connections]]
name = "io"
transport = "tcp"
host = "127.0.0.1"
[[devices]]
sensor = "t"
zone = "z"
profile = "xy-md02"
connection = "io"
"""


class Watched:
    """A configuration file with everything that looks at it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "agent.toml"
        self.last_good = folder / "state" / "last-good.toml"
        self.health = Health()
        self.taken: list[Checked] = []
        self.refuse = False
        self.path.write_text(GOOD, encoding="utf-8")
        self.reload = Reload(self.path, {}, read(self.path), self.take, self.health, self.last_good)

    def take(self, checked: Checked) -> None:
        if self.refuse:
            raise Permanent("key file cannot be read")
        self.taken.append(checked)

    def write(self, text: str) -> None:
        self.path.write_text(text, encoding="utf-8")
        self.reload.changed()


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


def test_good_change_is_taken_up_and_remembered(watched: Watched) -> None:
    changed = GOOD.replace('sensor = "t"', 'sensor = "u"')
    watched.write(changed)
    (taken,) = watched.taken
    assert [device.sensor for device in taken.devices] == ["u"]
    assert watched.last_good.read_text(encoding="utf-8") == changed
    assert watched.health.ok


@pytest.mark.parametrize(
    "text",
    ["no TOML", GOOD.replace('"xy-md02"', '"nothing"'), GOOD + "colour = 1\n", ""],
    ids=["toml", "profile", "key", "empty"],
)
def test_bad_change_is_told_and_changes_nothing(watched: Watched, text: str) -> None:
    watched.write(text)
    assert watched.taken == []
    assert not watched.health.ok
    assert not watched.last_good.exists()
    watched.write(GOOD)
    assert watched.health.ok


@pytest.mark.parametrize(
    "change", [('agent = "a"', 'agent = "b"'), ("[[connections]]", '[mqtt]\nhost = "x"\n[[connections]]')]
)
def test_change_of_who_the_agent_is_or_where_it_sends_needs_a_restart(
    watched: Watched, change: tuple[str, str]
) -> None:
    watched.write(GOOD.replace(*change, 1))
    assert watched.taken == []
    assert not watched.health.ok


def test_change_that_cannot_be_carried_out_leaves_the_old_one_in_force(watched: Watched) -> None:
    watched.refuse = True
    watched.write(GOOD.replace('sensor = "t"', 'sensor = "u"'))
    assert not watched.health.ok
    watched.refuse = False
    watched.write(GOOD.replace('sensor = "t"', 'sensor = "v"'))
    assert [device.sensor for device in watched.taken[0].devices] == ["v"]


def test_start_with_a_bad_file_uses_the_last_good_one(tmp_path: Path) -> None:
    path, last_good = tmp_path / "agent.toml", tmp_path / "last-good.toml"
    path.write_text(GOOD, encoding="utf-8")
    checked, error = read_or_last_good(path, {}, last_good)
    assert error is None
    remember(path, last_good)
    path.write_text("broken", encoding="utf-8")
    again, error = read_or_last_good(path, {}, last_good)
    assert again.settings == checked.settings
    assert isinstance(error, ConfigError)
    health = Health()
    tell_bad_start(error, health)
    assert not health.ok


def test_start_with_a_bad_file_and_nothing_better_fails(tmp_path: Path) -> None:
    path = tmp_path / "agent.toml"
    path.write_text("broken", encoding="utf-8")
    for last_good in (None, tmp_path / "none.toml"):
        with pytest.raises(ConfigError):
            read_or_last_good(path, {}, last_good)


def test_last_good_file_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    path = tmp_path / "agent.toml"
    path.write_text(GOOD, encoding="utf-8")
    (tmp_path / "taken").write_text("", encoding="utf-8")
    remember(path, tmp_path / "taken" / "last-good.toml")
    remember(path, path)
    assert path.read_text(encoding="utf-8") == GOOD
