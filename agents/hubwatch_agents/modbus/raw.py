"""From registers to raw numbers: types, word order, byte order, bits. Pure functions over one reply image."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from hubwatch_agents.profiles.modbus_schema import Source

Raw = int | float | str


class Unread(Exception):
    """The registers of a value were not read; `reason` says why."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


@dataclass(slots=True)
class Image:
    """What one cycle read from one unit: for each function, wire address to register (or bit)."""

    words: dict[int, dict[int, int]] = field(default_factory=lambda: {1: {}, 2: {}, 3: {}, 4: {}})
    faults: dict[tuple[int, int], str] = field(default_factory=dict)

    def put(self, function: int, wire: int, values: list[int]) -> None:
        """Add what one request gave."""
        self.words[function].update(zip(range(wire, wire + len(values)), values, strict=True))

    def fail(self, function: int, wire: int, count: int, reason: str) -> None:
        """Note why `count` addresses from `wire` have no value."""
        for each in range(wire, wire + count):
            self.faults[function, each] = reason


def reader(source: Source) -> Callable[[Image], Raw]:
    """Compile a source into a function of an image; that raises Unread where its registers are missing."""
    wires = range(source.wire, source.wire + source.words)
    take = _taker(source, list(wires))
    narrow = _narrower(source)
    absent = frozenset(source.absent)
    function = source.function

    def read(image: Image) -> Raw:
        try:
            raw = take(image.words[function])
        except KeyError:
            raise Unread(_why(image, function, wires)) from None
        if raw in absent:
            raise Unread(f"the device says that it has no value (raw {raw})")
        return raw if narrow is None else narrow(raw)

    def read_plainly(image: Image) -> Raw:
        try:
            return take(image.words[function])
        except KeyError:
            raise Unread(_why(image, function, wires)) from None

    return read if absent or narrow is not None else read_plainly


def _why(image: Image, function: int, wires: range) -> str:
    reasons = (image.faults.get((function, wire)) for wire in wires)
    return next((reason for reason in reasons if reason is not None), "not read")


def _taker(source: Source, wires: list[int]) -> Callable[[Mapping[int, int]], Raw]:
    """Give the function that joins registers into a raw value; the commonest are written out for speed."""
    swap = source.byte_order == "little"
    if len(wires) == 1 and not swap and source.type in ("bit", "u16"):
        only = wires[0]
        return lambda words: words[only]
    if source.type in ("u32", "i32", "u64", "i64") and not swap:
        return _whole(wires if source.word_order == "big" else wires[::-1], signed=source.type[0] == "i")
    if source.type == "i16" and not swap:
        return _whole(wires, signed=True)
    order = wires if source.word_order == "big" or source.type in ("ascii", "hex") else wires[::-1]
    convert = _CONVERT[source.type]
    pack = struct.Struct(f"{'<' if swap else '>'}{len(order)}H").pack

    def take(words: Mapping[int, int]) -> Raw:
        return convert(pack(*[words[wire] for wire in order]))

    return take


def _whole(order: list[int], *, signed: bool) -> Callable[[Mapping[int, int]], int]:
    top = 1 << (16 * len(order) - 1)
    if len(order) == 2 and not signed:
        high, low = order
        return lambda words: words[high] << 16 | words[low]

    def take(words: Mapping[int, int]) -> int:
        value = 0
        for wire in order:
            value = value << 16 | words[wire]
        return value - 2 * top if signed and value & top else value

    return take


def _unpack(code: str) -> Callable[[bytes], Raw]:
    unpack = struct.Struct(">" + code).unpack

    def convert(data: bytes) -> Raw:
        value: Raw = unpack(data)[0]
        return value

    return convert


def _bcd(data: bytes) -> Raw:
    """Binary-coded decimal; a digit above 9 makes the value unusable, told as NaN."""
    digits = data.hex()
    return int(digits) if digits.isdigit() else float("nan")


_CONVERT: dict[str, Callable[[bytes], Raw]] = {
    "u16": _unpack("H"),
    "i16": _unpack("h"),
    "u8_high": lambda data: data[0],
    "u8_low": lambda data: data[1],
    "i8_high": lambda data: data[0] - 256 if data[0] & 0x80 else data[0],
    "i8_low": lambda data: data[1] - 256 if data[1] & 0x80 else data[1],
    "bcd16": _bcd,
    "u32": _unpack("I"),
    "i32": _unpack("i"),
    "f32": _unpack("f"),
    "bcd32": _bcd,
    "u64": _unpack("Q"),
    "i64": _unpack("q"),
    "f64": _unpack("d"),
    "ascii": lambda data: data.decode("ascii", "replace").strip("\0 "),
    "hex": lambda data: data.hex(),
}


def _narrower(source: Source) -> Callable[[Raw], Raw] | None:
    """Give the function that picks the bits asked for, None where the whole value is meant."""
    if source.any_of_bits:
        bits, one = sum(1 << bit for bit in source.any_of_bits), 0 if source.invert else 1
        return lambda raw: one if _int(raw) & bits else 1 - one
    mask, shift = source.mask if source.mask is not None else -1, source.shift
    if source.one_of:
        codes, one = frozenset(source.one_of), 0 if source.invert else 1
        return lambda raw: one if (_int(raw) & mask) >> shift in codes else 1 - one
    if source.mask is not None or source.shift:
        return lambda raw: (_int(raw) & mask) >> shift
    if source.invert:
        return lambda raw: 0 if raw else 1
    return None


def _int(raw: Raw) -> int:
    return raw if isinstance(raw, int) else int(float(raw))
