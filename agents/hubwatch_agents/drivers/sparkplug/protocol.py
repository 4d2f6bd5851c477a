"""The Sparkplug protocol, as the table of protocols lists it."""

from __future__ import annotations

from hubwatch_agents.connections import SparkplugConnection
from hubwatch_agents.profiles.sparkplug_schema import SparkplugProfile
from hubwatch_agents.protocol import ProtocolDescriptor

PROTOCOL = ProtocolDescriptor(
    name="sparkplug",
    connections=(SparkplugConnection,),
    profile=SparkplugProfile,
    module="hubwatch_agents.drivers.sparkplug.behaviour",
)
