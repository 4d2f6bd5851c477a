"""How long the API waits for a client: for its headers, its body, and that it takes what it asked for.

uvicorn bounds only the pause between two requests. A client that sends a byte of a header each second would hold its
connection for ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from hubwatch_core.http.serving import unheard

HEADERS_WITHIN_S = 15.0
"""From the beginning of a connection, or from the former answer."""
BODY_WITHIN_S = 20.0
"""For all of it; the largest that is taken by default has 64 KiB."""
ANSWER_WITHIN_S = 20.0
"""Without taking anything of an answer that waits, and for the rest of it when the connection is to end."""

HEADERS, BODY, ANSWER, END = "headers", "body", "answer", "end"
WITHIN_S = {HEADERS: HEADERS_WITHIN_S, BODY: BODY_WITHIN_S, ANSWER: ANSWER_WITHIN_S, END: ANSWER_WITHIN_S}

Cut = Callable[[str, str], None]
"""Told what was waited for, and the address that did not send or take it."""


class TimedProtocol(H11Protocol):
    """HTTP/1.1 as uvicorn speaks it, with an end to each wait for the client."""

    def __init__(self, *, within_s: dict[str, float], cut: Cut, **uvicorns: Any) -> None:
        super().__init__(**uvicorns)
        self.logger = unheard()
        self._within_s, self._told = within_s, cut
        self._waits_for: str | None = None
        self._end: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for headers."""
        super().connection_made(transport)
        self._follow()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing more."""
        self._wait_for(None)
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """Go on with what has come; wait for what is next of the request."""
        super().handle_events()
        self._follow()

    def on_response_complete(self) -> None:
        """Wait for the next request, or for the end."""
        super().on_response_complete()
        self._follow()

    def pause_writing(self) -> None:
        """Wait until the client takes more of the answer."""
        super().pause_writing()
        self._follow()

    def resume_writing(self) -> None:
        """Wait for the answer no more."""
        super().resume_writing()
        self._follow()

    def _follow(self) -> None:
        """Wait for what is next; a wait that goes on keeps the moment at which it ends."""
        if self.transport.is_closing():
            self._wait_for(END)
        elif self.flow.write_paused:
            self._wait_for(ANSWER)
        elif self.conn.their_state is h11.IDLE:
            self._wait_for(HEADERS)
        elif self.conn.their_state is h11.SEND_BODY:
            self._wait_for(BODY)
        else:
            self._wait_for(None)  # it is our turn

    def _wait_for(self, what: str | None) -> None:
        if what == self._waits_for:
            return
        if self._end is not None:
            self._end.cancel()
        self._waits_for = what
        self._end = None if what is None else self.loop.call_later(self._within_s[what], self._cut, what)

    def _cut(self, what: str) -> None:
        self.transport.abort()
        self._told(what, self.client[0] if self.client else "unknown")
