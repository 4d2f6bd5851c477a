"""What can go wrong with one Modbus request, by what it means for the next one."""

from __future__ import annotations

import errno
import os
import re
import socket
import ssl

from hubwatch_core.plain_text import one_line

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


_CAUSES = {
    errno.ECONNREFUSED: "connection refused: nothing listens on that port",
    errno.ECONNRESET: "connection reset by the other side",
    errno.ECONNABORTED: "connection broken off",
    errno.EPIPE: "connection closed by the other side",
    errno.EHOSTUNREACH: "no route to the host",
    errno.ENETUNREACH: "no route to its network",
    errno.ETIMEDOUT: "no answer from the host",
    errno.EADDRNOTAVAIL: "the address cannot be used from here",
    errno.EAFNOSUPPORT: "this machine has no network of that kind (IPv6?)",
    errno.EMFILE: "too many open files",
    errno.ENOENT: "there is no such port",
    errno.ENODEV: "there is no such device, or it was pulled out",
    errno.ENXIO: "there is no such device, or it was pulled out",
    errno.EIO: "input/output error, the adapter may have been pulled out",
    errno.EACCES: "permission denied",
    errno.EPERM: "not permitted",
    errno.EBUSY: "in use by another program",
    errno.EAGAIN: "in use by another program",
    errno.ENOTTY: "is no serial port",
    errno.EISDIR: "is a folder",
}
_NUMBER = re.compile(r"\[Errno (\d+)\]|^\((\d+),")
"""Where asyncio joins the errors of several addresses, and pyserial those of a port, the number is only in the text."""
_LONGEST_CAUSE = 200


def cause_of(error: Exception) -> str:
    """Return in one line why a connection could not be made or was lost."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate is not accepted: {one_line(getattr(error, 'verify_message', str(error)))}"
    if isinstance(error, ssl.SSLError):
        reason = getattr(error, "reason", None) or str(error)
        return f"TLS: {one_line(reason).replace('_', ' ').lower()[:_LONGEST_CAUSE]}"
    if isinstance(error, socket.gaierror):
        return "the name server does not answer" if error.errno == socket.EAI_AGAIN else "there is no such host name"
    number = getattr(error, "errno", None) or _number_in(str(error))
    if number in _CAUSES:
        return _CAUSES[number]
    return os.strerror(number).lower() if number else one_line(str(error))[:_LONGEST_CAUSE] or type(error).__name__


def _number_in(text: str) -> int | None:
    found = _NUMBER.search(text)
    return int(found[1] or found[2]) if found else None
