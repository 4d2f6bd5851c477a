"""What people found alarms to be, and how often detectors gave false ones, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import psycopg
import pytest
from msgspec import structs

from hubwatch_alarms.instructions import Instructions
from hubwatch_alarms.mover import Mover
from hubwatch_alarms.people import adjudicate
from hubwatch_alarms.settings import CommandSettings
from hubwatch_core.alarm import Adjudication
from hubwatch_core.clock import now_us, to_datetime
from hubwatch_core.errors import Permanent
from hubwatch_core.ids import new_ulid
from hubwatch_core.words import SensorKind
from hubwatch_store.database import connect_sync, open_pool
from hubwatch_store.detections import AlarmsOfType, achieved, passed, to_judge, to_judge_now, verdicts, watched_days
from hubwatch_store.ingest import Writer
from support.alarms_database import Hands, hands_on, settings_of
from support.alarms_examples import detection
from support.store_examples import birth, event, frame, offer, rows, series

HUB = "harbour"
LONG_AGO = date(2026, 1, 1)


@pytest.fixture
def hands(migrated_database: str) -> Iterator[Hands]:
    with hands_on(migrated_database) as made:
        yield made


async def alarmed(hands: Hands, dsn: str, sensors: list[str]) -> list[int]:
    """Let each sensor alarm once, as the perimeter detector does, and return the alarms."""
    begun = now_us() - 60_000_000
    found = [detection(hub=HUB, sensor=each, start=begun, end=begun + 5) for each in sensors]
    hands.detect(*(structs.replace(each, id=new_ulid()) for each in found))
    async with open_pool(settings_of(dsn)) as pool:
        await Mover(pool, [], Instructions.load()).round()
    return [row["id"] for row in hands.alarms()]


async def say(dsn: str, alarm: int, word: str, note: str | None = None) -> None:
    await adjudicate(CommandSettings(database=settings_of(dsn)), alarm, Adjudication(word), "kim", note)


async def test_alarms_count_as_what_was_said_last_and_without_a_word_as_not_judged(
    hands: Hands, migrated_database: str
) -> None:
    first, second, third, _ = await alarmed(hands, migrated_database, ["f-1", "f-2", "f-3", "f-4"])
    await say(migrated_database, first, "real")
    await say(migrated_database, first, "false", "a gull")
    await say(migrated_database, second, "innocent")
    await say(migrated_database, third, "tamper")
    with connect_sync(settings_of(migrated_database)) as connection:
        found = achieved(connection, HUB, LONG_AGO)
        assert found == [AlarmsOfType("perimeter", "perimeter.intrusion", 4, 3, 1, 1, 1)]
        assert achieved(connection, HUB, datetime.now(UTC).date() + timedelta(days=1)) == []
    kept = hands.rows("SELECT verdict, note, by FROM adjudications WHERE alarm = %s ORDER BY id", first)
    assert [(each["verdict"], each["note"], each["by"]) for each in kept] == [
        ("real", None, "kim"),
        ("false", "a gull", "kim"),
    ]


async def test_what_was_said_stays_and_is_about_each_detection(hands: Hands, migrated_database: str) -> None:
    (alarm,) = await alarmed(hands, migrated_database, ["f-1"])
    await alarmed(hands, migrated_database, ["f-1"])
    await say(migrated_database, alarm, "false")
    now = datetime.now(UTC)
    with connect_sync(settings_of(migrated_database)) as connection:
        told = verdicts(connection, HUB, "perimeter", now - timedelta(hours=1), now)
    assert [(each.sensor, each.verdict) for each in told] == [("f-1", "false")] * 2
    with pytest.raises(psycopg.errors.RestrictViolation, match="never changed"):
        hands.connection.execute("UPDATE adjudications SET verdict = 'real'")


async def test_alarm_that_is_none_cannot_be_judged(migrated_database: str) -> None:
    with pytest.raises(Permanent, match="there is no alarm 77"):
        await say(migrated_database, 77, "real")


async def test_hub_was_watched_while_frames_were_stored_and_not_beyond(migrated_database: str) -> None:
    writer = Writer(settings_of(migrated_database))
    await writer.write([offer(birth())])
    await writer.write([offer(frame(1))])
    await writer.write([offer(frame(2))])
    await writer.close()
    (span,) = rows(migrated_database, "SELECT extract(epoch FROM max(committed) - min(committed)) FROM frames")
    with connect_sync(settings_of(migrated_database)) as connection:
        assert watched_days(connection, HUB, LONG_AGO) * 86_400 == pytest.approx(float(span[0]), abs=1e-4)
        assert watched_days(connection, "antwerp", LONG_AGO) == 0.0


def test_times_of_several_agents_count_once_and_every_day_has_its_own(hands: Hands, migrated_database: str) -> None:
    hands.connection.execute("INSERT INTO hubs (hub) VALUES ('harbour')")
    hands.connection.execute(
        "INSERT INTO epoch (hub, agent, epoch) VALUES ('harbour', 'a', 'E1'), ('harbour', 'b', 'E2')"
    )
    for agent, since, until in (("a", "03-01 20:00", "03-02 06:00"), ("b", "03-02 00:00", "03-02 12:00")):
        hands.connection.execute(
            "INSERT INTO frame_range (epoch_id, first_seq, last_seq, readings, events, first_committed, last_committed)"
            " SELECT id, 1, 9, 0, 0, %s, %s FROM epoch WHERE agent = %s",
            [f"2026-{since}Z", f"2026-{until}Z", agent],
        )
    found = rows(migrated_database, "SELECT day::text, watched_s / 3600 FROM watched_days ORDER BY day")
    assert found == [("2026-03-01", 4.0), ("2026-03-02", 12.0)]


async def test_what_there_is_to_judge_and_what_passed(hands: Hands, migrated_database: str) -> None:
    began = now_us() - 60_000_000
    writer = Writer(settings_of(migrated_database))
    await writer.write([offer(birth(sent=began))])
    occupied = series(began, [0.0, 1.0, 1.0, 0.0, 1.0], channel="occupied", dt=[i * 1_000_000 for i in range(5)])
    granted = [event("access.granted", t=began + i, subject=who) for i, who in enumerate(("p1:a", "p1:a", "p1:b"))]
    await writer.write([offer(frame(1, series=[occupied], events=granted, sent=began + 6_000_000))])
    await writer.close()
    hands.connection.execute("UPDATE zones SET criticality = 3 WHERE zone = 'gate-2'")
    hands.connection.execute("UPDATE hubs SET security_level = 3 WHERE hub = 'harbour'")
    with connect_sync(settings_of(migrated_database)) as connection:
        known = to_judge_now(connection, HUB)
        gone_by = passed(connection, HUB, to_datetime(began), to_datetime(began + 10_000_000))
    assert [tuple(each) for each in known.sensors] == [("rpm-2", SensorKind.RADIATION_PORTAL, 3, 1, 432_000.0)]
    assert known.scale == 4.0
    assert tuple(gone_by) == (2, 3, 2)
    async with open_pool(settings_of(migrated_database)) as pool:
        assert await to_judge(pool, HUB) == known
