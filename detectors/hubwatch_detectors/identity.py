"""Names of detections that come out the same each time the same readings are judged."""

from __future__ import annotations

from hashlib import blake2b

from ulid import ULID


def detection_id(kind: str, hub: str, sensor: str, subject: str | None, start: int, *, late: bool) -> str:
    """Return the ULID of a detection: the time of its start, and 80 bits of hash over what makes it this one.

    Judging a recording again, or a frame again after a crash, gives the same id; the database then keeps one.
    """
    parts = [kind, hub, sensor, "" if subject is None else f"={subject}", str(start), "late" if late else "live"]
    digest = blake2b("\0".join(parts).encode(), digest_size=10).digest()
    return str(ULID((start // 1000).to_bytes(6, "big") + digest))
