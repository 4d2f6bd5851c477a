"""TimescaleDB's community edition: as far as it can be tried without it.

No package registry has a build under that licence, so its statements are run up to where the Apache build refuses them
for their licence (they parse, and what they call exists), and what depends on their results runs against views of the
same shape as continuous aggregates have.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from hubwatch_core.errors import Permanent
from hubwatch_store.backup import create_backup, restore_backup
from hubwatch_store.backup.archive import opened, reading
from hubwatch_store.database import DatabaseSection, Migration, migrate, migrations, queries
from hubwatch_store.keeping import change
from hubwatch_store.series import maintained
from support.databases import fresh_database
from support.kept_database import DAY, MINUTE, NOW, Kept, kept_in

LICENCE = 'not supported under the current "apache" license'
IS_COMMUNITY = "SELECT hubwatch.has_timescaledb() AND current_setting('timescaledb.license', true) = 'timescale'"


@pytest.fixture
def kept(migrated_timescale_dsn: str) -> Iterator[Kept]:
    with kept_in(migrated_timescale_dsn) as kept:
        if kept.one("SELECT has_community()"):
            pytest.skip("this server has the community edition: the other tests run on it")
        yield kept


@pytest.fixture
def shaped(kept: Kept) -> Kept:
    """The aggregates are views that cannot be written to, as continuous aggregates are."""
    for name, width in (("1m", "1 minute"), ("1h", "1 hour")):
        kept.do(f"DROP TABLE reading_{name} CASCADE")
        kept.do(
            f"CREATE VIEW reading_{name} AS SELECT r.bucket, c.id AS channel_id, n, n_good, avg, min, max, last"
            f" FROM channels c CROSS JOIN LATERAL rollup('{width}', c.id, '-infinity', 'infinity') r"
        )
        kept.do(
            f"CREATE VIEW readings_{name} AS SELECT r.bucket, c.hub, c.sensor, c.channel, r.n, r.n_good, r.avg, r.min,"
            f" r.max, r.last FROM reading_{name} r JOIN channels c ON c.id = r.channel_id"
        )
    return kept


def test_the_licence_alone_decides_and_the_migration_gets_as_far_as_timescaledbs_own_refusal(
    timescale_dsn: str,
) -> None:
    second = next(migration for migration in migrations() if migration.number == 2)
    assert second.text.count(IS_COMMUNITY) == 1
    forced = Migration(2, second.phase, second.name, second.text.replace(IS_COMMUNITY, "SELECT true"))
    with pytest.raises(Permanent, match=LICENCE):
        migrate(DatabaseSection(dsn=timescale_dsn), known=[migrations()[0], forced])


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT add_continuous_aggregate_policy('hubwatch.reading', INTERVAL '30 days', INTERVAL '1 hour', '1 hour')",
        "ALTER TABLE reading SET (timescaledb.compress, timescaledb.compress_segmentby = 'channel_id',"
        " timescaledb.compress_orderby = 'time DESC')",
        "SELECT add_compression_policy('hubwatch.reading', INTERVAL '7 days')",
    ],
)
def test_what_the_community_edition_is_asked_for_exists(kept: Kept, statement: str) -> None:
    with pytest.raises(psycopg.errors.FeatureNotSupported, match=LICENCE):
        kept.do(statement)


def test_a_restore_asks_for_a_refresh_that_exists(kept: Kept) -> None:
    with pytest.raises(psycopg.errors.FeatureNotSupported, match=LICENCE):
        kept.connection.execute(queries("backup")["continuous_refresh"], ("hubwatch.reading", NOW))
    assert kept.connection.execute(queries("backup")["continuous_storage"], ("reading_1m",)).fetchall() == []


def test_continuous_aggregates_are_left_to_timescaledb(shaped: Kept) -> None:
    shaped.readings(shaped.sensor("rpm-2", "radiation_portal"), NOW - DAY)
    assert not maintained(shaped.connection)
    done = shaped.maintain().refreshed
    assert (done.buckets, done.late_hours) == (0, 0)
    assert shaped.one("SELECT late_before() = '-infinity'")


def test_rows_of_continuous_aggregates_are_never_deleted_one_by_one(shaped: Kept) -> None:
    shaped.readings(shaped.sensor("weather-1", "environment"), NOW - 450 * DAY, NOW - 70 * DAY, NOW)
    shaped.do("UPDATE retention_rule SET raw_days = 50, minute_days = 60, hour_days = 60 WHERE kind = 'environment'")
    deleted = shaped.maintain().deleted
    assert deleted is not None
    assert deleted.complete
    assert {layer for layer, _ in deleted.rows} == {"raw"}
    assert shaped.ages() == {"weather-1": [0]}


def test_readings_that_a_refresh_may_look_at_must_be_kept(shaped: Kept) -> None:
    with pytest.raises(Permanent, match="need readings for 31 days at least"):
        change(shaped.connection, "environment", {"raw": 30}, None)
    assert change(shaped.connection, "environment", {"raw": 31}, None).raw == 31


def test_a_backup_holds_continuous_aggregates_and_restores_them_as_tables(
    shaped: Kept, tmp_path: Path, plain_server: str
) -> None:
    channel = shaped.sensor("rpm-2", "radiation_portal")
    shaped.readings(channel, *(NOW - DAY + i * MINUTE for i in range(100)))
    path = tmp_path / "b"
    create_backup(shaped.settings, path, lambda _table, _size: None)
    with opened(path) as backup, reading(backup) as (_, manifest):
        assert {table.name: table.rows for table in manifest.tables}["reading_1m"] == 100
    with fresh_database(plain_server) as dsn:
        restore_backup(DatabaseSection(dsn=dsn), path, lambda _table, _size: None)
        with kept_in(dsn) as there:
            assert there.one("SELECT count(*) FROM reading_1m") == 100
            assert there.maintain().refreshed.too_late == 0
            assert there.one("SELECT sum(n) FROM readings_1h") == 100
