"""A collector as parts of a process."""

from __future__ import annotations

import asyncio

from hubwatch_collector.config import Settings
from hubwatch_collector.inbox import Inbox
from hubwatch_collector.metrics import Metrics
from hubwatch_collector.mqtt_source import mqtt_source
from hubwatch_collector.pump import Pump
from hubwatch_collector.source import Source
from hubwatch_core.errors import Permanent
from hubwatch_core.health import Health
from hubwatch_core.logs import get_logger
from hubwatch_core.service import Context, Part
from hubwatch_store import maintenance
from hubwatch_store.migrate import check_schema
from hubwatch_store.writer import Writer

DRAIN_S = 2.0
"""How long an ordered stop waits for a database that answers; what is not stored by then is delivered again."""
HANG_UP_S = 0.1
"""How long a write takes to notice that its connection was cut."""

_log = get_logger("collector")


def parts(settings: Settings, context: Context) -> list[Part]:
    """Give the parts of a collector: one receives, stores and acknowledges; one keeps the database tidy."""
    context.health.set("database", False, "not connected yet")
    context.health.set("intake", False, "not subscribed yet")

    async def run(stop: asyncio.Event) -> None:
        await _collect(settings, context, stop)

    return [Part("collector", run), maintenance.part(settings.database, context)]


async def _collect(settings: Settings, context: Context, stop: asyncio.Event) -> None:
    inbox = Inbox(settings.intake.held_bytes)
    await asyncio.to_thread(check_schema, settings.database)
    writer = Writer(settings.database)
    pump = Pump(settings, inbox, writer, Metrics(context.registry, inbox), context.health)
    drained = asyncio.Event()
    pumping = asyncio.create_task(pump.run(stop))
    receiving = asyncio.create_task(_source(settings, inbox, context.health).run(stop, drained))
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([pumping, receiving, stopping], return_when=asyncio.FIRST_COMPLETED)
        if stop.is_set():
            await asyncio.wait([pumping], timeout=0 if pump.away else DRAIN_S)
            if not pumping.done() and inbox.held_messages:
                _log.warning(
                    "stopped before all was stored; the broker will deliver it again", held=inbox.held_messages
                )
    finally:
        drained.set()
        stopping.cancel()
        await _end(pumping, writer)
        results = await asyncio.gather(pumping, receiving, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception):
            raise result
    if not stop.is_set():
        raise Permanent("the collector ended unasked")


async def _end(pumping: asyncio.Task[None], writer: Writer) -> None:
    """End the pump, also where the database does not answer: cancelled alone, it would ask that to cancel first."""
    while not pumping.done():
        writer.hang_up()
        await asyncio.wait([pumping], timeout=HANG_UP_S)
        pumping.cancel()
        await asyncio.wait([pumping], timeout=HANG_UP_S)


def _source(settings: Settings, inbox: Inbox, health: Health) -> Source:
    if settings.nats is None:
        return mqtt_source(settings, inbox, health)
    from hubwatch_collector.jetstream_source import jetstream_source  # nats-py is needed only then

    return jetstream_source(settings.nats, settings.intake.group, inbox, health)
