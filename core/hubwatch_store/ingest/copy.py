"""Readings as PostgreSQL's binary COPY, packed by numpy.

Format: https://www.postgresql.org/docs/current/sql-copy.html#id-1.9.3.55.9.4 - signature, flags, extension length;
then per row the number of fields and each field as length and bytes, -1 for null; big-endian; then -1 as trailer.
Rows of one shape (what is null, which reason) have one width, so a shape is one structured array and no loop.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hubwatch_store.series import NO_TIME, Columns

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"

POSTGRES_EPOCH_US = 946_684_800_000_000
"""2000-01-01 UTC: timestamptz counts microseconds from here."""

_FIELDS = 6
_NULL = -1


def packed(columns: Columns) -> Iterator[bytes]:
    """Return the whole COPY stream for `reading (time, channel_id, value, quality, reason, device_time)`."""
    yield HEADER
    for rows, shape in _shapes(columns):
        yield _rows(columns.take(rows), *shape).tobytes()
    yield TRAILER


def _shapes(columns: Columns) -> Iterator[tuple[NDArray[np.intp], tuple[bool, bytes | None, bool]]]:
    """Split rows by (has value, reason, has device time); nearly always there is one shape, all rows."""
    has_value, has_device = ~np.isnan(columns.value), columns.device != NO_TIME
    key = columns.reason.astype(np.int64) * 4 + has_value * 2 + has_device
    if not len(key):
        return
    # Sorted: an agent may give each reading a reason of its own, and looking for each among all rows would be a square.
    order = np.argsort(key, kind="stable")
    shapes, begin = np.unique(key[order], return_index=True)
    for each, rows in zip(shapes.tolist(), np.split(order, begin[1:]), strict=True):
        reason = columns.reasons[each // 4]
        text = None if reason is None else reason.encode()
        yield rows, (bool(each & 2), text, bool(each & 1))


def _rows(columns: Columns, has_value: bool, reason: bytes | None, has_device: bool) -> NDArray[np.void]:
    fields: list[tuple[str, str, Any]] = [
        ("time", ">i8", columns.time - POSTGRES_EPOCH_US),
        ("channel", ">i4", columns.channel),
        ("value", ">f8", columns.value if has_value else None),
        ("quality", ">i2", columns.quality),
        ("reason", f"V{len(reason)}" if reason else "V1", np.void(reason) if reason else None),
        ("device", ">i8", columns.device - POSTGRES_EPOCH_US if has_device else None),
    ]
    rows = np.empty(len(columns), _layout(fields, reason))
    rows["fields"] = _FIELDS
    for name, kind, data in fields:
        rows[f"{name}_length"] = np.dtype(kind).itemsize if data is not None else _NULL
        if data is not None:
            rows[name] = data
    if reason == b"":
        rows["reason_length"] = 0
    return rows


def _layout(fields: list[tuple[str, str, Any]], reason: bytes | None) -> np.dtype[np.void]:
    layout: list[tuple[str, str]] = [("fields", ">i2")]
    for name, kind, data in fields:
        layout.append((f"{name}_length", ">i4"))
        if data is not None:
            layout.append((name, kind))
    return np.dtype(layout)
