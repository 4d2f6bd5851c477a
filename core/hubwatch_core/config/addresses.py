"""Hosts, and hosts with a port, as they may stand in a configuration."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated

from pydantic import AfterValidator, Field

from hubwatch_core.secret_text import split_url

MAX_HOST = 253
"""Characters of a name that can be looked up (RFC 1035, 2.3.4, without the final dot)."""

_LABELS = re.compile(r"[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?")
"""The underscore is in no host name by the standard, and in many inside companies."""

_NATS_SCHEMES = ("nats", "tls", "ws", "wss")


def is_host(name: str) -> bool:
    """Return whether `name` is an address, or a name that can be looked up (RFC 1123, RFC 3490 for other letters)."""
    if _is_address(name):
        return True
    try:
        ascii_name = name.encode("idna").decode()
    except UnicodeError:
        return False
    if not _LABELS.fullmatch(ascii_name) or len(ascii_name.removesuffix(".")) > MAX_HOST:
        return False
    return not ascii_name.removesuffix(".").rpartition(".")[2].isdigit()  # an address that is none, such as 10.0.0.256


def host_and_port(text: str) -> tuple[str, int]:
    """Return host and port of `host:port`; an IPv6 address stands in brackets there: `[::1]:1883` (RFC 3986, 3.2.2).

    Raises ValueError.
    """
    host, separator, port = text.rpartition(":")
    if "://" in text:
        raise ValueError(f"must be host:port, without {text.partition('://')[0]}://")
    if not separator or not re.fullmatch(r"[0-9]{1,5}", port) or not 1 <= int(port) <= 65535:
        raise ValueError("must be host:port, with a port from 1 to 65535")
    if host.startswith("[") and host.endswith("]"):
        if not _is_address(host[1:-1]) or ":" not in host:
            raise ValueError(f"{host} is no IPv6 address in brackets")
        return host[1:-1], int(port)
    if ":" in host:
        raise ValueError("must be host:port; an IPv6 address stands in brackets there, as in [::1]:1883")
    return _host(host), int(port)


def with_port(host: str, port: int) -> str:
    """Return `host:port`, an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach `host`."""
    return ipaddress.ip_address(host).is_loopback if _is_address(host) else host == "localhost"


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _host(text: str) -> str:
    if is_host(text):
        return text
    scheme, separator, _ = text.partition("://")
    if separator:
        raise ValueError(f"must be a host name or address alone, without {scheme}://")
    if text.startswith("[") and text.endswith("]") and _is_address(text[1:-1]):
        raise ValueError(f"must be the address without brackets: {text[1:-1]}")
    name, separator, port = text.rpartition(":")
    if separator and port.isdigit() and is_host(name.strip("[]")):
        raise ValueError("must be a host name or address alone; its port is a key of its own")
    raise ValueError("can be no host name and is no address")


def _listen(text: str) -> str:
    return _host(text) if text else text


def _node(text: str) -> str:
    host_and_port(text)
    return text


def _nats_server(text: str) -> str:
    parts = split_url(text if "://" in text else f"nats://{text}")
    if parts.scheme not in _NATS_SCHEMES:
        raise ValueError(f"must begin with one of {', '.join(f'{each}://' for each in _NATS_SCHEMES)}")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not carry a user or password: there are keys for them")
    if not parts.hostname or not is_host(parts.hostname) or parts.port == 0 or parts.path.strip("/") or parts.query:
        raise ValueError("must be a server's address, as in nats://host:4222")
    return text


Host = Annotated[str, Field(min_length=1), AfterValidator(_host)]
"""A host name or address, by itself."""

ListenAddress = Annotated[str, AfterValidator(_listen)]
"""Where to listen: a host, or empty for every address of the machine."""

HostAndPort = Annotated[str, AfterValidator(_node)]
"""`host:port`."""

NatsServer = Annotated[str, AfterValidator(_nats_server)]
"""The URL of a NATS server."""
