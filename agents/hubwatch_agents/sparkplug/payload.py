"""Sparkplug B payloads: a reader of just the protobuf fields we use, and the one command we send. Pure.

Ref: eclipse-sparkplug/sparkplug, sparkplug_b.proto and chapter 6 of the 3.0 specification. Own code instead of the
protobuf library: eleven fields of two messages are read, and the runtime would cost a gateway more memory than all
drivers together (docs/decisions).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

Value = int | float | bool | str | None

GOOD = 192
"""Value of the property `Quality` that means good; 0 is bad, 500 stale."""

_SIGNED = {1: 8, 2: 16, 3: 32, 4: 64}
"""Datatypes Int8 to Int64 and their bits: they travel unsigned, in two's complement."""
_BOOLEAN = 11


class Malformed(ValueError):
    """Bytes that are no Sparkplug payload."""


@dataclass(frozen=True, slots=True)
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

    def value(self, datatype: int) -> Value:
        """Give the value as the declared datatype means it."""
        bits = _SIGNED.get(datatype)
        if bits is not None and isinstance(self.raw, int):
            low = self.raw & ((1 << bits) - 1)
            return low - (1 << bits) if low >> (bits - 1) else low
        if datatype == _BOOLEAN and isinstance(self.raw, int):
            return bool(self.raw)
        return self.raw


@dataclass(frozen=True, slots=True)
class Payload:
    """One message; a death certificate of a node has no `seq`."""

    timestamp_ms: int | None = None
    seq: int | None = None
    metrics: tuple[Metric, ...] = field(default=())

    def named(self, name: str) -> Metric | None:
        """Give the metric of this name, None when it is not there."""
        return next((metric for metric in self.metrics if metric.name == name), None)


def decode(data: bytes) -> Payload:
    """Decode a message. Raises Malformed."""
    timestamp_ms = seq = None
    metrics: list[Metric] = []
    for number, value in _fields(data):
        if number == 1:
            timestamp_ms = _whole(value)
        elif number == 2:
            metrics.append(_metric(_bytes(value)))
        elif number == 3:
            seq = _whole(value)
    return Payload(timestamp_ms, seq, tuple(metrics))


def rebirth_command(timestamp_ms: int) -> bytes:
    """Encode the command that asks an edge node for its births."""
    name = b"Node Control/Rebirth"
    metric = _tagged(1, name) + _varint(3 << 3) + _varint(timestamp_ms) + b"\x20\x0b" + b"\x70\x01"
    return b"\x08" + _varint(timestamp_ms) + _tagged(2, metric)


def _metric(data: bytes) -> Metric:
    metric = Metric()
    for number, value in _fields(data):
        read = _METRIC_FIELDS.get(number)
        if read is not None:
            metric = read(metric, value)
    return metric


_METRIC_FIELDS: dict[int, Callable[[Metric, int | bytes], Metric]] = {
    1: lambda metric, value: replace(metric, name=_text(value)),
    2: lambda metric, value: replace(metric, alias=_whole(value)),
    3: lambda metric, value: replace(metric, timestamp_ms=_whole(value)),
    4: lambda metric, value: replace(metric, datatype=_whole(value)),
    5: lambda metric, value: replace(metric, historical=bool(value)),
    7: lambda metric, value: replace(metric, null=bool(value)),
    9: lambda metric, value: replace(metric, quality=_quality(_bytes(value))),
    10: lambda metric, value: replace(metric, raw=_whole(value)),
    11: lambda metric, value: replace(metric, raw=_whole(value)),
    12: lambda metric, value: replace(metric, raw=_float(value, "<f")),
    13: lambda metric, value: replace(metric, raw=_float(value, "<d")),
    14: lambda metric, value: replace(metric, raw=bool(value)),
    15: lambda metric, value: replace(metric, raw=_text(value)),
}


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
    # Of a property value: type 1, is_null 2, int 3, long 4.
    return next((_whole(value) for number, value in _fields(values[keys.index("Quality")]) if number in (3, 4)), None)


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Walk the fields of a message: their number, and a whole number or bytes."""
    position = 0
    while position < len(data):
        tag, position = _read_varint(data, position)
        kind = tag & 7
        if kind == 0:
            value, position = _read_varint(data, position)
            yield tag >> 3, value
            continue
        if kind == 2:
            length, position = _read_varint(data, position)
        elif kind in (1, 5):
            length = 8 if kind == 1 else 4
        else:
            raise Malformed(f"wire type {kind} is not used by Sparkplug")
        if position + length > len(data):
            raise Malformed("a field runs over the end of the message")
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
            return value, position
    raise Malformed("a number runs over the end of the message")


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
        raise Malformed("bytes where a number is needed")
    return value


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise Malformed("a number where bytes are needed")
    return value


def _text(value: int | bytes) -> str:
    return _bytes(value).decode("utf-8", "replace")


def _float(value: int | bytes, form: str) -> float:
    data = _bytes(value)
    if len(data) != struct.calcsize(form):
        raise Malformed("a float of the wrong length")
    number: float = struct.unpack(form, data)[0]
    return number
