"""The MQTT protocol, as the table of protocols lists it."""

from __future__ import annotations

from hubwatch_agents.connections import MqttConnection
from hubwatch_agents.profiles.mqtt_schema import MqttProfile
from hubwatch_agents.protocol import ProtocolDescriptor

PROTOCOL = ProtocolDescriptor(
    name="mqtt",
    connections=(MqttConnection,),
    profile=MqttProfile,
    module="hubwatch_agents.drivers.mqtt.behaviour",
)
