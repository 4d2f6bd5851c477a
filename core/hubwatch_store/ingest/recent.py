"""Frames as they came, for an hour: detectors judge from here what was stored and what a broker has lost before it
gave it to them too.
"""

from __future__ import annotations

import asyncio
import zlib
from collections import defaultdict
from collections.abc import Collection, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, NamedTuple

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
COMMITS = 20
"""Read at a time; each is what a collector has stored in one transaction."""
MOST_BYTES = 64 * 1024 * 1024
"""Of frames that are brought together; the others are brought after them."""

_log = get_logger("store")

EpochName = tuple[str, str, str]
"""hub, agent, epoch"""
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
    """A frame that is stored, by which commit, and when (by the database's clock)."""

    hub: str
    agent: str
    epoch: str
    seq: int
    commit: int
    at: datetime

    @property
    def key(self) -> FrameKey:
        """Return what names it."""
        return self.hub, self.agent, self.epoch, self.seq


class FoldedFrames(NamedTuple):
    """Frames of an epoch that were stored longer ago than single ones stand in the ledger."""

    hub: str
    agent: str
    epoch: str
    first: int
    last: int
    frames: int


class _Kept(msgspec.Struct, frozen=True, array_like=True):
    topic: str
    payload: bytes
    proof: str | None


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[_Kept])


async def keep(connection: DatabaseConnection, commit: int, messages: Sequence[Message]) -> None:
    """Keep the messages of the frames that a commit stores, inside its transaction."""
    if messages:
        for hub, agents, packed in await asyncio.to_thread(_packed, messages):
            await connection.execute(queries("recent_frames")["keep"], (commit, hub, agents, packed))


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
    left_out: Collection[EpochName] = (),
    most: int = 1000,
) -> list[StoredFrame]:
    """Return frames of `hubs`, or of all when none is named, that were stored from `since` on, `settled` ago or longer,
    and are not among what was seen or tried, nor of an epoch that is left out; the first ones. Raises Transient or
    Permanent.
    """
    wanted = _columns(seen) | {"of_hubs": list(hubs) or None, "since": since, "settled": settled, "most": most}
    for i, name in enumerate(("hubs", "agents", "epochs", "seqs")):
        wanted[f"tried_{name}"] = [each[i] for each in tried]
    for i, name in enumerate(("hubs", "agents", "epochs")):
        wanted[f"left_{name}"] = [each[i] for each in left_out]
    return [StoredFrame(*row) for row in await _rows(pool, "unseen", wanted)]


async def folded_unseen(pool: Pool, seen: Sequence[SeenFrameNumbers]) -> list[FoldedFrames]:
    """Return what is not among what was seen of the frames that are kept nowhere as they came any more. Raises
    Transient or Permanent.
    """
    return [FoldedFrames(*row) for row in await _rows(pool, "folded", _columns(seen))]


async def messages_of(pool: Pool, frames: Sequence[StoredFrame]) -> tuple[dict[FrameKey, Message], list[StoredFrame]]:
    """Return the messages of stored frames, as far as they are kept and are not too many at once, and the frames that
    were looked for. Raises Transient or Permanent.
    """
    found: dict[FrameKey, Message] = {}
    commits = sorted({each.commit for each in frames})
    for i in range(0, len(commits), COMMITS):
        some = commits[i : i + COMMITS]
        wanted = {each.key: each for each in frames if each.commit in some}
        asked = {"commits": some, "hubs": sorted({hub for hub, *_ in wanted})}
        asked["agents"] = sorted({agent for _, agent, *_ in wanted})
        for _, packed in await _rows(pool, "came", asked):
            found |= await asyncio.to_thread(_among, packed, wanted.keys())
        if sum(len(each.payload) for each in found.values()) > MOST_BYTES:
            return found, [each for each in frames if each.commit <= some[-1]]
    return found, list(frames)


def _columns(seen: Sequence[SeenFrameNumbers]) -> dict[str, Any]:
    return {
        "hubs": [each.hub for each in seen],
        "agents": [each.agent for each in seen],
        "epochs": [each.epoch for each in seen],
        "unseen": [each.unseen for each in seen],
    }


async def _rows(pool: Pool, query: str, asked: dict[str, Any]) -> list[Any]:
    with translated():
        async with pool.connection() as connection:
            return await (await connection.execute(queries("recent_frames")[query], asked)).fetchall()


def _packed(messages: Sequence[Message]) -> list[tuple[str, list[str], bytes]]:
    kept: dict[str, list[_Kept]] = defaultdict(list)
    agents: dict[str, set[str]] = defaultdict(set)
    for message in messages:
        where = parse(message.topic)
        kept[where.hub].append(_Kept(message.topic, message.payload, message.proof))
        agents[where.hub].add(where.agent)
    return [
        (hub, sorted(agents[hub]), zlib.compress(_encoder.encode(of_hub), LEVEL))
        for hub, of_hub in sorted(kept.items())
    ]


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
