"""A collector as parts of a process."""

from __future__ import annotations

import asyncio

from hubwatch_collector.answers import Answers
from hubwatch_collector.client_ids import ClientIds
from hubwatch_collector.intake import Intake, receive
from hubwatch_collector.metrics import CollectorMetrics
from hubwatch_collector.pump import Pump
from hubwatch_collector.refusals import Refusals
from hubwatch_collector.second_chances import SecondChances
from hubwatch_collector.settings import CollectorSettings
from hubwatch_core.errors import Permanent
from hubwatch_core.logs import get_logger
from hubwatch_core.process import Context, Part
from hubwatch_store import upkeep
from hubwatch_store.database import check_schema
from hubwatch_store.devices import SayingRules
from hubwatch_store.ingest import Writer
from hubwatch_store.ownership import Owner, WorkClaim

DRAIN_S = 2.0
"""How long an ordered stop waits for a database that answers; what is not stored by then is delivered again."""
HANG_UP_S = 0.1
"""How long a write takes to notice that its connection was cut."""

_log = get_logger("collector")


def parts(settings: CollectorSettings, context: Context) -> list[Part]:
    """Return the parts of a collector: one receives, stores and acknowledges; one keeps the database tidy; one ends
    sessions there that go on for too long; one tries dead letters again for which somebody asks.
    """
    context.health.set("database", False, "not connected yet")
    context.health.set("intake", False, "not subscribed yet")

    async def work(stop: asyncio.Event) -> None:
        await _collect(settings, context, stop)

    owner = owner_of(settings, context) if settings.nats is None else None

    async def run(stop: asyncio.Event) -> None:
        if owner is None:
            await work(stop)
        else:
            await owner.run_with(work, stop, has_state=False)

    made = [
        Part("collector", run),
        upkeep.part(settings.database, context, settings.audit),
        upkeep.sessions_part(settings.database, context),
        Part("dead letters", lambda stop: SecondChances(settings).run(stop, context.health)),
    ]
    if settings.broker_log is not None:
        refusals = Refusals(settings.broker_log, settings.database, context)
        made.append(Part("broker log", refusals.run))
        if (monitor := settings.broker_log.nats_monitor) is not None:
            made.append(Part("client ids", ClientIds(monitor, refusals.hear, context).run))
    return made


def owner_of(settings: CollectorSettings, context: Context) -> Owner:
    """Return who holds the name of a collector: two processes of one client id would take the session from each other
    for ever.
    """
    return Owner(settings.database, WorkClaim("collector", settings.intake.client_id, None), context)


def writer_for(settings: CollectorSettings) -> Writer:
    """Return what stores as `[intake]` says."""
    intake = settings.intake
    return Writer(
        settings.database,
        own_epochs=intake.signatures != "off",
        rules=SayingRules(own=intake.claims == "refuse", announced=intake.unannounced == "refuse"),
        keep_signed=intake.keep_signed,
        keep_recent=intake.keep_recent,
    )


async def _collect(settings: CollectorSettings, context: Context, stop: asyncio.Event) -> None:
    intake = Intake(settings.intake.max_held_bytes, context.health)
    await asyncio.to_thread(check_schema, settings.database)
    writer = writer_for(settings)
    answers = Answers(context.health)
    metrics = CollectorMetrics(context.registry, intake.held)
    intake.on_drop = metrics.read_past
    pump = Pump(settings, intake, writer, metrics, context.health, answers)
    drained = asyncio.Event()
    pumping = asyncio.create_task(pump.run(stop))
    receiving = asyncio.create_task(receive(settings, intake, context.health, drained, answers))
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([pumping, receiving, stopping], return_when=asyncio.FIRST_COMPLETED)
        if stop.is_set():
            await asyncio.wait([pumping], timeout=0 if pump.away else DRAIN_S)
            held = intake.held.held_messages
            if not pumping.done() and held:
                _log.warning("stopped before all was stored; the broker will deliver it again", held=held)
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
