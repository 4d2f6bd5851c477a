"""The disk spool.

A frame is appended before it is sent and given up only when the broker has taken it. Appending does not sync; `sync`
does, and nobody sends what `synced` does not cover yet. So a kill -9 costs nothing, and a loss of power costs at most
what was cut since the last sync, which nobody has seen. Frame numbers have no gaps inside an epoch; where the end of
an epoch cannot be known for certain (torn or damaged tail), a new epoch begins.
"""

from __future__ import annotations

import asyncio
import errno
import threading
from collections.abc import Callable, Iterator
from typing import NamedTuple

from hubwatch_agents.spool.disk import Disk
from hubwatch_agents.spool.loss import Gone, Loss, fewer, losses
from hubwatch_agents.spool.record import RECORD_HEADER_BYTES, Damage, FileHeader, Lane
from hubwatch_agents.spool.reserve import Reserve
from hubwatch_agents.spool.segment import ACKS, CORRUPT, SEGMENT, Full, Segment, segment_number
from hubwatch_core.errors import HubwatchError
from hubwatch_core.ids import new_ulid

DAMAGED = "spool file damaged"
NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

Build = Callable[[str, int], bytes]
"""Makes the payload of a frame from its epoch and number."""
Declare = Callable[[list[Loss]], tuple[Build, int]]
"""Makes the frame that declares losses: how to build it and how many events it holds."""
Recall = Callable[[bytes], list[Loss]]
"""Reads from a frame the losses it declares."""


class NoRoom(HubwatchError):
    """The frame could not be kept: the disk is full and the spool has nothing left to give up."""


class Entry(NamedTuple):
    """One frame in the spool."""

    segment: Segment
    epoch: str
    seq: int
    payload: bytes


class Spool:
    """Frames on disk. Not for several processes: one folder, one agent."""

    def __init__(
        self,
        disk: Disk,
        *,
        max_bytes: int,
        segment_bytes: int,
        declare: Declare | None = None,
        recall: Recall | None = None,
    ) -> None:
        """Open what is there. Raises OSError when the folder cannot be used."""
        self._disk = disk
        self._max_bytes = max_bytes
        self._segment_bytes = min(segment_bytes, max(max_bytes // 8, 1 << 16))
        self._declare = declare
        self._recall = recall
        self._segments: list[Segment] = []
        self._active: dict[Lane, Segment] = {}
        self._retired: list[Segment] = []
        self._aside_bytes = 0
        self._reserve = Reserve(disk)
        self._undeclared = list(self._reserve.losses)
        self._files = threading.Lock()
        self.appended = 0
        self.synced = 0
        self.evicted_readings = 0
        self.damaged_files = 0
        self.epoch = ""
        self._next_seq = 1
        self._open()

    @property
    def used_bytes(self) -> int:
        """Room taken on disk."""
        return sum(segment.used_bytes for segment in self._segments) + self._aside_bytes + self._reserve.used_bytes

    @property
    def waiting(self) -> int:
        """Frames the broker has not taken."""
        return sum(segment.waiting for segment in self._segments)

    @property
    def undeclared(self) -> list[Loss]:
        """Losses that no frame declares yet."""
        return list(self._undeclared)

    def append(self, lane: Lane, build: Build, readings: int, events: int) -> Entry:
        """Keep a frame under the next number. It may be sent once `synced` has reached `appended`.

        Raises NoRoom when nothing can be given up for it any more, and then no number is used.
        """
        while True:
            payload = build(self.epoch, self._next_seq)
            if self.used_bytes + len(payload) + RECORD_HEADER_BYTES > self._max_bytes:
                reason = "spool full"
            else:
                try:
                    return self._append(lane, payload, readings, events)
                except Full:
                    reason = "disk full"
                except OSError as error:
                    if error.errno not in NO_SPACE:
                        raise
                    reason = "disk full"
            if not self._evict(lane, reason):
                raise NoRoom(f"{reason}: {readings} readings and {events} events cannot be kept")

    def sync(self) -> None:
        """Return when everything appended before the call is on the medium."""
        targets, covered = self._unsynced()
        self._sync_files(targets)
        self._now_synced(targets, covered)

    async def sync_in_thread(self) -> None:
        """Do what `sync` does without holding up the event loop."""
        targets, covered = self._unsynced()
        await asyncio.to_thread(self._sync_files, targets)
        self._now_synced(targets, covered)

    def lease(self, entry: Entry) -> None:
        """Keep a frame out of the backlog while somebody holds it in memory to send it live."""
        entry.segment.leased.add(entry.seq)

    def release(self, entry: Entry) -> None:
        """Give a leased frame back to the backlog."""
        entry.segment.leased.discard(entry.seq)

    def ack(self, entry: Entry) -> None:
        """Note that the broker has taken a frame; a file whose frames are all taken goes."""
        entry.segment.leased.discard(entry.seq)
        segment = entry.segment
        if segment not in self._segments:
            return  # evicted while it was under way
        segment.ack(entry.seq)
        if segment.waiting == 0 and segment is not self._active.get(segment.header.lane):
            self._remove(segment)

    def backlog(self) -> Iterator[Entry]:
        """Walk what waits and nobody holds: events first, then readings, each from the oldest on."""
        for lane in (Lane.EVENT, Lane.BULK):
            for segment in [each for each in self._segments if each.header.lane is lane]:
                if segment in self._segments and segment.waiting > len(segment.leased):
                    yield from self._entries(segment)

    def announce(self) -> bool:
        """Declare what is not declared yet; False when there is no room for it still."""
        return not self._undeclared or self._declared(self._undeclared)

    def close(self) -> None:
        """Sync and close everything."""
        self.sync()
        for segment in self._segments:
            segment.close()

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
                self._set_aside(segment)
                self._undeclared += [Loss(segment.header.epoch, *hole, 0, 0, DAMAGED) for hole in holes]
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
        self._next_seq = max(segment.last_seq for segment in mine) + 1
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

    def _append(self, lane: Lane, payload: bytes, readings: int, events: int) -> Entry:
        segment = self._active.get(lane)
        if segment is None or segment.header.epoch != self.epoch or segment.size >= self._segment_bytes:
            segment = self._rotate(lane)
        segment.append(self._next_seq, payload, readings, events)
        self._next_seq += 1
        self.appended += 1
        return Entry(segment, self.epoch, self._next_seq - 1, payload)

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

    # -- giving up ---------------------------------------------------------------------------------------------

    def _evict(self, lane: Lane, reason: str) -> bool:
        """Give up the oldest file; False when there is nothing left that is worth less than what comes."""
        if self._drop_aside():
            return True
        victim = self._victim(lane)
        if victim is None:
            return False
        gone = victim.gone()
        lost = losses(victim.header.epoch, gone, reason) + self._declared_in(victim)
        # Declared first and given up then: an undeclared gap would be worse than a frame that is declared and sent.
        if lost and not self._told(lost):
            return False
        self.evicted_readings += sum(each.readings for each in gone)
        self._remove(victim)
        self.announce()
        return True

    def _victim(self, lane: Lane) -> Segment | None:
        """Readings before events, old before new; events go only for newer events."""
        for each in (Lane.BULK, Lane.EVENT) if lane is Lane.EVENT else (Lane.BULK,):
            mine = [segment for segment in self._segments if segment.header.lane is each and segment.frames]
            if mine:
                if self._active.get(each) is mine[0]:
                    del self._active[each]
                return mine[0]
        return None

    def _declared_in(self, victim: Segment) -> list[Loss]:
        """Give what unsent frames of a file declare: it goes with them, and has to be declared again."""
        if self._recall is None or victim.header.lane is not Lane.EVENT:
            return []
        return [loss for _, payload in victim.records() if payload is not None for loss in self._recall(payload)]

    def _told(self, lost: list[Loss]) -> bool:
        """Declare losses on the medium, or note them there to be declared once there is room; False if neither."""
        known = fewer([*self._undeclared, *lost])
        if self._declared(known):
            return True
        if not self._reserve.remember(known):
            return False
        self._undeclared = known
        return True

    def _declared(self, lost: list[Loss]) -> bool:
        """Declare losses in a frame, which then stand for all there are; False when there is no room for it."""
        if self._declare is None:
            return False
        build, events = self._declare(lost)
        try:
            self._append(Lane.EVENT, build(self.epoch, self._next_seq), 0, events).segment.sync()
        except (OSError, Full):
            return False
        self._undeclared = []
        self._reserve.remember([])
        return True

    def _remove(self, segment: Segment) -> None:
        self._segments.remove(segment)
        with self._files:
            segment.remove()

    # -- damage ------------------------------------------------------------------------------------------------

    def _entries(self, segment: Segment) -> Iterator[Entry]:
        damaged: list[Gone] = []
        for record, payload in segment.records():
            if payload is None:
                damaged.append(Gone(record.seq, record.readings, record.events))
            elif record.seq not in segment.leased:
                yield Entry(segment, segment.header.epoch, record.seq, payload)
        if damaged:
            lost = losses(segment.header.epoch, damaged, DAMAGED)
            if self._reserve.remember(fewer([*self._undeclared, *lost])):
                self._undeclared = list(self._reserve.losses)
                self._set_aside(segment)
                for each in damaged:
                    segment.ack(each.seq)

    def _set_aside(self, segment: Segment) -> None:
        self.damaged_files += 1
        segment.set_aside()
        self._aside_bytes += segment.size

    def _drop_aside(self) -> bool:
        aside = [name for name in self._disk.names() if name.endswith(CORRUPT)]
        if not aside:
            return False
        self._aside_bytes = max(0, self._aside_bytes - self._disk.size(aside[0]))
        self._disk.unlink(aside[0])
        return True
