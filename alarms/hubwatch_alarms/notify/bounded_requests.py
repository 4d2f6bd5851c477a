"""Bounds for a library that asks by `requests`: no redirect is followed, and no answer is read without an end.

They hold in the thread that asks for them, and nowhere else: other parts of the process use `requests` as it is.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from requests import Response, exceptions
from requests.adapters import HTTPAdapter

MAX_ANSWER_BYTES = 65_536
"""Far more than a service answers; what is beyond is left unread."""


@dataclass
class HttpAnswer:
    """What the last answer in this thread was."""

    status: int | None = None
    retry_after: str | None = None


class _Thread(threading.local):
    deadline: float | None = None
    answer = HttpAnswer()


_thread = _Thread()
_send = HTTPAdapter.send


@contextmanager
def bounded_requests(within_s: float) -> Iterator[HttpAnswer]:
    """Bound what this thread asks for: all answers together take at most so long. Gives what the last one was."""
    logging.getLogger("urllib3.connectionpool").addFilter(_speaks_of_others)
    HTTPAdapter.send = _bounded_send  # type: ignore[method-assign]  # every session sends through it
    _thread.deadline, _thread.answer = time.monotonic() + within_s, HttpAnswer()
    try:
        yield _thread.answer
    finally:
        _thread.deadline = None


def _speaks_of_others(_: logging.LogRecord) -> bool:
    """Return whether a line of the library's log may be written: in such a thread it would show the address."""
    return _thread.deadline is None


def _bounded_send(self: HTTPAdapter, request: Any, *args: Any, **more: Any) -> Response:
    deadline = _thread.deadline
    if deadline is None:
        return _send(self, request, *args, **more)
    response = _send(self, request, *args, **more)
    _thread.answer.status = response.status_code
    _thread.answer.retry_after = response.headers.get("Retry-After")
    # What is not there is not followed. Whoever may redirect us could point our alarms at another machine.
    response.headers.pop("Location", None)
    body = bytearray()
    while len(body) < MAX_ANSWER_BYTES and (piece := response.raw.read1(MAX_ANSWER_BYTES, decode_content=True)):
        body += piece
        if time.monotonic() > deadline:
            response.raw.close()
            raise exceptions.ReadTimeout("the answer does not end")
    response.raw.close()
    vars(response).update(_content=bytes(body[:MAX_ANSWER_BYTES]), _content_consumed=True)
    return response
