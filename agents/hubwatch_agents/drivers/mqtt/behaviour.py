"""What the agent asks of the MQTT protocol beside its driver."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hubwatch_agents.connections import ConnectionSection
from hubwatch_agents.devices import Device
from hubwatch_agents.drivers.mqtt.driver import MqttDriver as Driver
from hubwatch_agents.profiles.mqtt_schema import MqttProfile
from hubwatch_core.config.topics import overlap

__all__ = ["Driver", "device_problems", "device_warnings", "problems", "summary"]

UNTOLD = 'nobody would be told when the device falls silent; where that is meant, say silence = "allowed"'


def problems(connection: ConnectionSection, devices: Sequence[Device]) -> Iterator[str]:
    """Yield nothing: a broker carries what it is asked to."""
    yield from ()


def device_problems(device: Device) -> Iterator[tuple[str, str]]:
    """Yield nothing: what a broker cannot take, the profile refuses."""
    yield from ()


def device_warnings(device: Device) -> Iterator[tuple[str, str]]:
    """Yield the key that a device lacks which publishes when it likes and has nothing to show that it is gone."""
    profile = device.profile
    assert isinstance(profile, MqttProfile)
    if device.section.silence == "allowed" or profile.availability or profile.requests or profile.recovery is not None:
        return
    if any(rule.channels for rule in profile.messages):
        if profile.silent_after_s is None and device.max_age_s is None:
            yield "max_age_s", f"is needed, as profile {profile.id} says neither period_ms nor max_age_s: {UNTOLD}"
    else:
        text = f"is needed, as profile {profile.id} tells only events and has no [[availability]]: {UNTOLD}"
        yield "silence", f"{text}, or give the profile an availability"


def summary(connection: ConnectionSection, devices: Sequence[Device]) -> Iterator[str]:
    """Yield how many devices are behind the broker, and which filters it may serve twice."""
    yield f"{connection.name}: {connection.transport}, {len(devices)} devices"
    filters = sorted({each for device in devices for each in _filters(device)})
    for index, one in enumerate(filters):
        for other in filters[index + 1 :]:
            if overlap(one, other):
                yield f"  note: the filters {one} and {other} overlap: a broker may send one message for each of them"


def _filters(device: Device) -> Iterator[str]:
    profile = device.profile
    assert isinstance(profile, MqttProfile)
    yield from (rule.topic for rule in profile.messages)
    yield from (each.topic for each in profile.availability)
    if profile.recovery is not None:
        yield profile.recovery.topic
