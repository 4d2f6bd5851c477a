"""Protocol data units: what a request says, and everything that can be wrong with its reply. Pure.

Ref: Modbus application protocol 1.1b3, sections 6 and 7. The frame around a PDU belongs to its transport.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from hubwatch_agents.drivers.modbus.faults import ExceptionReply, WrongReply
from hubwatch_agents.drivers.modbus.plan import ReadRequest

COIL_ON = 0xFF00
"""What writes 1 to a coil (6.5)."""
EXCEPTION = 0x80
"""Bit of the function code that makes a reply an exception (7)."""

_HEAD = struct.Struct(">BHH")


def read(request: ReadRequest) -> bytes:
    """Return the PDU that asks for registers or bits."""
    return _HEAD.pack(*request)


def values(reply: bytes, request: ReadRequest) -> list[int]:
    """Return the registers or bits of a reply to a read. Raises ExceptionReply or WrongReply."""
    function, size = request.function, request.size
    _check_function(reply, function)
    return _bits(reply, size) if function in (1, 2) else _registers(reply, size)


def write(function: int, address: int, written: Sequence[int]) -> bytes:
    """Return the PDU that writes coils (functions 5 and 15) or registers (6 and 16)."""
    if function == 5:
        return _HEAD.pack(5, address, COIL_ON if written[0] else 0)
    if function == 6:
        return _HEAD.pack(6, address, written[0])
    data = _packed_bits(written) if function == 15 else struct.pack(f">{len(written)}H", *written)
    return _HEAD.pack(function, address, len(written)) + bytes([len(data)]) + data


def check_written(reply: bytes, function: int, address: int, written: Sequence[int]) -> None:
    """Check that a device repeats what was written: the value (5, 6) or how many (15, 16).

    Raises ExceptionReply or WrongReply.
    """
    _check_function(reply, function)
    if len(reply) != _HEAD.size:
        raise WrongReply(f"answered a write with {len(reply)} bytes instead of {_HEAD.size}")
    _, at, said = _HEAD.unpack(reply)
    asked = _HEAD.unpack_from(write(function, address, written))[2]
    if (at, said) != (address, asked):
        raise WrongReply(f"answered that it wrote {said} at {at} instead of {asked} at {address}")


def _check_function(reply: bytes, function: int) -> None:
    if not reply:
        raise WrongReply("answered with nothing behind the unit")
    if reply[0] & ~EXCEPTION != function:
        raise WrongReply(f"answered with function {reply[0]} instead of {function}")
    if reply[0] & EXCEPTION:
        raise ExceptionReply(reply[1] if len(reply) > 1 else 0)


def _registers(reply: bytes, size: int) -> list[int]:
    data = len(reply) - 2
    if data != 2 * size or reply[1] != data:
        raise WrongReply(f"answered with {_count(data, 2)} registers instead of {size}{_says(reply, data)}")
    return list(struct.unpack_from(f">{size}H", reply, 2))


def _bits(reply: bytes, size: int) -> list[int]:
    data = len(reply) - 2
    if data != (size + 7) // 8 or reply[1] != data:
        raise WrongReply(f"answered with {max(0, 8 * data)} bits instead of {size}{_says(reply, data)}")
    whole = int.from_bytes(reply[2:], "little")
    return [whole >> i & 1 for i in range(size)]


def _count(size: int, each: int) -> str:
    return f"{max(0, size) / each:g}"


def _says(reply: bytes, data: int) -> str:
    """Return what the reply says about its own length, where that is wrong as well."""
    return "" if data < 0 or reply[1] == data else f" (its byte count says {reply[1]}, {data} came)"


def _packed_bits(written: Sequence[int]) -> bytes:
    return sum(1 << i for i, value in enumerate(written) if value).to_bytes((len(written) + 7) // 8, "little")
