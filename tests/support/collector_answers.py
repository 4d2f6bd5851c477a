"""Answers agents as a collector does, for a listener of a test that stores nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from hubwatch_collector.answers import Answers
from hubwatch_core import topics
from hubwatch_core.concurrency import drain
from hubwatch_core.health import Health
from hubwatch_core.message import Message
from hubwatch_core.mqtt import MqttLink
from hubwatch_core.packed_frame import decode
from hubwatch_core.topics import Leaf
from hubwatch_store.ingest import Offer


@asynccontextmanager
async def answering(link: MqttLink) -> AsyncIterator[Answers]:
    """Answer over a link inside the context; give what comes to `note`."""
    answers = Answers(Health())
    telling = asyncio.create_task(answers.run(link))
    try:
        yield answers
    finally:
        await drain([telling])


def note(answers: Answers, messages: Sequence[Message]) -> None:
    """Say that what has come is stored."""
    frames = [
        each for each in messages if not topics.is_rollcall(each.topic) and topics.parse(each.topic).leaf is Leaf.FRAME
    ]
    answers.stored(messages, [Offer(each, decode(each.payload)) for each in frames])
