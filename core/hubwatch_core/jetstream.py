"""Messages of agents from a NATS JetStream cluster: durable pull consumers, explicit acknowledgement.

A NATS server confirms a QoS 1 message to the agent after the stream behind its MQTT listener has it, on a majority of
its replicas. Whoever opens a session under one name shares the work with the others of that name, and takes up where
they left off. `Link` has what `mqtt.Link` has for receiving, with one difference: it outlives the loss of a server, for
JetStream knows nothing of connections; what was taken over one is acknowledged through the next.

nats-py is known only in the modules `jetstream*`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error

from hubwatch_core import jetstream_stream, topics
from hubwatch_core.clock import now_us
from hubwatch_core.config import NatsSection, read_secret
from hubwatch_core.errors import Permanent, Transient
from hubwatch_core.health import Health
from hubwatch_core.jetstream_pull import Pull
from hubwatch_core.jetstream_stream import said
from hubwatch_core.jetstream_trim import Fill, Trimmer
from hubwatch_core.logs import get_logger
from hubwatch_core.mqtt import Message, pause_s
from hubwatch_core.mqtt_subjects import everything_of, topic_of
from hubwatch_core.tls import client_context

if TYPE_CHECKING:
    from hubwatch_core.nats_keys import Signer

PING_S = 5
"""Two pings without an answer are a lost server; one that closes its connections is noticed at once."""
RETRY_S = 0.25
FLUSH_S = 2
CLOSE_S = 2.0
TRIM_EVERY_S = 10.0
NEARLY_FULL = 0.8
"""Share of its bound from which on a stream is told of: the rest must last until somebody comes."""
_REFUSAL = "authorization violation"
"""What nats-py says of a server that does not want us, as an error of no class of its own."""


class Link:
    """What one process takes from the stream; it stays while connections come and go."""

    def __init__(self, settings: NatsSection, durable: str, alone: bool, told: Callable[[str | None], None]) -> None:
        """Begin without a connection; `told` hears why the stream does not answer, and None when it does again."""
        self._settings, self._durable, self._alone, self._told = settings, durable, alone, told
        self._connection: Client | None = None
        self._there = asyncio.Event()
        self._pulls: list[Pull] = []
        self._waiting: deque[Message] = deque()
        self._came = asyncio.Event()
        self._held: dict[int, str] = {}
        """Where to acknowledge what was taken, by its place in the stream."""
        self._replies: deque[tuple[str, bytes]] = deque()
        self._to_reply = asyncio.Event()

    async def subscribe(self, *filters: str) -> None:
        """Follow the hubs that MQTT topic filters name: births, states and frames in the order they were stored.

        Makes a durable consumer for each hub (one for all when it is `+`), which begins with the oldest message kept.
        """
        for hub in dict.fromkeys(topics.hub_of_filter(each) for each in filters):
            durable = self._durable if hub == "+" else f"{self._durable}-{hub.replace('.', '~')}"
            pull = Pull(self._settings, durable, everything_of(hub), self._alone, self._take_in, self._told)
            await self._begin(pull)
            self._pulls.append(pull)

    async def receive(self, most: int, wait_s: float) -> list[Message]:
        """Wait up to `wait_s` for a message, then take what has come, at most `most`; [] when none came."""
        if len(self._waiting) < most and self._connection is not None:
            for pull in self._pulls:
                await pull.ask(most)
        if not self._waiting:
            self._came.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._came.wait(), wait_s)
        return [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]

    def ack(self, message: Message) -> None:
        """Tell the stream that `message` is dealt with; through the next server when this one is lost."""
        reply = self._held.pop(message.mid, None)
        if reply is not None:
            self._reply(reply, b"+ACK")

    async def used(self, use: Callable[[Link], Awaitable[None]]) -> None:
        """Call `use` once there is a connection."""
        await self._there.wait()
        await use(self)

    async def attach(self, connection: Client) -> None:
        """Go on over a new connection."""
        for pull in self._pulls:
            await pull.begin(connection)
        self._connection = connection
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
            for pull in self._pulls:
                await pull.end()
            await connection.flush(FLUSH_S)
            for reply in self._held.values():
                self._reply(reply, b"-NAK")
            self._held.clear()
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
            except Transient as error:
                self._told(str(error))
            await asyncio.sleep(RETRY_S)

    def _take_in(self, message: Msg) -> None:
        """Take a message that has come; one that we hold already is from now on acknowledged as it came last."""
        place = int(message.reply.split(".")[5])  # $JS.ACK.STREAM.CONSUMER.DELIVERIES.PLACE.…
        known = place in self._held
        self._held[place] = message.reply
        if not known:
            self._waiting.append(Message(topic_of(message.subject), message.data, 1, False, place, now_us()))
            self._came.set()

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
            self._replies.popleft()
        self._to_reply.clear()


class Session:
    """Keeps a link to the stream for as long as it is used."""

    def __init__(
        self,
        settings: NatsSection,
        *,
        durable: str,
        name: str = "nats",
        alone: bool = False,
        health: Health | None = None,
    ) -> None:
        """Prepare, without connecting.

        Sessions of one `durable` share the work, and what one leaves behind goes to the others as it comes. `alone`
        says that there is never but one: it gets what it left behind again in order, before what is newer, and also
        some of what it had acknowledged. `name` is for logs and health.
        """
        self._settings, self._durable, self._name, self._alone = settings, durable, name, alone
        self._health = health or Health()
        self._log = get_logger(name).bind(durable=durable)
        self._trimmer = Trimmer()
        self._turn = 0
        self._was_there, self._away, self._filling = False, False, False

    async def run(self, use: Callable[[Link], Awaitable[None]]) -> None:
        """Connect, see that the stream is there and call `use(link)`, until it returns.

        Raises what `use` raises, and Permanent when the servers refuse our credentials.
        """
        self._health.set(self._name, False, "not connected yet")
        link = Link(self._settings, self._durable, self._alone, self._tell)
        keeping = asyncio.ensure_future(self._keep(link))
        using, replying = asyncio.ensure_future(link.used(use)), asyncio.ensure_future(link.reply())
        try:
            done, _ = await asyncio.wait([using, keeping, replying], return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            await _end(using, replying)
            await link.leave()
            await _end(keeping)

    async def _keep(self, link: Link) -> None:
        """Keep a connection below the link, from server to server."""
        tries = 0
        while True:
            try:
                await self._once(link)
                tries = 0
            except Transient as error:
                self._tell(str(error))
                tries += 1
            self._turn += 1
            await asyncio.sleep(pause_s(tries, self._settings.reconnect_max_s))

    async def _once(self, link: Link) -> None:
        """Use one connection until it is lost."""
        lost = asyncio.Event()
        server = self._settings.servers[self._turn % len(self._settings.servers)]
        connection = await self._connect(server, lost)
        try:
            await jetstream_stream.ensure(connection, self._settings)
            await link.attach(connection)
            self._tell(None)
            await self._tend(connection, lost)
            self._tell(f"connection to {_place(server)} lost")
        finally:
            link.detach()
            with suppress(Error, TimeoutError, OSError):
                async with asyncio.timeout(CLOSE_S):
                    await connection.close()

    async def _tend(self, connection: Client, lost: asyncio.Event) -> None:
        """Keep the stream from growing and say when it fills, until the connection is lost."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(lost.wait(), TRIM_EVERY_S)
            if lost.is_set():
                return
            with suppress(Transient):  # a leader is being chosen; the next time will do
                self._tell_fill(await self._trimmer.trim(connection))

    async def _connect(self, server: str, lost: asyncio.Event) -> Client:
        settings = self._settings

        async def closed() -> None:
            lost.set()

        connection, signer = Client(), _signer(settings)
        connection._public_nkey = signer.public if signer else None  # nats-py takes it from a seed only
        try:
            async with asyncio.timeout(settings.connect_timeout_s):
                await connection.connect(
                    server,
                    name=f"hubwatch {self._durable}",
                    user=settings.username,
                    password=read_secret(settings.password, settings.password_file),
                    signature_cb=signer.sign if signer else None,
                    user_jwt_cb=(lambda: bytearray(signer.token, "ascii")) if signer and signer.token else None,
                    tls=client_context(settings.tls) if settings.tls else None,
                    allow_reconnect=False,  # we go to the next server ourselves, and tell of it once
                    max_reconnect_attempts=1,
                    reconnect_time_wait=0,
                    closed_cb=closed,
                    error_cb=_quiet,
                    ping_interval=PING_S,
                )
        except (Error, OSError, TimeoutError) as error:
            await _let_go(connection)
            if _REFUSAL in str(error).lower():
                raise Permanent(f"NATS server {_place(server)} refuses us: {said(error)}") from None
            raise Transient(f"cannot connect to NATS server {_place(server)}: {said(error)}") from None
        return connection

    def _tell(self, reason: str | None) -> None:
        """Say once that the stream is lost, and once that it is back."""
        if reason is not None:
            self._health.set(self._name, False, reason)
            if not self._away:
                self._away = True
                self._log.warning("stream lost, will go on trying", reason=reason)
        elif self._away or not self._was_there:
            self._health.set(self._name, True, "connected")
            self._log.info("stream back" if self._was_there else "connected")
            self._away, self._was_there = False, True

    def _tell_fill(self, fill: Fill | None) -> None:
        """Say once that the stream fills, and once that there is room again."""
        filling = fill is not None and fill.share >= NEARLY_FULL
        self._health.set(f"{self._name}-stream", not filling, str(fill) if filling else "has room")
        if filling != self._filling:
            tell = self._log.warning if filling else self._log.info
            tell("stream fills, agents will have to keep frames" if filling else "stream has room", fill=str(fill))
        self._filling = filling


async def _end(*tasks: asyncio.Future[None]) -> None:
    """End tasks, however often that takes: before Python 3.12 `wait_for` may swallow a cancellation."""
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=0.5)


def _signer(settings: NatsSection) -> Signer | None:
    """Read, for each connection anew, who we are where we sign; raises Permanent when that cannot be read."""
    if settings.credentials_file is None and settings.nkey_file is None:
        return None
    from hubwatch_core import nats_keys  # cryptography is needed only then

    if settings.credentials_file is not None:
        return nats_keys.read_credentials(settings.credentials_file)
    assert settings.nkey_file is not None
    return nats_keys.read_seed(settings.nkey_file)


async def _let_go(connection: Client) -> None:
    """Close what nats-py leaves open when a server refuses us or does not answer."""
    with suppress(Error, TimeoutError, OSError):
        await connection.close()
    if connection._transport is not None:
        connection._transport.close()  # type: ignore[no-untyped-call]


async def _quiet(_: Exception) -> None:
    """Every error that matters comes to us as an exception, or as the end of the connection."""


def _place(server: str) -> str:
    parts = urlsplit(server)
    return f"{parts.hostname}:{parts.port or 4222}"  # without a name and password in it
