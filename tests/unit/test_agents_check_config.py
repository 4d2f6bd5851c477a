"""What check-config sees before anything runs: filters, silence, texts, folders, ids, keys, broken profiles."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from hubwatch_agents.cli.app import app
from hubwatch_agents.config.library import Library
from hubwatch_agents.config.line_report import lines, warnings
from hubwatch_agents.config.load import read
from hubwatch_agents.devices import Configuration
from hubwatch_core.errors import ConfigError

HEAD = """
hub = "edge"
agent = "gw"
profile_folders = ["profiles"]
[privacy]
subjects = "raw"
[[connections]]
name = "site"
transport = "mqtt"
host = "127.0.0.1"
[[connections]]
name = "io"
transport = "tcp"
host = "10.0.0.1"
"""

OUTPUTS = """
id = "outputs"
title = "Outputs"
kind = "process"
protocol = "mqtt"
source = ["made for tests"]
confidence = "generic"
period_ms = 1000
[parameters.output]
type = "text"
description = "Its name."
example = "a"
[parameters.other]
type = "text"
description = "No part of a topic."
default = "x"
[[messages]]
topic = "edge/switch/output_{output}/state"
[[messages.channels]]
name = "x"
unit = "1"
path = "{other}"
"""


def device(profile: str, more: str = "", connection: str = "site", sensor: str = "s") -> str:
    return f'[[devices]]\nsensor = "{sensor}"\nzone = "z"\nprofile = "{profile}"\nconnection = "{connection}"\n{more}\n'


def configured(folder: Path, devices: str, *, head: str = HEAD, **profiles: str) -> Configuration:
    (folder / "profiles").mkdir(exist_ok=True)
    for name, text in profiles.items():
        (folder / "profiles" / f"{name}.toml").write_text(text, encoding="utf-8")
    (folder / "agent.toml").write_text(head + devices, encoding="utf-8")
    return read(folder / "agent.toml", check_files=True)


def problems(folder: Path, devices: str, *, head: str = HEAD, **profiles: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        configured(folder, devices, head=head, **profiles)
    return [f"{Path(each.where).name}: {each.key}: {each.message}" for each in caught.value.problems]


@pytest.mark.parametrize("output", ["+", "#", "x+", "a/#/b", "\\u0000"])
def test_parameter_that_makes_a_filter_no_broker_takes_is_named_with_the_filter(tmp_path: Path, output: str) -> None:
    (found,) = problems(tmp_path, device("outputs", f'parameters = {{ output = "{output}" }}'), outputs=OUTPUTS)
    key, _, said = found.removeprefix("agent.toml: ").partition(": ")
    assert key == "devices[0].parameters.output"
    assert said.startswith("makes messages[0].topic of profile outputs wrong: ")
    if output == "+":
        assert "'edge/switch/output_+/state' is no topic filter: + must stand alone" in found


def test_filter_of_a_profile_that_is_wrong_in_itself_is_told_in_the_profile(tmp_path: Path) -> None:
    broken = OUTPUTS.replace("output_{output}", "output_+{output}")
    (found,) = problems(tmp_path, device("outputs", 'parameters = { output = "1" }'), outputs=broken)
    assert found.startswith("outputs.toml: messages[0].topic: ")
    with pytest.raises(ConfigError, match=r"messages\[0\].topic"):
        Library([tmp_path / "profiles"]).map("outputs").example()


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ('[[availability]]\ntopic = "a/+b"\n', "availability[0].topic"),
        ('[availability]\ntopic = "a#"\n', "availability.topic"),
        ('[[commands]]\nname = "c"\ndescription = "d"\ntopic = "a/+"\npayload = "1"\n', "commands[0].topic"),
        (
            '[[requests]]\ntopic = "a/#"\npayload = { id = "<token>" }\necho = "id"\nperiod_ms = 1000\n'
            'reply = { topic = "b" }\n',
            "requests[0].topic",
        ),
        (
            '[[requests]]\ntopic = "a"\npayload = { id = "<token>" }\necho = "id"\nperiod_ms = 1000\n'
            'reply = { topic = "b+" }\n',
            "requests[0].reply.topic",
        ),
    ],
)
def test_every_topic_of_a_profile_is_checked(tmp_path: Path, table: str, key: str) -> None:
    (found,) = problems(tmp_path, device("outputs", 'parameters = { output = "1" }'), outputs=OUTPUTS + table)
    assert found.startswith(f"outputs.toml: {key}: ")


def warned(folder: Path, profile: str, more: str = "") -> list[str]:
    given = device("meter", connection="io") + device("outputs", f'{more}\nparameters = {{ output = "1" }}', sensor="t")
    return [str(each) for each in warnings(configured(folder, given, outputs=profile, meter=METER), "agent.toml")]


def test_silence_that_would_never_be_told_is_warned_of_with_the_key_to_add(tmp_path: Path) -> None:
    silent = OUTPUTS.replace("period_ms = 1000\n", "")
    (warning,) = warned(tmp_path, silent)
    assert warning == (
        "agent.toml: devices[1].max_age_s: t: is needed, as profile outputs says neither period_ms nor max_age_s: "
        'nobody would be told when the device falls silent; where that is meant, say silence = "allowed"'
    )
    for said in ("max_age_s = 60", "period_ms = 5000", 'silence = "allowed"'):
        assert warned(tmp_path, silent, said) == []
    for said in ("silent_after_s = 60\n", "max_age_s = 60\n", '[availability]\ntopic = "edge/lwt"\n'):
        assert warned(tmp_path, silent.replace("[parameters.output]", f"{said}[parameters.output]")) == []


def test_device_that_tells_only_events_needs_an_availability(tmp_path: Path) -> None:
    channels = OUTPUTS[OUTPUTS.index("[[messages.channels]]") :]
    events = OUTPUTS.replace(channels, '[[messages.events]]\nevent = "pressed"\non = "message"\n')
    (warning,) = warned(tmp_path, events)
    assert warning.startswith("agent.toml: devices[1].silence: t: is needed, as profile outputs tells only events")
    assert warned(tmp_path, events, 'silence = "allowed"') == []
    assert (
        warned(tmp_path, events.replace("[parameters.output]", '[availability]\ntopic = "a"\n[parameters.output]'))
        == []
    )


def test_check_config_counts_warnings_and_ends_with_a_code_of_its_own(tmp_path: Path) -> None:
    given = device("outputs", 'parameters = { output = "1" }')
    configured(tmp_path, given, outputs=OUTPUTS.replace("period_ms = 1000\n", ""))
    path = tmp_path / "agent.toml"
    result = CliRunner().invoke(app, ["check-config", str(path)])
    assert result.exit_code == 3
    assert f"warning: {path}: devices[0].max_age_s: s: is needed" in result.output
    assert result.output.endswith("1 devices, 1 channels, no mistakes, 1 warning\n")
    configured(tmp_path, given, outputs=OUTPUTS)
    result = CliRunner().invoke(app, ["check-config", str(path)])
    assert result.exit_code == 0
    assert "warning" not in result.output


METER = """
id = "meter"
title = "Meter"
kind = "process"
protocol = "modbus"
source = ["made for tests"]
confidence = "generic"
[[channels]]
name = "x"
unit = "1"
address = 1
"""


@pytest.mark.parametrize("type_", ["ascii", "hex"])
def test_text_is_refused_as_a_channel(tmp_path: Path, type_: str) -> None:
    (found,) = problems(tmp_path, device("meter", connection="io"), meter=METER + f'type = "{type_}"\nlength = 2\n')
    assert found.startswith(f"meter.toml: channels[0]: a channel of type {type_} is a text: give values")


def test_profile_folders_are_relative_to_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    whole = configured(tmp_path, device("meter", connection="io"), meter=METER)
    assert whole.settings.profile_folders == (tmp_path / "profiles",)
    assert whole.devices[0].profile.title == "Meter"


def test_host_that_is_none_is_told_for_every_kind_of_connection(tmp_path: Path) -> None:
    head = HEAD.replace('host = "127.0.0.1"', 'host = "tcp://127.0.0.1"\nother_brokers = ["::1:1883"]')
    head = (
        head.replace('host = "10.0.0.1"', 'host = "[::1]"') + '[mqtt]\nhost = "h:1883"\n[clock]\nserver = "ntp://t"\n'
    )
    found = [line.split(": ")[1] for line in problems(tmp_path, "", head=head)]
    assert found == [
        "connections[0].host",
        "connections[0].other_brokers[0]",
        "connections[1].host",
        "mqtt.host",
        "clock.server",
    ]


def test_client_id_is_one_connections_own_at_a_broker(tmp_path: Path) -> None:
    second = '[[connections]]\nname = "plant"\ntransport = "sparkplug"\nhost = "127.0.0.1"\nclient_id = "gw-1"\n'
    head = HEAD.replace('transport = "mqtt"', 'transport = "mqtt"\nclient_id = "gw-1"') + second
    (found,) = problems(tmp_path, "", head=head)
    assert found == "agent.toml: connections[2].client_id: site has it at the same broker: each needs its own"
    configured(tmp_path, "", head=head.replace(second, second.replace("127.0.0.1", "127.0.0.2")))


def test_overlapping_filters_of_a_connection_are_noted(tmp_path: Path) -> None:
    one = device("outputs", 'parameters = { output = "1" }')
    wide = OUTPUTS.replace('"outputs"', '"wide"').replace("edge/switch/output_{output}/state", "edge/#")
    both = one + device("wide", 'parameters = { output = "2" }', sensor="t")
    report = list(lines(configured(tmp_path, both, outputs=OUTPUTS, wide=wide)))
    filters = "edge/# and edge/switch/output_1/state"
    assert report[1] == f"  note: the filters {filters} overlap: a broker may send one message for each of them"
    assert not any("overlap" in line for line in lines(configured(tmp_path, one, outputs=OUTPUTS)))


BROKEN_PROFILES = {
    "no TOML": "broken",
    "no UTF-8": "\udcff",
    "parameters are no table": METER + "[[parameters]]\nx = 1\n",
    "a parameter is no table": METER.replace("[[channels]]", "[parameters]\nx = 1\n[[channels]]"),
    "protocol is a list": METER.replace('protocol = "modbus"', 'protocol = ["modbus"]'),
    "protocol is unknown": METER.replace('protocol = "modbus"', 'protocol = "pigeon"'),
    "repeat is a number": METER + "repeat = 5\n",
    "repeat without an end": METER + "repeat = { n = [1] }\n",
    "repeat is a text": METER + 'repeat = { n = "12" }\n',
    "repeat of a billion": METER + "repeat = { n = [1, 1000000000] }\n",
    "repeat of nothing": METER + "repeat = { n = [4, 1] }\n",
    "only_if is a number": METER + "only_if = 5\n",
    "only_if names nothing": METER + 'only_if = "$nothing"\n',
    "channels are a text": METER.replace("[[channels]]", 'channels = "x"\n[line]'),
    "nested a thousand deep": METER + f"x = {'[' * 400}{']' * 400}\n",
    "nested ten thousand deep": METER + f"x = {'[' * 10_000}{']' * 10_000}\n",
    "a number of 5000 digits": METER + f"scale = {'9' * 5000}\n",
    "a sum of texts": METER.replace("address = 1", 'address = "$x+1"'),
}


@pytest.mark.parametrize("text", BROKEN_PROFILES.values(), ids=BROKEN_PROFILES.keys())
def test_profile_that_is_broken_is_a_mistake_with_its_file_and_nothing_worse(tmp_path: Path, text: str) -> None:
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "meter.toml").write_bytes(text.encode("utf-8", "surrogateescape"))
    found = problems(tmp_path, device("meter", connection="io"))
    assert all(line.startswith("meter.toml: ") for line in found)
    assert not any("could not be checked" in line for line in found)
