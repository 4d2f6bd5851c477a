"""The spool against a model, with a crash at every write: by kill -9 and by loss of power."""

from __future__ import annotations

import contextlib
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hubwatch_agents.uplink.frame_writer import NoRoom
from hubwatch_agents.uplink.spool.disk import Disk
from hubwatch_agents.uplink.spool.loss import Loss
from hubwatch_agents.uplink.spool.record import FILE_HEADER_BYTES, RECORD_HEADER_BYTES, Lane
from hubwatch_agents.uplink.spool.spool import FrameNumber, SpoolEntry
from support.agents_disk import Crash, CrashingDisk
from support.agents_frames import WrittenSpool, batch

MAX_BYTES = 1 << 20
KINDS_OF_WRITE = {"open", "append", "overwrite", "sync", "sync_folder", "truncate", "link", "unlink"}
"""Every method of a disk that changes it."""


@dataclass
class Model:
    """What is known from outside: what was handed in, what was on the medium, what a collector has stored."""

    kept: dict[FrameNumber, bytes] = field(default_factory=dict)
    safe: set[FrameNumber] = field(default_factory=set)
    stored: set[FrameNumber] = field(default_factory=set)


def explained(number: FrameNumber, declared: list[Loss]) -> bool:
    return any(loss.epoch == number.epoch and loss.first_seq <= number.seq <= loss.last_seq for loss in declared)


def damage_oldest(folder: Path) -> None:
    """Write over a part of the first payload that is on the medium."""
    with min(folder.glob("*.seg")).open("r+b") as file:
        file.seek(FILE_HEADER_BYTES + RECORD_HEADER_BYTES + 50)
        file.write(b"\xaa" * 4)


class Run:
    """A spool at work, with its model."""

    def __init__(self, disk: Disk, model: Model, max_bytes: int) -> None:
        self.model = model
        self.disk = disk
        self.entries: list[SpoolEntry] = []
        self.written = WrittenSpool(disk, max_bytes=max_bytes)

    def do(self, action: tuple[str, int]) -> None:
        what, number = action
        if what in ("bulk", "event"):
            with contextlib.suppress(NoRoom):  # then no number was used
                self.keep(Lane.BULK if what == "bulk" else Lane.EVENT, number)
        elif what == "squeeze":
            assert isinstance(self.disk, CrashingDisk)
            self.disk.squeeze(number)
        elif what == "relax":
            assert isinstance(self.disk, CrashingDisk)
            self.disk.relax()
        elif what == "damage":
            damage_oldest(self.disk.folder)
        elif what == "read":
            self.written.entries()
        elif what == "declare":
            self.written.writer.declare()
        elif what == "sync":
            self.written.spool.sync()
            self.model.safe |= {entry.number for entry in self.entries}
        elif self.entries:
            entry = self.entries.pop(number % len(self.entries))
            if entry.number in self.model.safe:
                self.model.stored.add(entry.number)
                self.written.release(entry)

    def keep(self, lane: Lane, size: int) -> None:
        entry = self.written.writer.write(batch(lane, "x", size))
        assert entry.payload is not None
        self.model.kept[entry.number] = entry.payload
        self.entries.append(entry)


actions = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["bulk", "bulk", "event"]), st.sampled_from([0, 10, 5_000, 40_000])),
        st.tuples(st.just("sync"), st.just(0)),
        st.tuples(st.just("ack"), st.integers(0, 50)),
    ),
    min_size=1,
    max_size=25,
)


def crash_at(
    script: list[tuple[str, int]], writes: int, seed: int, folder: Path, power: bool, room: int
) -> tuple[Model, str] | None:
    """Run a script until it crashes; return what is known then and the kind of write, None when it got through."""
    model = Model()
    disk = CrashingDisk(folder, writes, seed)
    try:
        run = Run(disk, model, room)
        for action in script:
            run.do(action)
    except Crash:
        if power:
            disk.lose_power()
        return model, disk.crashed_in
    finally:
        disk.end()
    return None


def check_after(model: Model, folder: Path, power: bool, room: int) -> None:
    after = Run(Disk(folder), model, room)
    written = after.written
    with contextlib.closing(written.spool):
        found = {entry.number: entry.payload for entry in written.entries()}
        # Only what the restarted spool itself can show counts as declared.
        declared = [*written.declared(), *written.writer.undeclared]
        certain = model.safe if power else set(model.kept)
        for number in certain - model.stored:
            if number in found:
                assert found[number] == model.kept[number]
            else:
                assert explained(number, declared), f"frame {number} is gone and nobody says so"
        fresh = written.writer.write(batch(Lane.EVENT, "y", 7)).number
        assert fresh not in model.safe, "a number that was sent is used again"
        assert power or fresh not in model.kept, "a number that was given is used again"
        assert written.spool.used_bytes <= room


def through_every_crash(script: list[tuple[str, int]], seed: int, power: bool, room: int) -> list[str]:
    """Crash at each write in turn, look at what is left, and return the kinds of write in their order."""
    kinds: list[str] = []
    while True:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            crashed = crash_at(script, len(kinds), seed, folder, power, room)
            if crashed is None:
                return kinds
            model, kind = crashed
            check_after(model, folder, power, room)
        kinds.append(kind)


@pytest.mark.parametrize("power", [False, True], ids=["kill", "power"])
@given(script=actions, seed=st.integers(0, 2**32))
@settings(max_examples=25)
def test_spool_survives_a_crash_at_every_write(script: list[tuple[str, int]], seed: int, power: bool) -> None:
    assert through_every_crash(script, seed, power, MAX_BYTES)


@pytest.mark.parametrize("power", [False, True], ids=["kill", "power"])
@given(seed=st.integers(0, 2**32))
@settings(max_examples=4)
def test_full_spool_that_crashes_while_evicting_declares_what_went(seed: int, power: bool) -> None:
    script = [("bulk", 40_000), ("event", 10), ("sync", 0)] * 8
    room = 1 << 18
    assert len(through_every_crash(script, seed, power, room)) > len(script)


tight = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["bulk", "event"]), st.sampled_from([10, 20_000, 40_000])),
        st.tuples(st.just("squeeze"), st.sampled_from([0, 50, 500, 60_000])),
        st.tuples(st.just("ack"), st.integers(0, 50)),
        st.tuples(st.sampled_from(["sync", "relax", "declare"]), st.just(0)),
    ),
    min_size=5,
    max_size=25,
)


NUMBER_ONLY_IN_A_FILE_THAT_GOES: list[tuple[str, int]] = [
    ("bulk", 10), ("squeeze", 0), ("bulk", 10), ("squeeze", 0), ("squeeze", 0), ("sync", 0), ("squeeze", 0),
    ("event", 40_000), ("ack", 3), ("ack", 12), ("bulk", 10), ("squeeze", 50), ("ack", 16), ("event", 20_000),
    ("declare", 0), ("squeeze", 500), ("bulk", 20_000), ("event", 40_000), ("squeeze", 50),
]  # fmt: skip
"""The file with the highest number was given up on a full disk: after a kill its number was given out again."""


@pytest.mark.parametrize("power", [False, True], ids=["kill", "power"])
@example(script=NUMBER_ONLY_IN_A_FILE_THAT_GOES, seed=16)
@given(script=tight, seed=st.integers(0, 2**32))
@settings(max_examples=15)
def test_full_disk_and_a_crash_at_every_write_leave_no_gap_undeclared(
    script: list[tuple[str, int]], seed: int, power: bool
) -> None:
    filled = [("bulk", 40_000), ("event", 10), ("sync", 0)] * 4
    assert len(through_every_crash([*filled, *script], seed, power, 1 << 18)) > len(filled)


@pytest.mark.parametrize("power", [False, True], ids=["kill", "power"])
def test_loss_that_finds_no_room_to_be_declared_outlives_a_kill(power: bool) -> None:
    """Somebody else has filled the disk to the last byte: a file has to go, and nothing can be added."""
    filled = [("bulk", 40_000), ("sync", 0)] * 4
    script = [*filled, ("squeeze", 0), ("bulk", 40_000), ("squeeze", 0), ("bulk", 40_000), ("sync", 0)]
    assert len(through_every_crash(script, 1, power, 1 << 18)) > len(script)


@pytest.mark.parametrize("power", [False, True], ids=["kill", "power"])
def test_declaration_that_is_given_up_itself_is_made_again(power: bool) -> None:
    script = [("bulk", 40_000), ("sync", 0)] * 8 + [("event", 40_000), ("sync", 0)] * 14
    assert len(through_every_crash(script, 1, power, 1 << 18)) > len(script)


def test_crash_reaches_every_kind_of_write() -> None:
    """Files that are begun, filled, cut short on a full disk, given up, and set aside for damage."""
    filled = [("bulk", 40_000), ("sync", 0)] * 4
    squeezed = [("squeeze", 50), ("event", 40_000), ("squeeze", 0), ("bulk", 40_000), ("relax", 0)]
    script = [*filled, ("damage", 0), ("read", 0), *squeezed, ("sync", 0)]
    kinds = set(through_every_crash(script, 1, power=False, room=1 << 18))
    assert kinds == KINDS_OF_WRITE
