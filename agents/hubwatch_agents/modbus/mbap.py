"""Reads over Modbus TCP, byte for byte: what is asked, and everything that can be wrong with what comes back. Pure.

Ref: Modbus messaging on TCP/IP implementation guide 1.0b, section 3.1.3; application protocol 1.1b3, sections 6 and 7.
"""

from __future__ import annotations

import struct

from hubwatch_agents.modbus.faults import ExceptionReply, WrongReply
from hubwatch_agents.modbus.plan import Request

HEADER = struct.Struct(">HHHB")
_READ = struct.Struct(">HHHBBHH")
READ_LENGTH = 6
"""Bytes after the length field of a read: unit, function, address, count."""


def read(number: int, unit: int, request: Request) -> bytes:
    """Give the frame that asks for registers or bits."""
    return _READ.pack(number, 0, READ_LENGTH, unit, request.function, request.wire, request.size)


def find(data: bytes, number: int) -> bytes | None:
    """Give the first whole frame that answers request `number`, late answers to earlier ones stepped over.

    None while there is none yet.
    """
    start = 0
    while len(data) >= start + HEADER.size + 1:
        found, _, length, _ = HEADER.unpack_from(data, start)
        end = start + 6 + length
        if found == number:
            return data[start:end] if len(data) >= end else None
        start = end
    return None


def values(frame: bytes, unit: int, request: Request) -> list[int]:
    """Give the registers or bits of a reply. Raises ExceptionReply or WrongReply with what came instead."""
    _, protocol, _, answered = HEADER.unpack_from(frame)
    if protocol:
        raise WrongReply(f"answered with protocol {protocol} instead of 0")
    if answered != unit:
        raise WrongReply(f"unit {answered} answered instead of {unit}")
    function = frame[7]
    if function & 0x7F != request.function:
        raise WrongReply(f"answered with function {function} instead of {request.function}")
    if function & 0x80:
        raise ExceptionReply(frame[8] if len(frame) > 8 else 0)
    return _bits(frame[9:], request.size) if request.function in (1, 2) else _registers(frame, request.size)


def _registers(frame: bytes, size: int) -> list[int]:
    count = (len(frame) - 9) // 2
    if count != size or frame[8] != 2 * size or len(frame) % 2 == 0:
        raise WrongReply(f"answered with {count} registers instead of {size}")
    return list(struct.unpack_from(f">{size}H", frame, 9))


def _bits(data: bytes, size: int) -> list[int]:
    if len(data) != (size + 7) // 8:
        raise WrongReply(f"answered with {8 * len(data)} bits instead of {size}")
    whole = int.from_bytes(data, "little")
    return [whole >> i & 1 for i in range(size)]
