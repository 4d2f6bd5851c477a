"""From batches to frames on disk: numbers them, makes room for them, and declares what had to be given up for that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from hubwatch_agents.uplink.frames import Batch
from hubwatch_agents.uplink.spool.loss import Gone, Loss, fewer, losses
from hubwatch_agents.uplink.spool.loss_file import Declared
from hubwatch_agents.uplink.spool.record import Lane
from hubwatch_agents.uplink.spool.segment import Segment
from hubwatch_agents.uplink.spool.spool import DAMAGED, FrameNumber, Spool, SpoolEntry, SpoolFull
from hubwatch_core import packed_frame, wire
from hubwatch_core.clock import now_us
from hubwatch_core.errors import HubwatchError
from hubwatch_core.logs import get_logger
from hubwatch_core.packing import packed

EVICTED = "agent.evicted"


class NoRoom(HubwatchError):
    """The frame could not be kept: the disk is full and the spool has nothing left to give up."""


class TooLong(Exception):
    """A frame is longer than the wire, or the broker, allows."""


class FrameWriter:
    """Writes the frames of one agent into its spool.

    Each loss is declared by an event `agent.evicted` in a frame of its own, which is on the medium before anything
    goes: an undeclared gap would be worse than a frame that is declared and sent. Until a collector has stored that
    frame, what it declares is also in the spool's loss file.
    """

    def __init__(self, hub: str, agent: str, spool: Spool, version: Literal[1, 2] = 1) -> None:
        """Take up what an earlier life has left undeclared; frames are made in that version of the wire format."""
        self._version = version
        self._hub, self._agent, self._spool = hub, agent, spool
        self._log = get_logger("spool")
        self._told: list[Loss] = []
        self.max_frame_bytes = wire.MAX_FRAME_BYTES
        """Longest frame that is made: what the wire allows, or less where the broker does."""
        self.evicted_readings = 0
        self._evicted: list[Segment] = []
        self._open: list[Declared] = []
        """What frames declare that no collector is known to have stored yet."""
        self._undeclared = [*spool.loss_file.losses, *spool.damage]
        for each in spool.loss_file.declared:
            if spool.keeps(FrameNumber(each.epoch, each.seq)):
                self._open.append(each)
            else:  # its frame was damaged or, which does no harm, has been stored
                self._undeclared += each.losses
        self._undeclared = fewer(self._undeclared)

    @property
    def undeclared(self) -> list[Loss]:
        """Losses that no frame declares yet."""
        return list(self._undeclared)

    def write(self, batch: Batch) -> SpoolEntry:
        """Keep a batch as one frame under the next number, giving up what is worth less than it.

        Raises TooLong when it has to be divided, NoRoom when nothing can be given up for it any more, and what the
        encoder raises; then no number is used.
        """
        lane = Lane.EVENT if batch.events else Lane.BULK
        # Files made on the way hold declarations only: giving one up makes the next, without end and without room.
        newest = self._spool.newest_file
        sent = now_us()
        while True:
            payload = self._encoded(batch, sent)
            try:
                return self._spool.append(lane, payload, batch.readings, len(batch.events))
            except SpoolFull as full:
                if not self._make_room(lane, str(full), newest):
                    raise NoRoom(
                        f"{full}: {batch.readings} readings and {len(batch.events)} events cannot be kept"
                    ) from None

    def declare(self) -> bool:
        """Declare what is not declared yet; False when there is no room for it still."""
        return not self._undeclared or self._declared(self._undeclared)

    def lose(self, entry: SpoolEntry, reason: str) -> bool:
        """Declare that a frame will never be sent, or note it to be declared; False when neither can be done."""
        gone = Gone(entry.number.seq, entry.readings, entry.events)
        lost = [*losses(entry.number.epoch, [gone], reason), *self._declared_by(entry)]
        if not self._note(lost):
            return False
        self.evicted_readings += entry.readings
        self.stored(entry.number)
        self.declare()
        return True

    def lose_damaged(self, segment: Segment, damaged: Sequence[SpoolEntry]) -> None:
        """Note what cannot be read any more, with what it may have declared, and set its file aside."""
        gone = [Gone(entry.number.seq, entry.readings, entry.events) for entry in damaged]
        lost = losses(segment.header.epoch, gone, DAMAGED)
        for entry in damaged:
            lost += self._declared_by(entry)
        if self._note(lost):
            self._spool.set_aside(segment)
            for entry in damaged:
                self._spool.release(segment, entry.number.seq)

    def stored(self, number: FrameNumber) -> None:
        """Forget what a frame declared: it is known for good."""
        if self._open:
            self._open = [each for each in self._open if (each.epoch, each.seq) != number]

    def take_evicted(self) -> list[Segment]:
        """Return the files that were given up since the last call."""
        evicted, self._evicted = self._evicted, []
        return evicted

    def close(self) -> None:
        """Write down what is declared, so that the next life does not declare it once more."""
        self._spool.loss_file.remember(declared=self._open)

    def _encoded(self, batch: Batch, sent: int) -> bytes:
        frame = batch.frame(self._hub, self._agent, *self._spool.reserve(), sent)
        payload = wire.encode(frame) if self._version == 1 else packed_frame.encode(packed(frame))
        if len(payload) > self.max_frame_bytes:
            raise TooLong
        return payload

    def _make_room(self, lane: Lane, reason: str, newest: int) -> bool:
        """Give up the oldest file up to number `newest`; False when none is worth less than what comes."""
        if self._spool.drop_damaged():
            return True
        victim = self._spool.oldest(lane, newest)
        if victim is None:
            return False
        entries = list(self._spool.read(victim))
        gone = [Gone(entry.number.seq, entry.readings, entry.events) for entry in entries]
        lost = losses(victim.header.epoch, gone, reason)
        for entry in entries:
            lost += self._declared_by(entry)
        if lost and not self._tell(lost):
            self._spool.spare(victim)
            return False
        if not self._spool.evict(victim):
            return False
        self.evicted_readings += sum(each.readings for each in gone)
        self._evicted.append(victim)
        for entry in entries:
            self.stored(entry.number)
        self.declare()
        return True

    def _declared_by(self, entry: SpoolEntry) -> list[Loss]:
        """Return what a frame declares: it goes with the frame, and has to be declared again."""
        for each in self._open:
            if (each.epoch, each.seq) == entry.number:
                return list(each.losses)
        return declared_in(entry.payload) if entry.payload is not None else []

    def _tell(self, lost: list[Loss]) -> bool:
        """Declare losses on the medium, or note them there to be declared once there is room; False if neither."""
        return self._declared(fewer([*self._undeclared, *lost])) or self._note(lost)

    def _note(self, lost: list[Loss]) -> bool:
        """Note losses on the medium, to be declared; False when that cannot be done."""
        known = fewer([*self._undeclared, *lost])
        if not self._spool.loss_file.remember(known):
            return False
        self._undeclared = known
        return True

    def _declared(self, lost: list[Loss]) -> bool:
        """Declare losses in frames, which then stand for all there are; False when there is no room for them."""
        self._log_once(lost)
        t = now_us()
        events = [wire.Event(sensor=self._agent, t=t, type=EVICTED, attrs=loss._asdict()) for loss in lost]
        batches, told = [(lost, Batch([], events, 0, late=False))], []
        try:
            while batches:
                part, batch = batches.pop()
                try:
                    payload = self._encoded(batch, t)
                except TooLong:
                    half = len(part) // 2
                    if not half:  # nothing is smaller: it waits until the broker takes more
                        return False
                    batches += zip((part[:half], part[half:]), batch.halves(), strict=True)
                    continue
                entry = self._spool.append_beyond(Lane.EVENT, payload, 0, len(part))
                entry.segment.sync()
                told.append(Declared(*entry.number, part))
        except (OSError, SpoolFull):
            return False
        self._undeclared = []
        self._open += told
        self._spool.loss_file.remember([], declared=self._open)
        return True

    def _log_once(self, lost: list[Loss]) -> None:
        if lost != self._told:
            self._told = lost
            self._log.error("frames are given up", ranges=len(lost), reason=lost[0].reason,
                            readings=sum(loss.readings for loss in lost))  # fmt: skip


def declared_in(payload: bytes) -> list[Loss]:
    """Return the losses that a frame of an agent declares."""
    if EVICTED.encode() not in payload:
        return []
    return [_loss(event) for event in packed_frame.decode(payload).events if event.type == EVICTED]


def _loss(event: wire.Event) -> Loss:
    return Loss(*(event.attrs[name] for name in Loss._fields))
