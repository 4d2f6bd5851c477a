"""The ways to devices, as they stand under `[[connections]]`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field

from hubwatch_core.config import ConfigId, MqttSection, Section, TlsSection
from hubwatch_core.config.addresses import Host, with_port

ClientId = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]


class ConnectionSection(Section):
    """What every connection says."""

    name: ConfigId = Field(description="What devices call this connection.")
    transport: str = Field(description="How devices are reached; decides which other keys there are.")

    @property
    def leads_to(self) -> str:
        """The place it leads to, as people write it."""
        raise NotImplementedError

    @property
    def is_exclusive(self) -> bool:
        """Whether only one connection may lead to its place."""
        return False

    def unnoticed(self) -> Self:
        """Return the connection for somebody who only looks: nothing behind it takes that for the agent."""
        return self


class ModbusConnectionSection(ConnectionSection):
    """What every Modbus connection says. All units behind one connection share one queue."""

    renamed: ClassVar[Mapping[str, str]] = {"reconnect_max_s": "max_reconnect_s"}

    timeout_ms: Annotated[int, Field(ge=10, le=60_000)] | None = Field(
        None, examples=[1000], description="Longest wait for an answer; unset: as the profile of the device asks."
    )
    connect_timeout_ms: Annotated[int, Field(ge=10, le=60_000)] = Field(3000, description="Longest wait to connect.")
    pause_ms: Annotated[int, Field(ge=0, le=10_000)] = Field(0, description="Quiet between requests, at least.")
    connect_pause_ms: Annotated[int, Field(ge=0, le=60_000)] = Field(0, description="Quiet after connecting, at least.")
    max_reconnect_s: Annotated[float, Field(gt=0, le=3600)] = Field(30.0, description="Longest pause between tries.")
    flush_ms: Annotated[int, Field(ge=0, le=10_000)] = Field(
        100, description="After a timeout: quiet in which late bytes are thrown away."
    )
    release_between_polls: bool = Field(
        False, description="Close the connection while nothing is due: for devices that serve one client at a time."
    )

    @property
    def is_exclusive(self) -> bool:
        """Gateways mix up the replies of two sessions, or take but one (pymodbus #2762, devices.md 9)."""
        return True


class TcpConnection(ModbusConnectionSection):
    """Modbus TCP."""

    transport: Literal["tcp"] = Field(description="How devices are reached; decides which other keys there are.")
    host: Host = Field(description="Address of the device or gateway.")
    port: Annotated[int, Field(ge=1, le=65535)] = Field(502, description="Its port.")

    @property
    def leads_to(self) -> str:
        """Host and port."""
        return with_port(self.host.lower(), self.port)


class RtuOverTcpConnection(ModbusConnectionSection):
    """Modbus RTU frames through a serial server."""

    transport: Literal["rtu_over_tcp"] = Field(
        description="How devices are reached; decides which other keys there are."
    )
    host: Host = Field(description="Address of the serial server.")
    port: Annotated[int, Field(ge=1, le=65535)] = Field(description="Its port for this line.")
    baudrate: Annotated[int, Field(ge=300, le=4_000_000)] = Field(9600, description="Speed of the line behind it.")

    @property
    def leads_to(self) -> str:
        """Host and port."""
        return with_port(self.host.lower(), self.port)


class RtuConnection(ModbusConnectionSection):
    """Modbus RTU on a serial port."""

    transport: Literal["rtu"] = Field(description="How devices are reached; decides which other keys there are.")
    port: str = Field(min_length=1, description="Serial port, as in /dev/ttyUSB0.")
    baudrate: Annotated[int, Field(ge=300, le=4_000_000)] = Field(9600, description="Bits per second.")
    parity: Literal["N", "E", "O"] = Field("N", description="Parity.")
    stopbits: Literal[1, 2] = Field(1, description="Stop bits.")
    local_echo: bool = Field(False, description="True where the adapter hands our own bytes back.")

    @property
    def leads_to(self) -> str:
        """The serial port."""
        return self.port


class TlsConnection(ModbusConnectionSection):
    """Modbus/TCP Security (TLS)."""

    transport: Literal["tls"] = Field(description="How devices are reached; decides which other keys there are.")
    host: Host = Field(description="Address of the device; its certificate must carry this name.")
    port: Annotated[int, Field(ge=1, le=65535)] = Field(802, description="Its port.")
    tls: TlsSection = Field(description="Whom we trust and who we are.")

    @property
    def leads_to(self) -> str:
        """Host and port."""
        return with_port(self.host.lower(), self.port)


class BrokerConnection(MqttSection, ConnectionSection):
    """What every connection to a broker says."""

    client_id: ClientId | None = Field(
        None,
        description="Client id at the broker, for brokers that allow certain ones only; unset: made of hub, agent and "
        "name.",
    )

    @property
    def leads_to(self) -> str:
        """Host and port."""
        return with_port(self.host.lower(), self.port)


class MqttConnection(BrokerConnection):
    """A broker that devices publish to; takes every key of [mqtt] and may be the uplink's own broker."""

    transport: Literal["mqtt"] = Field(description="How devices are reached; decides which other keys there are.")


class SparkplugConnection(BrokerConnection):
    """A broker with Sparkplug B edge nodes."""

    transport: Literal["sparkplug"] = Field(description="How devices are reached; decides which other keys there are.")
    reorder_ms: Annotated[int, Field(ge=0, le=60_000)] = Field(
        2000, description="How long a gap in the sequence may stay before a rebirth is asked for."
    )
    host_id: Annotated[str, Field(pattern=r"^[^+/#\x00]{1,200}$")] | None = Field(
        None,
        description="Be this host application: nodes that follow it speak only while the agent runs. One agent a name.",
    )

    def unnoticed(self) -> Self:
        """Return it without the host application: nodes would follow, and stop when the look is over."""
        return self.model_copy(update={"host_id": None})


ModbusConnection = TcpConnection | RtuOverTcpConnection | RtuConnection | TlsConnection


def place_of(connection: ConnectionSection) -> str | None:
    """Return where a connection leads, which only one may; None where several may lead there."""
    return connection.leads_to if connection.is_exclusive else None
