"""The owner of every frame, from its number until a collector has stored it."""

from __future__ import annotations

import fcntl
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from enum import Enum
from itertools import islice
from pathlib import Path
from time import monotonic

from hubwatch_agents.settings import AgentSettings
from hubwatch_agents.uplink.frame_writer import FrameWriter, NoRoom, TooLong
from hubwatch_agents.uplink.frames import Batch
from hubwatch_agents.uplink.spool.disk import Disk
from hubwatch_agents.uplink.spool.loss import Loss
from hubwatch_agents.uplink.spool.segment import Segment
from hubwatch_agents.uplink.spool.spool import FrameNumber, Spool, SpoolEntry
from hubwatch_core import wire
from hubwatch_core.answers import StoredRange
from hubwatch_core.clock import now_us
from hubwatch_core.errors import Permanent
from hubwatch_core.health import Health
from hubwatch_core.logs import get_logger
from hubwatch_core.plain_text import one_line

LOST = "agent.lost"
LOCK = "lock"
MAX_SENT = 20_000
"""Frames that may wait for a collector's answer at a time. What is sent beyond it is sent again from the disk."""
RESEND_AFTER_S = 5.0
"""A frame is taken for lost, and sent again, when one that was sent this much later is stored and it is not; or
`spool.confirm_s` later where that is longer. Collectors of one group do not all answer at the same moment.
"""


class FrameState(Enum):
    """Where a frame stands. It leaves the spool only as STORED or LOST."""

    SPOOLED = "on disk; goes out with the backlog"
    QUEUED = "on disk, and in memory to be sent live"
    SENDING = "given to the broker, which has not acknowledged it"
    SENT = "acknowledged by the broker; no collector has said that it is stored"
    STORED = "a collector has said that it is stored"
    LOST = "given up, and declared as lost"


class KeptFrame:
    """One frame. Only the frame store changes its state."""

    __slots__ = ("_entry", "payload", "sent_at", "state")

    def __init__(self, entry: SpoolEntry) -> None:
        """Begin as a frame that waits on disk."""
        assert entry.payload is not None, "a damaged frame is no frame"
        self._entry = entry._replace(payload=None)
        self.payload = entry.payload
        """Its bytes; empty once it is sent, for what waits for an answer stays on disk only."""
        self.state = FrameState.SPOOLED
        self.sent_at = 0.0
        """When the broker acknowledged it (monotonic seconds)."""

    @property
    def number(self) -> FrameNumber:
        """What names it."""
        return self._entry.number

    @property
    def segment(self) -> Segment:
        """The file it stands in."""
        return self._entry.segment

    @property
    def entry(self) -> SpoolEntry:
        """What the spool has of it."""
        return self._entry._replace(payload=self.payload)


class FrameStore:
    """Keeps frames on disk and knows the state of each."""

    def __init__(self, settings: AgentSettings, health: Health, disk: Disk | None = None) -> None:
        """Open the spool. Raises OSError when its folder cannot be used, Permanent when another agent uses it."""
        self._settings = settings
        self._health = health
        self._log = get_logger("spool")
        section = settings.spool
        disk = disk or Disk(section.directory)
        self._lock = _locked(section.directory / LOCK)
        try:
            self.spool = Spool(disk, max_bytes=section.max_bytes, segment_bytes=section.segment_bytes)
            self._writer = FrameWriter(settings.hub, settings.agent, self.spool, 2 if settings.wire == "packed" else 1)
        except BaseException:
            os.close(self._lock)
            raise
        self._frames: dict[FrameNumber, KeptFrame] = {}
        """Frames in any state between SPOOLED and the end; those that are SENT in the order they were."""
        self._in_file: Counter[Segment] = Counter()
        """How many of them each file holds: a file in which nothing else waits need not be read."""
        self._lost_since: int | None = None
        self._lost_reason = ""
        self._lost = [0, 0]
        self._seen_damage = 0
        self._sent = 0
        self.kept_readings = 0
        self.kept_bytes = 0
        self.lost_readings = 0
        self.lost_events = 0
        self.given_up_frames = 0
        health.set("spool", True, str(section.directory))

    # -- keeping -----------------------------------------------------------------------------------------------

    def keep(self, batch: Batch) -> list[KeptFrame]:
        """Keep a batch as one frame, or as several where one would be too long; [] when there is no room."""
        try:
            entry = self._writer.write(batch)
        except (TooLong, TypeError, ValueError, OverflowError, RecursionError) as error:
            # What cannot be encoded is one value: divided down to it, so that the others of its frame are kept.
            return self._keep_halves(batch, error)
        except NoRoom as error:
            self._no_room(batch, str(error))
            return []
        except OSError as error:
            self._no_room(batch, f"disk error: {error.strerror or error}")
            return []
        finally:
            self._forget_evicted()
        self.kept_readings += batch.readings
        frame = KeptFrame(entry)
        self.kept_bytes += len(frame.payload)
        return [frame, *self._room_again()]

    def limit(self, max_frame_bytes: int) -> None:
        """Make frames no longer than this from now on, where the wire allows longer ones."""
        self._writer.max_frame_bytes = min(max_frame_bytes, wire.MAX_FRAME_BYTES)

    def declare(self) -> None:
        """Declare what is gone and not declared yet, and tell of damage found since the last call."""
        if self.spool.damaged_files > self._seen_damage:
            self._seen_damage = self.spool.damaged_files
            self._log.error("spool file damaged, set aside", files=self.spool.damaged_files,
                            ranges=len(self.undeclared))  # fmt: skip
        self._writer.declare()

    def close(self) -> None:
        """Sync and close the spool, and give its folder free."""
        try:
            self._writer.close()
            self.spool.close()
        finally:
            os.close(self._lock)

    @property
    def undeclared(self) -> list[Loss]:
        """Losses that no frame declares yet."""
        return self._writer.undeclared

    @property
    def evicted_readings(self) -> int:
        """Readings that were kept and then given up."""
        return self._writer.evicted_readings

    def hours_left(self, bytes_per_s: float) -> float | None:
        """Return how long an outage the spool can bridge at this rate, None when nothing is written."""
        room = self._settings.spool.max_bytes - self.spool.used_bytes
        return room / bytes_per_s / 3600 if bytes_per_s > 0 else None

    # -- states ------------------------------------------------------------------------------------------------

    @property
    def sent_frames(self) -> int:
        """Frames that the broker has acknowledged and no collector has confirmed."""
        return self._sent

    @property
    def has_room_for_sent(self) -> bool:
        """Return whether a frame sent now can be waited for in memory."""
        return self._sent < MAX_SENT

    def oldest_sent_s(self) -> float:
        """Return for how long the frame that was sent first has waited for an answer; 0 when none waits."""
        first = next(self._sent_frames(), None)
        return monotonic() - first.sent_at if first is not None else 0.0

    def backlog(self) -> Iterator[KeptFrame]:
        """Walk the frames that are SPOOLED: events first, then readings, each from the oldest on."""
        for segment in self.spool.segments():
            if segment.waiting <= self._in_file[segment]:
                continue
            damaged: list[SpoolEntry] = []
            for entry in self.spool.read(segment):
                if entry.payload is None:
                    damaged.append(entry)
                elif entry.number not in self._frames:
                    yield KeptFrame(entry)
            if damaged:
                self._writer.lose_damaged(segment, damaged)

    def queue(self, frame: KeptFrame) -> None:
        """Hold a frame in memory to be sent live."""
        self._enter(frame, FrameState.QUEUED)

    def sending(self, frame: KeptFrame) -> None:
        """Note that a frame is given to the broker."""
        self._enter(frame, FrameState.SENDING)

    def sent(self, frame: KeptFrame) -> None:
        """Note that the broker has acknowledged a frame. From now on its bytes are on disk only."""
        if frame.state is not FrameState.SENDING:
            return  # stored already, or given up meanwhile
        if not self.has_room_for_sent:
            self.put_back(frame)
            return
        del self._frames[frame.number]
        self._frames[frame.number] = frame
        frame.payload, frame.sent_at, frame.state = b"", monotonic(), FrameState.SENT
        self._sent += 1

    def put_back(self, frame: KeptFrame) -> None:
        """Let a frame go out with the backlog."""
        if frame.number in self._frames:
            self._leave(frame, FrameState.SPOOLED)

    def doubt(self, since: float) -> None:
        """Have frames sent again that were acknowledged from `since` on (monotonic seconds): they may be lost."""
        for frame in [each for each in self._sent_frames() if each.sent_at >= since]:
            self._leave(frame, FrameState.SPOOLED)

    def doubt_oldest(self, count: int) -> None:
        """Have the frames sent again that have waited longest for an answer, so many at most."""
        for frame in list(islice(self._sent_frames(), count)):
            self._leave(frame, FrameState.SPOOLED)

    def stored(self, ranges: Iterable[StoredRange]) -> int:
        """Keep no longer what a collector has stored; return how many frames those were.

        A frame that was sent well before one of them, and is not among them, is sent again.
        """
        newest = 0.0
        found = [frame for each in ranges for frame in self._in_range(each)]
        for frame in found:
            newest = max(newest, frame.sent_at)
            if frame.number in self._frames:
                self._leave(frame, FrameState.STORED)
                self._writer.stored(frame.number)
                self.spool.release(frame.segment, frame.number.seq)
        limit = newest - max(RESEND_AFTER_S, self._settings.spool.confirm_s)
        overdue = []
        for frame in self._sent_frames():
            if frame.sent_at > limit:
                break
            overdue.append(frame)
        for frame in overdue:
            self._leave(frame, FrameState.SPOOLED)
        return len(found)

    def give_up(self, frame: KeptFrame, reason: str) -> None:
        """Declare a frame as lost: it can never be sent."""
        if frame.state in (FrameState.STORED, FrameState.LOST):
            return
        if not self._writer.lose(frame.entry, reason):
            self.put_back(frame)  # tried again when it comes up again
            return
        if self.given_up_frames == 0:
            self._log.error("a frame cannot be sent and is lost", reason=reason, seq=frame.number.seq)
        self.given_up_frames += 1
        self._enter(frame, FrameState.LOST)
        self._leave(frame, FrameState.LOST)
        self.spool.release(frame.segment, frame.number.seq)

    def _enter(self, frame: KeptFrame, state: FrameState) -> None:
        if frame.state in (FrameState.STORED, FrameState.LOST):
            return
        if frame.number not in self._frames:
            self._frames[frame.number] = frame
            self._in_file[frame.segment] += 1
        frame.state = state

    def _leave(self, frame: KeptFrame, state: FrameState) -> None:
        del self._frames[frame.number]
        self._sent -= frame.state is FrameState.SENT
        frame.state = state
        self._in_file[frame.segment] -= 1
        if not self._in_file[frame.segment]:
            del self._in_file[frame.segment]

    def _sent_frames(self) -> Iterator[KeptFrame]:
        return (frame for frame in self._frames.values() if frame.state is FrameState.SENT)

    def _in_range(self, stored: StoredRange) -> list[KeptFrame]:
        """Return the frames of a range that are in memory, whatever a peer says of its length."""
        if stored.last - stored.first > len(self._frames):
            return [
                frame
                for number, frame in self._frames.items()
                if number.epoch == stored.epoch and stored.first <= number.seq <= stored.last
            ]
        numbers = (FrameNumber(stored.epoch, seq) for seq in range(stored.first, stored.last + 1))
        return [self._frames[number] for number in numbers if number in self._frames]

    def _forget_evicted(self) -> None:
        for segment in self._writer.take_evicted():
            if self._in_file[segment]:
                for frame in [each for each in self._frames.values() if each.segment is segment]:
                    self._leave(frame, FrameState.LOST)

    # -- no room -----------------------------------------------------------------------------------------------

    def _keep_halves(self, batch: Batch, why: Exception) -> list[KeptFrame]:
        try:
            first, second = batch.halves()
        except ValueError as error:
            self._no_room(batch, str(error) if isinstance(why, TooLong) else f"cannot be encoded: {one_line(str(why))}")
            return []
        return [*self.keep(first), *self.keep(second)]

    def _no_room(self, batch: Batch, reason: str) -> None:
        self.lost_readings += batch.readings
        self.lost_events += len(batch.events)
        self._lost[0] += batch.readings
        self._lost[1] += len(batch.events)
        if self._lost_since is None:
            self._lost_since, self._lost_reason = now_us(), reason
            self._health.set("spool", False, reason)
            self._log.error("frames cannot be kept and are lost", reason=reason)

    def _room_again(self) -> Sequence[KeptFrame]:
        if self._lost_since is None:
            return ()
        since, (readings, events) = self._lost_since, self._lost
        attrs = {"readings": readings, "events": events, "since": since, "reason": self._lost_reason}
        lost = wire.Event(sensor=self._settings.agent, t=now_us(), type=LOST, attrs=attrs)
        try:
            frame = KeptFrame(self._writer.write(Batch([], [lost], 0, late=False)))
        except (NoRoom, TooLong, OSError):
            return ()  # told with the next frame that is kept
        finally:
            self._forget_evicted()
        self._lost_since, self._lost = None, [0, 0]
        self._health.set("spool", True, "room again")
        self._log.info("frames can be kept again", lost_readings=readings, lost_events=events)
        self.kept_bytes += len(frame.payload)
        return (frame,)


def _locked(path: Path) -> int:
    """Take the folder for this process, for as long as the descriptor is open. Raises Permanent when it is taken."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(fd)
        if not isinstance(error, BlockingIOError):
            raise
        raise Permanent(f"spool {path.parent} is in use by another agent; each needs a folder of its own") from None
    return fd
