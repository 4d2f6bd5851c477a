"""The spool, step by step: order, acknowledgements, bounds, damage, full disk."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from hubwatch_agents.spool.disk import Disk
from hubwatch_agents.spool.loss import MAX_RANGES, Gone, Loss, losses
from hubwatch_agents.spool.record import FILE_HEADER_BYTES, Lane
from hubwatch_agents.spool.reserve import RESERVE_BYTES, Reserve
from hubwatch_agents.spool.spool import Build, NoRoom, Spool

ROOM = 1 << 20


class Told:
    """Takes the declarations of a spool."""

    def __init__(self) -> None:
        self.losses: list[Loss] = []

    def __call__(self, lost: list[Loss]) -> tuple[Build, int]:
        self.losses += lost
        return (lambda epoch, seq: b"declared"), len(lost)


def spool_in(folder: Path, *, room: int = ROOM, segment: int = 1 << 16, disk: Disk | None = None) -> Spool:
    return Spool(disk or Disk(folder), max_bytes=room, segment_bytes=segment, declare=Told())


def put(spool: Spool, text: str, lane: Lane = Lane.BULK, size: int = 0) -> int:
    entry = spool.append(lane, lambda epoch, seq: text.encode() + b"." * size, 5, 1)
    return entry.seq


def waiting(spool: Spool) -> list[tuple[int, bytes]]:
    return [(entry.seq, entry.payload.rstrip(b".")) for entry in spool.backlog()]


def test_frames_are_numbered_from_one_and_come_back_in_order(tmp_path: Path) -> None:
    spool = spool_in(tmp_path)
    assert [put(spool, text) for text in "abc"] == [1, 2, 3]
    assert waiting(spool) == [(1, b"a"), (2, b"b"), (3, b"c")]


def test_events_come_before_readings(tmp_path: Path) -> None:
    spool = spool_in(tmp_path)
    put(spool, "bulk")
    put(spool, "event", Lane.EVENT)
    assert waiting(spool) == [(2, b"event"), (1, b"bulk")]


def test_reopened_spool_goes_on_in_its_epoch_without_what_was_taken(tmp_path: Path) -> None:
    first = spool_in(tmp_path)
    for text in "abc":
        put(first, text)
    first.ack(next(entry for entry in first.backlog() if entry.seq == 2))
    first.close()
    second = spool_in(tmp_path)
    assert second.epoch == first.epoch
    assert waiting(second) == [(1, b"a"), (3, b"c")]
    assert put(second, "d") == 4


def test_number_goes_on_when_everything_was_taken(tmp_path: Path) -> None:
    first = spool_in(tmp_path)
    for _ in range(6):
        put(first, "x", size=30_000)
    for entry in list(first.backlog()):
        first.ack(entry)
    assert first.waiting == 0
    first.close()
    second = spool_in(tmp_path)
    assert (second.epoch, put(second, "y")) == (first.epoch, 7)


def test_file_whose_frames_are_all_taken_goes(tmp_path: Path) -> None:
    spool = spool_in(tmp_path)
    for _ in range(6):
        put(spool, "x", size=30_000)
    assert len(list(tmp_path.glob("*.seg"))) == 2
    for entry in list(spool.backlog()):
        spool.ack(entry)
    assert len(list(tmp_path.glob("*.seg"))) == 1


def test_leased_frame_is_no_backlog_until_it_is_released(tmp_path: Path) -> None:
    spool = spool_in(tmp_path)
    entry = spool.append(Lane.BULK, lambda epoch, seq: b"a", 1, 0)
    spool.lease(entry)
    assert waiting(spool) == []
    spool.release(entry)
    assert waiting(spool) == [(1, b"a")]


class CountingDisk(Disk):
    """Counts what is read."""

    reads = 0

    def read(self, name: str, offset: int = 0, length: int = -1) -> bytes:
        self.reads += 1
        return super().read(name, offset, length)


def test_looking_for_a_backlog_reads_no_file_while_all_that_waits_is_leased(tmp_path: Path) -> None:
    disk = CountingDisk(tmp_path)
    spool = spool_in(tmp_path, disk=disk)
    held = spool.append(Lane.BULK, lambda epoch, seq: b"a", 1, 0)
    spool.lease(held)
    assert (waiting(spool), disk.reads) == ([], 0)
    put(spool, "b")
    assert (waiting(spool), disk.reads) == ([(2, b"b")], 1)


def test_synced_follows_appended(tmp_path: Path) -> None:
    spool = spool_in(tmp_path)
    put(spool, "a")
    assert (spool.appended, spool.synced) == (1, 0)
    spool.sync()
    assert spool.synced == 1


async def test_sync_in_a_thread_covers_what_was_there_when_it_began(tmp_path: Path) -> None:
    spool = spool_in(tmp_path)
    put(spool, "a")
    await spool.sync_in_thread()
    assert spool.synced == 1


def test_full_spool_gives_up_the_oldest_readings_and_says_which(tmp_path: Path) -> None:
    told = Told()
    spool = Spool(Disk(tmp_path), max_bytes=ROOM, segment_bytes=1 << 17, declare=told)
    put(spool, "event", Lane.EVENT)
    for _ in range(60):
        put(spool, "x", size=30_000)
    assert spool.used_bytes <= ROOM
    left = {seq for seq, _ in waiting(spool)}
    gone = {seq for loss in told.losses for seq in range(loss.first_seq, loss.last_seq + 1)}
    assert 1 in left, "events go last"
    assert gone
    assert left | gone >= set(range(1, 62))
    assert not left & gone
    assert sum(loss.readings for loss in told.losses) == 5 * len(gone)
    assert spool.evicted_readings == 5 * len(gone)


def test_readings_never_push_out_events(tmp_path: Path) -> None:
    spool = spool_in(tmp_path, room=1 << 18)
    while True:
        try:
            put(spool, "event", Lane.EVENT, size=20_000)
        except NoRoom:
            raise AssertionError("events push out older events") from None
        if len(list(tmp_path.glob("*.e.seg"))) > 2:
            break
    events = [seq for seq, text in waiting(spool) if text == b"event"]
    for _ in range(3):
        try:
            put(spool, "bulk", size=60_000)
        except NoRoom:
            break
    assert [seq for seq, text in waiting(spool) if text == b"event"] == events


def test_events_push_out_the_oldest_events_when_nothing_else_is_left(tmp_path: Path) -> None:
    told = Told()
    spool = Spool(Disk(tmp_path), max_bytes=1 << 18, segment_bytes=1 << 16, declare=told)
    for _ in range(30):
        put(spool, "event", Lane.EVENT, size=20_000)
    assert spool.used_bytes <= 1 << 18
    assert told.losses[0].first_seq == 1
    assert all(loss.reason == "spool full" for loss in told.losses)


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


def test_full_disk_gives_up_old_readings_and_goes_on(tmp_path: Path) -> None:
    told = Told()
    disk = FullDisk(tmp_path, 250_000)
    spool = Spool(disk, max_bytes=ROOM, segment_bytes=1 << 16, declare=told)
    for i in range(20):
        put(spool, f"n{i}", size=30_000)
    assert told.losses
    assert {loss.reason for loss in told.losses} == {"disk full"}
    left = waiting(spool)
    assert left[-1][1] == b"n19"


def test_full_disk_with_nothing_to_give_up_uses_no_number_and_leaves_no_half_frame(tmp_path: Path) -> None:
    disk = FullDisk(tmp_path, 500)
    spool = Spool(disk, max_bytes=ROOM, segment_bytes=1 << 16)
    put(spool, "a", Lane.EVENT)
    with pytest.raises(NoRoom):
        put(spool, "big", size=5000)
    disk.room = 10_000
    assert put(spool, "c") == 2
    spool.close()
    again = Spool(Disk(tmp_path), max_bytes=ROOM, segment_bytes=1 << 16)
    assert waiting(again) == [(1, b"a"), (2, b"c")]
    assert again.undeclared == spool.undeclared == []


def test_loss_that_finds_no_room_to_be_declared_is_declared_when_there_is_some(tmp_path: Path) -> None:
    told = Told()
    disk = FullDisk(tmp_path, RESERVE_BYTES + 230)
    spool = Spool(disk, max_bytes=ROOM, segment_bytes=1 << 16, declare=told)
    put(spool, "a", size=100)
    put(spool, "b", size=30)
    assert {loss.first_seq for loss in told.losses} == {1}
    assert b"declared" in [text for _, text in waiting(spool)]
    assert spool.undeclared == []


def test_loss_that_cannot_be_declared_is_remembered_by_the_next_life(tmp_path: Path) -> None:
    disk = FullDisk(tmp_path, RESERVE_BYTES + 30_150)
    spool = Spool(disk, max_bytes=ROOM, segment_bytes=1 << 16, declare=Told())
    put(spool, "a", size=30_000)
    disk.room = 0
    disk.unlink = Disk(tmp_path).unlink  # type: ignore[method-assign]  # somebody else takes what is freed
    with pytest.raises(NoRoom):
        put(spool, "b", size=30_000)
    assert not spool.announce()
    again = spool_in(tmp_path)  # the one before was killed
    assert [(loss.epoch, loss.first_seq, loss.last_seq) for loss in again.undeclared] == [(spool.epoch, 1, 1)]
    assert again.announce()
    assert again.undeclared == spool_in(tmp_path).undeclared == []


def test_without_the_reserve_nothing_is_given_up_undeclared(tmp_path: Path) -> None:
    spool = Spool(FullDisk(tmp_path, 230), max_bytes=ROOM, segment_bytes=1 << 16, declare=Told())
    put(spool, "a", size=100)
    with pytest.raises(NoRoom):
        put(spool, "b", size=30)
    assert waiting(spool) == [(1, b"a")]


def test_reserve_is_made_again_where_it_was_cut_short(tmp_path: Path) -> None:
    (tmp_path / "losses").write_bytes(bytes(100))
    spool_in(tmp_path).close()
    assert (tmp_path / "losses").stat().st_size == RESERVE_BYTES


def test_reserve_keeps_what_stood_before_a_torn_write(tmp_path: Path) -> None:
    first, second = (Loss("e", n, n, 1, 0, "full") for n in (1, 2))
    reserve = Reserve(Disk(tmp_path))
    assert reserve.remember([first])
    assert reserve.remember([first, second])
    damage(tmp_path / "losses", 40)
    assert Reserve(Disk(tmp_path)).losses == [first]


def test_reserve_takes_the_most_ranges_there_can_be(tmp_path: Path) -> None:
    big = 2**63 - 1
    ranges = [Loss("0" * 26, big - i, big, big, 2**31, "spool file damaged") for i in range(MAX_RANGES)]
    assert Reserve(Disk(tmp_path)).remember(ranges)
    assert Reserve(Disk(tmp_path)).losses == ranges


def test_other_disk_errors_come_through(tmp_path: Path) -> None:
    class Broken(Disk):
        def append(self, fd: int, data: bytes) -> int:
            raise OSError(errno.EIO, "Input/output error")

    with pytest.raises(OSError, match="Input/output"):
        put(spool_in(tmp_path, disk=Broken(tmp_path)), "a")


def damage(file: Path, offset: int, length: int = 4) -> None:
    with file.open("r+b") as stream:
        stream.seek(offset)
        stream.write(b"\xaa" * length)


def filled(folder: Path, count: int = 4) -> Path:
    spool = spool_in(folder)
    for i in range(count):
        put(spool, f"n{i}", size=100)
    spool.close()
    return next(folder.glob("*.seg"))


def test_damaged_payload_costs_one_frame_which_is_declared_and_kept_aside(tmp_path: Path) -> None:
    file = filled(tmp_path)
    damage(file, FILE_HEADER_BYTES + 32 + 50)
    spool = spool_in(tmp_path)
    assert [seq for seq, _ in waiting(spool)] == [2, 3, 4]
    (loss,) = spool.undeclared
    assert (loss.first_seq, loss.last_seq, loss.readings, loss.reason) == (1, 1, 5, "spool file damaged")
    assert list(tmp_path.glob("*.corrupt"))
    assert spool.damaged_files == 1
    assert waiting(spool) == waiting(spool), "it is not found damaged again"
    assert spool.damaged_files == 1


def test_damaged_record_head_is_stepped_over_and_declared(tmp_path: Path) -> None:
    file = filled(tmp_path)
    damage(file, FILE_HEADER_BYTES + (32 + 102) + 6)
    spool = spool_in(tmp_path)
    assert [seq for seq, _ in waiting(spool)] == [1, 3, 4]
    assert [(loss.first_seq, loss.last_seq) for loss in spool.undeclared] == [(2, 2)]


def test_torn_tail_is_cut_and_begins_a_new_epoch(tmp_path: Path) -> None:
    file = filled(tmp_path)
    with file.open("r+b") as stream:
        stream.truncate(file.stat().st_size - 30)
    before = spool_in(tmp_path / "other").epoch
    spool = spool_in(tmp_path)
    assert [seq for seq, _ in waiting(spool)] == [1, 2, 3]
    assert spool.undeclared == []
    entry = spool.append(Lane.BULK, lambda epoch, seq: b"new", 1, 0)
    assert entry.seq == 1
    assert entry.epoch not in {before, next(iter(spool.backlog())).epoch}


def test_file_with_a_damaged_head_is_set_aside_and_the_spool_goes_on(tmp_path: Path) -> None:
    file = filled(tmp_path)
    damage(file, 8)
    spool = spool_in(tmp_path)
    assert waiting(spool) == []
    assert put(spool, "new") == 1
    assert [path.name for path in tmp_path.glob("*.corrupt")] == [file.name + ".corrupt"]


def test_damaged_acknowledgement_hides_no_frame(tmp_path: Path) -> None:
    spool = spool_in(tmp_path)
    put(spool, "a")
    put(spool, "b")
    spool.ack(next(iter(spool.backlog())))
    spool.close()
    damage(next(tmp_path.glob("*.ack")), 0, 1)
    assert [seq for seq, _ in waiting(spool_in(tmp_path))] == [1, 2]


def test_set_aside_files_are_the_first_to_go_when_room_is_short(tmp_path: Path) -> None:
    damage(filled(tmp_path), 8)
    spool = spool_in(tmp_path, room=1 << 17)
    for _ in range(10):
        put(spool, "x", size=20_000)
    assert not list(tmp_path.glob("*.corrupt"))


def test_losses_join_neighbours_and_stay_few() -> None:
    assert losses("e", [Gone(3, 1, 0), Gone(1, 1, 0), Gone(2, 1, 1)], "r") == [Loss("e", 1, 3, 3, 1, "r")]
    scattered = losses("e", [Gone(seq, 1, 0) for seq in range(1, 1001, 2)], "r")
    assert len(scattered) == MAX_RANGES
    assert sum(loss.readings for loss in scattered) == 500
