"""Every protocol, in one table. A new one is a folder in `drivers` and its line here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Union, get_args

from pydantic import Discriminator

from hubwatch_agents.connections import ConnectionSection
from hubwatch_agents.drivers.modbus import protocol as modbus
from hubwatch_agents.drivers.mqtt import protocol as mqtt
from hubwatch_agents.drivers.sparkplug import protocol as sparkplug
from hubwatch_agents.protocol import ProtocolDescriptor

PROTOCOLS: tuple[ProtocolDescriptor, ...] = (
    modbus.PROTOCOL,
    mqtt.PROTOCOL,
    sparkplug.PROTOCOL,
)

if TYPE_CHECKING:
    AnyConnection = ConnectionSection
else:
    AnyConnection = Annotated[
        Union[tuple(kind for each in PROTOCOLS for kind in each.connections)],  # noqa: UP007 - made from the table
        Discriminator("transport"),
    ]


def protocol_of(connection: ConnectionSection) -> ProtocolDescriptor:
    """Return the protocol of a connection."""
    return next(each for each in PROTOCOLS if isinstance(connection, each.connections))


def transports() -> tuple[str, ...]:
    """Return every transport a connection may have."""
    kinds = [kind for each in PROTOCOLS for kind in each.connections]
    return tuple(get_args(kind.model_fields["transport"].annotation)[0] for kind in kinds)
