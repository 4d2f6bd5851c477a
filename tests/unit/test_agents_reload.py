"""Changes of the configuration file: what is taken up, what is refused, what needs a restart."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from hubwatch_agents.agent import Agent
from hubwatch_agents.config.last_good import keep
from hubwatch_agents.config.library import Library
from hubwatch_agents.config.load import read
from hubwatch_agents.config.reload import NEED_RESTART, Reload, read_or_last_good
from hubwatch_agents.devices import Configuration
from hubwatch_agents.readings import Reading
from hubwatch_core.clock import now_us
from hubwatch_core.errors import ConfigError, Permanent
from hubwatch_core.process import Context
from support.eventually import eventually

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
        self.taken: list[Configuration] = []
        self.told: list[tuple[bool, str]] = []
        self.refuse = False
        self.path.write_text(GOOD, encoding="utf-8")
        self.reload = Reload(self.path, {}, read(self.path), self, self.last_good)

    def reconfigure(self, checked: Configuration) -> None:
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
    "identity": ("[[connections]]", '[identity]\nfolder = "identity"\n[[connections]]'),
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
address = 1
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

    def start(self) -> tuple[Configuration, ConfigError | None]:
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


def test_folder_of_profiles_beside_the_file_is_kept_and_found_again(named: Named) -> None:
    text = named.path.read_text(encoding="utf-8")
    named.path.write_text(text.replace(f'["{named.path.parent}/profiles"]', '["profiles"]'), encoding="utf-8")
    named.keep()
    named.profile.write_text("broken", encoding="utf-8")
    checked, error = named.start()
    assert error is not None
    assert [channel.name for channel in checked.devices[0].profile.channels] == ["x"]


@pytest.mark.parametrize("broken", ["broken", OWN + "repeat = 5\n", OWN + "only_if = 5\n", OWN + "address = 1\n"])
def test_mistake_in_a_profile_is_told_and_what_runs_stays_in_force(named: Named, broken: str) -> None:
    watched = Watched(named.path.parent / "state")
    running = read(named.path)
    reload = Reload(named.path, {}, running, watched, None)
    named.profile.write_text(broken, encoding="utf-8")
    reload.changed()
    assert watched.taken == []
    assert not watched.ok
    assert "own.toml" in watched.told[-1][1]


def test_fault_of_a_check_itself_is_told_and_what_runs_stays_in_force(
    named: Named, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = Watched(named.path.parent / "state")
    reload = Reload(named.path, {}, read(named.path), watched, None)

    def fail(*_: object) -> None:
        raise ZeroDivisionError("a check that divides")

    monkeypatch.setattr("hubwatch_agents.drivers.modbus.line_load.problems", fail)
    reload.changed()
    assert not watched.ok
    assert "could not be checked: ZeroDivisionError: a check that divides" in watched.told[-1][1]


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


async def test_running_agent_makes_frames_as_often_as_the_new_configuration_says(tmp_path: Path) -> None:
    often = f'publish_interval_ms = 10000\n{GOOD}[spool]\ndirectory = "{tmp_path / "spool"}"\n'
    path = tmp_path / "agent.toml"
    path.write_text(often, encoding="utf-8")
    agent, stop = Agent(read(path), Context.make("test")), asyncio.Event()
    path.write_text(often.replace("10000", "20", 1), encoding="utf-8")
    agent.reconfigure(read(path))
    running = asyncio.create_task(agent.publish(stop))
    try:
        before = agent.uplink.store.spool.appended
        for count in range(1, 6):
            agent.emit(Reading("s", "c", now_us(), float(count)))
            await eventually(lambda: agent.uplink.store.spool.appended >= before + count)  # noqa: B023 - awaited here
    finally:
        stop.set()
        await running


BROKER = '[[connections]]\nname = "site"\ntransport = "mqtt"\nhost = "127.0.0.1"\n[privacy]\nsubjects = "raw"\n'
DOOR = '[[devices]]\nsensor = "d"\nzone = "z"\nprofile = "onvif-door"\nconnection = "site"\n'


def test_start_and_reload_warn_as_check_config_does_each_time_anew(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    watched = Watched(tmp_path)
    wanted = [name for name, each in Library().map("onvif-door").declared.items() if each.default is None]
    filled = ", ".join(f'{name} = "x"' for name in wanted)
    door = f"{DOOR}parameters = {{ {filled} }}\n"

    def logged() -> int:
        return capsys.readouterr().out.count("configuration accepted with a warning")

    watched.write(GOOD + BROKER + door)
    assert watched.told[-1][0]
    assert watched.told[-1][1].startswith(f"in force, 1 warning; the first: {watched.path}: devices[1].max_age_s: d: ")
    assert logged() == 1
    watched.write(GOOD + BROKER + door + "# a comment\n")
    assert logged() == 0
    watched.write(GOOD + BROKER + door + 'silence = "allowed"\n')
    assert watched.told[-1] == (True, "in force")
    Reload(watched.path, {}, read(watched.path), watched, None).started()
    assert logged() == 0
    watched.path.write_text(GOOD + BROKER + door, encoding="utf-8")
    Reload(watched.path, {}, read(watched.path), watched, None).started()
    assert logged() == 1
