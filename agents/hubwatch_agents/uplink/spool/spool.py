"""The disk spool: a plain store of frames.

It gives numbers out, keeps bytes, and gives up what it is told to give up; what becomes of a frame is decided by its
owner (`frame_store`). Appending does not sync; `sync` does, and nobody sends what `synced` does not cover yet. So a
kill -9 costs nothing, and a loss of power costs at most what was cut since the last sync, which nobody has seen. Frame
numbers have no gaps inside an epoch; where the end of an epoch cannot be known for certain (torn or damaged tail), a
new epoch begins.
"""

from __future__ import annotations

import asyncio
import errno
import threading
from collections.abc import Iterator
from typing import NamedTuple

from hubwatch_agents.uplink.spool.disk import Disk
from hubwatch_agents.uplink.spool.loss import Loss
from hubwatch_agents.uplink.spool.loss_file import LossFile
from hubwatch_agents.uplink.spool.record import RECORD_HEADER_BYTES, Damage, FileHeader, Lane
from hubwatch_agents.uplink.spool.segment import ACKS, CORRUPT, SEGMENT, Full, Segment, segment_number
from hubwatch_core.errors import HubwatchError
from hubwatch_core.ids import new_ulid

DAMAGED = "spool file damaged"
NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class SpoolFull(HubwatchError):
    """There is no room for a frame; the text says where."""


class FrameNumber(NamedTuple):
    """What names a frame of an agent."""

    epoch: str
    seq: int


class SpoolEntry(NamedTuple):
    """One frame in the spool; `payload` is None where it is damaged."""

    segment: Segment
    number: FrameNumber
    payload: bytes | None
    readings: int
    events: int


class Spool:
    """Frames on disk. Not for several processes: one folder, one agent."""

    def __init__(self, disk: Disk, *, max_bytes: int, segment_bytes: int) -> None:
        """Open what is there. Raises OSError when the folder cannot be used."""
        self._disk = disk
        self._max_bytes = max_bytes
        self._segment_bytes = min(segment_bytes, max(max_bytes // 8, 1 << 16))
        self._segments: list[Segment] = []
        self._active: dict[Lane, Segment] = {}
        self._retired: list[Segment] = []
        self._aside_bytes = 0
        self.loss_file = LossFile(disk)
        """What is to be remembered of losses, for whoever declares them."""
        self.damage: list[Loss] = []
        """Frames that were found damaged on opening, and are gone."""
        self._files = threading.Lock()
        self.appended = 0
        self.synced = 0
        self.damaged_files = 0
        self.epoch = ""
        self._next_seq = 1
        self._open()

    @property
    def used_bytes(self) -> int:
        """Room taken on disk."""
        return sum(segment.used_bytes for segment in self._segments) + self._aside_bytes + self.loss_file.used_bytes

    @property
    def waiting(self) -> int:
        """Frames that are kept."""
        return sum(segment.waiting for segment in self._segments)

    @property
    def newest_file(self) -> int:
        """Number of the newest file."""
        return self._number

    # -- frames ------------------------------------------------------------------------------------------------

    def reserve(self) -> FrameNumber:
        """Return the number of the frame that is appended next."""
        return FrameNumber(self.epoch, self._next_seq)

    def append(self, lane: Lane, payload: bytes, readings: int, events: int) -> SpoolEntry:
        """Keep a frame under the reserved number. It may be sent once `synced` has reached `appended`.

        Raises SpoolFull when there is no room for it, OSError when the disk fails; then no number is used.
        """
        if self.used_bytes + len(payload) + RECORD_HEADER_BYTES > self._max_bytes:
            raise SpoolFull("spool full")
        return self.append_beyond(lane, payload, readings, events)

    def append_beyond(self, lane: Lane, payload: bytes, readings: int, events: int) -> SpoolEntry:
        """Do the same beyond the size limit as well: for a frame that says what is given up to stay within it."""
        try:
            segment = self._active.get(lane)
            if segment is None or segment.header.epoch != self.epoch or segment.size >= self._segment_bytes:
                segment = self._rotate(lane)
            segment.append(self._next_seq, payload, readings, events)
        except Full:
            raise SpoolFull("disk full") from None
        except OSError as error:
            if error.errno not in NO_SPACE:
                raise
            raise SpoolFull("disk full") from None
        number = self.reserve()
        self._next_seq += 1
        self.appended += 1
        return SpoolEntry(segment, number, payload, readings, events)

    def segments(self) -> Iterator[Segment]:
        """Walk the files: those of events first, then those of readings, each from the oldest on."""
        for lane in (Lane.EVENT, Lane.BULK):
            for segment in [each for each in self._segments if each.header.lane is lane]:
                if segment in self._segments:  # else it went meanwhile
                    yield segment

    def read(self, segment: Segment) -> Iterator[SpoolEntry]:
        """Read the frames that a file keeps."""
        for record, payload in segment.records():
            number = FrameNumber(segment.header.epoch, record.seq)
            yield SpoolEntry(segment, number, payload, record.readings, record.events)

    def release(self, segment: Segment, seq: int) -> None:
        """Keep a frame no longer; a file whose frames are all released goes."""
        if segment not in self._segments:
            return  # given up meanwhile
        segment.ack(seq)
        if segment.waiting == 0 and segment is not self._active.get(segment.header.lane):
            self._remove(segment)

    def has(self, segment: Segment) -> bool:
        """Return whether a file is there: not given up, and with frames that are kept."""
        return segment in self._segments

    def keeps(self, number: FrameNumber) -> bool:
        """Return whether a frame is there whole, or was released from a file that is there. Reads files: not often."""
        return any(
            segment.header.first_seq <= number.seq <= segment.last_seq and segment.holds(number.seq)
            for segment in self._segments
            if segment.header.epoch == number.epoch
        )

    # -- the medium --------------------------------------------------------------------------------------------

    def sync(self) -> None:
        """Return when everything appended before the call is on the medium."""
        targets, covered = self._unsynced()
        self._sync_files(targets)
        self._now_synced(targets, covered)

    async def sync_in_thread(self) -> None:
        """Do what `sync` does without holding up the event loop."""
        targets, covered = self._unsynced()
        try:
            await asyncio.to_thread(self._sync_files, targets)
        except BaseException:
            self._retired += targets  # they are not on the medium, and the next sync has to cover them
            raise
        self._now_synced(targets, covered)

    def close(self) -> None:
        """Sync and close everything; closed it is even where the sync raises OSError."""
        try:
            self.sync()
        finally:
            for segment in self._segments:
                segment.close()

    # -- giving up ---------------------------------------------------------------------------------------------

    def oldest(self, lane: Lane, newest: int) -> Segment | None:
        """Return the file to give up for a frame of `lane`, among those up to number `newest`; None when none is.

        Readings go before events, old before new; events go only for newer events. Nothing is added to it any more.
        """
        for each in (Lane.BULK, Lane.EVENT) if lane is Lane.EVENT else (Lane.BULK,):
            mine = [segment for segment in self._segments if segment.header.lane is each and segment.frames]
            if mine and mine[0].number <= newest:
                self._retire(mine[0])
                return mine[0]
        return None

    def evict(self, segment: Segment) -> bool:
        """Give a file up with what is in it; False, and it stays, when its frame numbers might be used again then."""
        if not self._number_survives(segment):
            self.spare(segment)
            return False
        self._remove(segment)
        return True

    def spare(self, segment: Segment) -> None:
        """Go on with a file that `oldest` gave and that is not given up after all."""
        if segment in self._retired and segment.header.lane not in self._active:
            self._retired.remove(segment)
            self._active[segment.header.lane] = segment

    def drop_damaged(self) -> bool:
        """Remove the oldest damaged file that was set aside; False when there is none."""
        aside = [name for name in self._disk.names() if name.endswith(CORRUPT)]
        if not aside:
            return False
        self._aside_bytes = max(0, self._aside_bytes - self._disk.size(aside[0]))
        self._disk.unlink(aside[0])
        return True

    def set_aside(self, segment: Segment) -> None:
        """Keep a damaged file under a second name for whoever looks into the damage."""
        self.damaged_files += 1
        segment.set_aside()
        self._aside_bytes += segment.size

    def _number_survives(self, victim: Segment) -> bool:
        """Return whether a restart without this file would still know which numbers have been used."""
        others = [segment for segment in self._segments if segment is not victim]
        if any(each.header.epoch == self.epoch and each.last_seq + 1 == self._next_seq for each in others):
            return True
        return self.loss_file.remember(next_number=self.reserve())

    def _retire(self, segment: Segment) -> None:
        """Add nothing more to a file; the next sync covers what is in it."""
        if self._active.get(segment.header.lane) is segment:
            del self._active[segment.header.lane]
            self._retired.append(segment)

    def _remove(self, segment: Segment) -> None:
        self._segments.remove(segment)
        if segment in self._retired:
            self._retired.remove(segment)
        with self._files:
            segment.remove()

    # -- opening -----------------------------------------------------------------------------------------------

    def _open(self) -> None:
        names = self._disk.names()
        files = [name for name in names if name.endswith(SEGMENT)]
        self._aside_bytes = sum(self._disk.size(name) for name in names if name.endswith(CORRUPT))
        self._remove_stray_acks(names)
        self._number = max((segment_number(name) for name in files), default=0)
        certain = True
        for name in files:
            segment, holes, damage = Segment.load(self._disk, name)
            certain &= damage is None
            if segment is None:
                self._lose_file(name)
                continue
            self._segments.append(segment)
            if holes:
                self.set_aside(segment)
                self.damage += [Loss(segment.header.epoch, *hole, 0, 0, DAMAGED) for hole in holes]
            if damage is not None:
                self._cut_tail(segment, damage)
        self._begin(certain)

    def _begin(self, certain: bool) -> None:
        """Go on in the last epoch where its end is certain, else begin a new one."""
        last = self._segments[-1] if self._segments else None
        if last is None or not certain:
            self.epoch = new_ulid()
            return
        self.epoch = last.header.epoch
        mine = [segment for segment in self._segments if segment.header.epoch == self.epoch]
        epoch, following = self.loss_file.next_number
        known = [following] if epoch == self.epoch else []
        self._next_seq = max(*known, *(segment.last_seq + 1 for segment in mine), 1)
        for segment in mine:
            self._active[segment.header.lane] = segment

    def _cut_tail(self, segment: Segment, damage: Damage) -> None:
        """What was being written when the power went; nobody has sent it."""
        self._disk.truncate(segment.name, damage.start)
        segment.size = damage.start

    def _lose_file(self, name: str) -> None:
        self.damaged_files += 1
        aside = name + CORRUPT
        if aside not in self._disk.names():
            self._disk.link(name, aside)
        self._aside_bytes += self._disk.size(aside)
        self._disk.unlink(name)

    def _remove_stray_acks(self, names: list[str]) -> None:
        for name in names:
            if name.endswith(ACKS) and name.removesuffix(ACKS) + SEGMENT not in names:
                self._disk.unlink(name)

    # -- writing -----------------------------------------------------------------------------------------------

    def _rotate(self, lane: Lane) -> Segment:
        self._number += 1
        fresh = Segment.create(self._disk, self._number, FileHeader(self.epoch, lane, self._next_seq))
        old = self._active.get(lane)
        self._active[lane] = fresh
        self._segments.append(fresh)
        if old is not None:
            if old.waiting == 0:
                self._remove(old)
            else:
                self._retired.append(old)
        return fresh

    def _unsynced(self) -> tuple[list[Segment], int]:
        retired, self._retired = self._retired, []
        return list({id(each): each for each in (*retired, *self._active.values())}.values()), self.appended

    def _sync_files(self, segments: list[Segment]) -> None:
        for segment in segments:
            with self._files:  # a file must not be closed, and its descriptor used again, while it is being synced
                segment.sync()

    def _now_synced(self, segments: list[Segment], covered: int) -> None:
        self.synced = max(self.synced, covered)
        for segment in segments:
            if segment not in self._active.values():
                segment.close()
