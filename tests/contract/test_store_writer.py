"""The writer on both databases: what goes in comes out, once, and what cannot go in is kept aside."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from hubwatch_core import wire
from hubwatch_core.clock import now_us, to_us
from hubwatch_core.errors import Permanent, Transient
from hubwatch_core.words import SensorKind
from hubwatch_store.database import DatabaseSection
from hubwatch_store.ingest import Letter, Offer, State, Writer, latest
from support.ports import free_port
from support.store_examples import EPOCH, HOUR_US, OTHER_EPOCH, birth, event, frame, message, offer, one, rows, series


@pytest.fixture
async def writer(migrated_database: str) -> AsyncIterator[Writer]:
    made = Writer(DatabaseSection(dsn=migrated_database))
    yield made
    await made.close()


def dsn(writer: Writer) -> str:
    return writer.settings.dsn


async def test_readings_come_back_as_they_were(writer: Writer) -> None:
    t0 = to_us(datetime(2026, 11, 21, 3, 4, 5, 678_901, UTC))
    marks: list[Any] = [0, (2, "time out"), 1, (2, "")]
    one_series = series(t0, [412.25, None, -0.0, 1e300], q=marks, device=[None, None, -7, None])
    written = await writer.write([offer(frame(1, series=[one_series]))])
    assert (written.frames, written.readings) == (1, 4)
    query = "SELECT time, value, quality, reason, device_time FROM readings ORDER BY time"
    found = rows(dsn(writer), query)
    assert [to_us(row[0]) for row in found] == [t0, t0 + 1000, t0 + 2000, t0 + 3000]
    assert [row[1] for row in found] == [412.25, None, -0.0, 1e300]
    assert [row[2:4] for row in found] == [(0, None), (2, "time out"), (1, None), (2, "")]
    assert [row[4] and to_us(row[4]) for row in found] == [None, None, t0 - 7, None]


async def test_events_come_back_as_they_were(writer: Writer) -> None:
    attrs = {"reader": "in", "n": [1, 2.5, None], "text": "tab\t, line\n, back\\slash, ünï"}
    one_event = event("access.denied", subject="badge:7F3A", attrs=attrs, device=now_us() - 5)
    await writer.write([offer(frame(1, series=[], events=[one_event], late=True))])
    assert rows(dsn(writer), "SELECT hub, sensor, type, subject, attrs, late FROM events") == [
        ("harbour", "door-3", "access.denied", "badge:7F3A", attrs, True)
    ]
    assert to_us(one(dsn(writer), "SELECT device_time FROM events")) == one_event.device


async def test_an_empty_frame_still_counts_in_the_ledger(writer: Writer) -> None:
    await writer.write([offer(frame(1, series=[]))])
    assert rows(dsn(writer), "SELECT seq, readings, events FROM frames") == [(1, 0, 0)]


async def test_the_ledger_tells_sent_and_committed(writer: Writer) -> None:
    sent, before = now_us() - 3_000_000, datetime.now(UTC)
    await writer.write([offer(frame(1, sent=sent))])
    found_sent, committed = rows(dsn(writer), "SELECT sent, committed FROM frames")[0]
    assert to_us(found_sent) == sent
    assert before < committed < datetime.now(UTC)


async def test_a_frame_twice_in_one_batch_is_stored_once(writer: Writer) -> None:
    written = await writer.write([offer(frame(1)), offer(frame(1)), offer(frame(2))])
    assert (written.frames, written.duplicates) == (2, 1)
    assert one(dsn(writer), "SELECT count(*) FROM readings") == 4


async def test_a_frame_again_later_is_stored_once(writer: Writer) -> None:
    await writer.write([offer(frame(1))])
    written = await writer.write([offer(frame(1)), offer(frame(2))])
    assert (written.frames, written.duplicates, written.readings) == (1, 1, 2)


async def test_the_same_number_in_another_epoch_is_another_frame(writer: Writer) -> None:
    written = await writer.write([offer(frame(1)), offer(frame(1, epoch=OTHER_EPOCH))])
    assert written.frames == 2


async def test_two_writers_with_the_same_frames_store_them_once(writer: Writer) -> None:
    other = Writer(writer.settings)
    offers = [offer(frame(seq)) for seq in range(1, 101)]
    batches = [offers[i : i + 10] for i in range(0, 100, 10)]

    async def write(who: Writer, what: list[list[Offer]]) -> int:
        return sum([(await who.write(batch)).frames for batch in what])

    stored = await asyncio.gather(write(writer, batches), write(other, batches[::-1]))
    await other.close()
    assert sum(stored) == 100
    assert one(dsn(writer), "SELECT count(*) FROM readings") == 200


async def test_sensors_nobody_announced_are_stored_with_unknown_kind(writer: Writer) -> None:
    await writer.write([offer(frame(1, events=[event("door.opened")]))])
    assert rows(dsn(writer), "SELECT hub, sensor, agent, kind FROM sensors ORDER BY sensor") == [
        ("harbour", "door-3", "gate-7", None),
        ("harbour", "rpm-2", "gate-7", None),
    ]


async def test_a_birth_makes_everything_it_names_known(writer: Writer) -> None:
    await writer.write([offer(birth())])
    assert rows(dsn(writer), "SELECT hub, security_level FROM hubs") == [("harbour", 1)]
    assert rows(dsn(writer), "SELECT hub, zone FROM zones") == [("harbour", "gate-2")]
    assert rows(dsn(writer), "SELECT sensor, kind, zone, profile, max_age_s FROM sensors") == [
        ("rpm-2", "radiation_portal", "gate-2", "aspect-rpm", 5.0)
    ]
    assert rows(dsn(writer), "SELECT channel, unit, kind, period_us, resolution FROM channels") == [
        ("gamma.1", "count", "gauge", 200_000, 1.0)
    ]
    assert rows(dsn(writer), "SELECT agent, epoch, state, software FROM agents") == [
        ("gate-7", EPOCH, "online", "hubwatch 0.1.0")
    ]


async def test_births_of_a_second_agent_make_its_sensors_known_before_any_frame(writer: Writer) -> None:
    await writer.write([offer(birth())])
    door = wire.Sensor(sensor="door-3", kind=SensorKind.ACCESS, zone="hall")
    await writer.write([offer(birth(agent="gate-8", epoch=OTHER_EPOCH, inventory=[door]))])
    found = rows(dsn(writer), "SELECT sensor, agent, kind FROM sensors ORDER BY sensor")
    assert found == [("door-3", "gate-8", "access"), ("rpm-2", "gate-7", "radiation_portal")]


async def test_a_birth_after_frames_tells_what_they_were(writer: Writer) -> None:
    await writer.write([offer(frame(1))])
    await writer.write([offer(birth())])
    assert rows(dsn(writer), "SELECT s.kind, c.unit FROM sensors s JOIN channels c USING (sensor)") == [
        ("radiation_portal", "count")
    ]
    assert one(dsn(writer), "SELECT count(*) FROM readings") == 2


async def test_an_older_birth_changes_nothing(writer: Writer) -> None:
    await writer.write([offer(birth()), offer(birth(sent=now_us() - HOUR_US, software="older"))])
    assert one(dsn(writer), "SELECT software FROM agents") == "hubwatch 0.1.0"


async def test_a_birth_without_sensors_is_a_birth(writer: Writer) -> None:
    await writer.write([offer(birth(inventory=[]))])
    assert one(dsn(writer), "SELECT count(*) FROM agents") == 1


async def test_the_last_state_holds_whatever_order_states_are_written_in(writer: Writer) -> None:
    first = offer(State("harbour", "gate-7", False))
    second = offer(State("harbour", "gate-7", True))
    assert first.message.received <= second.message.received
    await writer.write([offer(birth()), first, second])
    assert one(dsn(writer), "SELECT state FROM agents") == "online"
    await writer.write([Offer(message(b"", received=first.message.received - HOUR_US), first.content)])
    assert one(dsn(writer), "SELECT state FROM agents") == "online"


async def test_an_agent_that_was_there_and_gone_before_a_collector_came_is_offline(writer: Writer) -> None:
    sent = now_us() - HOUR_US
    gone = Offer(
        message(b"offline", "hubwatch/1/harbour/gate-7/state", sent + 60_000_000), State("harbour", "gate-7", False)
    )
    await writer.write([offer(birth(sent=sent)), gone])
    assert one(dsn(writer), "SELECT state FROM agents") == "offline"


async def test_latest_is_the_newest_whatever_order_frames_come_in(writer: Writer) -> None:
    now = now_us()
    await writer.write([offer(frame(2, series=[series(now, [2.0])])), offer(frame(1, series=[series(now - 9, [1.0])]))])
    await writer.write([offer(frame(3, series=[series(now - HOUR_US, [3.0])], late=True))])
    value, age = rows(dsn(writer), "SELECT value, age_s FROM latest")[0]
    assert value == 2.0
    assert 0 < age < 30
    assert one(dsn(writer), "SELECT last_seq FROM agents") == 3


async def test_many_channels_are_settled_after_a_pause(writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latest, "PAUSE_S", 600)  # however slow the machine is
    many = [series(now_us(), [1.0], channel=f"c{i}") for i in range(latest.LITTLE + 1)]
    await writer.write([offer(frame(1, series=many))])
    assert not writer.settled
    assert one(dsn(writer), "SELECT count(*) FROM readings") == len(many), "readings never wait"
    monkeypatch.setattr(latest, "PAUSE_S", 0)
    await writer.write([])
    assert writer.settled
    assert one(dsn(writer), "SELECT count(*) FROM latest") == len(many)


async def test_data_the_database_refuses_is_a_dead_letter_and_stops_nothing(writer: Writer) -> None:
    bad = frame(3, events=[event("door.opened", attrs={"n": float("inf")})])
    offers = [offer(frame(seq)) for seq in (1, 2)] + [offer(bad, b"whole")] + [offer(frame(seq)) for seq in (4, 5)]
    written = await writer.write(offers)
    assert (written.frames, len(written.dead)) == (4, 1)
    assert rows(dsn(writer), "SELECT payload, hub, agent, epoch, seq, count FROM dead_letters") == [
        (b"whole", "harbour", "gate-7", EPOCH, 3, 1)
    ]
    assert "rejected the data" in one(dsn(writer), "SELECT reason FROM dead_letters")


async def test_poison_beside_data_the_database_refuses_is_counted_once(writer: Writer) -> None:
    bad = frame(3, events=[event("door.opened", attrs={"n": float("inf")})])
    poison = Offer(message(b"poison", "hubwatch/1/x"), Letter("no JSON"))
    written = await writer.write(
        [poison, offer(frame(1)), offer(frame(2)), offer(bad, b"whole"), poison, offer(birth())]
    )
    assert (written.frames, len(written.dead)) == (2, 3)
    assert rows(dsn(writer), "SELECT payload, count FROM dead_letters ORDER BY 1") == [(b"poison", 2), (b"whole", 1)]


async def test_a_dead_letter_is_kept_whole_and_counted_when_it_comes_again(writer: Writer) -> None:
    poison = Offer(message(bytes(range(256)), "hubwatch/1/x\0/y/frame"), Letter("why\0so"))
    await writer.write([poison])
    await writer.write([poison, offer(frame(1))])
    assert rows(dsn(writer), "SELECT topic, payload, reason, count FROM dead_letters") == [
        ("hubwatch/1/x\\0/y/frame", bytes(range(256)), "why\\0so", 2)
    ]


async def test_late_and_out_of_order_readings_are_right_in_the_aggregates(writer: Writer) -> None:
    hour = to_us(datetime(2026, 11, 20, 7, 0, tzinfo=UTC))
    await writer.write([offer(frame(1, series=[series(hour + 60_000_000, [4.0, 6.0])]))])
    await writer.write([offer(frame(2, late=True, series=[series(hour, [1.0, None], q=[1, 2])]))])
    minutes = rows(dsn(writer), "SELECT n, n_good, avg, min, max, last FROM readings_1m ORDER BY bucket")
    assert minutes == [(2, 0, 1.0, 1.0, 1.0, 1.0), (2, 2, 5.0, 4.0, 6.0, 6.0)]
    hours = rows(dsn(writer), "SELECT bucket, n, n_good, min, max, last FROM readings_1h")
    assert hours == [(datetime(2026, 11, 20, 7, tzinfo=UTC), 4, 2, 1.0, 6.0, 6.0)]


async def test_readings_of_any_day_find_their_place(writer: Writer) -> None:
    days = [now_us() - day * 24 * HOUR_US for day in (0, 1, 40, 399)]
    await writer.write([offer(frame(i, series=[series(t, [1.0])])) for i, t in enumerate(days, 1)])
    assert one(dsn(writer), "SELECT count(DISTINCT time::date) FROM readings") == 4


async def test_a_database_that_is_away_is_transient_and_the_writer_recovers(migrated_database: str) -> None:
    writer = Writer(DatabaseSection(dsn=migrated_database))
    await writer.write([offer(frame(1))])
    kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'hubwatch collector'"
    with psycopg.connect(migrated_database, autocommit=True) as connection:
        connection.execute(kill + " AND datname = current_database()")
    with pytest.raises(Transient, match="the database is unavailable"):
        await writer.write([offer(frame(2))])
    assert (await writer.write([offer(frame(2))])).frames == 1
    await writer.close()


async def test_nobody_listening_is_transient() -> None:
    writer = Writer(DatabaseSection(dsn=f"postgresql://x@127.0.0.1:{free_port()}/x"))
    with pytest.raises(Transient):
        await writer.write([offer(frame(1))])


async def test_a_schema_that_is_not_there_is_permanent(database: str) -> None:
    writer = Writer(DatabaseSection(dsn=database))
    with pytest.raises(Permanent, match="hubwatch db migrate"):
        await writer.write([offer(frame(1))])
    await writer.close()
