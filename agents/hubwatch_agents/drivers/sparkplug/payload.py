"""Sparkplug B payloads: a reader of just the protobuf fields we use, and the one command we send. Pure.

Ref: eclipse-sparkplug/sparkplug, sparkplug_b.proto and chapter 6 of the 3.0 specification. Own code instead of the
protobuf library: eleven fields of two messages are read, and the runtime would cost a gateway more memory than all
drivers together (docs/decisions).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

Value = int | float | bool | str | None

MAX_BYTES = 1 << 20
"""Births of the largest nodes known have some thousand metrics of a hundred bytes."""
MAX_METRICS = 20_000
"""Metrics in one message, members of Templates included."""
MAX_LEVELS = 8
"""Templates inside Templates."""
MAX_TEXT = 1000
"""Characters of a name or a text that are kept."""

GOOD = 192
"""Value of the property `Quality` that means good; 0 is bad, 500 stale."""

_SIGNED = {1: 8, 2: 16, 3: 32, 4: 64}
"""Datatypes Int8 to Int64 and their bits: they travel unsigned, in two's complement."""
_BOOLEAN = 11
_UINT64 = (1 << 64) - 1
_UNREAD = {16: "DataSet", 17: "byte string", 18: "File", 19: "Template"}
"""Datatypes that hold no single value, by number and name (6.4.16)."""


class MalformedPayload(ValueError):
    """Bytes that are no Sparkplug payload."""


@dataclass(slots=True)
class Metric:
    """One metric. DATA messages may carry only the alias, and no datatype: both stand in the birth."""

    name: str = ""
    alias: int | None = None
    timestamp_ms: int | None = None
    datatype: int = 0
    historical: bool = False
    null: bool = False
    quality: int | None = None
    raw: Value = None
    members: tuple[Metric, ...] = ()
    """Metrics of a Template."""
    unread: str = ""
    """What it holds instead of a value: a DataSet, bytes, a Template."""

    def value(self, datatype: int) -> Value:
        """Return the value as the declared datatype means it."""
        bits = _SIGNED.get(datatype)
        if bits is not None and isinstance(self.raw, int):
            low = self.raw & ((1 << bits) - 1)
            return low - (1 << bits) if low >> (bits - 1) else low
        if datatype == _BOOLEAN and isinstance(self.raw, int):
            return bool(self.raw)
        return self.raw

    def holds(self, datatype: int) -> str:
        """Return what it holds that is no value, by its content or its declared datatype; empty: a value."""
        return self.unread or ("" if self.raw is not None else _UNREAD.get(datatype, ""))


@dataclass(frozen=True, slots=True)
class Payload:
    """One message; a death certificate of a node has no `seq`."""

    timestamp_ms: int | None = None
    seq: int | None = None
    metrics: tuple[Metric, ...] = field(default=())

    def named(self, name: str) -> Metric | None:
        """Return the metric of this name, None when it is not there."""
        return next((metric for metric in self.metrics if metric.name == name), None)


def decode(data: bytes) -> Payload:
    """Decode a message. Raises MalformedPayload, also for one that is larger than any node's."""
    if len(data) > MAX_BYTES:
        raise MalformedPayload(f"{len(data)} bytes are more than {MAX_BYTES}")
    timestamp_ms = seq = None
    metrics: list[Metric] = []
    room = _Room(MAX_METRICS)
    for number, value in _fields(data):
        if number == 1:
            timestamp_ms = _whole(value)
        elif number == 2:
            metrics.append(_metric(_bytes(value), room, 0))
        elif number == 3:
            seq = _whole(value)
    return Payload(timestamp_ms, seq, tuple(metrics))


class _Room:
    """How many more metrics a message may have."""

    def __init__(self, left: int) -> None:
        self._left = left

    def take(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise MalformedPayload(f"more than {MAX_METRICS} metrics")


def rebirth_command(timestamp_ms: int) -> bytes:
    """Encode the command that asks an edge node for its births."""
    name = b"Node Control/Rebirth"
    metric = _tagged(1, name) + _varint(3 << 3) + _varint(timestamp_ms) + b"\x20\x0b" + b"\x70\x01"
    return b"\x08" + _varint(timestamp_ms) + _tagged(2, metric)


def _metric(data: bytes, room: _Room, level: int) -> Metric:
    room.take()
    metric = Metric()
    for number, value in _fields(data):
        if number in _VALUE_FIELDS:
            _read_value(metric, number, value)
        elif number == 18:
            metric.members, metric.unread = _members(_bytes(value), room, level), "Template"
        else:
            _read_head(metric, number, value)
    return metric


_VALUE_FIELDS = frozenset({10, 11, 12, 13, 14, 15, 16, 17})


def _read_value(metric: Metric, number: int, value: int | bytes) -> None:
    """Read a field of the value; the last one counts."""
    metric.unread, metric.members = "", ()
    if number in (10, 11):
        metric.raw = _whole(value)
    elif number == 12:
        metric.raw = _float(value, "<f")
    elif number == 13:
        metric.raw = _float(value, "<d")
    elif number == 14:
        metric.raw = bool(value)
    elif number == 15:
        metric.raw = _text(value)[:MAX_TEXT]
    else:
        metric.raw, metric.unread = None, "byte string" if number == 16 else "DataSet"


def _read_head(metric: Metric, number: int, value: int | bytes) -> None:
    if number == 1:
        metric.name = _text(value)[:MAX_TEXT]
    elif number == 2:
        metric.alias = _whole(value)
    elif number == 3:
        metric.timestamp_ms = _whole(value)
    elif number == 4:
        metric.datatype = _whole(value)
    elif number == 5:
        metric.historical = bool(value)
    elif number == 7:
        metric.null = bool(value)
    elif number == 9:
        metric.quality = _quality(_bytes(value))


def _members(data: bytes, room: _Room, level: int) -> tuple[Metric, ...]:
    """Return the metrics of a Template: field 2 of its message."""
    if level >= MAX_LEVELS:
        raise MalformedPayload(f"Templates nested deeper than {MAX_LEVELS} levels")
    return tuple(_metric(_bytes(value), room, level + 1) for number, value in _fields(data) if number == 2)


def _quality(data: bytes) -> int | None:
    """Read the property `Quality` out of a property set: keys in field 1, values in field 2, in the same order."""
    keys: list[str] = []
    values: list[bytes] = []
    for number, value in _fields(data):
        if number == 1:
            keys.append(_text(value))
        elif number == 2:
            values.append(_bytes(value))
    if "Quality" not in keys or keys.index("Quality") >= len(values):
        return None
    # Of a property value: type 1, is_null 2, int 3, long 4. A zero may be left out, as protobuf leaves them out.
    fields = dict(_fields(values[keys.index("Quality")]))
    return None if fields.get(2) else _whole(fields.get(3, fields.get(4, 0)))


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Walk the fields of a message: their number, and a whole number or bytes."""
    position, end = 0, len(data)
    while position < end:
        tag = data[position]  # nearly every number has one byte, and a call costs more than reading it
        position += 1
        if tag > 0x7F:
            tag, position = _read_varint(data, position - 1)
        kind = tag & 7
        if kind in (1, 5):
            length = 8 if kind == 1 else 4
        elif kind in (0, 2):
            length = data[position] if position < end else 0x80
            position += 1
            if length > 0x7F:
                length, position = _read_varint(data, position - 1)
            if kind == 0:
                yield tag >> 3, length
                continue
        else:
            raise MalformedPayload(f"wire type {kind} is not used by Sparkplug")
        if position + length > end:
            raise MalformedPayload("a field runs over the end of the message")
        yield tag >> 3, data[position : position + length]
        position += length


def _read_varint(data: bytes, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(data):
            break
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return value & _UINT64, position
    raise MalformedPayload("a number runs over the end of the message")


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _tagged(number: int, data: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _whole(value: int | bytes) -> int:
    if isinstance(value, bytes):
        raise MalformedPayload("bytes where a number is needed")
    return value


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise MalformedPayload("a number where bytes are needed")
    return value


def _text(value: int | bytes) -> str:
    """Return a text up to its first NUL."""
    return _bytes(value).decode("utf-8", "replace").partition("\0")[0]


def _float(value: int | bytes, form: str) -> float:
    data = _bytes(value)
    if len(data) != struct.calcsize(form):
        raise MalformedPayload("a float of the wrong length")
    number: float = struct.unpack(form, data)[0]
    return number
