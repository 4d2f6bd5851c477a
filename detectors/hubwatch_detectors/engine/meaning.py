"""What the readings of a sensor mean: by channel its unit, and the device and place that it is read from."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b

from hubwatch_core.wire import Sensor

Meaning = Mapping[str, str]
"""By channel, a digest of all that it means."""


def meaning_of(sensor: Sensor) -> dict[str, str]:
    """Return what an agent says that the channels of a sensor mean."""
    whole = "\0".join((sensor.kind, sensor.zone, sensor.profile))
    return {each.name: _digest(f"{whole}\0{each.unit}\0{each.kind}") for each in sensor.channels}


def differs(known: Meaning, said: Meaning) -> bool:
    """Return whether what was learned under one meaning is of no use under the other.

    Channels that only one of them knows do not count: several agents may share a sensor.
    """
    return any(known.get(channel, digest) != digest for channel, digest in said.items())


def _digest(text: str) -> str:
    return blake2b(text.encode(), digest_size=6).hexdigest()
