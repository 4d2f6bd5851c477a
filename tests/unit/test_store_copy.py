"""The packed stream, read back by the rules of PostgreSQL's documentation."""

from __future__ import annotations

import struct
from time import process_time

import numpy as np
import pytest

from hubwatch_store.ingest.copy import HEADER, POSTGRES_EPOCH_US, TRAILER, _shapes, packed
from hubwatch_store.series import NO_TIME, Columns

T0 = 1_795_000_000_000_000


def columns(values: list[float], reasons: list[int], device: list[int], texts: tuple[str | None, ...]) -> Columns:
    count = len(values)
    return Columns(
        T0 + np.arange(count, dtype=np.int64),
        np.full(count, 7, np.int32),
        np.array(values, np.float64),
        np.full(count, 1, np.int16),
        np.array(reasons, np.int32),
        np.array(device, np.int64),
        texts,
    )


def read(stream: bytes) -> list[list[bytes | None]]:
    """Take the stream apart field by field."""
    assert stream.startswith(HEADER)
    assert stream.endswith(TRAILER)
    at, rows = len(HEADER), []
    while (fields := struct.unpack_from(">h", stream, at)[0]) != -1:
        at += 2
        row: list[bytes | None] = []
        for _ in range(fields):
            (length,) = struct.unpack_from(">i", stream, at)
            at += 4
            row.append(None if length == -1 else stream[at : at + length])
            at += max(0, length)
        rows.append(row)
    assert at + 2 == len(stream)
    return rows


def test_a_plain_row_has_six_fields_in_network_order() -> None:
    (row,) = read(b"".join(packed(columns([1.5], [0], [NO_TIME], (None,)))))
    assert row == [
        struct.pack(">q", T0 - POSTGRES_EPOCH_US),
        struct.pack(">i", 7),
        struct.pack(">d", 1.5),
        struct.pack(">h", 1),
        None,
        None,
    ]


def test_rows_of_every_shape_are_all_there() -> None:
    shapes = columns(
        [1.0, float("nan"), 2.0, float("nan"), 3.0],
        [0, 1, 1, 2, 0],
        [NO_TIME, NO_TIME, T0, T0, T0],
        (None, "time out", ""),
    )
    rows = sorted(read(b"".join(packed(shapes))), key=lambda row: row[0] or b"")
    assert [row[2] is None for row in rows] == [False, True, False, True, False]
    assert [row[4] for row in rows] == [None, b"time out", b"time out", b"", None]
    assert [row[5] is None for row in rows] == [True, True, False, False, False]


def test_a_reason_is_utf_8() -> None:
    (row,) = read(b"".join(packed(columns([1.0], [1], [NO_TIME], (None, "zu heiß 🔥")))))
    assert row[4] == "zu heiß 🔥".encode()


def test_reading_of_a_reason_of_its_own_costs_no_look_at_all_others() -> None:
    def seconds(count: int) -> float:
        texts = (None, *(f"reason {i}" for i in range(count)))
        some, began = columns([1.0] * count, [*range(1, count + 1)], [NO_TIME] * count, texts), process_time()
        assert sum(1 for _ in _shapes(some)) == count
        return process_time() - began

    short, long = min(seconds(1000) for _ in range(3)), seconds(100_000)
    assert long < 100 * short * 8


@pytest.mark.parametrize("count", [0, 1, 1000])
def test_the_number_of_rows_is_kept(count: int) -> None:
    some = columns([1.0] * count, [0] * count, [NO_TIME] * count, (None,))
    assert len(read(b"".join(packed(some)))) == count
