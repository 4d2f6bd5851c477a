"""Takes a collector out of its group for good.

A broker keeps giving a collector its share while it is away, for it cannot know that it will not come back. Before one
is taken away for good, or in place of one that is gone with its machine, retirement gives its subscriptions back,
stores what the broker still holds for it, and ends its session.
"""

from __future__ import annotations

import asyncio
from functools import partial

from hubwatch_collector.config import Settings
from hubwatch_collector.inbox import Arrival, Inbox
from hubwatch_collector.metrics import Metrics
from hubwatch_collector.mqtt_source import filters_of, mqtt_session
from hubwatch_collector.pump import Pump
from hubwatch_core.mqtt import Link, Session
from hubwatch_core.service import Context
from hubwatch_store.migrate import check_schema
from hubwatch_store.writer import Writer

QUIET_S = 3.0
"""Nothing for this long means that the broker has handed over everything."""
RECEIVE_MOST = 500


async def retire(settings: Settings) -> int:
    """Retire the collector that `settings` describe, which must not be running; gives how many messages were left.

    Raises Permanent when broker or database refuse us; waits for one that is away.
    """
    await asyncio.to_thread(check_schema, settings.database)
    context, inbox = Context.make("collector"), Inbox(settings.intake.held_bytes)
    pump = Pump(settings, inbox, Writer(settings.database), Metrics(context.registry, inbox), context.health)
    stop, left = asyncio.Event(), [0]
    pumping = asyncio.create_task(pump.run(stop))
    try:
        await mqtt_session(settings, context.health).run(partial(_hand_over, settings, inbox, left))
        stop.set()
        await pumping
    finally:
        pumping.cancel()
        await asyncio.gather(pumping, return_exceptions=True)
    await Session(settings.mqtt, client_id=settings.intake.client_id).run(_leave)
    return left[0]


async def _hand_over(settings: Settings, inbox: Inbox, left: list[int], link: Link) -> None:
    await link.unsubscribe(*filters_of(settings))
    while True:
        messages = await link.receive(RECEIVE_MOST, QUIET_S)
        if not messages and inbox.held_messages == 0:
            return
        left[0] += len(messages)
        await inbox.put(
            [Arrival(each.topic, each.payload, each.received, partial(link.ack, each)) for each in messages]
        )


async def _leave(_: Link) -> None:
    """Connecting without the wish to keep a session ends the one that was kept."""
