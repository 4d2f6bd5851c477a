"""Changes of the configuration file: what is taken up, what is refused, what needs a restart."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from hubwatch_agents.agent import Agent
from hubwatch_agents.checked import Checked, read
from hubwatch_agents.last_good import keep
from hubwatch_agents.reload import NEED_RESTART, Reload, read_or_last_good
from hubwatch_core.errors import ConfigError, Permanent
from hubwatch_core.service import Context

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
    """A configuration file with everything that looks at it; an agent that takes up what it is given."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "agent.toml"
        self.last_good = folder / "state" / "last-good.toml"
        self.taken: list[Checked] = []
        self.told: list[tuple[bool, str]] = []
        self.refuse = False
        self.path.write_text(GOOD, encoding="utf-8")
        self.reload = Reload(self.path, {}, read(self.path), self, self.last_good)

    def reconfigure(self, checked: Checked) -> None:
        if self.refuse:
            raise Permanent("key file cannot be used")
        self.taken.append(checked)

    def configured(self, in_force: bool, detail: str) -> None:
        self.told.append((in_force, detail))

    @property
    def ok(self) -> bool:
        return self.told[-1][0]

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
    assert watched.ok


@pytest.mark.parametrize(
    "text",
    ["no TOML", GOOD.replace('"xy-md02"', '"nothing"'), GOOD + "colour = 1\n", ""],
    ids=["toml", "profile", "key", "empty"],
)
def test_bad_change_is_told_and_changes_nothing(watched: Watched, text: str) -> None:
    watched.write(text)
    assert watched.taken == []
    assert not watched.ok
    assert not watched.last_good.exists()
    watched.write(GOOD)
    assert watched.ok


CHANGES_THAT_NEED_A_RESTART = {
    "hub": ('hub = "h"', 'hub = "g"'),
    "agent": ('agent = "a"', 'agent = "b"'),
    "mqtt": ("[[connections]]", '[mqtt]\nhost = "x"\n[[connections]]'),
    "spool": ("[[connections]]", "[spool]\nmax_bytes = 2_000_000\n[[connections]]"),
    "telemetry": ("[[connections]]", "[telemetry]\nport = 9101\n[[connections]]"),
    "log": ("[[connections]]", '[log]\nlevel = "debug"\n[[connections]]'),
}


def test_every_section_that_needs_a_restart_is_tried_below() -> None:
    assert set(CHANGES_THAT_NEED_A_RESTART) == set(NEED_RESTART)


@pytest.mark.parametrize("section", NEED_RESTART)
def test_change_that_needs_a_restart_is_told_and_the_rest_is_in_force(watched: Watched, section: str) -> None:
    before = read(watched.path).settings
    changed = GOOD.replace(*CHANGES_THAT_NEED_A_RESTART[section], 1)
    watched.write(changed.replace('sensor = "t"', 'sensor = "u"'))
    (taken,) = watched.taken
    assert [device.sensor for device in taken.devices] == ["u"]
    assert getattr(taken.settings, section) == getattr(before, section), "never half: the section as it was"
    assert watched.told[-1] == (False, f"a change of {section} needs a restart; the rest is in force")
    assert not watched.last_good.exists(), "it has not been proven to start"
    watched.write(GOOD.replace('sensor = "t"', 'sensor = "u"'))
    assert watched.ok
    assert len(watched.taken) == 1, "what runs already is not started anew"


def test_rest_that_does_not_fit_what_stays_is_refused_as_a_whole(watched: Watched) -> None:
    watched.write(GOOD.replace('agent = "a"', 'agent = "b"').replace('sensor = "t"', 'sensor = "a"'))
    assert watched.taken == []
    assert not watched.ok
    assert "until a restart" in watched.told[-1][1]


def test_change_that_cannot_be_carried_out_leaves_the_old_one_in_force(watched: Watched) -> None:
    watched.refuse = True
    watched.write(GOOD.replace('sensor = "t"', 'sensor = "u"'))
    assert not watched.ok
    watched.refuse = False
    watched.write(GOOD.replace('sensor = "t"', 'sensor = "v"'))
    assert [device.sensor for device in watched.taken[0].devices] == ["v"]


def test_good_start_is_kept_and_a_bad_one_is_told(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    watched.reload.started()
    assert watched.ok
    assert watched.last_good.read_text(encoding="utf-8") == GOOD
    watched.path.write_text("broken", encoding="utf-8")
    checked, error = read_or_last_good(watched.path, {}, watched.last_good)
    assert checked.settings == read(watched.last_good).settings
    assert isinstance(error, ConfigError)
    Reload(watched.path, {}, checked, watched, watched.last_good, error).started()
    assert not watched.ok
    assert "started with the last good one" in watched.told[-1][1]
    assert watched.last_good.read_text(encoding="utf-8") == GOOD


def test_start_with_a_bad_file_and_nothing_better_fails(tmp_path: Path) -> None:
    path, worse = tmp_path / "agent.toml", tmp_path / "worse.toml"
    path.write_text("broken", encoding="utf-8")
    worse.write_text("hub = 1", encoding="utf-8")
    for last_good in (None, tmp_path / "none.toml"):
        with pytest.raises(ConfigError):
            read_or_last_good(path, {}, last_good)
    with pytest.raises(ConfigError) as both:
        read_or_last_good(path, {}, worse)
    assert {problem.where for problem in both.value.problems} == {str(path), str(worse)}


NAMES_FILES = """
hub = "h"
agent = "a"
profile_folders = ["FOLDER/profiles"]
[mqtt]
username = "u"
password_file = "FOLDER/password"
[privacy]
key_file = "FOLDER/key"
[[connections]]
name = "io"
transport = "tcp"
host = "127.0.0.1"
[[devices]]
sensor = "t"
zone = "z"
profile = "own"
connection = "io"
"""
OWN = """
id = "own"
title = "Own"
kind = "process"
protocol = "modbus"
source = ["made for tests"]
confidence = "generic"
[[channels]]
name = "x"
unit = "1"
wire = 1
"""


class Named:
    """A configuration that names files, kept as the last good one."""

    def __init__(self, folder: Path) -> None:
        self.path, self.last_good = folder / "agent.toml", folder / "state" / "last-good.toml"
        self.profile, self.password, self.key = folder / "profiles" / "own.toml", folder / "password", folder / "key"
        self.profile.parent.mkdir()
        for file, text in ((self.profile, OWN), (self.password, "secret"), (self.key, "k" * 32)):
            file.write_text(text, encoding="utf-8")
        self.path.write_text(NAMES_FILES.replace("FOLDER", str(folder)), encoding="utf-8")
        self.keep()

    def keep(self) -> None:
        keep(self.path, read(self.path).settings, self.last_good)

    def start(self) -> tuple[Checked, ConfigError | None]:
        return read_or_last_good(self.path, {}, self.last_good)

    def copies(self) -> list[Path]:
        return sorted(file for file in (self.last_good.parent / "last-good.toml.files").rglob("*") if file.is_file())


@pytest.fixture
def named(tmp_path: Path) -> Named:
    return Named(tmp_path)


@pytest.mark.parametrize("gone", ["profile", "password", "key"])
def test_named_file_that_is_gone_comes_from_what_was_kept(named: Named, gone: str) -> None:
    file: Path = getattr(named, gone)
    text = file.read_text(encoding="utf-8")
    file.unlink()
    checked, error = named.start()
    assert error is not None
    assert [device.profile.id for device in checked.devices] == ["own"]
    assert checked.settings.mqtt.password_file is not None
    assert checked.settings.privacy.key_file is not None
    taken = {
        "profile": checked.settings.profile_folders[0] / "own.toml",
        "password": checked.settings.mqtt.password_file,
        "key": checked.settings.privacy.key_file,
    }
    assert taken[gone].read_text(encoding="utf-8") == text
    untouched = {"password", "key"} - {gone}
    assert all(taken[name] == getattr(named, name) for name in untouched), "they may have been renewed since"


def test_profile_that_was_broken_comes_from_what_was_kept(named: Named) -> None:
    named.profile.write_text("broken", encoding="utf-8")
    checked, error = named.start()
    assert error is not None
    assert [channel.name for channel in checked.devices[0].profile.channels] == ["x"]


def test_folder_of_profiles_that_is_gone_comes_from_what_was_kept(named: Named) -> None:
    named.profile.unlink()
    named.profile.parent.rmdir()
    checked, _ = named.start()
    assert checked.devices[0].profile.id == "own"


def test_what_was_kept_is_readable_for_its_owner_only_and_forgets_what_is_named_no_more(named: Named) -> None:
    assert [file.name for file in named.copies()] == ["key", "password", "own.toml"]
    assert {file.stat().st_mode & 0o777 for file in (*named.copies(), named.last_good)} == {0o600}
    named.profile.rename(named.profile.with_name("other.toml"))
    named.profile.with_name("other.toml").write_text(OWN.replace('"own"', '"other"'), encoding="utf-8")
    named.path.write_text(named.path.read_text().replace('profile = "own"', 'profile = "other"'), encoding="utf-8")
    named.keep()
    assert [file.name for file in named.copies()] == ["key", "password", "other.toml"]


def test_last_good_file_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    path = tmp_path / "agent.toml"
    path.write_text(GOOD, encoding="utf-8")
    (tmp_path / "taken").write_text("", encoding="utf-8")
    settings = read(path).settings
    keep(path, settings, tmp_path / "taken" / "last-good.toml")
    keep(path, settings, path)
    assert path.read_text(encoding="utf-8") == GOOD


async def test_running_agent_cuts_frames_as_often_as_the_new_configuration_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    often = f'publish_interval_ms = 200\n{GOOD}[spool]\ndirectory = "{tmp_path / "spool"}"\n'
    path = tmp_path / "agent.toml"
    path.write_text(often, encoding="utf-8")
    agent = Agent(read(path), Context.make("test"))
    cuts: list[int] = []

    def cut() -> bool:
        cuts.append(1)
        return True

    monkeypatch.setattr(agent, "_cut_readings", cut)
    cutting = asyncio.create_task(agent._cut_readings_for_ever())
    path.write_text(often.replace("200", "20", 1), encoding="utf-8")
    agent.reconfigure(read(path))
    await asyncio.sleep(1.2)
    cutting.cancel()
    agent.store.close()
    assert len(cuts) > 12, "six in 1.2 s were the old configuration's, fifty are the new one's"
