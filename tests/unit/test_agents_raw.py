"""Registers to raw numbers."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubwatch_agents.drivers.modbus.raw import Image, Raw, Unread, equal, reader
from hubwatch_agents.profiles.modbus_schema import RegisterSource


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
    read = reader(RegisterSource.model_validate({"address": 0, **source}))
    assert read(image(registers)) == raw


@given(st.floats(width=32, allow_nan=False, allow_infinity=False), st.sampled_from(["big", "little"]))
def test_float_survives_either_word_order(value: float, order: str) -> None:
    registers = words(struct.pack(">f", value))
    source = RegisterSource.model_validate({"address": 0, "type": "f32", "word_order": order})
    assert reader(source)(image(registers if order == "big" else registers[::-1])) == value


@pytest.mark.parametrize(
    ("source", "registers", "said"),
    [
        ({"type": "bcd16"}, [0x12FA], "says 0x12FA, which is no BCD number"),
        ({"type": "bcd64"}, [0, 0, 0, 0xA], "no BCD number"),
        ({"type": "f16"}, [0x7E00], "no value"),
        ({"type": "f32"}, [0x7F80, 0], "no value"),
        ({"type": "f64"}, [0x7FF8, 0, 0, 0], "no value"),
        ({"type": "mod10", "length": 2}, [1, 10_000], "says 10000 in a register that holds no more than 9999"),
        ({"type": "mod10", "length": 2}, [0xFFFF, 0xFFFF], "says 65535"),
        (
            {"type": "mod10", "length": 2, "base": 1000},
            [1, 1000],
            "says 1000 in a register that holds no more than 999",
        ),
        ({"type": "mod10", "length": 2, "signed": True}, [0, 0x8000], "says -32768"),
        ({"type": "ascii_number", "length": 2}, [0x4F4C, 0x2020], "says 'OL', which is no number"),
        ({"type": "ascii_number", "length": 2}, [0, 0], "says '', which is no number"),
        ({"type": "ascii_number", "length": 2}, [0x6E61, 0x6E00], "no number"),
        ({"type": "ascii_number", "length": 3}, [0x3165, 0x3939, 0x3900], "too large"),
    ],
)
def test_registers_that_hold_no_value_of_their_type_say_so(
    source: dict[str, object], registers: list[int], said: str
) -> None:
    with pytest.raises(Unread, match=said):
        reader(RegisterSource.model_validate({"address": 0, **source}))(image(registers))


@pytest.mark.parametrize(
    ("source", "registers", "raw"),
    [
        ({"type": "u48"}, [1, 2, 3], (1 << 32) + (2 << 16) + 3),
        ({"type": "u48", "word_order": "little"}, [3, 2, 1], (1 << 32) + (2 << 16) + 3),
        ({"type": "u48", "byte_order": "little"}, [0x0100, 0x0200, 0x0300], (1 << 32) + (2 << 16) + 3),
        ({"type": "i48"}, [0xFFFF, 0xFFFF, 0xFFFE], -2),
        ({"type": "i48", "byte_order": "little"}, [0xFFFF, 0xFFFF, 0xFEFF], -2),
        ({"type": "bcd48"}, [0x0012, 0x3456, 0x7890], 1234567890),
        ({"type": "bcd64"}, [0x1234, 0x5678, 0x9012, 0x3456], 1234567890123456),
        ({"type": "bcd64", "word_order": "little"}, [0x3456, 0x9012, 0x5678, 0x1234], 1234567890123456),
        ({"type": "f16"}, [0x3E00], 1.5),
        ({"type": "mod10", "length": 3}, [1, 2, 3], 1_0002_0003),
        ({"type": "mod10", "length": 3, "word_order": "little"}, [3, 2, 1], 1_0002_0003),
        ({"type": "mod10", "length": 4, "word_order": "little"}, [4567, 123, 0, 0], 1_234_567),
        ({"type": "mod10", "length": 2, "base": 1000}, [65_535, 999], 65_535_999),
        ({"type": "mod10", "length": 3, "base": 100}, [12, 34, 56], 123_456),
        ({"type": "mod10", "length": 2, "base": 65_536}, [1, 2], 65_538),
        ({"type": "mod10", "length": 2, "signed": True}, [0x10000 - 123, 0x10000 - 4567], -1_234_567),
        ({"type": "mod10", "length": 2, "signed": True}, [123, 4567], 1_234_567),
        ({"type": "ascii_number", "length": 4}, [0x2020, 0x2D31, 0x322E, 0x3530], -12.5),
        ({"type": "ascii_number", "length": 4}, [0x2D20, 0x2031, 0x322C, 0x3500], -12.5),
        ({"type": "ascii_number", "length": 3}, [0x3431, 0x0039, 0x3939], 41),
        ({"type": "ascii", "length": 3}, [0x4142, 0x0043, 0x4445], "AB"),
        ({"type": "ascii", "length": 3}, [0xEFBB, 0xBF41, 0x4200], "AB"),
        ({"type": "ascii", "length": 3}, [0xFEFF, 0x0041, 0x0042], "AB"),
        ({"type": "ascii", "length": 2}, [0x411B, 0x5B42], "A [B"),
    ],
)
def test_type_of_the_field_is_read(source: dict[str, object], registers: list[int], raw: object) -> None:
    assert reader(RegisterSource.model_validate({"address": 0, **source}))(image(registers)) == raw


@pytest.mark.parametrize(
    ("found", "wanted", "same"),
    [
        (1, 1.0, True),
        (1.0, 1, True),
        ("1", 1, True),
        ("01.0", 1, True),
        (100, "100", True),
        ("A", "A", True),
        (1, 2, False),
        ("A", 1, False),
        (0, "", False),
        ("1", "1.0", False),
    ],
)
def test_what_is_read_is_compared_as_what_it_is(found: Raw, wanted: Raw, same: bool) -> None:
    assert equal(found, wanted) is same


def test_bit_of_function_2_is_read_and_inverted() -> None:
    source = RegisterSource(function=2, address=4, type="bit", invert=True)
    assert reader(source)(image([0, 1], 2, 3)) == 0


def test_missing_register_says_why_it_was_not_read() -> None:
    made = image([1])
    made.fail(3, 1, 1, "exception 2 (illegal data address)")
    with pytest.raises(Unread, match="exception 2"):
        reader(RegisterSource(address=0, type="u32"))(made)
    with pytest.raises(Unread, match="not read"):
        reader(RegisterSource(address=9))(made)
