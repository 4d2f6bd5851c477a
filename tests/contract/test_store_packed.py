"""What is stored of a frame is the same in either version of the wire format: rows, events, ledger, dead letters."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from hubwatch_collector.decoding import limits_of, offer_of
from hubwatch_collector.settings import IntakeSection
from hubwatch_core import packed_frame, wire
from hubwatch_core.clock import now_us
from hubwatch_core.packing import packed
from hubwatch_store.database import DatabaseSection
from hubwatch_store.devices import SayingRules
from hubwatch_store.ingest import Offer, Writer
from support.store_examples import EPOCH, HOUR_US, OTHER_EPOCH, birth, event, message, rows

LIMITS = limits_of(IntakeSection(client_id="x"))
Encode = Callable[[wire.Frame], bytes]
MARKS: list[Any] = [0, 1, 2, (1, "clock not kept"), (2, "no answer"), (0, "as read by hand"), (2, "")]


def in_version_1(frame: wire.Frame) -> bytes:
    return wire.encode(msgspec.structs.replace(frame, hub="one"))


def in_version_2(frame: wire.Frame) -> bytes:
    return packed_frame.encode(packed(msgspec.structs.replace(frame, hub="two")))


def in_turn(frame: wire.Frame) -> bytes:
    frame = msgspec.structs.replace(frame, hub="turn")
    return wire.encode(frame) if frame.seq % 2 else packed_frame.encode(packed(frame))


def frames(count: int, now: int) -> list[wire.Frame]:
    """Return frames of every kind, the same each time."""
    chance = random.Random(15)
    return [_frame(chance, seq, now - (count - seq) * 1_000_000) for seq in range(1, count + 1)]


def _frame(chance: random.Random, seq: int, sent: int) -> wire.Frame:
    names = chance.sample([(f"s{i % 3}", f"c{i}") for i in range(12)], chance.choice([0, 1, 3, 10]))
    shared = [sent - 900_000 + i * 200_000 for i in range(5)]
    events = [event("door.opened", sensor="s0", t=sent, subject="b:1", attrs={"n": [1, None, 2.5]})]
    return wire.Frame(
        1, "", "gw", chance.choice([EPOCH, OTHER_EPOCH]), seq, sent, late=chance.random() < 0.2,
        series=[_series(chance, name, shared) for name in names],
        events=events if chance.random() < 0.3 else [],
    )  # fmt: skip


def _series(chance: random.Random, name: tuple[str, str], shared: Sequence[int]) -> wire.Series:
    own = [shared[0] - chance.choice([0, 1, 3 * HOUR_US]) - i for i in range(chance.randrange(4))]
    times = [*shared] if chance.random() < 0.6 else own
    values = [chance.choice([412.25, 0.1, -0.0, 1e300, float(i)]) for i in range(len(times))]
    marks = [chance.choice(MARKS) for _ in times] if chance.random() < 0.4 else []
    x = [None if marks and marks[i] in (2, (2, "no answer")) else value for i, value in enumerate(values)]
    device = [chance.choice([None, -5, 2**40]) for _ in times] if chance.random() < 0.3 else []
    t0 = times[0] if times else shared[0]
    return wire.Series(*name, t0, [at - t0 for at in times], x, marks, device)


def offers(hub: str, payloads: Sequence[bytes]) -> list[Offer]:
    """Return what a collector makes of payloads."""
    decoded = [offer_of(message(payload, f"hubwatch/1/{hub}/gw/frame"), LIMITS) for payload in payloads]
    return [each for each in decoded if each is not None]


READINGS = """SELECT sensor, channel, time, value, quality, reason, device_time FROM readings WHERE hub = '{}'
              ORDER BY 1, 2, 3, value NULLS FIRST, 5, 6"""
EVENTS = "SELECT sensor, time, type, subject, attrs, device_time, late FROM events WHERE hub = '{}' ORDER BY 1, 2"
LEDGER = "SELECT agent, epoch, seq, sent, readings, events, late FROM frames WHERE hub = '{}' ORDER BY 2, 3"
LATEST = "SELECT sensor, channel, time, value, quality, reason FROM latest WHERE hub = '{}' ORDER BY 1, 2"
LETTERS = "SELECT reason, agent, epoch, seq FROM dead_letters WHERE hub = '{}' ORDER BY 1"


async def test_same_frames_give_the_same_rows_in_either_version_and_in_turn(migrated_database: str) -> None:
    made, writer = frames(60, now_us()), Writer(DatabaseSection(dsn=migrated_database))
    versions: dict[str, Encode] = {"one": in_version_1, "two": in_version_2, "turn": in_turn}
    for hub, encode in versions.items():
        payloads = [encode(frame) for frame in made]
        counts = []
        # Again and again, as a broker does: in one batch, in the next, and after names mean something else.
        for batch in (payloads[:20], [*payloads[10:40], payloads[39]], payloads[30:]):
            written = await writer.write(offers(hub, batch))
            counts.append((written.frames, written.duplicates, written.readings, written.events))
            await writer.write([Offer(message(b""), birth(hub=hub, agent="gw"))])
        assert [count[:2] for count in counts] == [(20, 0), (20, 11), (20, 10)]
        while not writer.settled:
            await writer.write([])
    await writer.close()
    for query in (READINGS, EVENTS, LEDGER, LATEST):
        first, second, turn = (rows(migrated_database, query.format(hub)) for hub in versions)
        assert first
        assert first == second == turn


async def test_poison_of_either_version_is_the_same_letter(migrated_database: str) -> None:
    writer = Writer(DatabaseSection(dsn=migrated_database))
    now = now_us()
    null = wire.Series("s", "c", now, [0, 1], [1.0, None])
    old = wire.Series("s", "c", now - 500 * 24 * HOUR_US, [0], [1.0])
    for hub, encode in {"one": in_version_1, "two": in_version_2}.items():
        bad = [wire.Frame(1, "", "gw", EPOCH, seq, now, series=[each]) for seq, each in enumerate([null, old], 1)]
        written = await writer.write(offers(hub, [encode(frame) for frame in bad]))
        assert [letter.seq for letter in written.dead] == [1, 2]
    await writer.close()
    first, second = rows(migrated_database, LETTERS.format("one")), rows(migrated_database, LETTERS.format("two"))
    assert [row[1:] for row in first] == [row[1:] for row in second]
    assert first[1] == second[1]
    assert "series[0] s/c: x[1] is null but its quality is good" in first[1][0]


async def test_of_either_version_only_what_was_announced_is_stored(migrated_database: str) -> None:
    writer = Writer(DatabaseSection(dsn=migrated_database), rules=SayingRules(own=True, announced=True))
    now = now_us()
    known = wire.Series("rpm-2", "gamma.1", now, [0, 1], [1.0, 2.0])
    unknown = wire.Series("rpm-2", "gamma.9", now, [0, 1], [1.0, 2.0])
    for hub, encode in {"one": in_version_1, "two": in_version_2}.items():
        await writer.write([Offer(message(b""), birth(hub=hub, agent="gw"))])
        frame = wire.Frame(1, "", "gw", EPOCH, 1, now, series=[unknown, known])
        written = await writer.write(offers(hub, [encode(frame)]))
        assert (written.readings, [letter.kind for letter in written.dead]) == (2, ["unannounced"])
    await writer.close()
    first, second = rows(migrated_database, READINGS.format("one")), rows(migrated_database, READINGS.format("two"))
    assert first == second
    assert len(first) == 2
