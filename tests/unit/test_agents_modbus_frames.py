"""Frames of Modbus TCP and of serial lines: late, broken, out of step and surrounded by noise."""

from __future__ import annotations

import contextlib
import struct

import pytest

from hubwatch_agents.drivers.modbus.faults import WrongReply
from hubwatch_agents.drivers.modbus.rtu import MOST_BYTES, RtuFraming, checksum
from hubwatch_agents.drivers.modbus.tcp import MbapFraming
from support.doubling import assert_linear

READ = bytes([3, 0, 0, 0, 1])
ANSWER = bytes([3, 2, 0, 42])


def mbap(number: int, unit: int = 1, pdu: bytes = ANSWER, protocol: int = 0, length: int | None = None) -> bytes:
    return struct.pack(">HHHB", number, protocol, len(pdu) + 1 if length is None else length, unit) + pdu


def rtu(unit: int = 1, pdu: bytes = ANSWER) -> bytes:
    return bytes([unit]) + pdu + checksum(bytes([unit]) + pdu)


def asked_tcp(times: int = 1) -> MbapFraming:
    framing = MbapFraming()
    for _ in range(times):
        framing.begin(1, READ)
    return framing


def asked_rtu(pdu: bytes = READ, *, local_echo: bool = False) -> RtuFraming:
    framing = RtuFraming(local_echo=local_echo)
    framing.begin(1, pdu)
    return framing


def test_frames_are_what_the_standard_says() -> None:
    assert MbapFraming().begin(3, bytes([3, 0, 107, 0, 3])).hex(" ") == "00 01 00 00 00 06 03 03 00 6b 00 03"
    assert RtuFraming().begin(1, bytes([3, 0, 0, 0, 10])).hex(" ") == "01 03 00 00 00 0a c5 cd"


@pytest.mark.parametrize("length", [0, 1, 255, 256, 65535])
def test_length_that_cannot_be_is_told_at_once(length: int) -> None:
    with pytest.raises(WrongReply, match=f"says length {length}"):
        asked_tcp().feed(mbap(1, length=length))


def test_header_alone_is_enough_to_tell() -> None:
    with pytest.raises(WrongReply, match="length 0"):
        asked_tcp().feed(struct.pack(">HHHB", 1, 0, 0, 1))
    with pytest.raises(WrongReply, match="protocol 5 instead of 0"):
        asked_tcp().feed(mbap(1, protocol=5)[:7])
    with pytest.raises(WrongReply, match="unit 9 answered instead of 1"):
        asked_tcp().feed(mbap(1, unit=9)[:7])


@pytest.mark.parametrize("before", [mbap(1), mbap(1) + mbap(2), mbap(0, length=0), mbap(1, protocol=9), b"\xff" * 9])
@pytest.mark.parametrize("step", [1, 3, 300])
def test_reply_is_found_behind_late_and_broken_ones(before: bytes, step: int) -> None:
    framing, data = asked_tcp(3), before + mbap(3)
    found = [reply for i in range(0, len(data), step) if (reply := framing.feed(data[i : i + step])) is not None]
    assert found == [ANSWER]


def test_half_a_reply_is_waited_for() -> None:
    framing = asked_tcp()
    assert framing.feed(mbap(1)[:-1]) is None
    assert framing.feed(mbap(1)[-1:]) == ANSWER


@pytest.mark.parametrize("before", [b"", b"\0", b"\xff", b"\1", b"\1\3", b"\1\3\xff", rtu(9), b"\0\0\1" * 30])
@pytest.mark.parametrize("behind", [b"", b"\0", b"\0\0\0", b"\1\3"])
@pytest.mark.parametrize("step", [1, 4, 400])
def test_frame_is_found_by_its_checksum_among_stray_bytes(before: bytes, behind: bytes, step: int) -> None:
    framing, data = asked_rtu(), before + rtu() + behind
    found = [reply for i in range(0, len(data), step) if (reply := framing.feed(data[i : i + step])) is not None]
    assert found[0] == ANSWER


@pytest.mark.parametrize(
    ("request_pdu", "reply"),
    [
        (READ, bytes([0x83, 2])),
        (bytes([6, 0, 1, 0, 3]), bytes([6, 0, 1, 0, 3])),
        (bytes([16, 0, 1, 0, 1, 2, 0, 9]), bytes([16, 0, 1, 0, 1])),
        (bytes([1, 0, 0, 0, 9]), bytes([1, 2, 3, 1])),
    ],
)
def test_every_kind_of_reply_has_its_length(request_pdu: bytes, reply: bytes) -> None:
    assert asked_rtu(request_pdu).feed(b"\0" + rtu(pdu=reply) + b"\0") == reply


def test_our_own_echo_is_not_taken_for_the_reply_to_a_write() -> None:
    write = bytes([6, 0, 1, 0, 3])
    framing = asked_rtu(write, local_echo=True)
    assert framing.feed(b"\0" + rtu(pdu=write)) is None
    assert framing.feed(rtu(pdu=write)) == write


@pytest.mark.parametrize("wrong", [rtu()[:-1] + b"\0", rtu(unit=2), rtu(pdu=bytes([4, 2, 0, 42])), rtu()[:-1]])
def test_what_is_not_ours_is_no_reply(wrong: bytes) -> None:
    assert asked_rtu().feed(wrong) is None


def test_line_that_never_falls_silent_is_looked_at_so_far_and_no_further() -> None:
    framing = asked_rtu()
    for _ in range(64):
        assert framing.feed(b"\1\3\xf0" * 1000) is None
    assert framing.feed(rtu()) is None
    framing.begin(1, READ)
    assert framing.feed(b"\0" * (MOST_BYTES - len(rtu())) + rtu()) == ANSWER


@pytest.mark.parametrize("step", [1, 17, 65536])
@pytest.mark.parametrize(
    "pattern",
    [b"\0", b"\xff", b"\1\3\xf0", b"\1\x83", mbap(9), b"\0\1\0\0\0", b"\0\1\0\0\1\0\1\3", b"\0\2\1\0\0\1\0"],
)
@pytest.mark.parametrize("kind", [MbapFraming, RtuFraming])
def test_work_grows_with_the_bytes_and_no_faster(
    kind: type[MbapFraming] | type[RtuFraming], pattern: bytes, step: int
) -> None:
    def work(data: bytes) -> None:
        framing = kind()
        framing.begin(1, READ)
        with contextlib.suppress(WrongReply):  # some say by chance that they are ours, and cannot be
            for i in range(0, len(data), step):
                assert framing.feed(data[i : i + step]) is None

    assert_linear(lambda size: (pattern * size)[:size], work, 1 << 16)
