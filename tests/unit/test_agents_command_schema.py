"""Commands and latched states in profiles: what is demanded of them, and what a person is shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from hubwatch_agents.cli.app import app
from hubwatch_agents.config.library import Library, check
from hubwatch_agents.config.load import check as check_settings
from hubwatch_agents.devices import inventory
from hubwatch_agents.profiles.command import OWN_ROLE
from hubwatch_agents.profiles.modbus_schema import Command, ModbusProfile
from hubwatch_agents.profiles.mqtt_schema import MqttProfile
from hubwatch_agents.settings import AgentSettings

LIBRARY = Library()

MODBUS = """
id = "mine"
title = "Mine"
kind = "chemical"
protocol = "modbus"
source = ["made up"]
confidence = "generic"
[[channels]]
name = "alarm_1"
unit = "1"
kind = "state"
address = 0
"""

MQTT = """
id = "mine"
title = "Mine"
kind = "access"
protocol = "mqtt"
source = ["made up"]
confidence = "generic"
[[messages]]
topic = "a/b"
"""


def problems(folder: Path, text: str) -> list[str]:
    (folder / "mine.toml").write_text(text, encoding="utf-8")
    return [f"{problem.key}: {problem.message}" for problem in check(Library([folder]).map("mine"))]


def command(**keys: str) -> str:
    whole = {"name": '"reset"', "description": '"Resets."', "function": "6", "address": "20", "values": "[1]"} | keys
    return "[[commands]]\n" + "".join(f"{key} = {value}\n" for key, value in whole.items() if value)


def test_command_with_all_it_needs_is_taken_and_asks_for_the_name_of_the_sensor_by_a_technician(tmp_path: Path) -> None:
    assert problems(tmp_path, MODBUS + command()) == []
    profile = Library([tmp_path]).map("mine").example()
    assert isinstance(profile, ModbusProfile)
    assert (profile.commands[0].role, profile.commands[0].confirm) == ("technician", True)


def test_every_mistake_of_every_command_is_told_at_once(tmp_path: Path) -> None:
    text = MODBUS + command(description="", values="[]") + command(role='"Shift Leader"', function="7", confirm='"?"')
    text += command(name='"third"', address="65536", check="{ equals = 1 }", colour='"red"')
    found = problems(tmp_path, text)
    assert [line.split(": ")[0] for line in found] == [
        "commands[0].values",
        "commands[0].description",
        "commands[1].function",
        "commands[1].role",
        "commands[1].confirm",
        "commands[2].address",
        "commands[2].check.address",
        "commands[2].colour",
    ]


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ({"function": "5", "values": "[255]"}, "a coil is 0 or 1"),
        ({"function": "15", "values": "[0, 2]"}, "a coil is 0 or 1"),
        ({"function": "5", "values": "[0, 1]"}, "function 5 writes at most 1 value"),
        ({"function": "6", "values": "[1, 2]"}, "function 6 writes at most 1 value"),
        ({"function": "16", "values": str(list(range(124)))}, "function 16 writes at most 123 values"),
        ({"function": "16", "values": "[1, 2]", "address": "65535"}, "runs over the last address"),
    ],
)
def test_write_that_no_device_could_be_sent_is_a_mistake(tmp_path: Path, keys: dict[str, str], why: str) -> None:
    (found,) = problems(tmp_path, MODBUS + command(**keys))
    assert found.startswith("commands[0].")
    assert why in found


def test_two_wrongs_of_one_write_are_told_together(tmp_path: Path) -> None:
    assert problems(tmp_path, MODBUS + command(function="5", values="[7, 7]", address="65535")) == [
        "commands[0].address: runs over the last address, 65535",
        "commands[0].values: function 5 writes at most 1 value",
        "commands[0].values: a coil is 0 or 1",
    ]


def test_two_commands_of_one_name_are_a_mistake(tmp_path: Path) -> None:
    assert problems(tmp_path, MODBUS + command() + command()) == [": command reset is there twice"]


def test_value_that_is_read_back_is_a_source_like_every_other(tmp_path: Path) -> None:
    found = problems(tmp_path, MODBUS + command(check="{ address = 0, any_of_bits = [16], equals = 1 }"))
    assert found == ["commands[0].check: a u16 has bits 0 to 15"]


@pytest.mark.parametrize("topic", ["a/+/b", "a/#", "#"])
def test_published_command_names_one_topic(tmp_path: Path, topic: str) -> None:
    text = MQTT + f'[[commands]]\nname = "open"\ndescription = "Opens."\ntopic = "{topic}"\npayload = "x"\n'
    assert problems(tmp_path, text) == [f"commands[0].topic: '{topic}' must name one topic, without + and #"]


def test_published_command_cannot_be_retained(tmp_path: Path) -> None:
    text = MQTT + '[[commands]]\nname = "open"\ndescription = "O."\ntopic = "a"\npayload = "x"\nretain = true\n'
    assert problems(tmp_path, text) == ["commands[0].retain: unknown key"]


def test_latched_is_for_states(tmp_path: Path) -> None:
    text = MODBUS.replace('kind = "state"', "latched = true")
    assert problems(tmp_path, text) == ["channels[0]: latched is for states"]


def test_latched_state_is_shown_and_stands_in_the_inventory() -> None:
    shown = CliRunner().invoke(app, ["profiles", "show", "sierra-sentry"]).output
    (line,) = [line for line in shown.splitlines() if "stays until reset at the device" in line]
    assert "alarm_1_latched" in line
    settings = AgentSettings.model_validate(
        {
            "hub": "h",
            "agent": "a",
            "connections": [{"name": "x", "transport": "tcp", "host": "127.0.0.1"}],
            "devices": [
                {
                    "sensor": "gas",
                    "zone": "z",
                    "profile": "sierra-sentry",
                    "connection": "x",
                    "parameters": {"sensor": 7, "unit": "%LEL"},
                }
            ],
        }
    )
    (sensor,) = inventory(check_settings(settings, "test").devices)
    assert {channel.name for channel in sensor.channels if channel.latched} == {"alarm_1_latched"}


def test_commands_are_shown_with_role_and_meaning() -> None:
    shown = CliRunner().invoke(app, ["profiles", "show", "honeywell-midas"]).output
    assert any("inhibit-alarms " in line and "supervisor" in line and "Inhibits" in line for line in shown.splitlines())


def shipped() -> dict[str, tuple[str, ...]]:
    found = {}
    for profile_id in LIBRARY.ids():
        profile = LIBRARY.map(profile_id).example()
        if isinstance(profile, ModbusProfile | MqttProfile) and profile.commands:
            found[profile_id] = tuple(each.name for each in profile.commands)
    return found


def test_shipped_commands_are_those_the_documents_give() -> None:
    """Whoever adds one names it here, and in the map the document it is from."""
    found = shipped()
    assert set(found.pop("moxa-e1200-contacts")) == {f"clear-count.{n}" for n in range(1, 17)}
    assert found == {
        "danfoss-ekc-202d": ("reset-alarm",),
        "esp-rfid": ("open-door",),
        "gds-gasmax-ii": ("acknowledge",),
        "honeywell-midas": ("reset", "inhibit-alarms", "inhibit-alarms-and-faults", "remove-inhibit"),
        "inveo-ind-m1": ("take-card",),
        "inveo-ind-u2": ("take-card", "unlock", "accept-tone", "reject-tone", "restart"),
        "rfideas-rdr-80581": ("led-automatic", "beep"),
        "rielta-brshs-rk": ("output-on", "output-off"),
        "unifi-access-gateway": ("unlock",),
    }


def test_what_opens_a_door_or_silences_an_alarm_needs_a_supervisor_who_types_the_name() -> None:
    for profile_id in shipped():
        profile = LIBRARY.map(profile_id).example()
        assert isinstance(profile, ModbusProfile | MqttProfile)
        for each in profile.commands:
            if any(word in each.name for word in ("unlock", "open", "inhibit-", "output")):
                assert (each.role, each.confirm) == ("supervisor", True), (profile_id, each.name)
            assert each.description.endswith(".")


def test_registers_of_the_shipped_commands_are_those_of_the_documents() -> None:
    def written(profile_id: str, name: str) -> Command:
        profile = LIBRARY.map(profile_id).example()
        assert isinstance(profile, ModbusProfile)
        return next(each for each in profile.commands if each.name == name)

    reset = written("honeywell-midas", "reset")
    assert (reset.function, reset.address, reset.values) == (16, 20, (0x015E, 0x3626))
    last = written("moxa-e1200-contacts", "clear-count.16")
    assert (last.function, last.address, last.values) == (5, 0x011F, (1,))
    assert written("inveo-ind-u2", "take-card").role == OWN_ROLE
    assert written("rielta-brshs-rk", "output-off").values == (128,)
