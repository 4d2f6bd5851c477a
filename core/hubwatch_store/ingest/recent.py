"""Frames as they came, for an hour: detectors judge from here what was stored and what a broker has lost before it
gave it to them too.
"""

from __future__ import annotations

import asyncio
import zlib
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, NamedTuple, cast

import msgspec
from psycopg import Connection

from hubwatch_core import incoming
from hubwatch_core.errors import Poison
from hubwatch_core.logs import get_logger
from hubwatch_core.message import Message
from hubwatch_core.packed_frame import AnyFrame
from hubwatch_core.signing import opened
from hubwatch_core.topics import parse
from hubwatch_store.database import DatabaseConnection, Pool, translated
from hubwatch_store.database.sql_files import queries

KEEP_RECENT = timedelta(hours=1)
"""As long as single frames stand in the ledger."""
LEVEL = 1
"""zlib's fastest: names that come again with every frame are what there is to save."""
ROWS = 20
"""Read at a time; a row holds what a collector has stored in one transaction."""
AROUND = timedelta(minutes=2)
"""A transaction that takes longer is given up."""

_log = get_logger("store")

FrameKey = tuple[str, str, str, int]
"""hub, agent, epoch, sequence number"""


class SeenFrameNumbers(NamedTuple):
    """What somebody has seen of an epoch: numbers up to the highest, without the holes (first, last)."""

    hub: str
    agent: str
    epoch: str
    highest: int
    holes: Sequence[tuple[int, int]]

    @property
    def unseen(self) -> str:
        """Return the other numbers, as PostgreSQL writes ranges."""
        ranges = [f"[{first},{last}]" for first, last in self.holes] + [f"[{self.highest + 1},)"]
        return "{" + ",".join(ranges) + "}"


class StoredFrame(NamedTuple):
    """A frame that is stored, and when (by the database's clock)."""

    hub: str
    agent: str
    epoch: str
    seq: int
    at: datetime

    @property
    def key(self) -> FrameKey:
        """Return what names it."""
        return self.hub, self.agent, self.epoch, self.seq


class _Kept(msgspec.Struct, frozen=True, array_like=True):
    topic: str
    payload: bytes
    proof: str | None


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[_Kept])


async def keep(connection: DatabaseConnection, messages: Sequence[Message]) -> None:
    """Keep the messages of frames, inside the transaction that stores them."""
    if messages:
        for row in await asyncio.to_thread(_packed, messages):
            await connection.execute(queries("recent_frames")["keep"], row)


def trim(connection: Connection[Any]) -> int:
    """Delete what is kept no longer; return how many rows those were."""
    return connection.execute(queries("recent_frames")["trim"], {"keep": KEEP_RECENT}).rowcount


async def unseen(
    pool: Pool,
    hubs: Sequence[str],
    seen: Sequence[SeenFrameNumbers],
    *,
    since: datetime,
    settled: timedelta,
    tried: Collection[FrameKey] = (),
    most: int = 1000,
) -> list[StoredFrame]:
    """Return frames of `hubs`, or of all when none is named, that were stored from `since` on, `settled` ago or longer,
    and are not among what was seen or tried; the first ones. Raises Transient or Permanent.
    """
    wanted = {
        "of_hubs": list(hubs) or None,
        "hubs": [each.hub for each in seen],
        "agents": [each.agent for each in seen],
        "epochs": [each.epoch for each in seen],
        "unseen": [each.unseen for each in seen],
        "since": since,
        "settled": settled,
        "most": most,
        "tried": len(tried),
    }
    columns = zip(*tried, strict=True) if tried else ((), (), (), ())
    wanted |= {
        f"tried_{name}": list(each) for name, each in zip(("hubs", "agents", "epochs", "seqs"), columns, strict=True)
    }
    with translated():
        async with pool.connection() as connection:
            cursor = await connection.execute(queries("recent_frames")["unseen"], wanted)
            return [StoredFrame(*row) for row in cast("list[StoredFrame]", await cursor.fetchall())]


async def messages_of(pool: Pool, frames: Sequence[StoredFrame]) -> dict[FrameKey, Message]:
    """Return the messages of stored frames, as far as they are kept. Raises Transient or Permanent."""
    found: dict[FrameKey, Message] = {}
    for hub in sorted({each.hub for each in frames}):
        of_hub = [each for each in frames if each.hub == hub]
        wanted = {each.key for each in of_hub}
        times = [each.at for each in of_hub]
        asked = {"hub": hub, "agents": sorted({each.agent for each in of_hub}), "beyond": 0, "most": ROWS}
        asked |= {"first": min(times) - AROUND, "last": max(times) + AROUND}
        while wanted - found.keys() and (rows := await _rows(pool, asked)):
            for number, packed in rows:
                found |= await asyncio.to_thread(_among, packed, wanted)
                asked["beyond"] = number
    return found


async def _rows(pool: Pool, asked: dict[str, Any]) -> list[tuple[int, bytes]]:
    with translated():
        async with pool.connection() as connection:
            cursor = await connection.execute(queries("recent_frames")["came"], asked)
            return cast("list[tuple[int, bytes]]", await cursor.fetchall())


def _packed(messages: Sequence[Message]) -> Iterator[tuple[str, list[str], bytes]]:
    kept: dict[str, list[_Kept]] = defaultdict(list)
    agents: dict[str, set[str]] = defaultdict(set)
    for message in messages:
        where = parse(message.topic)
        kept[where.hub].append(_Kept(message.topic, message.payload, message.proof))
        agents[where.hub].add(where.agent)
    for hub, of_hub in sorted(kept.items()):
        yield hub, sorted(agents[hub]), zlib.compress(_encoder.encode(of_hub), LEVEL)


def _among(packed: bytes, wanted: Collection[FrameKey]) -> dict[FrameKey, Message]:
    """Return those of the messages of a row that are wanted."""
    agents = {(hub, agent) for hub, agent, _, _ in wanted}
    found: dict[FrameKey, Message] = {}
    try:
        row = _decoder.decode(zlib.decompress(packed))
    except (zlib.error, msgspec.DecodeError) as error:
        _log.error("kept frames cannot be read", reason=str(error))
        return {}
    for kept in row:
        # It is to be acknowledged to nobody.
        message = Message(kept.topic, kept.payload, 0, False, -1, 0, proof=kept.proof)
        with suppress(Poison):
            where = parse(kept.topic)
            if (where.hub, where.agent) in agents:
                content = incoming.read(where, opened(message).payload)
                if isinstance(content, AnyFrame) and (key := _key(content)) in wanted:
                    found[key] = message
    return found


def _key(frame: AnyFrame) -> FrameKey:
    return frame.hub, frame.agent, frame.epoch, frame.seq
