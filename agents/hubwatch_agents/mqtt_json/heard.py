"""A message of a device, as the mapper sees it."""

from __future__ import annotations

from typing import NamedTuple

from hubwatch_agents.readings import Happening, Reading

Found = Reading | Happening
"""What a message says."""


class Heard(NamedTuple):
    """One message as the broker gave it; `t` in µs is when it came. `late`: fetched afterwards."""

    topic: str
    payload: bytes
    retained: bool
    t: int
    late: bool = False
