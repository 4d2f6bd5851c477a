"""Free ports on loopback."""

from __future__ import annotations

import itertools
import os
import random
import socket

_LOWEST, _HIGHEST = 10_240, 32_767  # below what Linux hands out to connections and to those who ask for port 0
SHARES = 16
"""So many workers have ports of their own."""
FROM = "TEST_PORTS_FROM"
"""Variable with the number of a run's first worker: `make test` runs several beside each other, each from gw0 on."""


def _own_share() -> range:
    """Return the ports of this test worker, so that two of them never give out the same one."""
    in_run = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    worker = (int(os.environ.get(FROM) or 0) + in_run) % SHARES
    size = (_HIGHEST - _LOWEST + 1) // SHARES
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
