"""Frames of a serial line: a unit, a PDU and a checksum, with nothing that says where a frame begins. Pure.

Ref: Modbus over serial line 1.02, section 2.5.1. RS-485 adapters put stray bytes before and behind a frame when they
turn the line round (minimalmodbus #61, libmodbus #302); so a reply is searched for by its unit, its function and its
checksum.
"""

from __future__ import annotations

from pymodbus.framer import FramerRTU

WRITES = frozenset({5, 6, 15, 16})
SHORTEST = 5
"""Unit, function, one byte, checksum: an exception."""
LONGEST = 256
MOST_BYTES = 1024
"""Most bytes that are searched for one reply, four frames: a line that is never silent must not take the processor."""


def checksum(data: bytes) -> bytes:
    """Return the two bytes that end a frame."""
    return FramerRTU.compute_CRC(data).to_bytes(2, "big")  # swapped already


class RtuFraming:
    """Frames of Modbus RTU; with `local_echo` the adapter hands our own bytes back first."""

    def __init__(self, *, local_echo: bool = False) -> None:
        self._local_echo = local_echo
        self._echo = b""
        self._unit = 0
        self._function = 0
        self._came = b""
        self._undecided: list[int] = []
        """Where a frame of ours may begin that has not come whole."""
        self._left = 0

    def begin(self, unit: int, pdu: bytes) -> bytes:
        """Return the frame of a request, and forget what has come before."""
        body = bytes([unit]) + pdu
        frame = body + checksum(body)
        self._unit, self._function = unit, pdu[0]
        self._echo = frame if self._local_echo else b""
        self._came, self._left = b"", MOST_BYTES
        self._undecided.clear()
        return frame

    def feed(self, data: bytes) -> bytes | None:
        """Return the PDU of the first frame of our unit and function whose checksum is right."""
        data = data[: self._left]
        if not data:
            return None
        self._left -= len(data)
        starts = [*self._undecided, *range(len(self._came), len(self._came) + len(data))]
        self._came += data
        if self._echo:
            if not self._echoed():
                return None
            starts = list(range(len(self._came)))
        self._undecided = []
        for start in starts:
            length = self._length(self._came, start)
            frame = self._came[start : start + length] if length else b""
            if length is None:
                self._undecided.append(start)
            elif frame and frame[-2:] == checksum(frame[:-2]):
                return frame[1:-2]
        return None

    def _echoed(self) -> bool:
        """Cut our own bytes off; False while they have not come whole."""
        _, echo, behind = self._came.partition(self._echo)
        if not echo:
            return False
        self._echo, self._came = b"", behind
        return True

    def _length(self, came: bytes, start: int) -> int | None:
        """Return how long the frame at `start` is: 0 when none of ours begins there, None while that is unknown."""
        if came[start] != self._unit:
            return 0
        if len(came) < start + 2:
            return None
        function = came[start + 1]
        if function & 0x7F != self._function:
            return 0
        if function & 0x80:
            length = SHORTEST
        elif function in WRITES:
            length = 8
        elif len(came) < start + 3:
            return None
        else:
            length = came[start + 2] + SHORTEST
        if length > LONGEST:
            return 0
        return length if len(came) >= start + length else None
