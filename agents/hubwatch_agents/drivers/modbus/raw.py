"""From registers to raw numbers: types, word order, byte order, bits. Pure functions over one reply image."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from hubwatch_agents.profiles.modbus_schema import MOD10_BASE, TEXTS, RegisterSource
from hubwatch_core.plain_text import one_line

Raw = int | float | str


class Unread(Exception):
    """The registers of a value were not read; `reason` says why."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class Absent(Unread):
    """The device says, as its profile knows, that it has no value."""


@dataclass(slots=True)
class Image:
    """What one cycle read from one unit: for each function, address to register (or bit)."""

    words: dict[int, dict[int, int]] = field(default_factory=lambda: {1: {}, 2: {}, 3: {}, 4: {}})
    faults: dict[tuple[int, int], str] = field(default_factory=dict)

    def put(self, function: int, address: int, values: list[int]) -> None:
        """Add what one request gave."""
        self.words[function].update(zip(range(address, address + len(values)), values, strict=True))

    def fail(self, function: int, address: int, count: int, reason: str) -> None:
        """Note why `count` addresses from `address` have no value."""
        for each in range(address, address + count):
            self.faults[function, each] = reason


def equal(found: Raw, wanted: Raw) -> bool:
    """Compare what was read with what a profile says: numbers as numbers (1 is 1.0), also where one is a text."""
    if isinstance(found, str) == isinstance(wanted, str):
        return found == wanted
    text, number = (found, wanted) if isinstance(found, str) else (wanted, found)
    try:
        return _number(str(text)) == number
    except Unread:
        return False


def plainly(raw: Raw) -> str:
    """Return a raw value as a person writes it: 1, not 1.0."""
    return str(int(raw)) if isinstance(raw, float) and raw.is_integer() else str(raw)


def reader(source: RegisterSource) -> Callable[[Image], Raw]:
    """Compile a source into a function of an image.

    That raises Unread where its registers are missing, or hold what is no value of its type; it never gives a number
    that is not finite.
    """
    addresses = range(source.address, source.address + source.words)
    take = _taker(source, list(addresses))
    narrow = _narrower(source)
    absent = frozenset(source.absent)
    function = source.function

    def read(image: Image) -> Raw:
        try:
            raw = take(image.words[function])
        except KeyError:
            raise Unread(_why(image, function, addresses)) from None
        if raw in absent:
            raise Absent(f"the device says that it has no value (raw {raw})")
        return raw if narrow is None else narrow(raw)

    def read_plainly(image: Image) -> Raw:
        try:
            return take(image.words[function])
        except KeyError:
            raise Unread(_why(image, function, addresses)) from None

    return read if absent or narrow is not None else read_plainly


def _why(image: Image, function: int, addresses: range) -> str:
    reasons = (image.faults.get((function, address)) for address in addresses)
    return next((reason for reason in reasons if reason is not None), "not read")


def _taker(source: RegisterSource, addresses: list[int]) -> Callable[[Mapping[int, int]], Raw]:
    """Return the function that joins registers into a raw value; the commonest are written out for speed."""
    swap = source.byte_order == "little"
    if len(addresses) == 1 and not swap and source.type in ("bit", "u16"):
        only = addresses[0]
        return lambda words: words[only]
    if source.type in ("u32", "i32", "u48", "i48", "u64", "i64") and not swap:
        return _whole(addresses if source.word_order == "big" else addresses[::-1], signed=source.type[0] == "i")
    if source.type == "i16" and not swap:
        return _whole(addresses, signed=True)
    order = addresses if source.word_order == "big" or source.type in TEXTS else addresses[::-1]
    convert = _mod10(source) if source.type == "mod10" else _CONVERT[source.type]
    pack = struct.Struct(f"{'<' if swap else '>'}{len(order)}H").pack

    def take(words: Mapping[int, int]) -> Raw:
        return convert(pack(*[words[address] for address in order]))

    return take


def _whole(order: list[int], *, signed: bool) -> Callable[[Mapping[int, int]], int]:
    top = 1 << (16 * len(order) - 1)
    if len(order) == 2 and not signed:
        high, low = order
        return lambda words: words[high] << 16 | words[low]

    def take(words: Mapping[int, int]) -> int:
        value = 0
        for address in order:
            value = value << 16 | words[address]
        return value - 2 * top if signed and value & top else value

    return take


def _unpack(code: str) -> Callable[[bytes], Raw]:
    unpack = struct.Struct(">" + code).unpack

    def convert(data: bytes) -> Raw:
        value: Raw = unpack(data)[0]
        return value

    return convert


def _float(code: str) -> Callable[[bytes], Raw]:
    unpack = struct.Struct(">" + code).unpack

    def convert(data: bytes) -> Raw:
        value: float = unpack(data)[0]
        if not math.isfinite(value):
            raise Absent(f"the device says that it has no value (raw {value:g})")
        return value

    return convert


def _whole_number(*, signed: bool) -> Callable[[bytes], Raw]:
    return lambda data: int.from_bytes(data, "big", signed=signed)


def _bcd(data: bytes) -> Raw:
    """Binary-coded decimal, a digit in each half byte."""
    digits = data.hex()
    if not digits.isdecimal():
        raise Unread(f"says 0x{digits.upper()}, which is no BCD number")
    return int(digits)


def _mod10(source: RegisterSource) -> Callable[[bytes], Raw]:
    """Each register weighs `base` times the next lower, 10 000 at PowerLogic and ION, where each may have a sign."""
    base, code = source.base or MOD10_BASE, ">h" if source.signed else ">H"
    top_most = base - 1 if source.base is None else 0xFFFF

    def convert(data: bytes) -> Raw:
        value, most = 0, top_most
        for (part,) in struct.iter_unpack(code, data):
            if abs(part) > most:
                raise Unread(f"says {part} in a register that holds no more than {most}")
            value, most = value * base + part, base - 1
        return value

    return convert


_BOMS = {b"\xef\xbb\xbf": "utf-8", b"\xfe\xff": "utf-16-be", b"\xff\xfe": "utf-16-le"}


def _text(data: bytes) -> str:
    """Return a text up to its first NUL; a byte order mark is skipped, and nothing unprintable is left."""
    mark = next((mark for mark in _BOMS if data.startswith(mark)), b"")
    text = data[len(mark) :].decode(_BOMS.get(mark, "ascii"), "replace")
    return one_line(text.partition("\0")[0])


_NUMBER = re.compile(r"([+-]?) *([0-9]+(?:[.,][0-9]*)?|[.,][0-9]+)(e[+-]?[0-9]{1,3})?", re.ASCII | re.IGNORECASE)


def _number(text: str) -> Raw:
    """Return the number a text says; the text holds nothing else."""
    found = _NUMBER.fullmatch(text.strip())
    if found is None:
        raise Unread(f"says {text[:40]!r}, which is no number")
    value = float("".join(part or "" for part in found.groups()).replace(",", "."))
    if not math.isfinite(value):
        raise Unread(f"says {text[:40]!r}, which is too large")
    return value


_CONVERT: dict[str, Callable[[bytes], Raw]] = {
    "u16": _unpack("H"),
    "i16": _unpack("h"),
    "u8_high": lambda data: data[0],
    "u8_low": lambda data: data[1],
    "i8_high": lambda data: data[0] - 256 if data[0] & 0x80 else data[0],
    "i8_low": lambda data: data[1] - 256 if data[1] & 0x80 else data[1],
    "bcd16": _bcd,
    "f16": _float("e"),
    "u32": _unpack("I"),
    "i32": _unpack("i"),
    "f32": _float("f"),
    "bcd32": _bcd,
    "u48": _whole_number(signed=False),
    "i48": _whole_number(signed=True),
    "bcd48": _bcd,
    "u64": _unpack("Q"),
    "i64": _unpack("q"),
    "f64": _float("d"),
    "bcd64": _bcd,
    "ascii": _text,
    "ascii_number": lambda data: _number(_text(data)),
    "hex": lambda data: data.hex(),
}


def _narrower(source: RegisterSource) -> Callable[[Raw], Raw] | None:
    """Return the function that picks the bits asked for, None where the whole value is meant."""
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
    """Return a raw value of which bits are taken; only whole numbers have any (RegisterSource refuses others)."""
    assert isinstance(raw, int)
    return raw
