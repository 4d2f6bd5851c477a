"""What can go wrong with one Modbus request, by what it means for the next one."""

from __future__ import annotations

EXCEPTIONS = {
    1: "illegal function",
    2: "illegal data address",
    3: "illegal data value",
    4: "server device failure",
    5: "acknowledge, still working",
    6: "server device busy",
    7: "negative acknowledge",
    8: "memory parity error",
    10: "gateway path unavailable",
    11: "gateway target device failed to respond",
}
"""Modbus application protocol 1.1b3, section 7; 7 from the older PI-MBUS-300."""

BUSY = frozenset({5, 6})
GATEWAY = frozenset({10, 11})
ILLEGAL = frozenset({1, 2, 3})


class Fault(Exception):
    """A request that gave no usable answer; `reason` goes into the quality of what was to be read."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class NoAnswer(Fault):
    """Nothing usable came in time; late bytes may still be under way."""


class GatewaySilent(NoAnswer):
    """A gateway answered in place of a device that said nothing."""


class LinkLost(Fault):
    """The connection is gone."""


class WrongReply(Fault):
    """Something came that does not answer the request: other unit, other function, other length."""


class ExceptionReply(Fault):
    """The device, or a gateway before it, answered that it cannot; any code is data, never a crash."""

    def __init__(self, code: int) -> None:
        self.code = code
        super().__init__(f"exception {code} ({EXCEPTIONS.get(code, 'not in the standard')})")
