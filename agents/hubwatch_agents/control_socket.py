"""Where the control socket of an agent is."""

from __future__ import annotations

import os
from pathlib import Path

MAX_BYTES = 107
"""Longest path of a unix-domain socket on Linux (unix(7): sun_path of 108 bytes with its end)."""


def path_of(spool: Path) -> Path:
    """Return where the socket of an agent is: beside its spool, whose lock only one agent holds."""
    whole = spool.absolute()
    return whole.with_name(f"{whole.name}.control")


def too_long(path: Path) -> bool:
    """Return whether the kernel would not take a path."""
    return len(os.fsencode(path)) > MAX_BYTES
