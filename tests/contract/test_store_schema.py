"""The schema, on TimescaleDB and on plain PostgreSQL: the same public names whatever is beneath."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import psycopg
import pytest

from hubwatch_core.errors import Permanent, Transient
from hubwatch_store.database import (
    DatabaseLoginRefused,
    DatabaseSection,
    Migration,
    check_schema,
    connect_sync,
    detect,
    migrate,
    migrations,
    standing,
)
from support.ports import free_port
from support.store_examples import one, rows

PUBLIC = {
    "hubs": "hub name mode security_level",
    "zones": "hub zone name criticality outline version",
    "site_versions": "hub version applied applied_by note sha256 file",
    "zone_paths": "hub from_zone to_zone seconds metres version",
    "doors": "hub sensor from_zone to_zone reader_in reader_out one_person version",
    "fence_sections": "hub fence section zone sensor from_m to_m version",
    "fence_behind": "hub fence sensor metres from_m to_m version",
    "lanes": "hub lane class version",
    "lane_steps": "hub lane step sensor within_s share version",
    "sensor_places": "hub sensor label x_m y_m distance_m exposure version",
    "power_feeds": "hub supply what fed version",
    "cameras": "hub camera covers page version",
    "zone_travel": "hub from_hub from_zone to_hub to_zone seconds version",
    "shifts": "hub shift days begins ends time_zone version",
    "cardholders": "hub subject home_zone shift on_call clearance valid_from valid_to version",
    "cardholder_names": "hub subject name",
    "cardholder_imports": "hub version imported imported_by note cardholders written removed with_names",
    "level_journal": "id hub at level former by note until ends",
    "audit": "id at who verified hub act subject details role salt sealed previous hash",
    "role_hubs": "role hub",
    "users": "id name full_name created created_by disabled issuer subject",
    "user_grants": "user role hubs",
    "approvals": "id act hub subject details reason asked_by asked expires decision decided_by decided note done",
    "adjudications": "id at alarm detection verdict by note verified",
    "judged_alarms": "alarm hub sensor type detector opened peak verdict judged by note",
    "watched_days": "hub day watched_s",
    "false_alarms": "hub day detector type alarms judged false innocent real other",
    "level_scales": "what level value meaning",
    "agents": "hub agent epoch state software config born last_frame last_seq",
    "sensors": "hub sensor agent kind zone profile max_age_s",
    "channels": "hub sensor channel unit kind period_us resolution",
    "readings": "time hub sensor channel value quality reason device_time",
    "readings_1m": "bucket hub sensor channel n n_good avg min max last",
    "readings_1h": "bucket hub sensor channel n n_good avg min max last",
    "events": "time hub sensor type subject attrs device_time late",
    "detections": "id type hub sensor subject start end detected score priority detector version late why evidence "
    "peak",
    "detection_ends": "id end detected",
    "alarms": "id hub zone sensor type subject priority state opened last_active returned acknowledged "
    "acknowledged_by closed shelved_until detections why incident",
    "alarm_journal": "id alarm at action by from_state to_state note detection verified",
    "alarm_delayed": "detection hub since due outcome decided",
    "alarm_suppression": "id kind hub zone sensor types starts ends critical made by verified reason agreed_by lifted "
    "lifted_by",
    "suppressed": "hub what id kind zone sensor types priority since until by reason agreed_by",
    "alarm_presented": "id at alarm hub zone sensor type priority action",
    "alarm_causes": "hub alarm cause",
    "alarm_floods": "hub since presented",
    "alarm_rate": "hub hour presented critical",
    "alarm_ten_minutes": "hub since presented",
    "alarm_chattering": "hub alarm sensor type within_minute since",
    "alarm_figures": "hub per_hour flood_share top_10_share stale chattering shelved suppressed acknowledged_p50_s "
    "acknowledged_p95_s",
    "notifications": "id alarm route attempt at outcome status error",
    "incidents": "id hub opened closed title alarms priority assigned comments merged_into verdict judged judged_by",
    "incident_journal": "id incident hub at action by verified note alarm other verdict person",
    "incident_timeline": "incident hub at what key alarm by action text details",
    "handovers": "id hub drafted drafted_by drafted_verified facts notes left_by left_at left_verified taken_by "
    "taken_at "
    "taken_verified",
    "frames": "hub agent epoch seq sent committed late readings events",
    "ledger_gaps": "hub agent epoch first_seq last_seq frames cause since",
    "ledger_account": "hub agent epoch published committed dead_lettered evicted missing unexplained",
    "dead_letters": "id topic payload reason hub agent first_seen last_seen count",
    "latest": "hub sensor channel time value quality reason age_s",
    "detector_state": "hub detector sensor lane version state saved",
}


def section(dsn: str) -> DatabaseSection:
    return DatabaseSection(dsn=dsn)


def test_public_names_have_their_columns(migrated_database: str) -> None:
    found: dict[str, set[str]] = {}
    query = "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'hubwatch'"
    for name, column in rows(migrated_database, query):
        found.setdefault(name, set()).add(column)
    missing = {name: set(columns.split()) - found.get(name, set()) for name, columns in PUBLIC.items()}
    assert {name: columns for name, columns in missing.items() if columns} == {}


def test_migrating_again_does_nothing(database: str) -> None:
    assert migrate(section(database)) == migrations()
    assert migrate(section(database)) == ()


def test_two_that_migrate_at_once_apply_each_migration_once(database: str) -> None:
    applied: list[Migration] = []
    threads = [threading.Thread(target=lambda: applied.extend(migrate(section(database)))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(applied, key=lambda migration: migration.number) == list(migrations())


def test_standing_tells_pending_applied_and_unknown(database: str) -> None:
    with connect_sync(section(database)) as connection:
        assert standing(connection).pending == migrations()
    migrate(section(database))
    with connect_sync(section(database)) as connection:
        now = standing(connection, migrations()[:2])
    assert (len(now.applied), now.pending) == (2, ())
    assert now.unknown == tuple(str(migration) for migration in migrations()[2:])


def test_a_migration_that_was_changed_afterwards_is_told(migrated_database: str) -> None:
    first, *rest = migrations()
    changed = Migration(first.number, first.phase, first.name, first.text + "-- changed")
    with pytest.raises(Permanent, match="was changed after it was applied"):
        migrate(section(migrated_database), known=[changed, *rest])


def extra(*more: Migration) -> Sequence[Migration]:
    return [*migrations(), *more]


def test_a_migration_that_fails_leaves_nothing_behind(migrated_database: str) -> None:
    bad = Migration(9000, "pre", "bad", "CREATE TABLE hubwatch.half (x int); SELECT 1 / 0")
    with pytest.raises(Permanent, match="9000_pre_bad failed and was undone: division by zero"):
        migrate(section(migrated_database), known=extra(bad))
    assert one(migrated_database, "SELECT to_regclass('hubwatch.half') IS NULL")
    assert one(migrated_database, "SELECT count(*) FROM migrations WHERE number = 9000") == 0


def test_the_phase_post_waits_and_pre_alone_may_run(migrated_database: str) -> None:
    pre = Migration(9000, "pre", "widen", "CREATE TABLE hubwatch.widened ()")
    post = Migration(9001, "post", "narrow", "DROP TABLE hubwatch.widened")
    assert migrate(section(migrated_database), "pre", extra(pre, post)) == (pre,)
    assert migrate(section(migrated_database), "post", extra(pre, post)) == (post,)


def test_a_phase_does_not_run_past_an_earlier_one_of_the_other(migrated_database: str) -> None:
    post, pre = Migration(9000, "post", "a", "SELECT 1"), Migration(9001, "pre", "b", "SELECT 1")
    with pytest.raises(Permanent, match="9000_post_a has to come before 9001_pre_b"):
        migrate(section(migrated_database), "pre", extra(post, pre))


def test_check_schema_names_what_is_missing(database: str) -> None:
    with pytest.raises(Permanent, match="run `hubwatch db migrate`"):
        check_schema(section(database))
    migrate(section(database))
    check_schema(section(database))


def test_a_database_that_is_away_is_transient_for_commands_and_no_fault_of_the_schema() -> None:
    nowhere = section(f"postgresql://nobody@127.0.0.1:{free_port()}/x")
    check_schema(nowhere)
    with pytest.raises(Transient, match="the database is unavailable"):
        migrate(nowhere)


def test_a_database_that_does_not_exist_is_a_refused_login(plain_server: str) -> None:
    with pytest.raises(DatabaseLoginRefused, match="rejected the login"):
        connect_sync(section(plain_server.rsplit("/", 1)[0] + "/no_such_database"))


def test_features_tell_timescaledb_and_its_hypertables(migrated_timescale_dsn: str) -> None:
    with connect_sync(section(migrated_timescale_dsn)) as connection:
        features = detect(connection)
    assert features.engine.startswith("TimescaleDB 2.")
    assert features.hypertables == 4
    community = features.licence == "timescale"
    assert (features.continuous_aggregates > 0) == community


def test_features_tell_plain_postgresql_and_its_partitions(migrated_plain_dsn: str) -> None:
    with connect_sync(section(migrated_plain_dsn)) as connection:
        features = detect(connection)
    assert "without TimescaleDB" in features.engine
    assert (features.hypertables, features.partitioned_tables) == (0, 3)


@pytest.mark.parametrize(
    ("width", "moment", "bucket"),
    [
        ("1 minute", "2026-11-21 20:15:42.5+00", "2026-11-21 20:15:00+00"),
        ("7 days", "2026-11-21 20:15:42+00", "2026-11-16 00:00:00+00"),
        ("1 hour", "1999-12-31 23:59:59+00", "1999-12-31 23:00:00+00"),
    ],
)
def test_time_bucket_is_the_same_everywhere(migrated_database: str, width: str, moment: str, bucket: str) -> None:
    query = f"SELECT hubwatch.time_bucket('{width}', '{moment}'::timestamptz) = '{bucket}'::timestamptz"
    assert one(migrated_database, query)


def test_detections_and_the_journal_are_never_changed(migrated_database: str) -> None:
    insert = (
        "INSERT INTO hubwatch.detection (id, type, hub, sensor, start, detected, score, priority, detector, version,"
        " late, why) VALUES ('1', 'a', 'h', 's', now(), now(), 1, 1, 'd', 1, false, '')"
    )
    with psycopg.connect(migrated_database, autocommit=True) as connection:
        connection.execute(insert)
        with pytest.raises(psycopg.errors.RestrictViolation, match="never changed"):
            connection.execute("UPDATE hubwatch.detection SET score = 2")


def test_a_detection_is_announced_with_its_hub(migrated_database: str) -> None:
    with psycopg.connect(migrated_database, autocommit=True) as connection:
        connection.execute("LISTEN hubwatch_detections")
        connection.execute(
            "INSERT INTO hubwatch.detection (id, type, hub, sensor, start, detected, score, priority, detector,"
            " version, late, why) SELECT i, 'a', 'harbour', 's', now(), now(), 1, 1, 'd', 1, false, ''"
            " FROM generate_series(1, 3) i"
        )
        heard = [notice.payload for notice in connection.notifies(timeout=20, stop_after=1)]
    assert heard == ["harbour"]
