"""Telling systemd how we are: READY, STOPPING, WATCHDOG (protocol of sd_notify(3)).

A dozen lines over a datagram socket: less than what a package would have to be kept for.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping


def notify(state: str, env: Mapping[str, str] = os.environ) -> bool:
    """Send a state such as `READY=1`; does nothing and gives False when not run by systemd."""
    address = env.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return False
    if address.startswith("@"):  # abstract socket
        address = "\0" + address[1:]
    # Without waiting: a systemd that reads nothing just now must not hold up the event loop.
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK) as link:
        try:
            link.sendto(state.encode(), address)
        except OSError:
            return False  # systemd restarting its socket is no reason to stop watching a fence
    return True


def watchdog_period_s(env: Mapping[str, str] = os.environ) -> float | None:
    """Return how often to send WATCHDOG=1 (half of what systemd allows), None when it does not watch us."""
    micros = env.get("WATCHDOG_USEC", "")
    if not micros.isdecimal() or env.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    return int(micros) / 2_000_000 or None
