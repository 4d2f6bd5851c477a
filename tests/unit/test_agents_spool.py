"""The spool, step by step: order, acknowledgements, bounds, damage, full disk."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from hubwatch_agents.uplink.frame_writer import NoRoom
from hubwatch_agents.uplink.spool.disk import Disk
from hubwatch_agents.uplink.spool.loss import MAX_RANGES, Gone, Loss, losses
from hubwatch_agents.uplink.spool.loss_file import MAX_DECLARED_RANGES, RESERVE_BYTES, Declared, LossFile
from hubwatch_agents.uplink.spool.record import FILE_HEADER_BYTES, Lane
from hubwatch_agents.uplink.spool.spool import FrameNumber, Spool, SpoolFull
from support.agents_disk import CrashingDisk
from support.agents_frames import READINGS, WrittenSpool

ROOM = 1 << 20


class OpenSpool(Protocol):
    """Opens a spool in a folder, or on a disk; it is closed with the test at the latest."""

    def __call__(self, on: Path | Disk, *, room: int = ROOM, segment: int = 1 << 16) -> WrittenSpool: ...


@pytest.fixture
def open_spool() -> Iterator[OpenSpool]:
    with contextlib.ExitStack() as opened:

        def open_on(on: Path | Disk, *, room: int = ROOM, segment: int = 1 << 16) -> WrittenSpool:
            disk = on if isinstance(on, Disk) else Disk(on)
            spool = WrittenSpool(disk, max_bytes=room, segment_bytes=segment)
            opened.callback(spool.spool.close)
            return spool

        yield open_on


def put(spool: WrittenSpool, text: str, lane: Lane = Lane.BULK, size: int = 0) -> int:
    return spool.put(text, lane, size)


def waiting(spool: WrittenSpool) -> list[tuple[int, str]]:
    return spool.waiting()


def test_frames_are_numbered_from_one_and_come_back_in_order(tmp_path: Path, open_spool: OpenSpool) -> None:
    spool = open_spool(tmp_path)
    assert [put(spool, text) for text in "abc"] == [1, 2, 3]
    assert waiting(spool) == [(1, "a"), (2, "b"), (3, "c")]


def test_events_come_before_readings(tmp_path: Path, open_spool: OpenSpool) -> None:
    spool = open_spool(tmp_path)
    put(spool, "bulk")
    put(spool, "event", Lane.EVENT)
    assert waiting(spool) == [(2, "event"), (1, "bulk")]


def test_reopened_spool_goes_on_in_its_epoch_without_what_was_taken(tmp_path: Path, open_spool: OpenSpool) -> None:
    first = open_spool(tmp_path)
    for text in "abc":
        put(first, text)
    first.release(next(entry for entry in first.entries() if entry.number.seq == 2))
    first.close()
    second = open_spool(tmp_path)
    assert second.spool.epoch == first.spool.epoch
    assert waiting(second) == [(1, "a"), (3, "c")]
    assert put(second, "d") == 4


def test_number_goes_on_when_everything_was_taken(tmp_path: Path, open_spool: OpenSpool) -> None:
    first = open_spool(tmp_path)
    for _ in range(6):
        put(first, "x", size=30_000)
    for entry in first.entries():
        first.release(entry)
    assert first.spool.waiting == 0
    first.close()
    second = open_spool(tmp_path)
    assert (second.spool.epoch, put(second, "y")) == (first.spool.epoch, 7)


def test_file_whose_frames_are_all_taken_goes(tmp_path: Path, open_spool: OpenSpool) -> None:
    spool = open_spool(tmp_path)
    for _ in range(6):
        put(spool, "x", size=30_000)
    assert len(list(tmp_path.glob("*.seg"))) == 2
    for entry in spool.entries():
        spool.release(entry)
    assert len(list(tmp_path.glob("*.seg"))) == 1


def test_synced_follows_appended(tmp_path: Path, open_spool: OpenSpool) -> None:
    spool = open_spool(tmp_path)
    put(spool, "a")
    assert (spool.spool.appended, spool.spool.synced) == (1, 0)
    spool.spool.sync()
    assert spool.spool.synced == 1


async def test_sync_in_a_thread_covers_what_was_there_when_it_began(tmp_path: Path, open_spool: OpenSpool) -> None:
    spool = open_spool(tmp_path)
    put(spool, "a")
    await spool.spool.sync_in_thread()
    assert spool.spool.synced == 1


def test_full_spool_gives_up_the_oldest_readings_and_says_which(tmp_path: Path, open_spool: OpenSpool) -> None:
    spool = open_spool(tmp_path, segment=1 << 17)
    put(spool, "event", Lane.EVENT)
    for _ in range(60):
        put(spool, "x", size=30_000)
    assert spool.spool.used_bytes <= ROOM
    left = {seq for seq, _ in waiting(spool)}
    gone = {seq for loss in spool.declared() for seq in range(loss.first_seq, loss.last_seq + 1)}
    assert 1 in left, "events go last"
    assert gone
    assert left | gone >= set(range(1, 62))
    assert not left & gone
    assert sum(loss.readings for loss in spool.declared()) == READINGS * len(gone)
    assert spool.writer.evicted_readings == READINGS * len(gone)


def test_readings_never_push_out_events(tmp_path: Path, open_spool: OpenSpool) -> None:
    spool = open_spool(tmp_path, room=1 << 18)
    while True:
        try:
            put(spool, "event", Lane.EVENT, size=20_000)
        except NoRoom:
            raise AssertionError("events push out older events") from None
        if len(list(tmp_path.glob("*.e.seg"))) > 2:
            break
    events = [seq for seq, text in waiting(spool) if text == "event"]
    for _ in range(3):
        try:
            put(spool, "bulk", size=60_000)
        except NoRoom:
            break
    assert [seq for seq, text in waiting(spool) if text == "event"] == events


def test_events_push_out_the_oldest_events_when_nothing_else_is_left(tmp_path: Path, open_spool: OpenSpool) -> None:
    spool = open_spool(tmp_path, room=1 << 18)
    for _ in range(30):
        put(spool, "event", Lane.EVENT, size=20_000)
    assert spool.spool.used_bytes <= 1 << 18
    declared = spool.declared()
    assert min(declared).first_seq == 1
    assert all(loss.reason == "spool full" for loss in declared)


class FullDisk(Disk):
    """A disk with `room` bytes left."""

    def __init__(self, folder: Path, room: int) -> None:
        super().__init__(folder)
        self.room = room

    def append(self, fd: int, data: bytes) -> int:
        if self.room <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = super().append(fd, data[: self.room])
        self.room -= written
        return written

    def truncate(self, name: str, length: int) -> None:
        self.room += self.size(name) - length
        super().truncate(name, length)

    def unlink(self, name: str) -> None:
        self.room += self.size(name)
        super().unlink(name)


def test_full_disk_gives_up_old_readings_and_goes_on(tmp_path: Path, open_spool: OpenSpool) -> None:
    disk = FullDisk(tmp_path, 250_000)
    spool = open_spool(disk)
    for i in range(20):
        put(spool, f"n{i}", size=30_000)
    assert {loss.reason for loss in spool.declared()} == {"disk full"}
    left = waiting(spool)
    assert left[-1][1] == "n19"


def test_full_disk_with_nothing_to_give_up_uses_no_number_and_leaves_no_half_frame(
    tmp_path: Path, open_spool: OpenSpool
) -> None:
    disk = FullDisk(tmp_path, 500)
    spool = open_spool(disk)
    put(spool, "a", Lane.EVENT)
    with pytest.raises(NoRoom):
        put(spool, "big", size=5000)
    disk.room = 10_000
    assert put(spool, "c") == 2
    spool.close()
    again = open_spool(tmp_path)
    assert waiting(again) == [(1, "a"), (2, "c")]
    assert again.writer.undeclared == spool.writer.undeclared == []


def test_loss_that_finds_no_room_to_be_declared_is_declared_when_there_is_some(
    tmp_path: Path, open_spool: OpenSpool
) -> None:
    disk = FullDisk(tmp_path, RESERVE_BYTES + 900)
    spool = open_spool(disk)
    put(spool, "a", size=600)
    put(spool, "b", size=30)
    assert {loss.first_seq for loss in spool.declared()} == {1}
    assert "declared" in [text for _, text in waiting(spool)]
    assert spool.writer.undeclared == []


def test_loss_that_cannot_be_declared_is_remembered_by_the_next_life(tmp_path: Path, open_spool: OpenSpool) -> None:
    disk = FullDisk(tmp_path, RESERVE_BYTES + 30_400)
    spool = open_spool(disk)
    put(spool, "a", size=30_000)
    disk.room = 0
    disk.unlink = Disk(tmp_path).unlink  # type: ignore[method-assign]  # somebody else takes what is freed
    with pytest.raises(NoRoom):
        put(spool, "b", size=30_000)
    assert not spool.writer.declare()
    again = open_spool(tmp_path)  # the one before was killed
    (loss,) = again.writer.undeclared
    assert (loss.epoch, loss.first_seq, loss.last_seq) == (spool.spool.epoch, 1, 1)
    assert again.writer.declare()
    assert again.writer.undeclared == open_spool(tmp_path).writer.undeclared == []


def test_without_the_loss_file_nothing_is_given_up_undeclared(tmp_path: Path, open_spool: OpenSpool) -> None:
    spool = open_spool(FullDisk(tmp_path, 900))
    put(spool, "a", size=600)
    with pytest.raises(NoRoom):
        put(spool, "b", size=300)
    assert waiting(spool) == [(1, "a")]


def test_loss_file_is_made_again_where_it_was_cut_short(tmp_path: Path, open_spool: OpenSpool) -> None:
    (tmp_path / "losses").write_bytes(bytes(100))
    open_spool(tmp_path).close()
    assert (tmp_path / "losses").stat().st_size == RESERVE_BYTES


def test_loss_file_keeps_what_stood_before_a_torn_write(tmp_path: Path) -> None:
    first, second = (Loss("e", n, n, 1, 0, "full") for n in (1, 2))
    file = LossFile(Disk(tmp_path))
    assert file.remember([first])
    assert file.remember([first, second])
    damage(tmp_path / "losses", 40)
    assert LossFile(Disk(tmp_path)).losses == [first]


def test_loss_file_takes_the_most_ranges_there_can_be(tmp_path: Path) -> None:
    big = 2**63 - 1
    ranges = [Loss("0" * 26, big - i, big, big, 2**31, "spool file damaged") for i in range(MAX_RANGES)]
    declared = [Declared("0" * 26, big - i, [ranges[i]]) for i in range(MAX_DECLARED_RANGES + 5)]
    assert LossFile(Disk(tmp_path)).remember(ranges, declared=declared)
    again = LossFile(Disk(tmp_path))
    assert again.losses == ranges
    assert again.declared == declared[5:], "the newest"


def test_other_disk_errors_come_through(tmp_path: Path, open_spool: OpenSpool) -> None:
    class Broken(Disk):
        def append(self, fd: int, data: bytes) -> int:
            raise OSError(errno.EIO, "Input/output error")

    with pytest.raises(OSError, match="Input/output"):
        put(open_spool(Broken(tmp_path)), "a")


def damage(file: Path, offset: int, length: int = 4) -> None:
    with file.open("r+b") as stream:
        stream.seek(offset)
        stream.write(b"\xaa" * length)


def filled(open_spool: OpenSpool, folder: Path, count: int = 4) -> Path:
    spool = open_spool(folder)
    for i in range(count):
        put(spool, f"n{i}", size=100)
    spool.close()
    return next(folder.glob("*.seg"))


def test_damaged_payload_costs_one_frame_which_is_declared_and_kept_aside(
    tmp_path: Path, open_spool: OpenSpool
) -> None:
    file = filled(open_spool, tmp_path)
    damage(file, FILE_HEADER_BYTES + 32 + 50)
    spool = open_spool(tmp_path)
    assert [seq for seq, _ in waiting(spool)] == [2, 3, 4]
    (loss,) = spool.writer.undeclared
    assert (loss.first_seq, loss.last_seq, loss.readings, loss.reason) == (1, 1, 5, "spool file damaged")
    assert list(tmp_path.glob("*.corrupt"))
    assert spool.spool.damaged_files == 1
    assert waiting(spool) == waiting(spool), "it is not found damaged again"
    assert spool.spool.damaged_files == 1


def test_damaged_record_head_is_stepped_over_and_declared(tmp_path: Path, open_spool: OpenSpool) -> None:
    file = filled(open_spool, tmp_path)
    damage(file, file.read_bytes().index(b"HWR1", FILE_HEADER_BYTES + 1) + 6)
    spool = open_spool(tmp_path)
    assert [seq for seq, _ in waiting(spool)] == [1, 3, 4]
    assert [(loss.first_seq, loss.last_seq) for loss in spool.writer.undeclared] == [(2, 2)]


def test_torn_tail_is_cut_and_begins_a_new_epoch(tmp_path: Path, open_spool: OpenSpool) -> None:
    file = filled(open_spool, tmp_path)
    with file.open("r+b") as stream:
        stream.truncate(file.stat().st_size - 30)
    before = open_spool(tmp_path / "other").spool.epoch
    spool = open_spool(tmp_path)
    assert [seq for seq, _ in waiting(spool)] == [1, 2, 3]
    assert spool.writer.undeclared == []
    old = spool.entries()[0].number.epoch
    number = spool.spool.reserve()
    assert put(spool, "new") == number.seq == 1
    assert number.epoch not in {before, old}


def test_file_with_a_damaged_head_is_set_aside_and_the_spool_goes_on(tmp_path: Path, open_spool: OpenSpool) -> None:
    file = filled(open_spool, tmp_path)
    damage(file, 8)
    spool = open_spool(tmp_path)
    assert waiting(spool) == []
    assert put(spool, "new") == 1
    assert [path.name for path in tmp_path.glob("*.corrupt")] == [file.name + ".corrupt"]


def test_damaged_acknowledgement_hides_no_frame(tmp_path: Path, open_spool: OpenSpool) -> None:
    spool = open_spool(tmp_path)
    put(spool, "a")
    put(spool, "b")
    spool.release(spool.entries()[0])
    spool.close()
    damage(next(tmp_path.glob("*.ack")), 0, 1)
    assert [seq for seq, _ in waiting(open_spool(tmp_path))] == [1, 2]


def test_set_aside_files_are_the_first_to_go_when_room_is_short(tmp_path: Path, open_spool: OpenSpool) -> None:
    damage(filled(open_spool, tmp_path), 8)
    spool = open_spool(tmp_path, room=1 << 17)
    for _ in range(10):
        put(spool, "x", size=20_000)
    assert not list(tmp_path.glob("*.corrupt"))


def test_losses_join_neighbours_and_stay_few() -> None:
    assert losses("e", [Gone(3, 1, 0), Gone(1, 1, 0), Gone(2, 1, 1)], "r") == [Loss("e", 1, 3, 3, 1, "r")]
    scattered = losses("e", [Gone(seq, 1, 0) for seq in range(1, 1001, 2)], "r")
    assert len(scattered) == MAX_RANGES
    assert sum(loss.readings for loss in scattered) == 500


@pytest.mark.parametrize("stored", [False, True], ids=["given up", "stored"])
def test_number_is_not_used_again_when_the_file_with_the_highest_one_goes(tmp_path: Path, stored: bool) -> None:
    disk = CrashingDisk(tmp_path)
    spool = WrittenSpool(disk, max_bytes=1 << 18)
    spool.put("e", Lane.EVENT)
    last = spool.put("b", size=1000)
    epoch = spool.spool.epoch
    spool.spool.sync()
    if stored:
        spool.release(next(entry for entry in spool.entries() if entry.number.seq == last))
    disk.squeeze(0)
    with pytest.raises(NoRoom):
        spool.put("c", size=5000)
    following = spool.spool.reserve()
    assert following.seq > last
    spool.close()
    again = WrittenSpool(Disk(tmp_path), max_bytes=1 << 18)
    assert again.spool.reserve() == following == FrameNumber(epoch, following.seq)
    again.close()


def test_full_spool_says_so_and_gives_nothing_up_by_itself(tmp_path: Path) -> None:
    spool = Spool(Disk(tmp_path), max_bytes=1 << 17, segment_bytes=1 << 16)
    with contextlib.closing(spool):
        for _ in range(4):
            spool.append(Lane.BULK, b"." * 20_000, 1, 0)
        with pytest.raises(SpoolFull, match="spool full"):
            spool.append(Lane.BULK, b"." * 20_000, 1, 0)
        assert spool.waiting == 4
        assert spool.reserve().seq == 5, "the number of what was not kept is still free"


def given_up(open_spool: OpenSpool, folder: Path) -> WrittenSpool:
    """Return a spool that has declared the loss of its oldest readings, and whose frames are on the medium."""
    spool = open_spool(folder, room=1 << 18)
    put(spool, "first", Lane.EVENT)
    while not spool.declared():
        put(spool, "x", size=30_000)
    return spool


@pytest.mark.parametrize("where", ["payload", "head of the record", "head of the file"])
def test_damage_to_a_frame_that_declares_losses_loses_no_declaration(
    tmp_path: Path, open_spool: OpenSpool, where: str
) -> None:
    spool = given_up(open_spool, tmp_path)
    lost = spool.declared()
    (file,) = tmp_path.glob("*.e.seg")
    at = {"payload": file.read_bytes().index(b"agent.evicted"), "head of the file": 8}
    at["head of the record"] = file.read_bytes().rindex(b"HWR1") + 6
    if where == "head of the record":
        put(spool, "behind", Lane.EVENT)
    spool.spool.close()
    damage(file, at[where])
    again = open_spool(tmp_path, room=1 << 18)
    again.entries()
    for loss in lost:
        assert any(
            each.epoch == loss.epoch and each.first_seq <= loss.first_seq <= loss.last_seq <= each.last_seq
            for each in again.writer.undeclared
        )
    assert again.writer.declare()
    assert {(loss.first_seq, loss.last_seq) for loss in again.declared()} >= {
        (loss.first_seq, loss.last_seq) for loss in lost
    }


def test_declaration_that_was_stored_is_not_made_again(tmp_path: Path, open_spool: OpenSpool) -> None:
    spool = given_up(open_spool, tmp_path)
    for entry in spool.entries():
        spool.release(entry)
    spool.close()
    assert open_spool(tmp_path).writer.undeclared == []


def test_losses_too_many_for_what_the_broker_takes_are_declared_in_several_frames(
    tmp_path: Path, open_spool: OpenSpool
) -> None:
    spool = open_spool(tmp_path)
    ranges = [Loss("0" * 26, seq, seq, 1, 0, "spool full") for seq in range(1, 41, 2)]
    assert spool.spool.loss_file.remember(ranges)
    spool.close()
    again = open_spool(tmp_path)
    again.writer.max_frame_bytes = 1000
    assert again.writer.declare()
    assert sorted(again.declared()) == ranges
    assert max(len(entry.payload or b"") for entry in again.entries()) <= 1000
