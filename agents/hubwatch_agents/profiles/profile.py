"""A profile of any protocol."""

from __future__ import annotations

from hubwatch_agents.profiles.modbus_schema import ModbusProfile
from hubwatch_agents.profiles.mqtt_schema import MqttProfile
from hubwatch_agents.profiles.sparkplug_schema import SparkplugProfile

Profile = ModbusProfile | MqttProfile | SparkplugProfile
