"""Reads over Modbus TCP, byte for byte."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubwatch_agents.modbus import mbap
from hubwatch_agents.modbus.faults import ExceptionReply, WrongReply
from hubwatch_agents.modbus.plan import Request


def reply(number: int, unit: int, pdu: bytes, protocol: int = 0) -> bytes:
    return struct.pack(">HHHB", number, protocol, len(pdu) + 1, unit) + pdu


def test_request_is_what_the_standard_says() -> None:
    assert mbap.read(7, 3, Request(3, 107, 3)).hex(" ") == "00 07 00 00 00 06 03 03 00 6b 00 03"


def test_registers_are_read() -> None:
    frame = reply(1, 3, bytes([3, 4]) + struct.pack(">HH", 555, 0xFFFF))
    assert mbap.values(frame, 3, Request(3, 0, 2)) == [555, 0xFFFF]


def test_bits_are_read_from_the_lowest_on() -> None:
    assert mbap.values(reply(1, 3, bytes([2, 2, 0b00000101, 0b1])), 3, Request(2, 0, 9)) == [1, 0, 1, 0, 0, 0, 0, 0, 1]


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (reply(1, 3, bytes([3, 2, 0, 1])), "1 registers instead of 2"),
        (reply(1, 3, bytes([3, 6, 0, 1, 0, 2, 0, 3])), "3 registers instead of 2"),
        (reply(1, 3, bytes([3, 4, 0, 1, 0])), "registers instead of 2"),
        (reply(1, 3, bytes([3, 9, 0, 1, 0, 2])), "2 registers instead of 2"),
        (reply(1, 3, bytes([4, 4, 0, 1, 0, 2])), "function 4 instead of 3"),
        (reply(1, 9, bytes([3, 4, 0, 1, 0, 2])), "unit 9 answered instead of 3"),
        (reply(1, 3, bytes([3, 4, 0, 1, 0, 2]), protocol=5), "protocol 5 instead of 0"),
    ],
)
def test_reply_that_does_not_answer_is_refused_with_what_came(frame: bytes, said: str) -> None:
    with pytest.raises(WrongReply, match=said):
        mbap.values(frame, 3, Request(3, 0, 2))


def test_wrong_number_of_bits_is_refused() -> None:
    with pytest.raises(WrongReply, match="16 bits instead of 3"):
        mbap.values(reply(1, 3, bytes([1, 2, 0, 0])), 3, Request(1, 0, 3))


@pytest.mark.parametrize(("pdu", "code"), [(bytes([0x83, 2]), 2), (bytes([0x83, 0x55]), 0x55), (bytes([0x83]), 0)])
def test_exception_is_data_whatever_its_code(pdu: bytes, code: int) -> None:
    with pytest.raises(ExceptionReply) as caught:
        mbap.values(reply(1, 3, pdu), 3, Request(3, 0, 2))
    assert caught.value.code == code


def test_late_answer_is_stepped_over_and_half_an_answer_waited_for() -> None:
    late, mine = reply(4, 3, bytes([3, 2, 0, 9])), reply(5, 3, bytes([3, 2, 0, 1]))
    assert mbap.find(late + mine, 5) == mine
    assert mbap.find(late + mine[:-1], 5) is None
    assert mbap.find(late, 5) is None
    assert mbap.find(b"", 5) is None


@given(st.binary(max_size=300), st.integers(0, 65535))
def test_noise_never_raises_anything_but_a_fault(data: bytes, number: int) -> None:
    frame = mbap.find(data, number)
    if frame is not None:
        try:
            values = mbap.values(frame, 3, Request(3, 0, 2))
        except (WrongReply, ExceptionReply):
            return
        assert len(values) == 2
