"""The spool against a model, with a crash at every write: by kill -9 and by loss of power."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hubwatch_agents.spool.disk import Disk
from hubwatch_agents.spool.loss import Loss
from hubwatch_agents.spool.record import Lane
from hubwatch_agents.spool.spool import Build, Entry, NoRoom, Spool
from support.agents_disk import Crash, CrashingDisk

MAX_BYTES = 1 << 20
Name = tuple[str, int]


@dataclass
class Model:
    """What is known from outside: what was handed in, what was on the medium, what the broker took."""

    kept: dict[Name, bytes] = field(default_factory=dict)
    safe: set[Name] = field(default_factory=set)
    taken: set[Name] = field(default_factory=set)


def explained(name: Name, declared: list[Loss]) -> bool:
    epoch, seq = name
    return any(loss.epoch == epoch and loss.first_seq <= seq <= loss.last_seq for loss in declared)


def payload_of(epoch: str, seq: int, size: int) -> bytes:
    return f"{epoch}:{seq}:".encode() + b"x" * size


def declared_in(payload: bytes) -> list[Loss]:
    return [Loss(**each) for each in json.loads(payload)] if payload.startswith(b"[") else []


class Run:
    """A spool at work, with its model."""

    def __init__(self, disk: Disk, model: Model, max_bytes: int) -> None:
        self.model = model
        self.disk = disk
        self.entries: list[Entry] = []
        self.spool = Spool(disk, max_bytes=max_bytes, segment_bytes=1 << 16, declare=self.declare, recall=declared_in)

    def declare(self, losses: list[Loss]) -> tuple[Build, int]:
        def build(epoch: str, seq: int) -> bytes:
            return json.dumps([loss._asdict() for loss in losses]).encode()

        return build, len(losses)

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
        elif what == "declare":
            self.spool.announce()
        elif what == "sync":
            self.spool.sync()
            self.model.safe |= {(entry.epoch, entry.seq) for entry in self.entries}
        elif self.entries:
            entry = self.entries.pop(number % len(self.entries))
            if (entry.epoch, entry.seq) in self.model.safe:
                self.model.taken.add((entry.epoch, entry.seq))
                self.spool.ack(entry)

    def keep(self, lane: Lane, size: int) -> None:
        entry = self.spool.append(lane, lambda epoch, seq: payload_of(epoch, seq, size), 3, 1)
        self.model.kept[entry.epoch, entry.seq] = entry.payload
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
) -> Model | None:
    """Run a script until it crashes; None when it got through."""
    model = Model()
    disk = CrashingDisk(folder, writes, seed)
    try:
        run = Run(disk, model, room)
        for action in script:
            run.do(action)
    except Crash:
        if power:
            disk.lose_power()
        return model
    return None


def check_after(model: Model, folder: Path, power: bool, room: int) -> None:
    after = Run(Disk(folder), model, room)
    found = {(entry.epoch, entry.seq): entry.payload for entry in after.spool.backlog()}
    # Only what the restarted spool itself can show counts as declared.
    declared = [loss for data in found.values() for loss in declared_in(data)]
    declared += after.spool.undeclared
    certain = model.safe if power else set(model.kept)
    for name in certain - model.taken:
        if name in found:
            assert found[name] == model.kept[name]
        else:
            assert explained(name, declared), f"frame {name} is gone and nobody says so"
    fresh = after.spool.append(Lane.EVENT, lambda epoch, seq: payload_of(epoch, seq, 7), 1, 0)
    name = (fresh.epoch, fresh.seq)
    assert name not in model.safe, "a number that was sent is used again"
    assert power or name not in model.kept, "a number that was given is used again"
    assert after.spool.used_bytes <= room
    after.spool.close()


def through_every_crash(script: list[tuple[str, int]], seed: int, power: bool, room: int) -> int:
    writes = 0
    while True:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            model = crash_at(script, writes, seed, folder, power, room)
            if model is None:
                return writes
            check_after(model, folder, power, room)
        writes += 1


@pytest.mark.parametrize("power", [False, True], ids=["kill", "power"])
@given(script=actions, seed=st.integers(0, 2**32))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_spool_survives_a_crash_at_every_write(script: list[tuple[str, int]], seed: int, power: bool) -> None:
    assert through_every_crash(script, seed, power, MAX_BYTES) >= 0


@pytest.mark.parametrize("power", [False, True], ids=["kill", "power"])
@given(seed=st.integers(0, 2**32))
@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_full_spool_that_crashes_while_evicting_declares_what_went(seed: int, power: bool) -> None:
    script = [("bulk", 40_000), ("event", 10), ("sync", 0)] * 8
    room = 1 << 18
    assert through_every_crash(script, seed, power, room) > len(script)


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


@pytest.mark.parametrize("power", [False, True], ids=["kill", "power"])
@given(script=tight, seed=st.integers(0, 2**32))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_full_disk_and_a_crash_at_every_write_leave_no_gap_undeclared(
    script: list[tuple[str, int]], seed: int, power: bool
) -> None:
    filled = [("bulk", 40_000), ("event", 10), ("sync", 0)] * 4
    assert through_every_crash([*filled, *script], seed, power, 1 << 18) > len(filled)


@pytest.mark.parametrize("power", [False, True], ids=["kill", "power"])
def test_loss_that_finds_no_room_to_be_declared_outlives_a_kill(power: bool) -> None:
    """Somebody else has filled the disk to the last byte: a file has to go, and nothing can be added."""
    filled = [("bulk", 40_000), ("sync", 0)] * 4
    script = [*filled, ("squeeze", 0), ("bulk", 40_000), ("squeeze", 0), ("bulk", 40_000), ("sync", 0)]
    assert through_every_crash(script, 1, power, 1 << 18) > len(script)


@pytest.mark.parametrize("power", [False, True], ids=["kill", "power"])
def test_declaration_that_is_given_up_itself_is_made_again(power: bool) -> None:
    script = [("bulk", 40_000), ("sync", 0)] * 8 + [("event", 40_000), ("sync", 0)] * 14
    assert through_every_crash(script, 1, power, 1 << 18) > len(script)


def test_crash_reaches_every_kind_of_write(tmp_path: Path) -> None:
    seen: list[str] = []

    class Listening(Disk):
        def __getattribute__(self, name: str) -> Callable[..., object]:
            found: Callable[..., object] = super().__getattribute__(name)
            if name in ("open", "append", "sync", "sync_folder", "unlink"):
                seen.append(name)
            return found

    run = Run(Listening(tmp_path), Model(), 1 << 18)
    for action in [("bulk", 40_000), ("sync", 0), ("ack", 0)] * 8:
        run.do(action)
    assert set(seen) == {"open", "append", "sync", "sync_folder", "unlink"}
