"""`[commands]`: every mistake at once; what is listed, and what is shown before a command is given."""

from __future__ import annotations

from pathlib import Path

import pytest

from hubwatch_agents.commands.catalog import details, entries, find, listing
from hubwatch_agents.config.load import read
from hubwatch_agents.devices import Configuration
from hubwatch_core.errors import ConfigError
from hubwatch_core.words import CommandEvent
from support.agents_command_rig import MAPS, checked_of

WORDS = Path(__file__).parents[2] / "docs" / "reference" / "words.md"

HEAD = f"""
hub = "rotterdam"
agent = "gate-7"
profile_folders = ["{MAPS}"]
[privacy]
subjects = "raw"
[[connections]]
name = "io"
transport = "tcp"
host = "10.0.0.1"
[[connections]]
name = "line"
transport = "rtu"
port = "/dev/ttyUSB0"
[[connections]]
name = "broker"
transport = "mqtt"
host = "10.0.0.2"
[[devices]]
sensor = "gas-1"
zone = "quay-2"
profile = "talker"
connection = "io"
unit = 7
[[devices]]
sensor = "door-1"
zone = "office"
profile = "inveo-ind-u2"
connection = "line"
allow_commands = ["take-card"]
[[devices]]
sensor = "door-1"
zone = "office"
profile = "unifi-access-gateway"
connection = "broker"
parameters = {{ door = "gate-2" }}
"""


def checked(folder: Path, text: str, head: str = HEAD) -> Configuration:
    path = folder / "agent.toml"
    path.write_text(head + text, encoding="utf-8")
    return read(path)


def problems(folder: Path, text: str, head: str = HEAD) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        checked(folder, text, head)
    return [f"{problem.key}: {problem.message}" for problem in caught.value.problems]


def allow(*names: str) -> str:
    pairs = (name.split("/") for name in names)
    return "allow = [" + ", ".join(f'{{ sensor = "{s}", command = "{c}" }}' for s, c in pairs) + "]\n"


def test_commands_are_off_and_nothing_is_allowed_unless_it_is_said(tmp_path: Path) -> None:
    section = checked(tmp_path, "").settings.commands
    assert (section.enabled, section.allow, section.operators, section.group) == (False, (), (), None)


def test_everything_that_cannot_be_given_is_told_at_once(tmp_path: Path) -> None:
    text = "[commands]\nenabled = true\n"
    text += allow("gas-1/reset", "gas-9/reset", "gas-1/explode", "door-1/unlock", "door-1/take-card")
    assert problems(tmp_path, text) == [
        "commands.allow[1].sensor: there is no sensor gas-9",
        "commands.allow[2].command: sensor gas-1 has no command explode; it has reset, beep, inhibit, stubborn, lamp, "
        "nowhere",
        "commands.allow[3].command: two devices of sensor door-1 have a command unlock: part them",
        "commands.allow[4].command: take-card is for the agent itself: see allow_commands of the device",
    ]


def test_command_of_a_device_that_is_wrong_itself_is_no_second_mistake(tmp_path: Path) -> None:
    head = HEAD.replace('profile = "talker"', 'profile = "no-such-profile"')
    assert problems(tmp_path, "[commands]\n" + allow("gas-1/reset"), head) == [
        "devices[0].profile: there is no profile no-such-profile"
    ]


def test_section_and_its_entries_are_checked_whole(tmp_path: Path) -> None:
    text = '[commands]\nenabled = "perhaps"\ngroup = ""\nport = 99\n' + allow("gas-1/reset", "gas-1/reset")
    text += '[[commands.operators]]\nuser = "anna"\nroles = []\n[[commands.operators]]\nroles = ["Boss"]\n'
    found = problems(tmp_path, text)
    for key in ("enabled", "group", "port", "operators[0].roles", "operators[1].user", "operators[1].roles[0]"):
        assert any(line.startswith(f"commands.{key}: ") for line in found), (key, found)


def test_nobody_and_nothing_is_there_twice(tmp_path: Path) -> None:
    anna = '[[commands.operators]]\nuser = "anna"\nroles = ["technician"]\n'
    assert problems(tmp_path, "[commands]\n" + allow("gas-1/reset", "gas-1/reset") + anna * 2) == [
        "commands.allow[1]: gas-1 reset is there twice",
        "commands.operators[1].user: user anna is there twice",
    ]


def test_spool_in_too_deep_a_folder_leaves_no_room_for_the_socket(tmp_path: Path) -> None:
    spool = f'[spool]\ndirectory = "/var/lib/{"x" * 100}"\n'
    (found,) = problems(tmp_path, spool + "[commands]\nenabled = true\n")
    assert found.startswith("spool.directory: the control socket beside it")
    assert not checked(tmp_path, spool + "[commands]\nenabled = false\n").settings.commands.enabled


def test_every_command_is_listed_with_its_state_role_and_meaning(tmp_path: Path) -> None:
    text = '[commands]\nenabled = true\ngroup = "quay"\n' + allow("gas-1/reset")
    text += '[[commands.operators]]\nuser = "anna"\nroles = ["technician"]\n'
    whole = checked(tmp_path, text)
    lines = list(listing(whole))
    states = {tuple(line.split()[:2]): line for line in lines[: len(list(entries(whole.devices)))]}
    assert "enabled          technician   Resets alarms of this device." in states["gas-1", "reset"]
    assert "not allowed" in states["gas-1", "beep"]
    assert "by the agent" in states["door-1", "take-card"]
    assert lines[-2].endswith("spool.control, open to the group quay")
    assert lines[-1] == "anna has the roles technician"


def test_list_says_when_commands_are_off_and_when_there_are_none(tmp_path: Path) -> None:
    off = list(listing(checked(tmp_path, "[commands]\n" + allow("gas-1/reset"))))
    assert any("reset" in line and "allowed, but off" in line for line in off)
    assert off[-1] == "commands of operators are off: [commands] enabled = false"
    bare = '\nhub = "h"\nagent = "a"\n'
    assert list(listing(checked(tmp_path, "", bare))) == ["no device here has a command"]


def test_what_will_be_written_is_shown_whole(tmp_path: Path) -> None:
    devices = checked(tmp_path, "").devices
    inhibit = find(devices, "gas-1", "inhibit")
    assert inhibit is not None
    assert list(details(inhibit)) == [
        "sensor      gas-1, in zone quay-2",
        "device      A device that can be told things, and misunderstands some (profile talker)",
        "connection  io: tcp 10.0.0.1:502, unit 7",
        "command     inhibit: Inhibits alarms.",
        "writes      2 (0x0002) to registers from address 0 (function 6), once",
        "reads back  address 0 (function 3, u16), after 10 ms, must be 2",
        "role        supervisor",
    ]


def test_what_will_be_published_is_shown_whole_and_a_serial_line_by_its_port(tmp_path: Path) -> None:
    whole = checked(tmp_path, "")
    restart = find(whole.devices, "door-1", "restart")
    unlock = next(each for each in entries(whole.devices) if each.device.section.profile == "unifi-access-gateway")
    assert restart is not None
    assert "connection  line: rtu /dev/ttyUSB0, unit 1" in list(details(restart))
    shown = list(details(unlock))
    assert "connection  broker: mqtt 10.0.0.2:1883" in shown
    assert """publishes   '{"action":"unlock"}' to unifi-access/gate-2/set, once, not retained""" in shown


def test_digest_changes_with_whatever_decides_what_is_sent_and_where() -> None:
    def digest(port: int = 502, command: str = "beep", **device: object) -> str:
        whole = {"sensor": "gas-1", "zone": "here", "profile": "talker", "connection": "line", **device}
        entry = find(checked_of(port, devices=[whole]).devices, "gas-1", command)
        assert entry is not None
        return entry.digest()

    assert digest() == digest()
    assert digest(zone="elsewhere") == digest(), "where a sensor stands changes nothing that is sent"
    assert len({digest(), digest(port=503), digest(command="reset"), digest(unit=2)}) == 4


def test_every_event_of_commands_is_in_the_page_of_words() -> None:
    page = WORDS.read_text(encoding="utf-8")
    assert [event for event in CommandEvent if f"| `{event}` |" not in page] == []
