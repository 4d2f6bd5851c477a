"""Batches to frames on disk: what is too long, what cannot be kept, what the heartbeat and the clock say."""

from __future__ import annotations

import contextlib
import errno
import tracemalloc
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import pytest

from hubwatch_agents.readings import Reading
from hubwatch_agents.self_report.clock import Kernel
from hubwatch_agents.self_report.heartbeat import CHANNELS, AgentStatus, Heartbeat, delay_channel, sensor
from hubwatch_agents.settings import AgentSettings
from hubwatch_agents.uplink import frame_store
from hubwatch_agents.uplink.frame_store import FrameState, FrameStore, KeptFrame
from hubwatch_agents.uplink.frames import Batch, FrameBuilder
from hubwatch_agents.uplink.spool.disk import Disk
from hubwatch_core import wire
from hubwatch_core.answers import StoredRange
from hubwatch_core.errors import Permanent
from hubwatch_core.health import Health
from hubwatch_core.words import Quality

T = 1_795_284_000_000_000


def settings(folder: Path, **spool: object) -> AgentSettings:
    return AgentSettings.model_validate({"hub": "h", "agent": "box", "spool": {"directory": folder, **spool}})


class OpenStore(Protocol):
    """Opens a store, which is closed with the test."""

    def __call__(self, health: Health | None = None, disk: Disk | None = None, **spool: object) -> FrameStore: ...


@pytest.fixture
def open_store(tmp_path: Path) -> Iterator[OpenStore]:
    with contextlib.ExitStack() as opened:

        def open_here(health: Health | None = None, disk: Disk | None = None, **spool: object) -> FrameStore:
            store = FrameStore(settings(tmp_path, **spool), health or Health(), disk)
            opened.callback(store.close)
            return store

        yield open_here


class Limited(Disk):
    """A disk that can be declared full, or for what holds a text."""

    full = False
    full_for = b""

    def append(self, fd: int, data: bytes) -> int:
        if self.full or (self.full_for and self.full_for in data):
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().append(fd, data)


def told_lost(entries: Sequence[KeptFrame]) -> list[wire.Event]:
    """Return what frames say of losses."""
    events = [event for entry in entries for event in wire.decode_frame(entry.payload).events]
    return [event for event in events if event.type == "agent.lost"]


def draft(count: int, reason: str = "") -> Batch:
    cutter = FrameBuilder()
    for i in range(count):
        cutter.add(Reading("s", "c", T + i, None if reason else 1.0, Quality.BAD if reason else Quality.GOOD, reason))
    (made,) = cutter.readings()
    return made


def test_frame_too_long_for_the_wire_becomes_several(open_store: OpenStore) -> None:
    store = open_store()
    entries = store.keep(draft(3000, "r" * 200))
    assert len(entries) > 1
    frames = [wire.decode_frame(entry.payload) for entry in entries]
    assert [frame.seq for frame in frames] == list(range(1, len(frames) + 1))
    assert sum(len(series.x) for frame in frames for series in frame.series) == 3000


def test_event_too_long_for_any_frame_is_counted_and_told(open_store: OpenStore) -> None:
    health = Health()
    store = open_store(health)
    event = wire.Event(sensor="s", t=T, type="a", attrs={"text": "x" * wire.MAX_FRAME_BYTES})
    assert store.keep(Batch([], [event], 0, late=False)) == []
    assert store.lost_events == 1
    assert not health.ok


def test_full_disk_is_survived_counted_and_told_when_it_is_over(tmp_path: Path, open_store: OpenStore) -> None:
    disk, health = Limited(tmp_path), Health()
    store = open_store(health, disk)
    disk.full = True
    assert store.keep(draft(5)) == []
    assert store.keep(draft(7)) == []
    assert (store.lost_readings, health.ok) == (12, False)
    disk.full = False
    entries = store.keep(draft(1))
    frames = [wire.decode_frame(entry.payload) for entry in entries]
    (event,) = [event for frame in frames for event in frame.events]
    assert event.type == "agent.lost"
    assert (event.sensor, event.attrs["readings"]) == ("box", 12)
    assert health.ok


def test_loss_that_finds_no_room_to_be_told_is_told_whole_with_the_next_frame(
    tmp_path: Path, open_store: OpenStore
) -> None:
    disk, health = Limited(tmp_path), Health()
    store = open_store(health, disk)
    disk.full = True
    assert store.keep(draft(5)) == []
    disk.full, disk.full_for = False, b"agent.lost"
    assert told_lost(store.keep(draft(1))) == []
    assert not health.ok
    disk.full_for = b""
    (event,) = told_lost(store.keep(draft(1)))
    assert (event.attrs["readings"], event.attrs["events"]) == (5, 0)
    assert (store.lost_readings, store.lost_events, health.ok) == (5, 0, True)


def test_eviction_is_declared_as_an_event_of_the_agent(open_store: OpenStore) -> None:
    store = open_store(max_bytes=1 << 20, segment_bytes=1 << 16)
    for _ in range(60):
        store.keep(draft(3000))
    events = [event for entry in store.backlog() for event in wire.decode_frame(entry.payload).events]
    assert {event.type for event in events} == {"agent.evicted"}
    assert set(events[0].attrs) == {"epoch", "first_seq", "last_seq", "readings", "events", "reason"}
    assert events[0].attrs["first_seq"] == 1
    assert sum(event.attrs["readings"] for event in events) == store.evicted_readings


def test_declaration_that_is_given_up_itself_is_made_again(open_store: OpenStore) -> None:
    store = open_store(max_bytes=1 << 20, segment_bytes=1 << 16)
    for _ in range(60):
        store.keep(draft(3000))
    for _ in range(200):
        store.keep(Batch([], [wire.Event(sensor="s", t=T, type="a", attrs={"text": "x" * 10_000})], 0, late=False))
    events = [event for entry in store.backlog() for event in wire.decode_frame(entry.payload).events]
    declared = {
        n for e in events if e.type == "agent.evicted" for n in range(e.attrs["first_seq"], e.attrs["last_seq"] + 1)
    }
    found = {entry.number.seq for entry in store.backlog()}
    assert declared | found == set(range(1, max(found) + 1))


def test_second_agent_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    first = FrameStore(settings(tmp_path), Health())
    with pytest.raises(Permanent, match="in use by another agent"):
        FrameStore(settings(tmp_path), Health())
    first.close()
    FrameStore(settings(tmp_path), Health()).close()


class Failing(Disk):
    """A disk that can be neither listed nor synced once it has failed."""

    failed = False

    def names(self) -> list[str]:
        if self.failed:
            raise OSError(errno.EIO, "Input/output error")
        return super().names()

    def sync(self, fd: int) -> None:
        if self.failed:
            raise OSError(errno.EIO, "Input/output error")
        super().sync(fd)


def test_spool_that_cannot_be_opened_leaves_its_folder_free(tmp_path: Path, open_store: OpenStore) -> None:
    disk = Failing(tmp_path)
    disk.failed = True
    with pytest.raises(OSError, match="Input/output"):
        FrameStore(settings(tmp_path), Health(), disk)
    assert open_store().keep(draft(1))


def test_spool_that_cannot_be_synced_at_its_end_is_closed_all_the_same(tmp_path: Path, open_store: OpenStore) -> None:
    disk = Failing(tmp_path)
    first = FrameStore(settings(tmp_path), Health(), disk)
    first.keep(draft(1))
    disk.failed = True
    with pytest.raises(OSError, match="Input/output"):
        first.close()
    assert open_store().spool.waiting == 1


def test_hours_of_outage_follow_from_room_and_rate(open_store: OpenStore) -> None:
    store = open_store(max_bytes=3_600_000)
    assert store.hours_left(1000.0) == pytest.approx(1.0, abs=0.01)
    assert store.hours_left(0.0) is None


def pulse(**more: object) -> AgentStatus:
    figures: dict[str, object] = {
        "spool_frames": 1, "spool_bytes": 2, "spool_hours": 3.0, "clock_offset_ms": None,
        "clock": Kernel(False, None), "config_in_force": True, "readings": 4, "lost_readings": 5, "evicted_readings": 6,
        "delays_s": {"rpm-2": 0.1234}, **more,
    }  # fmt: skip
    return AgentStatus(**figures)  # type: ignore[arg-type]


def test_heartbeat_gives_every_listed_channel_and_the_delays() -> None:
    given = {reading.channel: reading for reading in Heartbeat("box").readings(T, pulse())}
    listed = {channel.name for channel in sensor("box", "agents", 10.0, ["rpm-2"]).channels}
    assert set(given) == listed == {name for name, _, _ in CHANNELS} | {"delay.rpm-2"}
    assert given["delay.rpm-2"].x == 123.4
    assert (given["clock_offset"].x, given["clock_offset"].quality) == (None, Quality.BAD)
    assert given["clock_synchronised"].x == 0
    assert (given["clock_error"].x, given["clock_error"].reason) == (None, "the kernel does not say")
    rss = given["rss"].x
    assert rss is not None
    assert rss > 10


def test_delay_channel_of_a_long_name_is_a_valid_name() -> None:
    assert len(delay_channel("s" * 63)) == 63


def test_value_that_cannot_be_encoded_is_lost_alone_counted_and_told(tmp_path: Path) -> None:
    health = Health()
    store = FrameStore(settings(tmp_path), health)
    bad: float = object()  # type: ignore[assignment]
    series = [wire.Series(sensor="s", channel=f"c{i}", t0=T, dt=[0], x=[bad if i == 3 else 1.0]) for i in range(8)]
    try:
        kept = store.keep(Batch(series, [], 8, late=False))
        frames = [wire.decode_frame(entry.payload) for entry in kept]
        assert sorted(each.channel for frame in frames for each in frame.series) == [
            f"c{i}" for i in range(8) if i != 3
        ]
        assert (store.kept_readings, store.lost_readings) == (7, 1)
        (lost,) = [event for frame in frames for event in frame.events]
        assert (lost.type, lost.attrs["readings"]) == ("agent.lost", 1)
        assert "cannot be encoded" in lost.attrs["reason"]
    finally:
        store.close()


def test_error_of_the_disk_loses_what_came_and_nothing_else(tmp_path: Path) -> None:
    class Failing(Disk):
        broken = False

        def append(self, fd: int, data: bytes) -> int:
            if self.broken:
                raise OSError(errno.EIO, "Input/output error")
            return super().append(fd, data)

    disk = Failing(tmp_path)
    store = FrameStore(settings(tmp_path), Health(), disk)
    try:
        disk.broken = True
        assert store.keep(draft(3)) == []
        disk.broken = False
        assert store.keep(draft(2))
        assert (store.kept_readings, store.lost_readings) == (2, 3)
    finally:
        store.close()


class Sent:
    """Frames of one store that the broker has acknowledged, at times of our own."""

    def __init__(self, store: FrameStore) -> None:
        self.store = store

    def __call__(self, at: float) -> KeptFrame:
        """Keep a frame and have the broker acknowledge it at that time."""
        (frame,) = self.store.keep(draft(1))
        self.store.queue(frame)
        self.store.sending(frame)
        self.store.sent(frame)
        frame.sent_at = at
        return frame

    @property
    def backlog(self) -> list[int]:
        """Numbers of the frames that go out (again)."""
        return [frame.number.seq for frame in self.store.backlog()]


def name(frame: KeptFrame) -> StoredRange:
    return StoredRange(frame.number.epoch, frame.number.seq, frame.number.seq)


def test_frame_is_kept_until_a_collector_says_that_it_is_stored(open_store: OpenStore) -> None:
    sent = Sent(open_store())
    frame = sent(0.0)
    assert (frame.state, frame.payload, sent.store.spool.waiting) == (FrameState.SENT, b"", 1)
    assert sent.backlog == []
    assert sent.store.stored([name(frame)]) == 1
    assert (frame.state, sent.store.spool.waiting, sent.store.sent_frames) == (FrameState.STORED, 0, 0)


def test_queued_frame_is_no_backlog_until_it_is_put_back(open_store: OpenStore) -> None:
    store = open_store()
    (frame,) = store.keep(draft(1))
    assert (frame.state, [each.number for each in store.backlog()]) == (FrameState.SPOOLED, [frame.number])
    store.queue(frame)
    assert (frame.state, list(store.backlog())) == (FrameState.QUEUED, [])
    store.put_back(frame)
    assert [each.number for each in store.backlog()] == [frame.number]


def test_answer_that_comes_before_the_acknowledgement_counts(open_store: OpenStore) -> None:
    store = open_store()
    (frame,) = store.keep(draft(1))
    store.sending(frame)
    assert store.stored([name(frame)]) == 1
    store.sent(frame)
    store.put_back(frame)
    assert (frame.state, store.spool.waiting, store.sent_frames) == (FrameState.STORED, 0, 0)


def test_frame_that_was_sent_well_before_a_stored_one_goes_out_again(open_store: OpenStore) -> None:
    sent = Sent(open_store(confirm_s=10))
    missing, near, stored = sent(100.0), sent(105.0), sent(111.0)
    sent.store.stored([name(stored)])
    assert (missing.state, near.state) == (FrameState.SPOOLED, FrameState.SENT)
    assert sent.backlog == [missing.number.seq]


def test_doubt_sends_again_only_what_was_acknowledged_since(open_store: OpenStore) -> None:
    sent = Sent(open_store())
    old, new = sent(100.0), sent(200.0)
    sent.store.doubt(150.0)
    assert (old.state, new.state) == (FrameState.SENT, FrameState.SPOOLED)
    assert sent.backlog == [new.number.seq]


def test_frames_that_waited_longest_are_sent_again_first(open_store: OpenStore) -> None:
    sent = Sent(open_store())
    frames = [sent(float(i)) for i in range(4)]
    sent.store.doubt_oldest(2)
    assert sent.backlog == [1, 2]
    for frame in list(sent.store.backlog()):
        sent.store.sending(frame)
        sent.store.sent(frame)
    sent.store.doubt_oldest(2)
    assert sent.backlog == [3, 4]
    assert frames[3].state is FrameState.SPOOLED


def test_answer_about_frames_nobody_knows_costs_nothing(open_store: OpenStore) -> None:
    sent = Sent(open_store())
    frame = sent(0.0)
    assert sent.store.stored([StoredRange("0" * 26, 1, 2**62)]) == 0
    assert sent.store.stored([StoredRange(frame.number.epoch, 5, 2)]) == 0
    assert frame.state is FrameState.SENT
    assert sent.store.stored([StoredRange(frame.number.epoch, 1, 2**62)]) == 1


def test_frames_that_wait_for_an_answer_are_bounded(open_store: OpenStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame_store, "MAX_SENT", 3)
    sent = Sent(open_store())
    frames = [sent(0.0) for _ in range(5)]
    assert [frame.state for frame in frames].count(FrameState.SENT) == 3
    assert not sent.store.has_room_for_sent
    assert sent.backlog == [4, 5]


def test_frame_given_up_to_make_room_is_lost_in_whatever_state_it_was(open_store: OpenStore) -> None:
    sent = Sent(open_store(max_bytes=1 << 20, segment_bytes=1 << 16))
    first = sent(0.0)
    while first.state is FrameState.SENT:
        sent.store.keep(draft(3000))
    assert first.state is FrameState.LOST
    assert sent.store.stored([name(first)]) == 0
    assert sent.store.sent_frames == 0


def test_frame_that_can_never_be_sent_is_declared_with_its_reason(open_store: OpenStore) -> None:
    store = open_store()
    (frame,) = store.keep(draft(7))
    store.queue(frame)
    store.give_up(frame, "frame of 9 bytes; the broker takes up to 8")
    store.give_up(frame, "twice")
    assert (frame.state, store.given_up_frames, store.evicted_readings) == (FrameState.LOST, 1, 7)
    (event,) = [event for each in store.backlog() for event in wire.decode_frame(each.payload).events]
    assert (event.type, event.attrs["first_seq"], event.attrs["readings"]) == ("agent.evicted", 1, 7)
    assert event.attrs["reason"] == "frame of 9 bytes; the broker takes up to 8"


def test_frames_are_no_longer_than_the_broker_takes(open_store: OpenStore) -> None:
    store = open_store()
    store.limit(5_000)
    frames = store.keep(draft(1000))
    assert len(frames) > 1
    assert max(len(frame.payload) for frame in frames) <= 5_000
    store.limit(1 << 30)
    assert len(store.keep(draft(1000))) == 1


class CountingDisk(Disk):
    """Counts what is read."""

    reads = 0

    def read(self, name: str, offset: int = 0, length: int = -1) -> bytes:
        self.reads += 1
        return super().read(name, offset, length)


def test_looking_for_a_backlog_reads_no_file_in_which_nothing_waits(tmp_path: Path, open_store: OpenStore) -> None:
    disk = CountingDisk(tmp_path)
    sent = Sent(open_store(disk=disk))
    sent(0.0)
    before = disk.reads
    assert (sent.backlog, disk.reads) == ([], before)
    sent.store.keep(draft(1))
    assert (sent.backlog, disk.reads) == ([2], before + 1)


def test_memory_of_sent_frames_holds_no_payload(open_store: OpenStore) -> None:
    sent = Sent(open_store())
    tracemalloc.start()
    try:
        frames = [sent(0.0) for _ in range(20)]
        for frame in frames:
            sent.store.put_back(frame)
        for frame in [*sent.store.backlog()]:
            sent.store.sending(frame)
            sent.store.sent(frame)
            assert frame.payload == b""
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 50_000
