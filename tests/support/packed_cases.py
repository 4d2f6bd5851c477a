"""Frames of version 2 of the wire format: those with golden bytes, and one to be changed into poison."""

from __future__ import annotations

import struct
from typing import Any

import msgspec

from hubwatch_core import wire
from hubwatch_core.packed_frame import PackedFrame

EPOCH = "01JD3ZKQ5V8W2M4N6P7R9S0T1X"
SENT = 1_795_284_000_123_456


def u16(*numbers: int) -> bytes:
    """Return numbers as they stand in a column of 16 bits."""
    return struct.pack(f"<{len(numbers)}H", *numbers)


def i32(*numbers: int) -> bytes:
    """Return numbers as they stand in a column of 32 bits."""
    return struct.pack(f"<{len(numbers)}i", *numbers)


def i64(*numbers: int) -> bytes:
    """Return numbers as they stand in a column of 64 bits."""
    return struct.pack(f"<{len(numbers)}q", *numbers)


def fields() -> dict[str, Any]:
    """Return a good frame of two series with two readings each, as plain values."""
    return {
        "v": 2, "hub": "harbour", "agent": "gate-7", "epoch": EPOCH, "seq": 5, "sent": SENT, "late": False,
        "names": "rpm-2 gamma.1 gamma.2", "series": u16(2), "moments": u16(2), "t0": SENT, "dt": i32(-200_000, 0),
        "x": struct.pack("<4d", 412.0, 409.5, 300.1, 301.0),
    }  # fmt: skip


def changed(**changes: object) -> bytes:
    """Return the same as bytes, with changes."""
    return msgspec.msgpack.encode(fields() | changes)


def _frame(**changes: Any) -> PackedFrame:
    head: dict[str, Any] = {"v": 2, "hub": "rotterdam", "agent": "gate-7", "epoch": EPOCH, "seq": 48_211,
                            "sent": SENT, "late": False}  # fmt: skip
    return PackedFrame(**(head | changes))


GOLDEN = {
    "minimal": _frame(),
    "late": _frame(late=True, seq=2**62),
    "all-good": PackedFrame(**fields()),
    "narrow": _frame(
        names="rpm-2 gamma.1 gamma.2\nmast-1 wind",
        series=u16(2, 1), moments=u16(2, 1), t0=SENT - 200_000, dt=i32(0, 200_000, -5),
        x=struct.pack("<5f", 412.0, 409.5, 0.25, -0.0, 7.0),
    ),
    "every-quality": _frame(
        names="pump-1 flow", series=u16(1), moments=u16(5), t0=SENT, dt=i64(-(2**33), 0, 1, 2, 3),
        x=struct.pack("<5d", 1.1, float("nan"), float("nan"), 2.0, 3.0),
        q=bytes([0, 2, 1, 1, 0]), reasons=["no answer", "clock: nobody keeps it"], r=u16(0, 1, 0, 2, 2),
    ),
    "device-times": _frame(
        names="tank-4 level", series=u16(1), moments=u16(3), t0=SENT, dt=i32(0, 1, 2),
        x=struct.pack("<3f", 1, 2, 3), device=i32(-250_000, -(2**31), 7),
    ),
    "device-times-far": _frame(
        names="tank-4 level", series=u16(1), moments=u16(2), t0=SENT, dt=i32(0, 1),
        x=struct.pack("<2f", 1, 2), device=i64(-(2**53), -(2**63)),
    ),
    "events": _frame(
        events=[
            wire.Event("door-3", SENT, "access.granted", "b:9f2c", {"reader": "north", "tries": [1, 2.5, None, True]}),
            wire.Event("door-3", SENT + 1, "door.opened", device=SENT - 1),
        ],
    ),
}  # fmt: skip
"""By the name of the file in `tests/cases/wire/golden-2/`."""


def of_version_1(frame: wire.Frame) -> wire.Frame:
    """Return a frame in the one of its shapes in which `unpacked` gives it back: the content is the same."""
    return msgspec.structs.replace(frame, series=[_of_first_time(each) for each in frame.series])


def _of_first_time(series: wire.Series) -> wire.Series:
    """Return a series with its first time as `t0`, without marks that are all good and device times that are none."""
    shift = series.dt[0] if series.dt else wire.EARLIEST_US - series.t0
    if not series.dt:
        return msgspec.structs.replace(series, t0=0)
    device = [None if off is None else off - shift for off in series.device]
    return msgspec.structs.replace(
        series,
        t0=series.t0 + shift,
        dt=[dt - shift for dt in series.dt],
        q=series.q if any(mark != 0 for mark in series.q) else [],
        device=device if any(off is not None for off in device) else [],
    )
