"""The configuration: every mistake at once, each with its place; the sample; what fits together."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import pytest

from hubwatch_agents.config.load import load, read
from hubwatch_agents.devices import Device, inventory
from hubwatch_agents.self_report.birth import digest
from hubwatch_core.errors import ConfigError

SAMPLE = (resources.files("hubwatch_agents") / "sample.toml").read_text(encoding="utf-8")

SECRETS = {"password", "token"}
"""Keys that no file should hold; the sample shows the ones that name a file."""
EXAMPLES = {"allow", "operators"}
"""Keys that are empty unless somebody writes them; the sample shows what one may look like."""

SMALL = """
hub = "rotterdam"
agent = "gate-7"
[privacy]
subjects = "raw"
[[connections]]
name = "io"
transport = "tcp"
host = "10.0.0.1"
[[connections]]
name = "broker"
transport = "mqtt"
host = "10.0.0.2"
[[devices]]
sensor = "door-1"
zone = "office"
profile = "moxa-e1210-door"
connection = "io"
parameters = { position_bit = 3 }
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "agent.toml"
    path.write_text(text, encoding="utf-8")
    return path


def problems(folder: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(write(folder, text))
    return [str(problem) for problem in caught.value.problems]


def devices_of(folder: Path, text: str) -> list[Device]:
    return list(read(write(folder, text)).devices)


def test_sample_is_a_configuration_without_mistakes(tmp_path: Path) -> None:
    whole = read(write(tmp_path, SAMPLE))
    assert [device.sensor for device in whole.devices] == ["rpm-2", "door-1", "fence-1", "door-1", "area-1"]


def test_five_mistakes_are_five_lines_with_file_and_key(tmp_path: Path) -> None:
    text = SMALL.replace('agent = "gate-7"', 'agent = "Gate 7"')
    text = text.replace('host = "10.0.0.1"', 'host = "10.0.0.1"\nport = 99999')
    text = text.replace('zone = "office"', 'zone = "office"\ncolour = "red"')
    text += '[spool]\nmax_bytes = 5\n[log]\nlevel = "loud"\n'
    found = problems(tmp_path, text)
    assert len(found) == 5
    assert all("agent.toml" in line for line in found)
    keys = ("agent", "connections[0].port", "devices[0].colour", "spool.max_bytes", "log.level")
    for key in keys:
        assert any(f": {key}: " in line for line in found), key


STAGES = """
hub = "Rotterdam"
agent = "gate-7"
[[connections]]
name = "a"
transport = "tcp"
host = "10.0.0.1"
[[connections]]
name = "a"
transport = "tls"
host = "10.0.0.2"
tls = { ca_file = "ca.pem", cert_file = "agent.pem" }
[[devices]]
sensor = "door-1"
zone = "office"
profile = "moxa-e1210-door"
connection = "nowhere"
[[devices]]
sensor = "door-2"
zone = "office"
profile = "no-such-profile"
connection = "a"
[[devices]]
sensor = "door-3"
zone = "Office"
profile = "moxa-e1210-door"
connection = "a"
parameters = { colour = "red" }
[[devices]]
sensor = "gate-7"
zone = "office"
profile = "moxa-e1210-door"
connection = "a"
parameters = { position_bit = 3 }
"""


def test_mistakes_of_every_stage_are_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    found = [line.removeprefix(f"{tmp_path}/agent.toml: ") for line in problems(tmp_path, STAGES)]
    assert [line.split(": ")[0] for line in found] == [
        "hub",
        "connections[1].name",
        "connections[1].tls.key_file",
        "devices[0].connection",
        "devices[0].parameters.position_bit",
        "devices[1].profile",
        "devices[2].zone",
        "devices[3].sensor",
    ]


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('name = "io"', 'name = "Io"', "connections[0].name"),
        ('transport = "tcp"', 'transport = "pigeon"', "connections[0].transport"),
        ('transport = "tcp"\n', "", "connections[0].transport"),
        ('host = "10.0.0.1"\n', "", "connections[0].host"),
        ('connection = "io"\n', "", "devices[0].connection"),
        ('profile = "moxa-e1210-door"\n', "", "devices[0].profile"),
        ("{ position_bit = 3 }", "3", "devices[0].parameters"),
        ('agent = "gate-7"', 'agent = "gate-7"\nprofile_folders = 5', "profile_folders"),
        ('[[connections]]\nname = "io"', '[[connections]]\nname = "x"\n[[connections]]\nname = "io"', None),
    ],
)
def test_what_follows_from_a_mistake_is_not_told_as_another(
    tmp_path: Path, old: str, new: str, key: str | None
) -> None:
    text = SMALL.replace(old, new)
    found = [line.split(": ")[1] for line in problems(tmp_path, text)]
    assert found == [key or "connections[0].transport"]


def test_subjects_that_are_none_do_not_ask_for_a_key_too(tmp_path: Path) -> None:
    text = SMALL.replace('subjects = "raw"', 'subjects = "plain"') + (
        '[[devices]]\nsensor = "r"\nzone = "z"\nprofile = "uhppoted-door"\nconnection = "broker"\n'
        "parameters = { device = 1, door = 1 }\n"
    )
    (line,) = problems(tmp_path, text)
    assert "privacy.subjects" in line


def test_folder_of_profiles_that_is_none_does_not_hide_the_other_mistakes(tmp_path: Path) -> None:
    text = SMALL.replace('agent = "gate-7"', 'agent = "gate-7"\nprofile_folders = ["/no/such/folder"]')
    found = problems(tmp_path, text.replace("position_bit = 3", "position_bit = 77"))
    assert len(found) == 2


def test_files_that_devices_need_are_looked_for_when_asked(tmp_path: Path) -> None:
    text = SMALL.replace('transport = "mqtt"', f'transport = "mqtt"\ntls = {{ ca_file = "{tmp_path}/ca.pem" }}')
    path = write(tmp_path, text.replace('subjects = "raw"', f'key_file = "{tmp_path}/key"'))
    assert load(path).privacy.key_file == tmp_path / "key"
    with pytest.raises(ConfigError) as caught:
        read(path, check_files=True)
    assert [one.key for one in caught.value.problems] == ["privacy.key_file", "connections[1].tls.ca_file"]


def test_mistakes_against_profiles_are_told_at_once(tmp_path: Path) -> None:
    text = SMALL.replace("position_bit = 3", "position_bit = 77, colour = 1")
    text += """
[[devices]]
sensor = "a"
zone = "z"
profile = "no-such-profile"
connection = "nowhere"
[[devices]]
sensor = "b"
zone = "z"
profile = "espgeiger"
connection = "io"
parameters = { root = "x" }
[[devices]]
sensor = "c"
zone = "z"
profile = "aspect-rpm"
connection = "io"
allow_commands = ["open"]
report = [{ channel = "nothing", deadband = 1 }]
"""
    found = "\n".join(problems(tmp_path, text))
    for part in (
        "devices[0].parameters.position_bit: must be from 0 to 15",
        "devices[0].parameters.colour: unknown",
        "devices[1].connection: there is no connection nowhere",
        "devices[1].profile: there is no profile no-such-profile",
        "devices[2].connection: profile espgeiger speaks mqtt, connection io is tcp",
        "devices[3].report[0].channel: profile aspect-rpm has no channel nothing",
        "devices[3].allow_commands: profile aspect-rpm has no command open",
    ):
        assert part in found


def test_missing_parameter_is_named_with_what_it_is_for(tmp_path: Path) -> None:
    (line,) = problems(tmp_path, SMALL.replace("parameters = { position_bit = 3 }", ""))
    assert "devices[0].parameters.position_bit: is required" in line
    assert "Input of the door contact" in line


def test_badges_need_a_key_or_a_word(tmp_path: Path) -> None:
    text = SMALL.replace('[privacy]\nsubjects = "raw"\n', "")
    text += """
[[devices]]
sensor = "door-1"
zone = "office"
profile = "uhppoted-door"
connection = "broker"
parameters = { device = 1, door = 1 }
"""
    (line,) = problems(tmp_path, text)
    assert "privacy.key_file: is required, as door-1 reads badges" in line
    assert devices_of(tmp_path, text.replace("[[connections]]", '[privacy]\nkey_file = "k"\n[[connections]]', 1))


@pytest.mark.parametrize(
    ("zone", "profile", "more", "message"),
    [
        ("cellar", "uhppoted-door", "device = 1, door = 1", "stands in two zones"),
        ("office", "espgeiger", 'root = "x"', "profiles of two kinds"),
    ],
)
def test_devices_that_cannot_be_one_sensor_are_refused(
    tmp_path: Path, zone: str, profile: str, more: str, message: str
) -> None:
    text = (
        SMALL
        + f"""
[[devices]]
sensor = "door-1"
zone = "{zone}"
profile = "{profile}"
connection = "broker"
parameters = {{ {more} }}
"""
    )
    assert any(message in line for line in problems(tmp_path, text))


def test_same_channel_twice_in_one_sensor_is_refused(tmp_path: Path) -> None:
    device = SMALL[SMALL.index("[[devices]]") :]
    assert any("has the channel openings twice" in line for line in problems(tmp_path, SMALL + device))


def test_two_devices_make_one_sensor_of_the_birth(tmp_path: Path) -> None:
    text = (
        SMALL
        + """
[[devices]]
sensor = "door-1"
zone = "office"
profile = "uhppoted-door"
connection = "broker"
parameters = { device = 1, door = 1 }
"""
    )
    (sensor,) = inventory(devices_of(tmp_path, text))
    assert (sensor.sensor, sensor.kind, sensor.profile) == ("door-1", "access", "moxa-e1210-door+uhppoted-door")
    assert [channel.name for channel in sensor.channels] == ["position", "openings"]
    assert sensor.channels[0].period_us == 100_000
    assert sensor.max_age_s == 5


def test_connection_names_are_unique_and_the_agents_own_name_is_taken(tmp_path: Path) -> None:
    assert "duplicate connection name io" in problems(tmp_path, SMALL.replace('"broker"', '"io"'))[0]
    assert "is the agent's own" in problems(tmp_path, SMALL.replace('sensor = "door-1"', 'sensor = "gate-7"'))[0]


def test_own_profiles_come_before_the_shipped_ones(tmp_path: Path) -> None:
    folder = tmp_path / "maps"
    folder.mkdir()
    (folder / "xy-md02.toml").write_text(
        'id = "xy-md02"\ntitle = "mine"\nkind = "environment"\nprotocol = "modbus"\nsource = ["me"]\n'
        'confidence = "C"\n[[channels]]\nname = "temperature"\nunit = "°C"\naddress = 1\n',
        encoding="utf-8",
    )
    text = SMALL.replace('agent = "gate-7"', f'agent = "gate-7"\nprofile_folders = ["{folder}"]')
    text += '[[devices]]\nsensor = "t"\nzone = "z"\nprofile = "xy-md02"\nconnection = "io"\n'
    assert devices_of(tmp_path, text)[1].profile.title == "mine"


def test_folder_of_profiles_that_is_none_is_a_mistake(tmp_path: Path) -> None:
    text = SMALL.replace('agent = "gate-7"', 'agent = "gate-7"\nprofile_folders = ["/no/such/folder"]')
    assert "is no folder of profiles" in problems(tmp_path, text)[0]


def test_flags_come_over_the_file(tmp_path: Path) -> None:
    assert load(write(tmp_path, SMALL), {"mqtt.host": "elsewhere", "mqtt.port": None}).mqtt.host == "elsewhere"


def test_digest_follows_what_decides_how_devices_are_read(tmp_path: Path) -> None:
    before = read(write(tmp_path, SMALL))
    after = read(write(tmp_path, SMALL.replace("position_bit = 3", "position_bit = 4")))
    assert digest(before.settings, before.devices) == digest(before.settings, before.devices)
    assert digest(before.settings, before.devices) != digest(after.settings, after.devices)


LINE = """
hub = "h"
agent = "a"
[[connections]]
name = "line"
transport = "rtu"
port = "/dev/ttyUSB0"
baudrate = {baudrate}
"""


def meters(count: int, period_ms: int, more: str = "") -> str:
    return "".join(
        f'[[devices]]\nsensor = "m{unit}"\nzone = "z"\nprofile = "eastron-sdm630"\nconnection = "line"\n'
        f"unit = {unit}\nperiod_ms = {period_ms}\n{more}"
        for unit in range(1, count + 1)
    )


def test_plan_that_does_not_fit_the_line_is_refused_and_says_what_would(tmp_path: Path) -> None:
    found = problems(tmp_path, LINE.format(baudrate=9600) + meters(15, 1000))
    assert any("keeps the line busy" in line and "periods" in line and "would fit" in line for line in found)
    assert all("connections[0] (line)" in line for line in found)


def test_plan_that_fits_at_a_higher_speed_says_which(tmp_path: Path) -> None:
    found = problems(tmp_path, LINE.format(baudrate=9600) + meters(8, 2000))
    assert any("baud instead of 9600" in line for line in found)


def test_plan_that_fits_is_taken(tmp_path: Path) -> None:
    assert len(read(write(tmp_path, LINE.format(baudrate=9600) + meters(4, 30_000))).devices) == 4


def test_timeout_shorter_than_the_longest_reply_is_refused(tmp_path: Path) -> None:
    found = problems(tmp_path, LINE.format(baudrate=4800) + meters(1, 60_000, "timeout_ms = 50\n"))
    assert any("is shorter than its longest reply takes" in line for line in found)


BUSY_BESIDE_MISTAKES = """
hub = "h"
agent = "a"
[[connections]]
name = "line"
transport = "rtu"
port = "/dev/x"
[[connections]]
name = "other"
transport = "rtu"
port = "/dev/y"
baudrate = "fast"
[[devices]]
sensor = "t"
zone = "z"
profile = "eastron-sdm630"
connection = "line"
period_ms = 100
[[devices]]
sensor = "u"
zone = "z"
profile = "nothing"
connection = "line"
[[devices]]
sensor = "v"
zone = "z"
profile = "eastron-sdm630"
connection = "other"
period_ms = 100
[[devices]]
sensor = "w"
zone = "z"
profile = "eastron-sdm630"
connection = "other"
perod_ms = 100
"""


def test_line_that_is_too_busy_is_told_beside_every_other_mistake(tmp_path: Path) -> None:
    found = problems(tmp_path, BUSY_BESIDE_MISTAKES)
    told = {line.split(": ")[1] for line in found}
    assert told == {"connections[0] (line)", "connections[1].baudrate", "devices[1].profile", "devices[3].perod_ms"}
    assert any("keeps the line busy" in line and "115200 baud instead of 9600" in line for line in found)


def test_nothing_is_said_of_a_line_whose_own_speed_is_wrong(tmp_path: Path) -> None:
    found = problems(tmp_path, BUSY_BESIDE_MISTAKES)
    assert not any("(other)" in line for line in found), "it is judged once its speed is known"
