"""From drafts to frames on disk: numbers them, keeps them, and says what could not be kept."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Sequence
from pathlib import Path

from hubwatch_agents.config import Settings
from hubwatch_agents.frames import Draft
from hubwatch_agents.readings import Happening
from hubwatch_agents.spool.disk import Disk
from hubwatch_agents.spool.loss import Loss
from hubwatch_agents.spool.record import Lane
from hubwatch_agents.spool.spool import Build, Entry, NoRoom, Spool
from hubwatch_core import wire
from hubwatch_core.clock import now_us
from hubwatch_core.errors import Permanent
from hubwatch_core.health import Health
from hubwatch_core.logs import get_logger

EVICTED = "agent.evicted"
LOST = "agent.lost"
LOCK = "lock"


class Store:
    """The spool, filled."""

    def __init__(self, settings: Settings, health: Health, disk: Disk | None = None) -> None:
        """Open the spool. Raises OSError when its folder cannot be used, Permanent when another agent uses it."""
        self._settings = settings
        self._health = health
        self._log = get_logger("spool")
        self._last_told: list[Loss] = []
        disk = disk or Disk(settings.spool.directory)
        self._lock = _locked(settings.spool.directory / LOCK)
        self.spool = Spool(
            disk,
            max_bytes=settings.spool.max_bytes,
            segment_bytes=settings.spool.segment_bytes,
            declare=self._declaration,
            recall=_declared_in,
        )
        self._lost_since: int | None = None
        self._lost = [0, 0]
        self._seen_damage = 0
        self.kept_readings = 0
        self.kept_bytes = 0
        self.lost_readings = 0
        self.lost_events = 0
        health.set("spool", True, str(settings.spool.directory))

    def keep(self, draft: Draft) -> list[Entry]:
        """Keep a draft as one frame, or as several where one would be too long; [] when there is no room."""
        lane = Lane.EVENT if draft.events else Lane.BULK
        try:
            entry = self.spool.append(lane, self._build(draft), draft.readings, len(draft.events))
        except TooLong:
            return self._keep_halves(draft)
        except NoRoom as error:
            self._no_room(draft, str(error))
            return []
        self.kept_readings += draft.readings
        self.kept_bytes += len(entry.payload)
        return [entry, *self._room_again()]

    def close(self) -> None:
        """Sync and close the spool, and give its folder free."""
        self.spool.close()
        os.close(self._lock)

    def declare(self) -> None:
        """Declare what is gone and not declared yet, and tell of damage found since the last call."""
        if self.spool.damaged_files > self._seen_damage:
            self._seen_damage = self.spool.damaged_files
            self._log.error("spool file damaged, set aside", files=self.spool.damaged_files,
                            ranges=len(self.spool.undeclared))  # fmt: skip
        self.spool.announce()

    def hours_left(self, bytes_per_s: float) -> float | None:
        """Give how long an outage the spool can bridge at this rate, None when nothing is written."""
        room = self._settings.spool.max_bytes - self.spool.used_bytes
        return room / bytes_per_s / 3600 if bytes_per_s > 0 else None

    def _build(self, draft: Draft) -> Build:
        settings, sent = self._settings, now_us()

        def build(epoch: str, seq: int) -> bytes:
            payload = wire.encode(draft.frame(settings.hub, settings.agent, epoch, seq, sent))
            if len(payload) > wire.MAX_FRAME_BYTES:
                raise TooLong
            return payload

        return build

    def _keep_halves(self, draft: Draft) -> list[Entry]:
        try:
            first, second = draft.halves()
        except ValueError as error:
            self._no_room(draft, str(error))
            return []
        return [*self.keep(first), *self.keep(second)]

    def _declaration(self, lost: list[Loss]) -> tuple[Build, int]:
        """Make the frame that declares what is given up."""
        if lost != self._last_told:
            self._last_told = lost
            self._log.error("frames are given up", ranges=len(lost), reason=lost[0].reason,
                            readings=sum(loss.readings for loss in lost))  # fmt: skip
        t = now_us()
        events = [_as_event(self._evicted(loss, t)) for loss in lost]
        return self._build(Draft([], events, 0, late=False)), len(events)

    def _no_room(self, draft: Draft, reason: str) -> None:
        self.lost_readings += draft.readings
        self.lost_events += len(draft.events)
        self._lost[0] += draft.readings
        self._lost[1] += len(draft.events)
        if self._lost_since is None:
            self._lost_since = now_us()
            self._health.set("spool", False, reason)
            self._log.error("frames cannot be kept and are lost", reason=reason)

    def _room_again(self) -> Sequence[Entry]:
        if self._lost_since is None:
            return ()
        since, self._lost_since = self._lost_since, None
        (readings, events), self._lost = self._lost, [0, 0]
        self._health.set("spool", True, "room again")
        self._log.info("frames can be kept again", lost_readings=readings, lost_events=events)
        attrs = {"readings": readings, "events": events, "since": since, "reason": "no room on disk"}
        lost = Happening(self._settings.agent, now_us(), LOST, attrs=attrs)
        return self.keep(Draft([], [_as_event(lost)], 0, late=False))

    def _evicted(self, loss: Loss, t: int) -> Happening:
        return Happening(self._settings.agent, t, EVICTED, attrs=loss._asdict())


def _locked(path: Path) -> int:
    """Take the folder for this process, for as long as the descriptor is open. Raises Permanent when it is taken."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        raise Permanent(f"spool {path.parent} is in use by another agent; each needs a folder of its own") from None
    return fd


class TooLong(Exception):
    """A frame is longer than the wire allows."""


def _declared_in(payload: bytes) -> list[Loss]:
    """Give the losses that a frame of ours declares."""
    if EVICTED.encode() not in payload:
        return []
    declarations = [event.attrs for event in wire.decode_frame(payload).events if event.type == EVICTED]
    return [Loss(*(attrs[name] for name in Loss._fields)) for attrs in declarations]


def _as_event(happening: Happening) -> wire.Event:
    return wire.Event(sensor=happening.sensor, t=happening.t, type=happening.type, attrs=happening.attrs)
