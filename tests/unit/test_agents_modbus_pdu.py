"""Modbus PDUs: reads and writes, and everything that can be wrong with their replies."""

from __future__ import annotations

import struct

import pytest

from hubwatch_agents.drivers.modbus import pdu
from hubwatch_agents.drivers.modbus.faults import ExceptionReply, WrongReply
from hubwatch_agents.drivers.modbus.plan import ReadRequest

TWO = ReadRequest(3, 0, 2)


@pytest.mark.parametrize(
    ("asked", "standard"),
    [
        (pdu.read(ReadRequest(3, 107, 3)), "03 00 6b 00 03"),
        (pdu.write(5, 172, (1,)), "05 00 ac ff 00"),
        (pdu.write(5, 172, (0,)), "05 00 ac 00 00"),
        (pdu.write(6, 1, (3,)), "06 00 01 00 03"),
        (pdu.write(15, 19, (1, 0, 1, 1, 0, 0, 1, 1, 1, 0)), "0f 00 13 00 0a 02 cd 01"),
        (pdu.write(16, 1, (10, 258)), "10 00 01 00 02 04 00 0a 01 02"),
    ],
)
def test_request_is_what_the_standard_prints(asked: bytes, standard: str) -> None:
    assert asked.hex(" ") == standard


def test_registers_are_read() -> None:
    assert pdu.values(bytes([3, 4]) + struct.pack(">HH", 555, 0xFFFF), TWO) == [555, 0xFFFF]


def test_bits_are_read_from_the_lowest_on() -> None:
    assert pdu.values(bytes([2, 2, 0b00000101, 0b1]), ReadRequest(2, 0, 9)) == [1, 0, 1, 0, 0, 0, 0, 0, 1]


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (bytes([3, 2, 0, 1]), "1 registers instead of 2"),
        (bytes([3, 6, 0, 1, 0, 2, 0, 3]), "3 registers instead of 2"),
        (bytes([3, 4, 0, 1, 0]), "1.5 registers instead of 2"),
        (bytes([3, 9, 0, 1, 0, 2]), "byte count says 9, 4 came"),
        (bytes([4, 4, 0, 1, 0, 2]), "function 4 instead of 3"),
        (bytes([3]), "0 registers instead of 2"),
        (b"", "nothing behind the unit"),
    ],
)
def test_reply_that_does_not_answer_is_refused_with_what_came(reply: bytes, said: str) -> None:
    with pytest.raises(WrongReply, match=said):
        pdu.values(reply, TWO)


@pytest.mark.parametrize("reply", [bytes([1, 2, 0, 0]), bytes([1, 2, 0]), bytes([1]), bytes([1, 0])])
def test_wrong_number_of_bits_is_refused(reply: bytes) -> None:
    with pytest.raises(WrongReply, match="bits instead of 3"):
        pdu.values(reply, ReadRequest(1, 0, 3))


@pytest.mark.parametrize(("answer", "code"), [(bytes([0x83, 2]), 2), (bytes([0x83, 0x55]), 0x55), (bytes([0x83]), 0)])
def test_exception_is_data_whatever_its_code(answer: bytes, code: int) -> None:
    with pytest.raises(ExceptionReply) as caught:
        pdu.values(answer, TWO)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("function", "values", "reply"),
    [
        (5, (1,), bytes([5, 0, 7, 0xFF, 0])),
        (6, (3,), bytes([6, 0, 7, 0, 3])),
        (15, (1, 0, 1), bytes([15, 0, 7, 0, 3])),
        (16, (9, 9), bytes([16, 0, 7, 0, 2])),
    ],
)
def test_write_is_taken_when_the_device_repeats_it(function: int, values: tuple[int, ...], reply: bytes) -> None:
    pdu.check_written(reply, function, 7, values)
    for wrong in (reply[:-1], reply + b"\0", reply[:-1] + bytes([reply[-1] ^ 1]), reply[:2] + b"\x08" + reply[3:]):
        with pytest.raises(WrongReply):
            pdu.check_written(wrong, function, 7, values)
    with pytest.raises(ExceptionReply):
        pdu.check_written(bytes([function | 0x80, 4]), function, 7, values)
