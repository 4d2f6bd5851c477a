"""Identifiers: names people choose, and ULIDs made where things are born."""

from __future__ import annotations

import re

from ulid import ULID

ID_PATTERN = r"^[a-z0-9][a-z0-9._-]{0,62}\Z"
"""Names of hubs, zones, agents, sensors, channels and event types; safe in topics, paths and SQL."""

ULID_PATTERN = r"^[0-7][0-9A-HJKMNP-TV-Z]{25}\Z"

_ID = re.compile(ID_PATTERN)


def is_id(text: str) -> bool:
    """Return whether `text` is a valid name (1–63 of a–z, 0–9, dot, underscore, hyphen; no leading sign)."""
    return _ID.match(text) is not None


def new_ulid() -> str:
    """Make a new ULID: 26 characters, sortable by the time of making."""
    return str(ULID())
