"""Sections that several components have: brokers, TLS, health and metrics, logs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import log2
from pathlib import Path
from typing import Annotated, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr

from hubwatch_core.config.addresses import Host, HostAndPort, ListenAddress, NatsServer, host_and_port, is_loopback
from hubwatch_core.config.plain_link import ALLOW_PLAIN, first_given, sent_in_the_clear
from hubwatch_core.config.secret_file import SecretFile, read_secret
from hubwatch_core.config.section import Conflict, Section
from hubwatch_core.config.validate import FIELD_ID_PATTERN
from hubwatch_core.errors import Permanent

ConfigId = Annotated[str, Field(pattern=FIELD_ID_PATTERN)]
"""A name as in `ids`, for configuration fields."""

Port = Annotated[int, Field(ge=0, le=65535)]

Secret = Annotated[SecretStr, Field(min_length=1)]
"""A secret; `load` refuses it in the TOML wherever it stands."""


_HOW_TO_MAKE = "openssl rand -base64 24 makes one"


class TlsSection(Section):
    """TLS towards a server: whom we trust and who we are."""

    ca_file: Path = Field(description="CA certificates the server's certificate must chain to (PEM).")
    cert_file: Path | None = Field(None, description="Our own certificate (PEM), where the server asks for one.")
    key_file: SecretFile | None = Field(None, description="The key of cert_file (PEM), without a passphrase.")
    server_name: Host | None = Field(
        None, description="Name that the server's certificate must carry; unset: the host as it is given."
    )

    def conflicts(self) -> Iterator[Conflict]:
        """A certificate is of no use without its key, nor the other way round."""
        if (self.cert_file is None) != (self.key_file is None):
            missing = "cert_file" if self.cert_file is None else "key_file"
            yield (missing,), "cert_file and key_file go together: give both or none"


class MqttSection(Section):
    """How to reach an MQTT broker."""

    renamed: ClassVar[Mapping[str, str]] = {"reconnect_max_s": "max_reconnect_s", "receive_maximum": "max_in_flight"}

    host: Host = Field("localhost", description="Broker's host name or address.")
    port: Annotated[int, Field(ge=1, le=65535)] = Field(1883, description="Broker's port; 8883 is usual with TLS.")
    other_brokers: tuple[HostAndPort, ...] = Field(
        (),
        description="Other nodes of a clustered broker, `host:port` or `[IPv6]:port`, tried in turn when one does not "
        "answer.",
    )
    protocol: Literal["auto", "5", "3.1.1"] = Field(
        "auto", description="MQTT version; auto tries 5 first and falls back to 3.1.1."
    )
    username: str | None = Field(None, description="User name, where the broker wants one.")
    password: Secret | None = Field(None, description="Only from HUBWATCH_MQTT__PASSWORD; in TOML use password_file.")
    password_file: SecretFile | None = Field(
        None, description="File that holds the password (or set HUBWATCH_MQTT__PASSWORD)."
    )
    keepalive_s: Annotated[int, Field(ge=5, le=3600)] = Field(20, description="Seconds until silence counts as loss.")
    connect_timeout_s: Annotated[float, Field(gt=0, le=60)] = Field(5.0, description="Seconds a connect may take.")
    max_reconnect_s: Annotated[float, Field(gt=0, le=3600)] = Field(30.0, description="Longest pause between tries.")
    max_in_flight: Annotated[int, Field(ge=1, le=65535)] = Field(
        5000, description="Unacknowledged messages in flight; caps throughput as well as memory."
    )
    allow_plain: bool = Field(False, description=ALLOW_PLAIN)
    tls: TlsSection | None = Field(None, description="TLS towards the broker; without it the link is in the clear.")

    @property
    def addresses(self) -> tuple[tuple[str, int], ...]:
        """Every node of the broker, as (host, port)."""
        return ((self.host, self.port), *map(host_and_port, self.other_brokers))

    def conflicts(self) -> Iterator[Conflict]:
        """A password goes with a name, and to nobody in between."""
        if self.username is None and (self.password is not None or self.password_file is not None):
            yield ("username",), "a password needs a username: without one it would not be sent"
        hosts = () if self.tls is not None else (host for host, _ in self.addresses)
        secret = first_given(password_file=self.password_file, password=self.password)
        yield from sent_in_the_clear(secret, hosts, "give [mqtt.tls]", allow_plain=self.allow_plain)


class NatsSection(Section):
    """How to reach a NATS JetStream cluster, to whose MQTT listener agents publish."""

    renamed: ClassVar[Mapping[str, str]] = {
        "reconnect_max_s": "max_reconnect_s",
        "most_bytes": "max_bytes",
        "most_unacknowledged": "max_unacknowledged",
    }

    servers: Annotated[tuple[NatsServer, ...], Field(min_length=1)] = Field(
        ("nats://localhost:4222",), description="Servers of the cluster, tried in turn; `tls://` demands TLS."
    )
    username: str | None = Field(None, description="User name, where the servers want one.")
    password: Secret | None = Field(None, description="Only from HUBWATCH_NATS__PASSWORD; in TOML use password_file.")
    password_file: SecretFile | None = Field(
        None, description="File that holds the password (or set HUBWATCH_NATS__PASSWORD)."
    )
    credentials_file: SecretFile | None = Field(
        None, description="Credentials (.creds) of a NATS user, instead of a name."
    )
    nkey_file: SecretFile | None = Field(
        None, description="File with the seed of a NATS user's NKEY, instead of a name."
    )
    replicas: Literal[1, 3, 5] = Field(
        3, description="Copies kept of each message, where we make the stream; one on a server without a cluster."
    )
    max_bytes: Annotated[int, Field(ge=1 << 20)] | None = Field(
        None,
        examples=[10_000_000_000],
        description="Size at which the stream takes no more and agents keep their frames; none is the disk's.",
    )
    ack_wait_s: Annotated[float, Field(ge=1, le=3600)] = Field(
        10.0, description="Seconds after which what somebody took and did not acknowledge goes to another."
    )
    max_unacknowledged: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        20_000, description="Messages in flight to all processes that share the work, together."
    )
    forget_after_s: Annotated[float, Field(ge=1, le=31_536_000)] = Field(
        604_800.0, description="Seconds after which frames are kept no longer for detectors that are away (a week)."
    )
    connect_timeout_s: Annotated[float, Field(gt=0, le=60)] = Field(5.0, description="Seconds a connect may take.")
    max_reconnect_s: Annotated[float, Field(gt=0, le=3600)] = Field(30.0, description="Longest pause between tries.")
    allow_plain: bool = Field(False, description=ALLOW_PLAIN)
    tls: TlsSection | None = Field(None, description="TLS towards the servers; without it the link is in the clear.")

    def conflicts(self) -> Iterator[Conflict]:
        """A password goes with a name, and credentials hold both."""
        named = self.username is not None
        if not named and (self.password is not None or self.password_file is not None):
            yield ("username",), "a password needs a username: without one it would not be sent"
        if named and self.credentials_file is not None:
            yield ("credentials_file",), "give username or credentials_file, not both"
        if self.nkey_file is not None and (named or self.credentials_file is not None):
            yield ("nkey_file",), "give nkey_file, credentials_file or username, not two of them"
        secret = first_given(
            password_file=self.password_file, password=self.password, credentials_file=self.credentials_file,
            nkey_file=self.nkey_file,
        )  # fmt: skip
        yield from sent_in_the_clear(secret, self._in_the_clear(), "give [nats.tls]", allow_plain=self.allow_plain)

    def _in_the_clear(self) -> Iterator[str]:
        """Yield the hosts of servers that are reached without TLS."""
        if self.tls is None:
            for server in self.servers:
                parts = urlsplit(server if "://" in server else f"nats://{server}")
                if parts.scheme not in ("tls", "wss"):
                    yield str(parts.hostname)


class ServerTlsSection(Section):
    """TLS of what we serve: who we are, and whom we let in."""

    cert_file: Path = Field(
        examples=["/etc/hubwatch/telemetry.pem"], description="Our certificate with those that it chains to (PEM)."
    )
    key_file: SecretFile = Field(
        examples=["/etc/hubwatch/telemetry.key"], description="The key of cert_file (PEM), without a passphrase."
    )
    client_ca_file: Path | None = Field(
        None, description="Demand a certificate of whoever connects, signed by one of these (PEM)."
    )


MIN_TOKEN_BITS = 128


def token_bits(token: str) -> float:
    """Return the most bits that a token of these kinds of characters can hold: hexadecimal ones hold four each."""
    kinds = (("0123456789", 10), ("abcdef", 6), ("ghijklmnopqrstuvwxyz", 20), ("ABCDEFGHIJKLMNOPQRSTUVWXYZ", 26))
    letters = set(token)
    size = sum(many for characters, many in kinds if letters & set(characters))
    size += 2 if letters - {each for characters, _ in kinds for each in characters} else 0
    return len(token) * log2(max(size, 2)) if len(letters) >= 8 else 0.0


class TelemetrySection(Section):
    """Where `/healthz` and `/metrics` listen."""

    host: ListenAddress = Field("127.0.0.1", description="Address to listen on; anything but loopback needs a token.")
    port: Port | None = Field(
        None, examples=[9101], description="Port; 0 takes a free one, and without one nothing listens."
    )
    token: Secret | None = Field(None, description="Only from HUBWATCH_TELEMETRY__TOKEN; in TOML use token_file.")
    token_file: SecretFile | None = Field(
        None,
        description="File that holds the bearer token scrapers must send (or set HUBWATCH_TELEMETRY__TOKEN), of 128 "
        "bits or more. To make one: (umask 077; openssl rand -base64 24 > telemetry.token)",
    )
    tls: ServerTlsSection | None = Field(
        None, description="TLS of /healthz and /metrics; without it the token goes in the clear."
    )

    def given_token(self) -> str | None:
        """Return the token that scrapers must send; raises Permanent when it cannot be read or could be guessed."""
        token = read_secret(self.token, self.token_file)
        if token is not None and token_bits(token) < MIN_TOKEN_BITS:
            raise Permanent(f"the telemetry token can be guessed: it must hold {MIN_TOKEN_BITS} bits; {_HOW_TO_MAKE}")
        return token

    def conflicts_of_files(self) -> Iterator[Conflict]:
        """The token must be one that cannot be guessed."""
        try:
            self.given_token()
        except Permanent as error:
            yield ("token_file" if self.token is None else "token",), str(error)

    def conflicts(self) -> Iterator[Conflict]:
        """Whoever is not on this machine needs a token."""
        if self.port is not None and not is_loopback(self.host) and self.token is None and self.token_file is None:
            yield ("token_file",), f"listening on {self.host} needs token_file, so that not everybody can read it"


class LogSection(Section):
    """What is logged and how."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least severity that is logged.")
    format: Literal["auto", "console", "json"] = Field("auto", description="auto: console on a terminal, else JSON.")
