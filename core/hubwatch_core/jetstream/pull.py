"""One durable consumer, asked for messages again and again."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error

from hubwatch_core.config import NatsSection
from hubwatch_core.errors import Transient
from hubwatch_core.jetstream import stream
from hubwatch_core.jetstream.stream import STREAM

EXPIRES_S = 2.0
"""How long a server holds a request for messages. One that is lost with a leader costs as much, and `GRACE_S`."""
GRACE_S = 0.5
REFUSED_PAUSE_S = 0.25
REQUEST_BYTES = 8 << 20
"""Most payload one request brings: 500 messages of the largest size would be 125 MiB."""
LEAST_REQUEST_BYTES = 512 << 10
"""A request for less might never bring a frame of the largest size (256 KiB, with headers)."""

_NOTHING = {"404", "408"}
"""Statuses that end a request: no messages, request timeout. Ref: NATS ADR-13, Pull Subscribe internals."""


class _Request(msgspec.Struct, frozen=True):
    batch: int
    expires: int
    max_bytes: int


class Pull:
    """Has a request for messages standing; what comes goes to `take`."""

    def __init__(
        self,
        settings: NatsSection,
        durable: str,
        subjects: str,
        alone: bool,
        take: Callable[[Msg], None],
        report: Callable[[str | None], None],
        forget: Callable[[], None],
    ) -> None:
        """Prepare; `alone` is the session's; `report` gets why the consumer does not answer, and None when it does.

        `forget` is called when the consumer was deleted: what it had delivered cannot be acknowledged any more.
        """
        self._settings, self._durable, self._subjects, self._alone = settings, durable, subjects, alone
        self._name = ""
        """What the consumer is called; empty while that has to be found out."""
        self._take, self._report, self._forget = take, report, forget
        self._connection: Client | None = None
        self._subscription: Subscription | None = None
        self._inbox = ""
        self._due = 0
        """Messages asked for that have not come."""
        self._until = 0.0
        """When we stop waiting for them."""
        self._answered = True

    async def begin(self, connection: Client) -> None:
        """Go on over a new connection."""
        self._connection = connection
        self._name = "" if self._alone else self._name
        self._inbox = connection.new_inbox()
        self._due, self._until, self._answered = 0, 0.0, True
        with stream.translated("cannot subscribe"):
            self._subscription = await connection.subscribe(self._inbox, cb=self._received)

    async def end(self) -> None:
        """Take nothing more: what is given back must not come to the request that still stands."""
        if self._subscription is not None:
            await self._subscription.unsubscribe()

    async def make(self) -> None:
        """Make the consumer, or find it. Raises Transient when the cluster cannot do it now."""
        if self._connection is not None:
            make = stream.own_consumer if self._alone else stream.consumer
            self._name = await make(self._connection, self._settings, self._durable, self._subjects)

    async def ask(self, most: int, max_bytes: int) -> None:
        """Ask for up to `most` messages of `max_bytes`, unless that has been done and the answer may still come.

        Raises StreamGone when there is nothing to ask any more.
        """
        if self._connection is None or (self._due > 0 and time.monotonic() < self._until):
            return
        if max_bytes < LEAST_REQUEST_BYTES:
            return
        try:
            if not self._answered:  # the consumer is gone, or nobody leads it just now
                self._report(f"consumer {self._durable} does not answer")
            if not self._answered or not self._name:
                await self.make()
            self._due, self._until, self._answered = most, time.monotonic() + EXPIRES_S + GRACE_S, False
            request = msgspec.json.encode(_Request(most, int(EXPIRES_S * 1e9), max_bytes))
            await self._connection.publish(
                f"$JS.API.CONSUMER.MSG.NEXT.{STREAM}.{self._name}", request, reply=self._inbox
            )
        except stream.StreamGone:
            self._name = ""
            raise
        except Transient as error:
            self._report(str(error))
        except (Error, OSError):
            return  # the connection is lost, and asking begins anew over the next

    async def _received(self, message: Msg) -> None:
        headers = message.headers or {}
        status = headers.get("Status")
        description = headers.get("Description", "").replace(" ", "")
        if status is None:
            self._due -= 1
            self._answer()
            self._take(message)
        elif status in _NOTHING or "MaxBytes" in description:  # ended, also where the next message is one too many
            self._due = 0
            self._answer()
        elif "MaxAckPending" in description:
            self._until = time.monotonic() + REFUSED_PAUSE_S
            self._answer()
        else:  # 409: the leader has changed, the consumer is gone; 503: nobody is there to answer
            self._until = time.monotonic() + REFUSED_PAUSE_S
            if "ConsumerDeleted" in description:
                self._forget()

    def _answer(self) -> None:
        self._answered = True
        self._report(None)
