"""What holds for every shipped profile: loads whole, says where it comes from, speaks the vocabulary, has fixtures."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import resources

import pytest
from typer.testing import CliRunner

from hubwatch_agents.cli.app import app
from hubwatch_agents.config.library import Library, check
from hubwatch_agents.profiles.modbus_schema import ModbusProfile, RegisterSource
from hubwatch_agents.profiles.mqtt_schema import MqttProfile
from hubwatch_agents.profiles.profile import Profile
from hubwatch_core.words import ChannelKind, SensorKind
from support import profile_cases

LIBRARY = Library()
IDS = LIBRARY.ids()
MAPS = resources.files("hubwatch_agents.profiles") / "maps"

ANY_KIND = {"device.fault", "device.tamper"}
"""Every device can fail or be opened, also where the vocabulary does not say so for its kind."""

EVENTS = {
    SensorKind.RADIATION_PORTAL: {"portal.alarm"},
    SensorKind.RADIATION_AREA: {"device.alarm"},
    SensorKind.ACCESS: {
        "access.granted",
        "access.denied",
        "access.presented",  # a reader that does not decide: neither a grant nor a denial
        "door.opened",
        "door.closed",
        "door.rex",
        "door.forced",
        "door.held",
    },
    SensorKind.PERIMETER: {"perimeter.alarm", "perimeter.clear"},
    SensorKind.CHEMICAL: {"device.alarm"},
    SensorKind.SCREENING: {"screening.alarm"},
    SensorKind.ENVIRONMENT: set(),
    SensorKind.POWER: {"power.lost", "power.restored"},
    SensorKind.PROCESS: set(),
}

CHANNELS = {
    SensorKind.RADIATION_PORTAL: r"gamma\.\d+|gamma_low\.\d+|neutron\.\d+|occupied|speed",
    SensorKind.RADIATION_AREA: r"gamma|dose_rate|radon",
    SensorKind.ACCESS: r"position|lock",
    SensorKind.PERIMETER: r"disturbance",
    SensorKind.CHEMICAL: r"concentration|alarm_[123]",
    SensorKind.SCREENING: r"ready|beam|throughput",
    SensorKind.ENVIRONMENT: r"(temperature|humidity|wind_speed|rain_rate|pressure)(\..+)?",
    SensorKind.POWER: r"mains|battery|load|voltage(\.\d)?",
    SensorKind.PROCESS: r".+",
}
"""Channels that detectors rely on; a profile has at least one of its kind, or an event of it."""

UNITS = {
    "speed": {"m/s"},
    "dose_rate": {"µSv/h"},
    "position": {"1"},
    "lock": {"1"},
    "occupied": {"1"},
    "disturbance": {"1"},
    "mains": {"1"},
    "temperature": {"°C"},
    "humidity": {"%"},
    "wind_speed": {"m/s"},
    "rain_rate": {"mm/h"},
    "pressure": {"hPa"},
    "battery": {"%"},
    "load": {"%"},
    "voltage": {"V"},
}
"""Units the vocabulary fixes, by the first part of the channel's name."""

STATES = {"position", "lock", "occupied", "disturbance", "mains", "alarm_1", "alarm_2", "alarm_3", "ready", "beam"}


def example(profile_id: str) -> Profile:
    return LIBRARY.map(profile_id).example()


def event_types(profile: Profile) -> Iterator[str]:
    if isinstance(profile, MqttProfile):
        yield from (event.event for rule in profile.messages for event in rule.events)
    else:
        yield from (event.event for event in profile.events)


def sources(profile: ModbusProfile) -> Iterator[RegisterSource]:
    yield from profile.channels
    yield from profile.quality
    yield from profile.identity
    for event in profile.events:
        yield event
        yield from event.read.values()


@pytest.mark.parametrize("profile_id", IDS)
def test_map_has_no_mistake_and_is_named_as_its_file(profile_id: str) -> None:
    found = LIBRARY.map(profile_id)
    assert check(found) == []
    assert found.tree["id"] == profile_id
    assert (MAPS / f"{profile_id}.toml").is_file()


@pytest.mark.parametrize("profile_id", IDS)
def test_map_says_where_it_comes_from_and_claims_no_bench_test(profile_id: str) -> None:
    profile = example(profile_id)
    assert all(len(source) > 10 for source in profile.source)
    assert profile.confidence in ("A", "B", "generic"), "maps that are second hand are not shipped"
    assert LIBRARY.map(profile_id).tree["verified_on_hardware"] is False
    assert (profile.confidence == "generic") == profile_id.startswith("generic.")


@pytest.mark.parametrize("profile_id", IDS)
def test_map_speaks_the_vocabulary_of_its_kind(profile_id: str) -> None:
    profile = example(profile_id)
    types = set(event_types(profile))
    assert types <= EVENTS[profile.kind] | ANY_KIND
    known = [channel.name for channel in profile.channels if re.fullmatch(CHANNELS[profile.kind], channel.name)]
    assert known or types & EVENTS[profile.kind] or profile_id == "duali-qde-950", "nothing that a detector knows"


@pytest.mark.parametrize("profile_id", IDS)
def test_every_channel_has_its_unit_and_kind(profile_id: str) -> None:
    for channel in example(profile_id).channels:
        first = channel.name.split(".")[0]
        assert channel.unit, channel.name
        assert channel.unit in UNITS.get(first, {channel.unit}), channel.name
        assert first not in STATES or channel.kind is ChannelKind.STATE, channel.name
        assert channel.kind is not ChannelKind.STATE or channel.unit == "1", channel.name


@pytest.mark.parametrize("profile_id", [i for i in IDS if isinstance(example(i), ModbusProfile)])
def test_addresses_and_bits_exist_on_the_wire(profile_id: str) -> None:
    profile = example(profile_id)
    assert isinstance(profile, ModbusProfile)
    for source in sources(profile):
        assert 0 <= source.address <= source.address + source.words - 1 <= 65535
        assert all(0 <= bit < 16 * source.words for bit in source.any_of_bits)


@pytest.mark.parametrize("profile_id", IDS)
def test_map_has_a_fixture_with_a_known_value(profile_id: str) -> None:
    file = profile_cases.FOLDER / profile_id / "readings.toml"
    assert file.is_file()
    steps = profile_cases.load(file).steps
    assert any(step.readings or step.events for step in steps)


def test_every_event_a_map_can_make_is_made_by_a_fixture() -> None:
    """Sequences, not only snapshots: an event type that no fixture brings about is not shown to work."""
    made = {
        (case.profile, event.type) for case in profile_cases.cases() for step in case.steps for event in step.events
    }
    can = {(profile_id, event) for profile_id in IDS for event in event_types(example(profile_id))}
    assert can - made == set()


def test_every_fixture_belongs_to_a_map() -> None:
    assert set(profile_cases.profiles()) <= set(IDS)


def test_every_class_of_device_is_covered() -> None:
    assert {example(profile_id).kind for profile_id in IDS} == set(SensorKind)


@pytest.mark.parametrize("profile_id", IDS)
def test_the_command_finds_no_mistake(profile_id: str) -> None:
    result = CliRunner().invoke(app, ["profiles", "check", profile_id])
    assert result.exit_code == 0, result.output
