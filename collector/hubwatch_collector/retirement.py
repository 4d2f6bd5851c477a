"""Takes a collector out of its group for good.

A broker keeps giving a collector its share while it is away, for it cannot know that it will not come back. Before one
is taken away for good, or in place of one that is gone with its machine, retirement gives its subscriptions back,
stores what the broker still holds for it, and ends its session.
"""

from __future__ import annotations

import asyncio

from hubwatch_collector.intake import Intake, mqtt_filters, mqtt_session
from hubwatch_collector.metrics import CollectorMetrics
from hubwatch_collector.pump import Pump
from hubwatch_collector.settings import CollectorSettings
from hubwatch_core.mqtt import MqttLink, MqttSession
from hubwatch_core.process import Context
from hubwatch_store.database import check_schema
from hubwatch_store.ingest import Writer

QUIET_S = 3.0
"""Nothing for this long means that the broker has handed over everything."""


async def retire(settings: CollectorSettings) -> int:
    """Retire the collector that `settings` describe, which must not be running; return how many messages were left.

    Raises Permanent when broker or database refuse us; waits for one that is away.
    """
    await asyncio.to_thread(check_schema, settings.database)
    context = Context.make("collector")
    intake = Intake(settings.intake.max_held_bytes, context.health)
    metrics = CollectorMetrics(context.registry, intake.held)
    pump = Pump(settings, intake, Writer(settings.database), metrics, context.health)
    stop = asyncio.Event()

    async def hand_over(link: MqttLink) -> None:
        await link.unsubscribe(*mqtt_filters(settings))
        with intake.using(link):
            await intake.until_quiet(QUIET_S)

    pumping = asyncio.create_task(pump.run(stop))
    try:
        await mqtt_session(settings, intake, context.health, refusal_ends=True).run(hand_over)
        stop.set()
        await pumping
    finally:
        pumping.cancel()
        await asyncio.gather(pumping, return_exceptions=True)
    await MqttSession(settings.mqtt, client_id=settings.intake.client_id, refusal_ends=True).run(_leave)
    return intake.taken


async def _leave(_: MqttLink) -> None:
    """Connecting without the wish to keep a session ends the one that was kept."""
