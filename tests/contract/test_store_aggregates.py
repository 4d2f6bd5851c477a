"""Aggregates equal what the readings say, whenever and in whatever order these come, and outlive them."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator

import psycopg
import pytest

from hubwatch_core.clock import to_us
from hubwatch_core.errors import Transient
from hubwatch_store.ingest import Writer
from hubwatch_store.series import Bounds, maintained
from hubwatch_store.series.aggregates import HOUR_US, SETTLE, refresh
from hubwatch_store.upkeep import maintain, upkeep
from support.kept_database import DAY, HOUR, MINUTE, NOW, Kept, kept_in
from support.store_examples import frame, offer, series

RAW = {
    "readings_1m": "1 minute",
    "readings_1h": "1 hour",
}
TRUTH = """
    SELECT time_bucket(INTERVAL '{width}', time), hub, sensor, channel, count(*), count(*) FILTER (WHERE quality = 0),
        avg(value) FILTER (WHERE quality < 2), min(value) FILTER (WHERE quality < 2),
        max(value) FILTER (WHERE quality < 2),
        (array_agg(value ORDER BY time DESC) FILTER (WHERE quality < 2 AND value IS NOT NULL))[1]
    FROM readings GROUP BY 1, 2, 3, 4 ORDER BY 2, 3, 4, 1"""


@pytest.fixture
def kept(migrated_database: str) -> Iterator[Kept]:
    with kept_in(migrated_database) as kept:
        yield kept


@pytest.fixture
async def writer(kept: Kept) -> AsyncIterator[Writer]:
    writer = Writer(kept.settings)
    yield writer
    await writer.close()


def shown(kept: Kept, view: str) -> list[object]:
    return kept.rows(f"SELECT * FROM {view} ORDER BY hub, sensor, channel, bucket")


def assert_true(kept: Kept) -> None:
    for view, width in RAW.items():
        assert shown(kept, view) == kept.rows(TRUTH.format(width=width))


def some_readings(kept: Kept) -> None:
    portal, weather = kept.sensor("rpm-2", "radiation_portal"), kept.sensor("weather-1", "environment")
    for i in range(300):
        kept.readings(portal, NOW - 2 * DAY + i * MINUTE / 4, NOW - i * MINUTE / 3, value=float(i % 7))
    kept.readings(weather, NOW - 5 * HOUR, NOW - DAY)
    kept.do("UPDATE reading SET quality = 1 WHERE extract(second FROM time) = 15")
    kept.do("UPDATE reading SET quality = 2, value = NULL WHERE extract(minute FROM time) = 7")


def test_before_any_refresh_views_are_made_of_the_readings(kept: Kept) -> None:
    some_readings(kept)
    assert_true(kept)


def test_after_a_refresh_views_say_the_same_from_tables(kept: Kept) -> None:
    some_readings(kept)
    done = kept.maintain()
    assert done.refreshed.buckets > 100
    assert_true(kept)
    assert kept.one("SELECT count(*) FROM reading_1m") > 100
    assert kept.one("SELECT count(*) FROM reading_1h") > 5


def test_the_newest_readings_are_seen_without_a_refresh(kept: Kept) -> None:
    some_readings(kept)
    kept.maintain()
    channel = kept.one("SELECT id FROM channels WHERE sensor = 'weather-1'")
    kept.readings(channel, kept.one("SELECT clock_timestamp()"), value=99.0)
    assert_true(kept)


def test_a_refresh_of_nothing_new_makes_nothing(kept: Kept) -> None:
    some_readings(kept)
    kept.maintain()
    before = kept.one("SELECT minute_to FROM rollup_state")
    again = kept.maintain().refreshed
    assert again.late_hours == 0
    assert kept.one("SELECT minute_to FROM rollup_state") >= before
    assert_true(kept)


def test_marks_stay_a_settling_time_behind_the_clock(kept: Kept) -> None:
    kept.maintain()
    assert kept.one("SELECT clock_timestamp() - minute_to >= %s FROM rollup_state", SETTLE)
    assert kept.one("SELECT minute_to = date_trunc('minute', minute_to) AND hour_to <= minute_to FROM rollup_state")


async def test_late_frames_come_into_buckets_that_were_made_before(kept: Kept, writer: Writer) -> None:
    now = to_us(NOW)
    first = [series(now - 10 * 3_600_000_000 + i * 30_000_000, [1.0, 2.0]) for i in range(50)]
    await writer.write([offer(frame(1, series=first))])
    kept.maintain()
    late = [series(now - 10 * 3_600_000_000 + i * 40_000_000 + 5, [50.0, -3.0]) for i in range(90)]
    late += [series(now - 40 * 24 * 3_600_000_000, [7.0]), series(now - 3_600_000_000, [8.0], sensor="new")]
    await writer.write([offer(frame(2, series=late, late=True))])
    assert kept.one("SELECT count(*) FROM rollup_late") >= 4
    done = kept.maintain().refreshed
    assert done.late_hours >= 4
    assert done.too_late == 0
    assert kept.one("SELECT count(*) FROM rollup_late") == 0
    assert_true(kept)


async def test_a_backlog_under_way_is_made_again_once_and_not_every_minute(kept: Kept, writer: Writer) -> None:
    old = to_us(NOW) - 5 * HOUR_US
    await writer.write([offer(frame(1, series=[series(old, [1.0])]))])
    kept.maintain()
    for seq in range(2, 30):
        await writer.write([offer(frame(seq, series=[series(old + seq * 1_000_000, [2.0])], late=True))])
    assert kept.one("SELECT count(*) FROM rollup_late") == 28
    patient = refresh(kept.connection, Bounds(), patient=True)
    assert patient.late_hours == 0
    assert kept.rows("SELECT count(*) FROM rollup_late UNION ALL SELECT count(*) FROM rollup_redo") == [(0,), (1,)]
    assert upkeep(kept.connection).late_hours == 1
    kept.do("UPDATE rollup_redo SET since = since - INTERVAL '11 minutes'")
    assert refresh(kept.connection, Bounds(), patient=True).late_hours == 1
    assert_true(kept)


async def test_live_frames_cost_no_late_rows(kept: Kept, writer: Writer) -> None:
    kept.maintain()
    await writer.write([offer(frame(1))])
    assert kept.one("SELECT count(*) FROM readings") == 2
    assert kept.one("SELECT count(*) FROM rollup_late") == 0


async def test_a_frame_that_is_undone_leaves_no_late_rows(kept: Kept, writer: Writer) -> None:
    kept.maintain()
    old = series(to_us(NOW) - 3_600_000_000 * 5, [1.0])
    await writer.write([offer(frame(1, series=[old]))])
    kept.maintain()
    await writer.write([offer(frame(1, series=[old]))])
    assert kept.one("SELECT count(*) FROM rollup_late") == 0


def test_aggregates_outlive_the_readings(kept: Kept) -> None:
    channel = kept.sensor("weather-1", "environment")
    kept.readings(channel, *(NOW - 70 * DAY + i * MINUTE for i in range(90)), NOW - 2 * DAY)
    before = shown(kept, "readings_1m"), shown(kept, "readings_1h")
    kept.maintain()
    assert kept.one("SELECT count(*) FROM readings") == 1
    assert (shown(kept, "readings_1m"), shown(kept, "readings_1h")) == before


async def test_a_reading_later_than_retention_never_lowers_a_bucket_and_is_told(kept: Kept, writer: Writer) -> None:
    old = to_us(NOW - 500 * DAY)
    await writer.write([offer(frame(1, series=[series(old, [1.0, 2.0, 3.0])]))])
    kept.maintain()
    assert kept.one("SELECT count(*) FROM readings") == 0
    before = shown(kept, "readings_1m")
    await writer.write([offer(frame(2, series=[series(old, [9.0])], late=True))])
    done = kept.maintain()
    assert done.refreshed.too_late == 2
    assert shown(kept, "readings_1m") == before
    assert kept.one("SELECT detail->'too_late' FROM maintenance_journal WHERE what = 'too_late'") == 2


def test_a_refresh_waits_for_writers_that_went_by_the_mark_before(kept: Kept) -> None:
    channel = kept.sensor("rpm-2", "radiation_portal")
    kept.do("SELECT ensure_partitions('reading', %s)", [NOW - HOUR])
    with psycopg.connect(kept.dsn, options="-c search_path=hubwatch,public") as writing:
        assert writing.execute("SELECT late_before()::text").fetchone() == ("-infinity",)
        writing.execute("INSERT INTO reading VALUES (%s, %s, 5, 0)", (NOW - HOUR, channel))
        thread = threading.Thread(target=maintain, args=(kept.settings,))
        thread.start()
        thread.join(0.5)
        assert thread.is_alive()
        writing.commit()
        thread.join(10)
    assert kept.one("SELECT sum(n) FROM reading_1m") == 1
    assert_true(kept)


def test_a_writer_that_hangs_does_not_hold_the_others_up_for_long(kept: Kept) -> None:
    with psycopg.connect(kept.dsn, options="-c search_path=hubwatch,public") as writing:
        writing.execute("SELECT late_before()")
        with pytest.raises(Transient, match="lock timeout"):
            maintain(kept.settings)
    assert kept.one("SELECT minute_to FROM rollup_state WHERE minute_to > '-infinity' UNION ALL SELECT NULL") is None


def test_where_there_is_no_community_licence_aggregates_are_ours(kept: Kept) -> None:
    community = kept.one("SELECT has_community()")
    assert maintained(kept.connection) is not community
