"""The stream in which NATS servers keep MQTT messages, and the durable consumers on it.

Left to itself a server makes this stream when the first MQTT client connects, with retention by interest: what comes
before the first consumer is confirmed and thrown away, and a consumer that comes later finds no inventories. Made by us
it keeps everything; `trim.py` removes what everybody has acknowledged. When it is full it takes nothing more,
which the agents' spools bear; it never drops what is old.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from nats.aio.client import Client
from nats.errors import Error
from nats.js import JetStreamContext
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    ConsumerInfo,
    DeliverPolicy,
    DiscardPolicy,
    RetentionPolicy,
    StorageType,
    StreamConfig,
    StreamInfo,
)
from nats.js.errors import APIError, NotFoundError

from hubwatch_core.config import NatsSection
from hubwatch_core.errors import Transient
from hubwatch_core.jetstream.subjects import PREFIX
from hubwatch_core.logs import get_logger

STREAM = "$MQTT_msgs"
"""Ref: nats-server, server/mqtt.go, mqttStreamName."""
API_TIMEOUT_S = 2.0
_NO_CLUSTER = 10074
"""Ref: nats-server, server/errors.json: replicas > 1 not supported in non-clustered mode."""
_STREAM_NOT_FOUND = 10059
"""Ref: nats-server, server/errors.json, JSStreamNotFoundErr."""

_log = get_logger("nats")


class StreamGone(Transient):
    """There is no stream any more: it has to be made again, with its consumers."""


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Raise whatever goes wrong with JetStream as Transient (a leader is being chosen, a server is away), as StreamGone
    where there is no stream.
    """
    try:
        yield
    except (Error, TimeoutError, OSError) as error:
        kind = StreamGone if isinstance(error, APIError) and error.err_code == _STREAM_NOT_FOUND else Transient
        raise kind(f"{what}: {reason_of(error)}") from None


def reason_of(error: Exception) -> str:
    """Return what an error says, or what it is when it says nothing: timeouts have no text."""
    return str(error) or type(error).__name__


async def ensure(connection: Client, settings: NatsSection) -> None:
    """Make the stream where there is none, or only a server's own with nothing in it and nobody on it.

    Raises Transient when the cluster cannot do it now.
    """
    with translated("the stream cannot be made"):
        api = connection.jetstream(timeout=API_TIMEOUT_S)
        found = await _info(api)
        if found is not None and _by_interest(found):
            if found.state.messages or found.state.consumer_count:
                _log.warning("stream keeps only what somebody has asked for; see the page on JetStream", stream=STREAM)
                return
            # Nothing is in it and nothing stays in it; agents publish again until there is a stream.
            await api.delete_stream(STREAM)
            found = None
        if found is None:
            await _make(api, settings)


async def consumer(connection: Client, settings: NatsSection, durable: str, subjects: str) -> str:
    """Make a durable pull consumer for many processes, or find it; gives its name.

    Raises Transient when the cluster cannot do it now.
    """
    with translated(f"consumer {durable} cannot be made"):
        await _add(connection.jetstream(timeout=API_TIMEOUT_S), settings, durable, subjects)
    return durable


async def own_consumer(connection: Client, settings: NatsSection, durable: str, subjects: str) -> str:
    """Make a durable pull consumer for one process, or go on where it was, in order; gives its name.

    A consumer delivers again what was not acknowledged only after a while, behind what is newer. So where there is
    such a thing a new one begins at it, under the other of two names; the old one goes when the new one is there, for
    without either the stream would be trimmed. Servers forget one that nobody asks for so long that it would fill them.
    Raises Transient when the cluster cannot do it now.
    """
    forget_s = settings.forget_after_s
    names = (f"{durable}_a", f"{durable}_b")
    with translated(f"consumer {durable} cannot be made"):
        api = connection.jetstream(timeout=API_TIMEOUT_S)
        there = {name: info for name in names if (info := await _consumer_info(api, name)) is not None}
        if not there:
            await _add(api, settings, names[0], subjects, forget_s=forget_s)
            return names[0]
        oldest = min(there, key=lambda name: floor_of(there[name]))
        newer = names[1] if oldest == names[0] else names[0]
        if newer in there:  # we ended between making one and removing the other
            await api.delete_consumer(STREAM, newer)
        if not there[oldest].num_ack_pending:
            return oldest
        await _add(api, settings, newer, subjects, first=floor_of(there[oldest]) + 1, forget_s=forget_s)
        await api.delete_consumer(STREAM, oldest)
        return newer


async def _add(
    api: JetStreamContext, settings: NatsSection, name: str, subjects: str, *, first: int = 0, forget_s: float = 0
) -> None:
    wanted = ConsumerConfig(
        durable_name=name,
        filter_subject=subjects,
        ack_policy=AckPolicy.EXPLICIT,
        deliver_policy=DeliverPolicy.BY_START_SEQUENCE if first else DeliverPolicy.ALL,
        opt_start_seq=first or None,
        ack_wait=settings.ack_wait_s,
        max_ack_pending=settings.max_unacknowledged,
        inactive_threshold=forget_s or None,
    )
    await api.add_consumer(STREAM, wanted)


async def _consumer_info(api: JetStreamContext, name: str) -> ConsumerInfo | None:
    try:
        info: ConsumerInfo = await api.consumer_info(STREAM, name)
    except NotFoundError:
        return None
    return info


def floor_of(consumer: ConsumerInfo) -> int:
    """Return the place up to which all that a consumer had to deliver is acknowledged."""
    acknowledged = consumer.ack_floor.stream_seq if consumer.ack_floor is not None else 0
    return max(acknowledged, (consumer.config.opt_start_seq or 1) - 1)  # nothing acknowledged yet says 0


def _by_interest(info: StreamInfo) -> bool:
    return info.config.retention == RetentionPolicy.INTEREST


async def _info(api: JetStreamContext) -> StreamInfo | None:
    try:
        return await api.stream_info(STREAM)
    except NotFoundError:
        return None


async def _make(api: JetStreamContext, settings: NatsSection) -> None:
    config = StreamConfig(
        name=STREAM,
        subjects=[f"{PREFIX}>"],
        storage=StorageType.FILE,
        retention=RetentionPolicy.LIMITS,
        discard=DiscardPolicy.NEW,
        max_bytes=settings.max_bytes or -1,
        num_replicas=settings.replicas,
    )
    try:
        await api.add_stream(config)
    except APIError as error:
        if error.err_code != _NO_CLUSTER:
            raise
        config.num_replicas = 1
        await api.add_stream(config)
    _log.info("stream made", stream=STREAM, replicas=config.num_replicas)
