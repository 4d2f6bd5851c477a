"""Keeps signed frames as they came, so that it can be shown to others who said what."""

from __future__ import annotations

import asyncio
import zlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from psycopg import Connection

from hubwatch_core.evidence import line_of
from hubwatch_core.message import Message
from hubwatch_core.topics import parse
from hubwatch_store.database import DatabaseConnection, translated
from hubwatch_store.database.sql_files import queries

LEVEL = 1
"""zlib's fastest: names that come again with every frame are what there is to save."""


async def keep(connection: DatabaseConnection, messages: Sequence[Message]) -> None:
    """Keep signed frames, inside the caller's transaction."""
    if not messages:
        return
    for hub, (agents, frames, lines) in (await asyncio.to_thread(_packed, messages)).items():
        await connection.execute(queries("intake")["keep_signed"], (hub, agents, frames, lines))


def signed_lines(connection: Connection[Any], hub: str, agent: str, begin: datetime, end: datetime) -> Iterator[bytes]:
    """Return the signed frames of an agent that came in a time, each as a line."""
    topic = f'{{"topic":"hubwatch/1/{hub}/{agent}/'.encode()
    with translated():
        rows = connection.execute(queries("intake")["signed"], (hub, agent, begin, end))
        for (lines,) in rows:
            yield from (line for line in zlib.decompress(lines).splitlines() if line.startswith(topic))


def trim(connection: Connection[Any]) -> int:
    """Delete what is kept no longer; return how many rows those were."""
    return connection.execute(queries("intake")["trim_signed"]).rowcount


def _packed(messages: Sequence[Message]) -> dict[str, tuple[list[str], int, bytes]]:
    lines: dict[str, list[bytes]] = defaultdict(list)
    agents: dict[str, set[str]] = defaultdict(set)
    for message in messages:
        where = parse(message.topic)
        lines[where.hub].append(line_of(message))
        agents[where.hub].add(where.agent)
    return {
        hub: (sorted(agents[hub]), len(of_hub), zlib.compress(b"\n".join(of_hub), LEVEL))
        for hub, of_hub in sorted(lines.items())
    }
