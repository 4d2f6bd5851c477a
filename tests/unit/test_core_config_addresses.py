"""Hosts, hosts with ports and NATS servers: what can be connected to, and what is told of the rest."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from hubwatch_core.config import MqttSection
from hubwatch_core.config.addresses import Host, HostAndPort, NatsServer, host_and_port, is_loopback, with_port

HOSTS = TypeAdapter[str](Host)
NODES = TypeAdapter[str](HostAndPort)
SERVERS = TypeAdapter[str](NatsServer)


@pytest.mark.parametrize(
    "host",
    [
        "h",
        "broker.example.org",
        "broker.example.org.",
        "my_broker",
        "10.0.0.1",
        "::1",
        "fe80::1%eth0",
        "hafenbüro.example",
    ],
)
def test_name_or_address_is_a_host(host: str) -> None:
    assert HOSTS.validate_python(host) == host


@pytest.mark.parametrize(
    ("host", "says"),
    [
        ("tcp://h", "without tcp://"),
        ("mqtts://broker.example:8883", "without mqtts://"),
        ("[::1]", "without brackets: ::1"),
        ("h:1883", "its port is a key of its own"),
        ("[::1]:1883", "its port is a key of its own"),
        ("", "at least 1 character"),
        (" h", "can be no host name"),
        ("h ", "can be no host name"),
        ("a b", "can be no host name"),
        ("h/path", "can be no host name"),
        ("user@h", "can be no host name"),
        ("a..b", "can be no host name"),
        (".", "can be no host name"),
        ("10.0.0.256", "can be no host name"),
        ("10.0.0", "can be no host name"),
        ("1234", "can be no host name"),
        ("::1::", "can be no host name"),
        ("a" * 64, "can be no host name"),
        (".".join(["a" * 50] * 6), "can be no host name"),
        ("h\0", "can be no host name"),
    ],
)
def test_what_cannot_be_looked_up_is_refused_with_what_to_do(host: str, says: str) -> None:
    with pytest.raises(ValidationError, match=says.replace("[", r"\[")):
        HOSTS.validate_python(host)


@pytest.mark.parametrize(
    ("node", "parts"),
    [
        ("b:2", ("b", 2)),
        ("[::1]:1883", ("::1", 1883)),
        ("[fe80::1%eth0]:1", ("fe80::1%eth0", 1)),
        ("10.0.0.1:65535", ("10.0.0.1", 65535)),
    ],
)
def test_node_is_a_host_and_a_port_and_ipv6_stands_in_brackets(node: str, parts: tuple[str, int]) -> None:
    assert NODES.validate_python(node) == node
    assert host_and_port(node) == parts
    assert with_port(*parts) == node


@pytest.mark.parametrize(
    ("node", "says"),
    [
        ("tcp://b:1883", "without tcp://"),
        ("::1:1883", "stands in brackets"),
        ("[b]:1", "no IPv6 address in brackets"),
        ("[10.0.0.1]:1", "no IPv6 address in brackets"),
        ("[::1]", "must be host:port"),
        ("b", "must be host:port"),
        ("b:0", "a port from 1 to 65535"),
        ("b:65536", "a port from 1 to 65535"),
        ("b:+1", "a port from 1 to 65535"),
        (":1", "can be no host name"),
        ("b b:1", "can be no host name"),
    ],
)
def test_node_that_is_none_is_refused_with_what_to_do(node: str, says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        NODES.validate_python(node)


def test_broker_is_reached_by_ipv6_at_every_node() -> None:
    section = MqttSection(host="::1", port=1, other_brokers=("[fe80::2]:7", "b:8"))
    assert section.addresses == (("::1", 1), ("fe80::2", 7), ("b", 8))


@pytest.mark.parametrize("server", ["nats://h:4222", "tls://[::1]:4222", "h:4222", "wss://h", "nats://h/"])
def test_url_of_a_nats_server_is_taken(server: str) -> None:
    assert SERVERS.validate_python(server) == server


@pytest.mark.parametrize(
    ("server", "says"),
    [
        ("mqtt://h:1883", "must begin with one of nats://"),
        ("nats://user:hunter2@h:4222", "must not carry a user or password"),
        ("nats://", "must be a server's address"),
        ("nats://a b:4222", "must be a server's address"),
        ("nats://h:0", "must be a server's address"),
        ("nats://h:99999", "[Pp]ort"),
        ("nats://[::1:4222", "IPv6"),
        ("nats://h/path", "must be a server's address"),
    ],
)
def test_url_of_no_nats_server_is_refused(server: str, says: str) -> None:
    with pytest.raises(ValidationError, match=says) as caught:
        SERVERS.validate_python(server)
    assert "hunter2" not in str(caught.value.errors(include_input=False))


@pytest.mark.parametrize(
    ("host", "is_one"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("::", False),
        ("", False),
        ("h", False),
    ],
)
def test_loopback_is_known_in_every_form(host: str, is_one: bool) -> None:
    assert is_loopback(host) is is_one
