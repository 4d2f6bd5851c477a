"""The ways to devices, as they stand under `[[connections]]`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field

from hubwatch_core.config import ConfigId, MqttSection, Section, TlsSection


class ModbusWay(Section):
    """What every Modbus connection says. All units behind one connection share one queue."""

    name: ConfigId = Field(description="What devices call this connection.")
    timeout_ms: Annotated[int, Field(ge=10, le=60_000)] | None = Field(
        None, description="Longest wait for an answer; unset: as the profile of the device asks."
    )
    connect_timeout_ms: Annotated[int, Field(ge=10, le=60_000)] = Field(3000, description="Longest wait to connect.")
    pause_ms: Annotated[int, Field(ge=0, le=10_000)] = Field(0, description="Quiet between requests, at least.")
    connect_pause_ms: Annotated[int, Field(ge=0, le=60_000)] = Field(0, description="Quiet after connecting, at least.")
    reconnect_max_s: Annotated[float, Field(gt=0, le=3600)] = Field(30.0, description="Longest pause between tries.")
    flush_ms: Annotated[int, Field(ge=0, le=10_000)] = Field(
        100, description="After a timeout: quiet in which late bytes are thrown away."
    )


class TcpWay(ModbusWay):
    """Modbus TCP."""

    transport: Literal["tcp"]
    host: str = Field(min_length=1, description="Address of the device or gateway.")
    port: Annotated[int, Field(ge=1, le=65535)] = Field(502, description="Its port.")


class RtuOverTcpWay(ModbusWay):
    """Modbus RTU frames through a serial server."""

    transport: Literal["rtu_over_tcp"]
    host: str = Field(min_length=1, description="Address of the serial server.")
    port: Annotated[int, Field(ge=1, le=65535)] = Field(description="Its port for this line.")
    baudrate: Annotated[int, Field(ge=300, le=4_000_000)] = Field(9600, description="Speed of the line behind it.")


class RtuWay(ModbusWay):
    """Modbus RTU on a serial port."""

    transport: Literal["rtu"]
    port: str = Field(min_length=1, description="Serial port, as in /dev/ttyUSB0.")
    baudrate: Annotated[int, Field(ge=300, le=4_000_000)] = Field(9600, description="Bits per second.")
    parity: Literal["N", "E", "O"] = Field("N", description="Parity.")
    stopbits: Literal[1, 2] = Field(1, description="Stop bits.")
    local_echo: bool = Field(False, description="True where the adapter hands our own bytes back.")


class TlsWay(ModbusWay):
    """Modbus/TCP Security (TLS)."""

    transport: Literal["tls"]
    host: str = Field(min_length=1, description="Address of the device; its certificate must carry this name.")
    port: Annotated[int, Field(ge=1, le=65535)] = Field(802, description="Its port.")
    tls: TlsSection = Field(description="Whom we trust and who we are.")


class MqttWay(MqttSection):
    """A broker that devices publish to; may be the same as the uplink."""

    transport: Literal["mqtt"]
    name: ConfigId = Field(description="What devices call this connection.")


class SparkplugWay(MqttSection):
    """A broker with Sparkplug B edge nodes."""

    transport: Literal["sparkplug"]
    name: ConfigId = Field(description="What devices call this connection.")
    reorder_ms: Annotated[int, Field(ge=0, le=60_000)] = Field(
        2000, description="How long a gap in the sequence may stay before a rebirth is asked for."
    )
    host_id: Annotated[str, Field(pattern=r"^[^+/#\x00]{1,200}$")] | None = Field(
        None,
        description="Be this host application: nodes that follow it speak only while the agent runs. One agent a name.",
    )


Connection = Annotated[TcpWay | RtuOverTcpWay | RtuWay | TlsWay | MqttWay | SparkplugWay, Discriminator("transport")]

TRANSPORTS = ("tcp", "rtu_over_tcp", "rtu", "tls", "mqtt", "sparkplug")

ModbusConnection = TcpWay | RtuOverTcpWay | RtuWay | TlsWay


def place_of(connection: Connection) -> str | None:
    """Give where a Modbus connection leads, which only one may; None where it does not say, and for brokers.

    Gateways mix up the replies of two sessions, or take but one (pymodbus #2762, devices.md 9).
    """
    if isinstance(connection, MqttWay | SparkplugWay):
        return None
    said = (connection.port,) if isinstance(connection, RtuWay) else (connection.host, connection.port)
    return None if None in said else ":".join(map(str, said))
