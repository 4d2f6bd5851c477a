"""Takes frames from a NATS JetStream cluster, to whose MQTT listener agents publish.

A NATS server keeps each QoS 1 message in its stream before it confirms it to the agent, on as many servers as
`mqtt.stream_replicas` says. All collectors pull from one durable consumer and acknowledge each message explicitly,
after its commit: any of them, and any server, may die at any moment. What was not acknowledged is delivered again, to
whoever is there.
"""

from __future__ import annotations

import asyncio
import json
from functools import partial

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.errors import NotFoundError

import nats
from hubwatch_collector.config import NatsSection
from hubwatch_collector.inbox import Arrival, Inbox
from hubwatch_core.clock import now_us
from hubwatch_core.errors import Permanent
from hubwatch_core.health import Health
from hubwatch_core.logs import get_logger
from hubwatch_core.tls import client_context

STREAM = "$MQTT_msgs"
PREFIX = "$MQTT.msgs."
"""Stream and subjects in which NATS servers keep MQTT messages. Ref: server/mqtt.go, mqttStreamName."""

FRAMES = f"{PREFIX}hubwatch.1.*.*.frame"
EXPIRES_S = 2.0
"""How long a request for messages stands; after a lost one nothing comes for this long and a second more."""
RETRY_S = 0.5

_log = get_logger("jetstream")


class JetStreamSource:
    """Fills the inbox from the durable consumer that all collectors share."""

    def __init__(self, settings: NatsSection, inbox: Inbox, health: Health) -> None:
        self._settings = settings
        self._inbox = inbox
        self._health = health
        self._acks: asyncio.Queue[str] = asyncio.Queue()
        self._wanted = 0
        self._answered = asyncio.Event()

    async def run(self, stop: asyncio.Event, drained: asyncio.Event) -> None:
        """Receive until `stop` is set, then keep the connection for acknowledgements until `drained` is.

        Raises Permanent when the servers refuse our credentials.
        """
        connection = await self._connect(stop)
        if connection is None:
            return
        acking = asyncio.create_task(self._acknowledge(connection))
        try:
            await self._consume(connection, stop)
            await drained.wait()
            await self._acks.join()
        finally:
            self._health.set("intake", False, "not subscribed")
            acking.cancel()
            await connection.close()

    async def _connect(self, stop: asyncio.Event) -> Client | None:
        away = False
        while not stop.is_set():
            try:
                return await self._connection()
            except (Error, OSError, TimeoutError) as error:
                if "authorization" in str(error).lower():
                    raise Permanent(f"NATS refuses us: {error}; check nats.credentials_file") from None
                if not away:
                    _log.warning("no NATS server answers, will go on trying", reason=str(error))
                away = True
                await asyncio.sleep(RETRY_S)
        return None

    async def _connection(self) -> Client:
        settings = self._settings
        tls = client_context(settings.tls) if settings.tls else None
        credentials = str(settings.credentials_file) if settings.credentials_file else None
        return await nats.connect(
            list(settings.servers),
            name="hubwatch collector",
            tls=tls,
            user_credentials=credentials,
            max_reconnect_attempts=-1,
            reconnect_time_wait=RETRY_S,
            ping_interval=5,
            max_outstanding_pings=2,
            disconnected_cb=partial(_say, "NATS server lost, going to another"),
            reconnected_cb=partial(_say, "NATS server back"),
            error_cb=_debug,
        )

    async def _consume(self, connection: Client, stop: asyncio.Event) -> None:
        """Keep one request for messages standing; they come as soon as they are there."""
        await self._make_consumer(connection, stop)
        inbox = connection.new_inbox()
        await connection.subscribe(inbox, cb=self._received)
        self._health.set("intake", True, "subscribed")
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{STREAM}.{self._settings.durable}"
        request = json.dumps({"batch": self._settings.batch, "expires": int(EXPIRES_S * 1e9)}).encode()
        while not stop.is_set():
            self._wanted = self._settings.batch
            self._answered.clear()
            try:
                await connection.publish(subject, request, reply=inbox)
                await asyncio.wait_for(self._answered.wait(), EXPIRES_S + 1)
            except TimeoutError:
                _log.debug("a request for messages was lost")
            except Error as error:
                _log.debug("cannot ask for messages", reason=str(error))
                await asyncio.sleep(RETRY_S)

    async def _make_consumer(self, connection: Client, stop: asyncio.Event) -> None:
        """Make the durable consumer, or find it. The stream is there once any MQTT client has connected."""
        wanted = ConsumerConfig(
            durable_name=self._settings.durable,
            filter_subject=FRAMES,
            ack_policy=AckPolicy.EXPLICIT,
            deliver_policy=DeliverPolicy.ALL,
            ack_wait=self._settings.ack_wait_s,
            max_ack_pending=self._settings.most_unacknowledged,
        )
        while not stop.is_set():
            try:
                await connection.jetstream().add_consumer(STREAM, wanted)
                return
            except NotFoundError:
                self._health.set("intake", False, "no MQTT client has connected to NATS yet")
            except (Error, TimeoutError) as error:
                self._health.set("intake", False, f"the stream is not ready: {error}")
            await asyncio.sleep(RETRY_S)

    async def _received(self, message: Msg) -> None:
        status = (message.headers or {}).get("Status")
        if status is not None:
            # 503 is nobody to ask, for instance while the cluster chooses a leader.
            await asyncio.sleep(RETRY_S if status == "503" else 0)
            self._answered.set()
            return
        ack = partial(self._acks.put_nowait, message.reply)
        await self._inbox.put([Arrival(topic_of(message.subject), message.data, now_us(), ack)])
        self._wanted -= 1
        if self._wanted <= 0:
            self._answered.set()

    async def _acknowledge(self, connection: Client) -> None:
        """Send acknowledgements; one that is lost makes the message come again, which is harmless."""
        while True:
            reply = await self._acks.get()
            try:
                await connection.publish(reply, b"+ACK")
            except Error as error:
                _log.debug("acknowledgement lost", reason=str(error))
            finally:
                self._acks.task_done()


def topic_of(subject: str) -> str:
    """Give the MQTT topic of a subject: levels are dots there, and a dot inside a level is two slashes."""
    levels = subject.removeprefix(PREFIX).split(".")
    return "/".join(level.replace("//", ".") for level in levels)


async def _say(event: str) -> None:
    _log.warning(event)


async def _debug(error: Exception) -> None:
    _log.debug("NATS reports", reason=str(error) or type(error).__name__)
