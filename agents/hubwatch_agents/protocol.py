"""What a protocol is: its connections, its profiles, and the module with its driver."""

from __future__ import annotations

from dataclasses import dataclass

from hubwatch_agents.connections import ConnectionSection
from hubwatch_agents.profiles.provenance import Provenance


@dataclass(frozen=True, slots=True)
class ProtocolDescriptor:
    """One protocol. The module is imported when it is used: memory is short at the edge."""

    name: str
    """As in `protocol` of a profile."""
    connections: tuple[type[ConnectionSection], ...]
    profile: type[Provenance]
    module: str
    """The module that keeps to `hubwatch_agents.drivers.contract.DriverModule`."""
