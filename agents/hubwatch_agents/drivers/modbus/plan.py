"""Which registers are read together: requests planned from what the decoders need. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from hubwatch_agents.profiles.modbus_schema import Block, Line, RegisterSource

MAX_BITS = 2000
"""Bits one request of function 1 or 2 may read (Modbus application protocol 1.1b3, 6.1)."""


class ReadRequest(NamedTuple):
    """One read: `size` registers or bits from `address`."""

    function: int
    address: int
    size: int

    @property
    def end(self) -> int:
        """First address behind it."""
        return self.address + self.size

    def covers(self, other: ReadRequest) -> bool:
        """Return whether `other` is read by this request as well."""
        return self.function == other.function and self.address <= other.address and other.end <= self.end


def span(source: RegisterSource) -> ReadRequest:
    """Return the addresses a source stands on."""
    return ReadRequest(source.function, source.address, source.words)


def requests(spans: Iterable[ReadRequest], blocks: Sequence[Block], line: Line) -> list[ReadRequest]:
    """Plan the requests that read every span.

    Blocks fixed by the profile are taken as they are. The rest is joined where it touches, or where the gap between
    is allowed, up to what the device gives in one request; nothing is ever read across a gap that is not allowed.
    """
    fixed = [ReadRequest(block.function, block.address, block.count) for block in blocks]
    wanted = sorted(set(spans))
    used = [block for block in fixed if any(block.covers(each) for each in wanted)]
    planned: list[ReadRequest] = []
    for each in wanted:
        if any(block.covers(each) for block in used):
            continue
        last = planned[-1] if planned else None
        joined = _join(last, each, line) if last is not None and line.merge else None
        if joined is not None:
            planned[-1] = joined
        elif last is None or not last.covers(each):
            planned.append(each)
    return used + planned


def split(request: ReadRequest, spans: Iterable[ReadRequest]) -> list[ReadRequest]:
    """Return a request again in two, cut between values; one value alone cannot be cut."""
    inside = sorted({each for each in spans if request.covers(each)})
    starts = sorted({each.address for each in inside})
    cuts = [address for address in starts[1:] if all(each.end <= address or each.address >= address for each in inside)]
    if not cuts:
        return [request]
    cut = cuts[len(cuts) // 2]
    left = [each for each in inside if each.end <= cut]
    right = [each for each in inside if each.address >= cut]
    return [_around(left), _around(right)]


def _around(spans: list[ReadRequest]) -> ReadRequest:
    first, end = min(each.address for each in spans), max(each.end for each in spans)
    return ReadRequest(spans[0].function, first, end - first)


def _join(last: ReadRequest, each: ReadRequest, line: Line) -> ReadRequest | None:
    gap = each.address - last.end
    if last.function != each.function or gap > line.allow_gap:
        return None
    end = max(last.end, each.end)
    most = line.max_registers if each.function in (3, 4) else MAX_BITS
    return ReadRequest(last.function, last.address, end - last.address) if end - last.address <= most else None
