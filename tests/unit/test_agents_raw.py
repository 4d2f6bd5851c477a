"""Registers to raw numbers."""

from __future__ import annotations

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubwatch_agents.modbus.raw import Image, Unread, reader
from hubwatch_agents.profiles.modbus_schema import Source


def image(values: list[int], function: int = 3, wire: int = 0) -> Image:
    made = Image()
    made.put(function, wire, values)
    return made


def words(data: bytes) -> list[int]:
    return [int.from_bytes(data[i : i + 2], "big") for i in range(0, len(data), 2)]


@pytest.mark.parametrize(
    ("source", "registers", "raw"),
    [
        ({"type": "u16"}, [0xFFFE], 0xFFFE),
        ({"type": "i16"}, [0xFFFE], -2),
        ({"type": "u8_high"}, [0x1234], 0x12),
        ({"type": "u8_low"}, [0x1234], 0x34),
        ({"type": "i8_high"}, [0xFF00], -1),
        ({"type": "i8_low"}, [0x0080], -128),
        ({"type": "bcd16"}, [0x1234], 1234),
        ({"type": "bcd32"}, [0x0012, 0x3456], 123456),
        ({"type": "u32"}, [0x0001, 0x0002], 65538),
        ({"type": "u32", "word_order": "little"}, [0x0002, 0x0001], 65538),
        ({"type": "i32"}, [0xFFFF, 0xFFFF], -1),
        ({"type": "i64"}, [0xFFFF, 0xFFFF, 0xFFFF, 0xFFFE], -2),
        ({"type": "u64", "word_order": "little"}, [1, 0, 0, 0], 1),
        ({"type": "u16", "byte_order": "little"}, [0x3412], 0x1234),
        ({"type": "ascii", "length": 3}, [0x4142, 0x4320, 0x0000], "ABC"),
        ({"type": "hex", "length": 2}, [0x00AB, 0xCDEF], "00abcdef"),
        ({"type": "u16", "mask": 0x0FF0, "shift": 4}, [0xABCD], 0xBC),
        ({"type": "u16", "any_of_bits": [5, 6]}, [0x0040], 1),
        ({"type": "u16", "any_of_bits": [5, 6]}, [0x0080], 0),
        ({"type": "u16", "any_of_bits": [10], "invert": True}, [0x0400], 0),
        ({"type": "u32", "any_of_bits": [21]}, [0x0020, 0x0000], 1),
        ({"type": "u16", "invert": True}, [0], 1),
    ],
)
def test_raw_value_is_read_as_declared(source: dict[str, object], registers: list[int], raw: object) -> None:
    read = reader(Source.model_validate({"wire": 0, **source}))
    assert read(image(registers)) == raw


@given(st.floats(width=32, allow_nan=False, allow_infinity=False), st.sampled_from(["big", "little"]))
def test_float_survives_either_word_order(value: float, order: str) -> None:
    registers = words(struct.pack(">f", value))
    source = Source.model_validate({"wire": 0, "type": "f32", "word_order": order})
    assert reader(source)(image(registers if order == "big" else registers[::-1])) == value


def test_digit_above_nine_in_bcd_is_no_number() -> None:
    raw = reader(Source(wire=0, type="bcd16"))(image([0x12FA]))
    assert isinstance(raw, float)
    assert math.isnan(raw)


def test_bit_of_function_2_is_read_and_inverted() -> None:
    source = Source(function=2, wire=4, type="bit", invert=True)
    assert reader(source)(image([0, 1], 2, 3)) == 0


def test_missing_register_says_why_it_was_not_read() -> None:
    made = image([1])
    made.fail(3, 1, 1, "exception 2 (illegal data address)")
    with pytest.raises(Unread, match="exception 2"):
        reader(Source(wire=0, type="u32"))(made)
    with pytest.raises(Unread, match="not read"):
        reader(Source(wire=9))(made)
