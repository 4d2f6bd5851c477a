"""Free ports on loopback."""

from __future__ import annotations

import socket


def free_port() -> int:
    """Give a port nothing listens on just now; prefer port 0 where the program tells which port it got."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
