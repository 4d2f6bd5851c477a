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
from hubwatch_collector.service import owner_of, writer_for
from hubwatch_collector.settings import CollectorSettings
from hubwatch_core.concurrency import drain, raise_first
from hubwatch_core.mqtt import MqttLink, MqttSession
from hubwatch_core.process import Context
from hubwatch_store.database import check_schema

QUIET_S = 3.0
"""Nothing for this long means that the broker has handed over everything."""


async def retire(settings: CollectorSettings) -> int:
    """Retire the collector that `settings` describe; return how many messages were left.

    Raises NameTaken while it runs, Permanent when broker or database refuse us; waits for one that is away.
    """
    await asyncio.to_thread(check_schema, settings.database)
    context = Context.make("collector")
    left = 0

    async def work(_stop: asyncio.Event) -> None:
        nonlocal left
        left = await _hand_over(settings, context)

    await owner_of(settings, context).run_with(work, asyncio.Event(), has_state=False)
    return left


async def _hand_over(settings: CollectorSettings, context: Context) -> int:
    intake = Intake(settings.intake.max_held_bytes, context.health)
    metrics = CollectorMetrics(context.registry, intake.held)
    pump = Pump(settings, intake, writer_for(settings), metrics, context.health)
    stop = asyncio.Event()

    async def take_over(link: MqttLink) -> None:
        await link.unsubscribe(*mqtt_filters(settings))
        with intake.using(link):
            await intake.until_quiet(QUIET_S)

    pumping = asyncio.create_task(pump.run(stop))
    session = mqtt_session(settings, intake, context.health, refusal_ends=True)
    handing = asyncio.create_task(session.run(take_over))
    try:
        await asyncio.wait([pumping, handing], return_when=asyncio.FIRST_COMPLETED)
        raise_first([pumping, handing])
        stop.set()
        await pumping
    finally:
        await drain([handing, pumping])
    await MqttSession(settings.mqtt, client_id=settings.intake.client_id, refusal_ends=True).run(_leave)
    return intake.taken


async def _leave(_: MqttLink) -> None:
    """Connecting without the wish to keep a session ends the one that was kept."""
