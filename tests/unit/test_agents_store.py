"""Drafts to frames on disk: what is too long, what cannot be kept, what the heartbeat and the clock say."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from hubwatch_agents.clocks import Kernel
from hubwatch_agents.config import Settings
from hubwatch_agents.frames import Cutter, Draft
from hubwatch_agents.heartbeat import CHANNELS, Heartbeat, Pulse, delay_channel, sensor
from hubwatch_agents.readings import Reading
from hubwatch_agents.spool.disk import Disk
from hubwatch_agents.store import Store
from hubwatch_core import wire
from hubwatch_core.errors import Permanent
from hubwatch_core.health import Health
from hubwatch_core.words import Quality

T = 1_795_284_000_000_000


def settings(folder: Path, **spool: object) -> Settings:
    return Settings.model_validate({"hub": "h", "agent": "box", "spool": {"directory": folder, **spool}})


class Limited(Disk):
    """A disk that can be declared full."""

    full = False

    def append(self, fd: int, data: bytes) -> int:
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().append(fd, data)


def draft(count: int, reason: str = "") -> Draft:
    cutter = Cutter()
    for i in range(count):
        cutter.reading(
            Reading("s", "c", T + i, None if reason else 1.0, Quality.BAD if reason else Quality.GOOD, reason)
        )
    (made,) = cutter.cut_readings()
    return made


def test_frame_too_long_for_the_wire_becomes_several(tmp_path: Path) -> None:
    store = Store(settings(tmp_path), Health())
    entries = store.keep(draft(3000, "r" * 200))
    assert len(entries) > 1
    frames = [wire.decode_frame(entry.payload) for entry in entries]
    assert [frame.seq for frame in frames] == list(range(1, len(frames) + 1))
    assert sum(len(series.x) for frame in frames for series in frame.series) == 3000


def test_event_too_long_for_any_frame_is_counted_and_told(tmp_path: Path) -> None:
    health = Health()
    store = Store(settings(tmp_path), health)
    event = wire.Event(sensor="s", t=T, type="a", attrs={"text": "x" * wire.MAX_FRAME_BYTES})
    assert store.keep(Draft([], [event], 0, late=False)) == []
    assert store.lost_events == 1
    assert not health.ok


def test_full_disk_is_survived_counted_and_told_when_it_is_over(tmp_path: Path) -> None:
    disk, health = Limited(tmp_path), Health()
    store = Store(settings(tmp_path), health, disk)
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


def test_eviction_is_declared_as_an_event_of_the_agent(tmp_path: Path) -> None:
    store = Store(settings(tmp_path, max_bytes=1 << 20, segment_bytes=1 << 16), Health())
    for _ in range(60):
        store.keep(draft(3000))
    events = [event for entry in store.spool.backlog() for event in wire.decode_frame(entry.payload).events]
    assert {event.type for event in events} == {"agent.evicted"}
    assert set(events[0].attrs) == {"epoch", "first_seq", "last_seq", "readings", "events", "reason"}
    assert events[0].attrs["first_seq"] == 1
    assert sum(event.attrs["readings"] for event in events) == store.spool.evicted_readings


def test_declaration_that_is_given_up_itself_is_made_again(tmp_path: Path) -> None:
    store = Store(settings(tmp_path, max_bytes=1 << 20, segment_bytes=1 << 16), Health())
    for _ in range(60):
        store.keep(draft(3000))
    for _ in range(200):
        store.keep(Draft([], [wire.Event(sensor="s", t=T, type="a", attrs={"text": "x" * 10_000})], 0, late=False))
    events = [event for entry in store.spool.backlog() for event in wire.decode_frame(entry.payload).events]
    declared = {
        n for e in events if e.type == "agent.evicted" for n in range(e.attrs["first_seq"], e.attrs["last_seq"] + 1)
    }
    found = {entry.seq for entry in store.spool.backlog()}
    assert declared | found == set(range(1, max(found) + 1))


def test_second_agent_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    first = Store(settings(tmp_path), Health())
    with pytest.raises(Permanent, match="in use by another agent"):
        Store(settings(tmp_path), Health())
    first.close()
    Store(settings(tmp_path), Health()).close()


def test_hours_of_outage_follow_from_room_and_rate(tmp_path: Path) -> None:
    store = Store(settings(tmp_path, max_bytes=3_600_000), Health())
    assert store.hours_left(1000.0) == pytest.approx(1.0, abs=0.01)
    assert store.hours_left(0.0) is None


def pulse(**more: object) -> Pulse:
    figures: dict[str, object] = {
        "spool_frames": 1, "spool_bytes": 2, "spool_hours": 3.0, "clock_offset_ms": None,
        "clock": Kernel(False, None), "config_in_force": True, "readings": 4, "lost_readings": 5, "evicted_readings": 6,
        "delays_s": {"rpm-2": 0.1234}, **more,
    }  # fmt: skip
    return Pulse(**figures)  # type: ignore[arg-type]


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
