"""Enrolment as a part of a process: in `hubwatch up`, or by itself as `hubwatch enrol serve`."""

from __future__ import annotations

import asyncio

from hubwatch_core.concurrency import run_until
from hubwatch_core.config import MqttSection
from hubwatch_core.process import Context, Part
from hubwatch_ops.enrolment import web
from hubwatch_ops.enrolment.publishing import BrokerNews
from hubwatch_ops.enrolment.register import Register
from hubwatch_ops.enrolment.settings import EnrolmentSection
from hubwatch_store.database import DatabaseSection, check_schema, open_pool


def parts(settings: EnrolmentSection, mqtt: MqttSection, database: DatabaseSection, context: Context) -> list[Part]:
    """Make the part that serves enrolment. Raises Permanent when the issuing key does not open."""
    register = Register(settings)
    web.certificate_of(settings)

    async def serve(stop: asyncio.Event) -> None:
        await asyncio.to_thread(check_schema, database)
        changed = asyncio.Event()
        async with open_pool(database, "hubwatch enrolment") as pool:
            news = BrokerNews(settings, mqtt, register, pool, context.health)
            async with web.listening(settings, register, pool, changed):
                await run_until(stop, news.run(stop, changed))

    return [Part("enrolment", serve)]
