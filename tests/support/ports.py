"""Free ports on loopback."""

from __future__ import annotations

import itertools
import os
import random
import socket

_LOWEST, _HIGHEST = 10_240, 32_767  # below what Linux hands out to connections and to those who ask for port 0
_WORKERS = 16


def _own_share() -> range:
    """Return the ports of this test worker, so that two of them never give out the same one."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _WORKERS
    size = (_HIGHEST - _LOWEST + 1) // _WORKERS
    return range(_LOWEST + worker * size, _LOWEST + (worker + 1) * size)


def _in_turn() -> itertools.cycle[int]:
    share = _own_share()
    first = random.randrange(len(share))
    return itertools.cycle([*share[first:], *share[:first]])


_ports = _in_turn()


def free_port() -> int:
    """Return a port nothing listens on, and that nobody is given before all others of this worker were.

    Prefer port 0 where the program tells which port it got.
    """
    for port in itertools.islice(_ports, len(_own_share())):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no port of this worker is free")
