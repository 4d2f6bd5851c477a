"""Messages of agents from a NATS JetStream cluster: durable pull consumers, explicit acknowledgement.

A NATS server confirms a QoS 1 message to the agent after the stream behind its MQTT listener has it, on a majority of
its replicas. Whoever opens a session under one name shares the work with the others of that name, and takes up where
they left off. `JetStreamLink` has what `MqttLink` has for receiving, with one difference: it outlives the loss of a
server, for JetStream knows nothing of connections; what was taken over one is acknowledged through the next.

nats-py is known only in this package.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error

from hubwatch_core import topics
from hubwatch_core.clock import now_us
from hubwatch_core.concurrency import backoff_s, drain, raise_first, wait_for_event
from hubwatch_core.condition import Condition
from hubwatch_core.config import NatsSection, client_context, read_secret
from hubwatch_core.errors import Permanent, Transient
from hubwatch_core.health import Health
from hubwatch_core.jetstream import stream
from hubwatch_core.jetstream.pull import REQUEST_BYTES, Pull
from hubwatch_core.jetstream.stream import StreamGone, reason_of
from hubwatch_core.jetstream.subjects import everything_of, subject_of, topic_of
from hubwatch_core.jetstream.tls_client import insisting
from hubwatch_core.jetstream.trim import Fill, Trimmer
from hubwatch_core.logs import get_logger
from hubwatch_core.message import Message
from hubwatch_core.receive_budget import ReceiveBudget, take_within

if TYPE_CHECKING:
    from hubwatch_core.jetstream.keys import Signer

PING_S = 5
"""Two pings without an answer are a lost server; one that closes its connections is noticed at once."""
RETRY_S = 0.25
FLUSH_S = 2
LEAVE_S = 5.0
CLOSE_S = 2.0
STEADY_S = 10.0
"""A connection that lasted this long was a good one: after it the pauses begin anew."""
TRIM_EVERY_S = 10.0
NEARLY_FULL = 0.8
"""Share of its bound from which on a stream is reported: the rest must last until somebody comes."""
_REFUSAL = "authorization violation"
"""What nats-py says of a server that does not want us, as an error of no class of its own."""


class JetStreamLink:
    """What one process takes from the stream; it stays while connections come and go."""

    def __init__(
        self,
        settings: NatsSection,
        durable: str,
        alone: bool,
        report: Callable[[str | None], None],
        budget: ReceiveBudget | None = None,
    ) -> None:
        """Begin without a connection; `report` gets why the stream does not answer, and None when it does again.

        With a `budget`, whoever receives releases each message when it is processed.
        """
        self._settings, self._durable, self._alone, self._report = settings, durable, alone, report
        self._budget = budget
        self._connection: Client | None = None
        self._there = asyncio.Event()
        self._pulls: list[Pull] = []
        self._waiting: deque[Message] = deque()
        self._came = asyncio.Event()
        self._ended: asyncio.Event | None = None
        """Set when the connection is of no use any more."""
        self.stream_gone = False
        """The connection was given up because there is no stream any more."""
        self._held: dict[int, str] = {}
        """Where to acknowledge what was taken, by the number of the message here."""
        self._numbers: dict[tuple[int, int], int] = {}
        """Those numbers, by place and time in the stream: places begin anew when it is deleted and made again."""
        self._taken = 0
        self._newest = (0, 0)
        """Place and time of the newest message."""
        self._replies: deque[tuple[str, bytes]] = deque()
        self._to_reply = asyncio.Event()

    async def subscribe(self, *filters: str) -> None:
        """Follow the hubs that MQTT topic filters name: births, states and frames in the order they were stored.

        Makes a durable consumer for each hub (one for all when it is `+`), which begins with the oldest message kept.
        """
        for hub in dict.fromkeys(topics.hub_of_filter(each) for each in filters):
            durable = self._durable if hub == "+" else f"{self._durable}-{hub.replace('.', '~')}"
            pull = Pull(
                self._settings, durable, everything_of(hub), self._alone, self._take_in, self._report, self._forget
            )
            await self._begin(pull)
            self._pulls.append(pull)

    async def receive(self, most: int, wait_s: float, max_bytes: int | None = None) -> list[Message]:
        """Wait up to `wait_s` for a message, then take what has come within the limits; [] when none came."""
        if len(self._waiting) < most and self._connection is not None:
            await self._ask(most)
        if not self._waiting:
            self._came.clear()
            await wait_for_event(self._came, wait_s)
        return [self._waiting.popleft() for _ in range(take_within(self._waiting, most, max_bytes))]

    async def _ask(self, most: int) -> None:
        try:
            for pull in self._pulls:
                await pull.ask(most, self._request_bytes())
        except StreamGone as error:
            self.renew(str(error))

    def renew(self, reason: str) -> None:
        """Give the connection up for a new one, over which the stream is made again."""
        self._report(reason)
        self._forget()
        self.stream_gone = True
        if self._ended is not None:
            self._ended.set()

    def _request_bytes(self) -> int:
        """Return how much one request may bring; every consumer may have a request standing at the same time."""
        if self._budget is None:
            return REQUEST_BYTES
        return min(REQUEST_BYTES, self._budget.room_bytes // len(self._pulls))

    def ack(self, message: Message) -> None:
        """Acknowledge `message` to the stream; through the next server when this one is lost."""
        reply = self._held.pop(message.mid, None)
        if reply is not None:
            self._numbers.pop(_place_and_time(reply), None)
            self._reply(reply, b"+ACK")

    async def publish(self, topic: str, payload: bytes, *, expires_s: int | None = None) -> bool:
        """Publish to whoever has subscribed now, over MQTT or NATS; the stream does not keep it.

        What is published while no server is there is lost. A server does not say whether anybody took it.
        """
        del expires_s  # nothing is kept that could expire
        connection = self._connection
        if connection is None:
            return False
        try:
            await connection.publish(subject_of(topic), payload)
        except (Error, OSError):
            return False
        return True

    async def used(self, use: Callable[[JetStreamLink], Awaitable[None]]) -> None:
        """Call `use` once there is a connection."""
        await self._there.wait()
        await use(self)

    async def attach(self, connection: Client, ended: asyncio.Event) -> None:
        """Go on over a new connection; `ended` is set when it is lost, here also when it has to be given up."""
        for pull in self._pulls:
            await pull.begin(connection)
        self._connection, self._ended, self.stream_gone = connection, ended, False
        self._there.set()

    def detach(self) -> None:
        """Wait for the next connection: this one is gone."""
        self._connection = None
        self._there.clear()

    async def reply(self) -> None:
        """Send acknowledgements for ever; they wait while no server is there."""
        while True:
            await self._to_reply.wait()
            await self._there.wait()
            await self._send()

    async def leave(self) -> None:
        """Send what is left to acknowledge, and give back what was taken and not dealt with, for others to take."""
        connection = self._connection
        if connection is None:
            return
        with suppress(Error, TimeoutError, OSError):
            async with asyncio.timeout(LEAVE_S):
                for pull in self._pulls:
                    await pull.end()
                await connection.flush(FLUSH_S)
                for reply in self._held.values():
                    self._reply(reply, b"-NAK")
                self._held.clear()
                self._numbers.clear()
                await self._send()
                await connection.flush(FLUSH_S)

    async def _begin(self, pull: Pull) -> None:
        while True:
            await self._there.wait()
            try:
                if self._connection is not None:
                    await pull.begin(self._connection)
                    await pull.make()
                    return
            except StreamGone as error:
                self.renew(str(error))
            except Transient as error:
                self._report(str(error))
            await asyncio.sleep(RETRY_S)

    def _take_in(self, message: Msg) -> None:
        """Take a message that has come; one that we hold already is from now on acknowledged as it came last."""
        identity = _place_and_time(message.reply)
        number = self._numbers.get(identity)
        if number is not None:
            self._held[number] = message.reply
            return
        self._heed_age(message.reply)
        self._taken += 1
        self._numbers[identity], self._held[self._taken] = self._taken, message.reply
        again = _deliveries(message.reply) > 1
        taken = Message(topic_of(message.subject), message.data, 1, False, self._taken, now_us(), redelivered=again)
        self._waiting.append(taken)
        if self._budget is not None:
            self._budget.hold(taken)
        self._came.set()

    def _heed_age(self, reply: str) -> None:
        """Notice a stream that was made again: its places begin anew, while its times go on."""
        place, time_ns = _place_and_time(reply)
        newest_place, newest_ns = self._newest
        if place <= newest_place and time_ns > newest_ns:
            self._forget()
        if time_ns > newest_ns:
            self._newest = place, time_ns

    def _forget(self) -> None:
        """Acknowledge nothing of what was taken so far: its places may be those of other messages by now."""
        self._held.clear()
        self._numbers.clear()
        self._replies.clear()

    def _reply(self, reply: str, word: bytes) -> None:
        self._replies.append((reply, word))
        self._to_reply.set()

    async def _send(self) -> None:
        while self._replies and self._connection is not None:
            reply, word = self._replies[0]
            try:
                await self._connection.publish(reply, word)
            except (Error, OSError):
                self.detach()
                return
            if self._replies and self._replies[0] == (reply, word):  # else forgotten meanwhile
                self._replies.popleft()
        self._to_reply.clear()


def _place_and_time(reply: str) -> tuple[int, int]:
    """Return what tells one message of a stream from any other: its place there, and when it was stored (ns)."""
    parts = reply.split(".")  # $JS.ACK.STREAM.CONSUMER.DELIVERIES.PLACE.NUMBER.TIME.…
    return int(parts[5]), int(parts[7])


def _deliveries(reply: str) -> int:
    """Return how often a message was delivered, this time among them."""
    return int(reply.split(".")[4])


@dataclass(frozen=True, slots=True)
class _Access:
    """What lets us in: passwords, keys and certificates change while we run."""

    password: str | None
    signer: Signer | None
    context: ssl.SSLContext | None


class JetStreamSession:
    """Keeps a link to the stream for as long as it is used."""

    def __init__(
        self,
        settings: NatsSection,
        *,
        durable: str,
        name: str = "nats",
        alone: bool = False,
        health: Health | None = None,
        budget: ReceiveBudget | None = None,
    ) -> None:
        """Prepare, without connecting.

        Sessions of one `durable` share the work, and what one leaves behind goes to the others as it comes. `alone`
        says that there is never but one: it gets what it left behind again in order, before what is newer, and also
        some of what it had acknowledged. `name` is for logs and health.
        """
        self._settings, self._durable, self._name, self._alone = settings, durable, name, alone
        self._health = health or Health()
        self._budget = budget
        self._log = get_logger(name).bind(durable=durable)
        self._trimmer = Trimmer()
        self._turn = 0
        self._connection = Condition(
            name, self._health, self._log, lost="stream lost, trying again", back="stream back"
        )
        self._room = Condition(
            f"{name}-stream", self._health, self._log,
            lost="stream is nearly full, agents will have to keep frames", back="stream has room again",
        )  # fmt: skip

    async def run(self, use: Callable[[JetStreamLink], Awaitable[None]]) -> None:
        """Connect, see that the stream is there and call `use(link)`, until it returns.

        Servers that are away or refuse us are an outage: the next one is tried after a pause that grows to
        `max_reconnect_s`, with password and keys read anew. Raises what `use` raises, and Permanent at the start when
        settings cannot be used.
        """
        self._access()
        self._health.set(self._name, False, "not connected yet")
        self._health.expect(self._name)
        link = JetStreamLink(self._settings, self._durable, self._alone, self._report, self._budget)
        keeping = asyncio.create_task(self._keep(link))
        using, replying = asyncio.create_task(link.used(use)), asyncio.create_task(link.reply())
        try:
            await asyncio.wait([using, keeping, replying], return_when=asyncio.FIRST_COMPLETED)
        finally:
            await drain([using, replying])
            await link.leave()
            await drain([keeping])
            self._health.expect_no_more(self._name)
        raise_first([using, keeping, replying])

    async def _keep(self, link: JetStreamLink) -> None:
        """Keep a connection below the link, from server to server."""
        failures = 0
        while True:
            began = time.monotonic()
            try:
                await self._once(link)
            except Transient as error:
                self._report(str(error))
            failures = 1 if time.monotonic() - began >= STEADY_S else failures + 1
            self._turn += 1
            await asyncio.sleep(backoff_s(failures, RETRY_S, self._settings.max_reconnect_s))

    async def _once(self, link: JetStreamLink) -> None:
        """Use one connection until it is lost."""
        lost = asyncio.Event()
        server = self._settings.servers[self._turn % len(self._settings.servers)]
        connection = await self._connect(server, lost)
        try:
            await stream.ensure(connection, self._settings)
            await link.attach(connection, lost)
            self._connected()
            await self._tend(connection, lost)
            if not link.stream_gone:
                self._report(f"connection to {_place(server)} lost")
        finally:
            link.detach()
            await _let_go(connection)

    async def _tend(self, connection: Client, lost: asyncio.Event) -> None:
        """Keep the stream from growing and report when it fills, until the connection is lost."""
        while True:
            if await wait_for_event(lost, TRIM_EVERY_S):
                return
            try:
                self._report_fill(await self._trimmer.trim(connection))
                self._health.did(self._name)
            except StreamGone:
                raise
            except Transient:  # a leader is being chosen; the next time will do
                continue

    def _access(self) -> _Access:
        """Read what lets us in, for each connection anew. Raises Permanent when a file cannot be used."""
        settings = self._settings
        return _Access(
            read_secret(settings.password, settings.password_file),
            _signer(settings),
            client_context(settings.tls) if settings.tls else None,
        )

    def _access_anew(self) -> _Access:
        try:
            return self._access()
        except Permanent as error:  # a file is just being replaced, or was replaced by a bad one
            raise Transient(str(error)) from None

    async def _connect(self, server: str, lost: asyncio.Event) -> Client:
        async def closed() -> None:
            lost.set()

        access = self._access_anew()
        signer, connection = access.signer, insisting(server, has_tls=access.context is not None)
        connection._public_nkey = signer.public if signer else None  # nats-py takes it from a seed only
        try:
            async with asyncio.timeout(self._settings.connect_timeout_s):
                await connection.connect(
                    server,
                    name=f"hubwatch {self._durable}",
                    user=self._settings.username,
                    password=access.password,
                    signature_cb=signer.sign if signer else None,
                    user_jwt_cb=(lambda: bytearray(signer.token, "ascii")) if signer and signer.token else None,
                    tls=access.context,
                    allow_reconnect=False,  # we go to the next server ourselves, and log it once
                    max_reconnect_attempts=1,
                    reconnect_time_wait=0,
                    closed_cb=closed,
                    error_cb=_quiet,
                    ping_interval=PING_S,
                )
        except asyncio.CancelledError:
            await _let_go(connection)
            raise
        except (Error, OSError, TimeoutError) as error:
            await _let_go(connection)
            if _REFUSAL in str(error).lower():
                raise Transient(f"NATS server {_place(server)} refuses us: {reason_of(error)}") from None
            raise Transient(f"cannot connect to NATS server {_place(server)}: {reason_of(error)}") from None
        return connection

    def _connected(self) -> None:
        if self._connection.holds:
            self._log.info("connected")
        self._connection.back("connected")
        self._health.did(self._name)

    def _report(self, reason: str | None) -> None:
        """Record why the stream does not answer; None when it has just answered."""
        if reason is not None:
            self._connection.lost(reason)
            return
        self._health.did(self._name)
        if not self._connection.holds:
            self._connection.back("connected")

    def _report_fill(self, fill: Fill | None) -> None:
        if fill is not None and fill.share >= NEARLY_FULL:
            self._room.lost(str(fill))
        else:
            self._room.back("has room")


def _signer(settings: NatsSection) -> Signer | None:
    """Read who we are where we sign; raises Permanent when that cannot be read."""
    if settings.credentials_file is None and settings.nkey_file is None:
        return None
    from hubwatch_core.jetstream import keys  # cryptography is needed only then

    if settings.credentials_file is not None:
        return keys.read_credentials(settings.credentials_file)
    assert settings.nkey_file is not None
    return keys.read_seed(settings.nkey_file)


async def _let_go(connection: Client) -> None:
    """Close `connection`, and what nats-py leaves open of one that was refused, got no answer or was cut short."""
    try:
        with suppress(Error, TimeoutError, OSError):
            async with asyncio.timeout(CLOSE_S):
                await connection.close()
    finally:
        if connection._transport is not None:
            connection._transport.close()  # type: ignore[no-untyped-call]


async def _quiet(_: Exception) -> None:
    """Every error that matters comes to us as an exception, or as the end of the connection."""


def _place(server: str) -> str:
    parts = urlsplit(server)
    return f"{parts.hostname}:{parts.port or 4222}"  # without a name and password in it
