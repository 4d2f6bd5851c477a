"""Signs what an agent sends, as it is sent: a frame that goes out again as backlog has other bytes.

Frames that are ready at the same moment share a signature: those that one sync of the spool has brought to the medium,
and of a backlog those that are read ahead. Without a key nothing is signed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from time import monotonic
from typing import NamedTuple

import msgspec

from hubwatch_agents.settings import AgentSettings
from hubwatch_agents.uplink.frame_store import KeptFrame
from hubwatch_agents.uplink.frames import late_copy
from hubwatch_core.clock import now_us
from hubwatch_core.errors import Permanent
from hubwatch_core.logs import get_logger
from hubwatch_core.signing import MessageSigner, Signed
from hubwatch_core.topics import Leaf, Topic
from hubwatch_core.wire import Birth

AHEAD = 32
"""Frames of a backlog that are read, and signed, before the first of them is sent."""
AHEAD_BYTES = 1 << 20
AHEAD_S = 2.0
"""And no more than is sent in so long: a frame says when it was sent, and is signed with that."""
LOOK_EVERY_S = 5.0
"""How often it is looked whether the key was renewed."""


class Outgoing(NamedTuple):
    """A frame with the bytes that are sent of it, and their proof."""

    frame: KeptFrame
    payload: bytes
    proof: str | None


class FrameSigner:
    """Makes the proofs of one agent's messages."""

    def __init__(self, settings: AgentSettings) -> None:
        """Read the key, where there is one. Raises Permanent when it cannot be used."""
        self._file = settings.signing_key_file
        self._signer = MessageSigner.from_file(self._file) if self._file is not None else None
        self._ahead_bytes = min(AHEAD_BYTES, round(AHEAD_S * settings.spool.backlog_bytes_per_s))
        self._written = _written(self._file)
        self._look_at = monotonic() + LOOK_EVERY_S
        self._log = get_logger("uplink")
        self._frame_topic = str(Topic(settings.hub, settings.agent, Leaf.FRAME))
        self._birth_topic = str(Topic(settings.hub, settings.agent, Leaf.BIRTH))

    def birth(self, payload: bytes) -> str | None:
        """Return the proof of a birth; None without a key."""
        signer = self._current()
        if signer is None:
            return None
        epoch = msgspec.json.decode(payload, type=Birth).epoch
        return signer.sign([Signed(self._birth_topic, epoch, 0, payload)])[0]

    def live(self, frames: Iterable[KeptFrame]) -> list[Outgoing]:
        """Return frames as they are sent now."""
        return self._signed([(frame, frame.payload) for frame in frames])

    def backlog(self, frames: Iterable[KeptFrame]) -> Iterator[Outgoing]:
        """Return frames as they are sent as backlog, some read ahead."""
        waiting = iter(frames)
        while ahead := list(islice(_within(waiting, self._ahead_bytes), AHEAD if self._signer is not None else 1)):
            yield from self._signed([(frame, late_copy(frame.payload, now_us())) for frame in ahead])

    def _signed(self, frames: list[tuple[KeptFrame, bytes]]) -> list[Outgoing]:
        signer = self._current() if frames else None
        if signer is None:
            return [Outgoing(frame, payload, None) for frame, payload in frames]
        proofs = signer.sign([Signed(self._frame_topic, *frame.number, payload) for frame, payload in frames])
        return [Outgoing(*each, proof) for each, proof in zip(frames, proofs, strict=True)]

    def _current(self) -> MessageSigner | None:
        """Return the signer; a key that a renewal has put in place of the former one is taken up."""
        if self._file is None or monotonic() < self._look_at:
            return self._signer
        self._look_at = monotonic() + LOOK_EVERY_S
        written = _written(self._file)
        if written not in (None, self._written):
            self._written = written
            try:
                self._signer = MessageSigner.from_file(self._file)
            except Permanent as error:
                self._log.error("new signing key cannot be used, going on with the former one", reason=str(error))
        return self._signer


def _written(file: Path | None) -> tuple[int, int] | None:
    """Return what changes when a file is written anew; None when it is not there."""
    try:
        status = file.stat() if file is not None else None
    except OSError:
        return None
    return (status.st_mtime_ns, status.st_ino) if status is not None else None


def _within(frames: Iterator[KeptFrame], max_bytes: int) -> Iterator[KeptFrame]:
    """Return frames until they have that many bytes together."""
    size = 0
    for frame in frames:
        yield frame
        size += len(frame.payload)
        if size >= max_bytes:
            return
