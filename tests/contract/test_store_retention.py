"""Retention deletes what the rule of its kind has passed and nothing else."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import timedelta

import psycopg
import pytest

from hubwatch_core.errors import Permanent
from hubwatch_core.words import SensorKind
from hubwatch_store.keeping import Evidence, change, change_evidence, evidence, retention, rules
from hubwatch_store.series import Bounds
from hubwatch_store.series.aggregates import refresh
from hubwatch_store.upkeep import maintain
from support.kept_database import DAY, HUB, MINUTE, NOW, Kept, kept_in


@pytest.fixture
def kept(migrated_database: str) -> Iterator[Kept]:
    with kept_in(migrated_database) as kept:
        yield kept


def test_radiation_is_kept_longer_than_room_temperature(kept: Kept) -> None:
    for sensor, kind in (("rpm-2", "radiation_portal"), ("weather-1", "environment"), ("new", None)):
        kept.readings(kept.sensor(sensor, kind), *(NOW - day * DAY for day in (450, 399, 61, 59, 1)))
    done = kept.maintain()
    assert kept.ages() == {"rpm-2": [399, 61, 59, 1], "new": [399, 61, 59, 1], "weather-1": [59, 1]}
    assert done.deleted is not None
    assert done.deleted.rows["raw", "environment"] == 3
    assert done.deleted.rows["raw", "radiation_portal"] == 1


def test_each_layer_has_its_own_rule(kept: Kept) -> None:
    kept.readings(kept.sensor("door-3", "access"), *(NOW - day * DAY for day in (400, 300, 80)))
    kept.events("door-3", *(NOW - day * DAY for day in (400, 300, 80)))
    kept.maintain()
    assert kept.ages() == {"door-3": [80]}
    assert kept.ages("events") == {"door-3": [300, 80]}
    assert kept.ages("readings_1m", "bucket") == {"door-3": [300, 80]}
    assert kept.ages("readings_1h", "bucket") == {"door-3": [300, 80]}


def test_a_piece_whose_rows_are_all_past_goes_as_a_whole(kept: Kept) -> None:
    kept.readings(kept.sensor("rpm-2", "radiation_portal"), NOW - 450 * DAY, NOW - 399 * DAY)
    before = kept.one("SELECT count(*) FROM pieces('reading')")
    done = kept.maintain()
    assert done.deleted is not None
    assert done.deleted.partitions["raw"] == 1
    assert kept.one("SELECT count(*) FROM pieces('reading')") == before - 1


def test_a_piece_with_something_to_keep_loses_only_rows_and_its_empty_space(kept: Kept) -> None:
    weather, portal = kept.sensor("weather-1", "environment"), kept.sensor("rpm-2", "radiation_portal")
    day = (NOW - 200 * DAY).replace(hour=0)
    kept.readings(weather, *(day + i * timedelta(seconds=2) for i in range(20_000)))
    kept.readings(portal, day)
    size = "SELECT sum(pg_relation_size(piece::regclass)) FROM pieces('reading')"
    before = kept.one(size)
    done = kept.maintain()
    assert kept.ages() == {"rpm-2": [round((NOW - day) / DAY)]}
    assert done.deleted is not None
    assert (done.deleted.partitions["raw"], done.deleted.rewritten) == (0, 1)
    # On a busy server somebody may have seen the deleted rows still; then a later run gives the space back.
    for _ in range(20):
        if kept.one(size) < before / 50:
            break
        time.sleep(1)
        vacuum(kept)
        kept.maintain()
    assert kept.one(size) < before / 50


def vacuum(kept: Kept) -> None:
    """Do at once what autovacuum does in time."""
    for (piece,) in kept.rows("SELECT piece FROM pieces('reading')"):
        kept.do(f"VACUUM (ANALYZE) {piece}")


def test_a_piece_that_somebody_reads_is_rewritten_by_a_later_run(kept: Kept) -> None:
    weather, portal = kept.sensor("weather-1", "environment"), kept.sensor("rpm-2", "radiation_portal")
    day = (NOW - 200 * DAY).replace(hour=0)
    kept.readings(weather, *(day + i * timedelta(seconds=2) for i in range(20_000)))
    kept.readings(portal, day)
    with psycopg.connect(kept.dsn, options="-c search_path=hubwatch") as other:
        other.execute("SELECT count(*) FROM reading")
        first = kept.maintain().deleted
    assert first is not None
    assert (first.rewritten, len(first.postponed), first.complete) == (0, 1, False)
    for _ in range(20):
        vacuum(kept)
        again = kept.maintain().deleted
        assert again is not None
        if again.rewritten:
            break
        time.sleep(1)
    assert again is not None
    assert again.rewritten == 1
    assert again.complete


def test_a_dry_run_tells_what_would_go_and_changes_nothing(kept: Kept) -> None:
    weather, portal = kept.sensor("weather-1", "environment"), kept.sensor("rpm-2", "radiation_portal")
    kept.readings(weather, *(NOW - 200 * DAY + i * MINUTE for i in range(10)), NOW - 700 * DAY)
    kept.readings(portal, NOW - 200 * DAY, NOW - 700 * DAY)
    refresh(kept.connection, Bounds())
    before = kept.rows("SELECT * FROM readings ORDER BY 1, 2, 3")
    would = kept.maintain(dry_run=True).deleted
    assert kept.rows("SELECT * FROM readings ORDER BY 1, 2, 3") == before
    assert kept.one("SELECT count(*) FROM maintenance_journal WHERE (detail->'rows')::text <> '[]'") == 0
    did = kept.maintain().deleted
    assert would is not None
    assert did is not None
    assert (would.rows, would.partitions) == (did.rows, did.partitions)
    assert would.rows["raw", "environment"] == 11
    assert would.partitions["raw"] == 1


def test_a_rule_of_for_ever_keeps_everything(kept: Kept) -> None:
    kept.readings(kept.sensor("weather-1", "environment"), NOW - 3000 * DAY)
    change(kept.connection, "environment", {"raw": None, "minute": None, "hour": None}, "a study")
    kept.maintain()
    assert kept.ages() == {"weather-1": [3000]}


def test_a_changed_rule_is_applied_next_time(kept: Kept) -> None:
    kept.readings(kept.sensor("rpm-2", "radiation_portal"), NOW - 20 * DAY, NOW - 5 * DAY)
    kept.maintain()
    change(kept.connection, "radiation_portal", {"raw": 10}, None)
    kept.maintain()
    assert kept.ages() == {"rpm-2": [5]}


def test_a_kind_without_a_rule_of_its_own_is_kept_as_unknown(kept: Kept) -> None:
    kept.readings(kept.sensor("odd", "seismic"), NOW - 399 * DAY, NOW - 401 * DAY)
    kept.maintain()
    assert kept.ages() == {"odd": [399]}


def test_readings_stay_until_aggregates_are_made_of_them(kept: Kept) -> None:
    kept.readings(kept.sensor("weather-1", "environment"), NOW - 100 * DAY)
    deleted = retention.apply(kept.connection, Bounds())
    assert sum(deleted.rows.values()) == 0
    assert kept.ages() == {"weather-1": [100]}


def test_many_rows_go_in_bounded_steps_and_a_stop_comes_between_them(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "STEP_ROWS", 50)
    portal = kept.sensor("rpm-2", "radiation_portal")
    kept.readings(portal, NOW - 200 * DAY)
    for i in range(10):
        channel = kept.sensor(f"weather-{i}", "environment")
        kept.readings(channel, *(NOW - 200 * DAY + j * MINUTE for j in range(30)))
    asked = 0

    def stopped() -> bool:
        nonlocal asked
        asked += 1
        return bool(kept.one("SELECT count(*) FROM reading") < 300)

    kept.do("UPDATE rollup_state SET log_before = now(), minute_to = now(), hour_to = now()")
    deleted = retention.apply(kept.connection, Bounds(stopped=stopped))
    assert not deleted.complete
    assert deleted.rows["raw", "environment"] == 60
    assert asked >= 2
    assert retention.apply(kept.connection, Bounds()).complete
    assert kept.ages() == {"rpm-2": [200]}


def test_one_process_at_a_time_maintains(kept: Kept) -> None:
    with psycopg.connect(kept.dsn) as other:
        other.execute("SELECT hubwatch.try_lock_maintenance()")
        assert maintain(kept.settings) is None
    assert kept.maintain().deleted is not None


def test_retention_that_was_completed_is_not_due_again(kept: Kept) -> None:
    first, again = maintain(kept.settings, when_due=True), maintain(kept.settings, when_due=True)
    assert first is not None
    assert again is not None
    assert first.deleted is not None
    assert again.deleted is None


def test_the_journal_tells_what_went(kept: Kept) -> None:
    kept.readings(kept.sensor("weather-1", "environment"), NOW - 100 * DAY, NOW - 1 * DAY)
    kept.maintain()
    detail, complete = kept.rows("SELECT detail, complete FROM maintenance_journal WHERE what = 'retention'")[0]
    assert complete
    assert detail["rows"] == [["raw", "environment", 1]]
    assert detail["partitions"] == {"raw": 1}


def test_somebody_who_writes_into_an_old_piece_postpones_its_drop(kept: Kept) -> None:
    portal = kept.sensor("rpm-2", "radiation_portal")
    kept.readings(portal, NOW - 450 * DAY)
    kept.maintain(dry_run=True)
    kept.do("UPDATE rollup_state SET log_before = now(), minute_to = now(), hour_to = now()")
    with psycopg.connect(kept.dsn, options="-c search_path=hubwatch") as other:
        other.execute("INSERT INTO reading VALUES (%s, %s, 1, 0)", (NOW - 450 * DAY, portal))
        began = time.monotonic()
        deleted = retention.apply(kept.connection, Bounds())
        assert time.monotonic() - began < 10
    assert (deleted.complete, len(deleted.postponed)) == (False, 1)
    assert retention.apply(kept.connection, Bounds()).complete
    assert kept.ages() == {}


def test_what_lies_around_a_detection_is_kept_as_evidence(kept: Kept) -> None:
    portal, other = kept.sensor("rpm-2", "radiation_portal"), kept.sensor("rpm-3", "radiation_portal")
    start = NOW - 500 * DAY
    for channel in (portal, other):
        kept.readings(channel, *(start + i * MINUTE for i in (-16, -15, -1, 0, 5, 20, 21)))
    insert_detection(kept, "rpm-2", start, start + 5 * MINUTE)
    kept.maintain()
    assert kept.rows("SELECT DISTINCT sensor FROM readings") == [("rpm-2",)]
    minutes = [round((at - start) / MINUTE) for (at,) in kept.rows("SELECT time FROM readings ORDER BY 1")]
    assert minutes == [-15, -1, 0, 5, 20]


def test_evidence_goes_when_its_own_days_are_over(kept: Kept) -> None:
    start = NOW - 500 * DAY
    kept.readings(kept.sensor("rpm-2", "radiation_portal"), start)
    insert_detection(kept, "rpm-2", start, start)
    change_evidence(kept.connection, Evidence(MINUTE, MINUTE, 450))
    assert evidence(kept.connection).days == 450
    kept.maintain()
    assert kept.ages() == {}


def insert_detection(kept: Kept, sensor: str, start: object, end: object) -> None:
    kept.do(
        'INSERT INTO detection (id, type, hub, sensor, start, "end", detected, score, priority, detector, version,'
        " late, why) VALUES (%s, 'radiation.gamma', %s, %s, %s, %s, %s, 6, 1, 'radiation_portal', 1, false, '')",
        f"d-{sensor}",
        HUB,
        sensor,
        start,
        end,
        start,
    )


def test_no_default_claims_to_be_the_law(kept: Kept) -> None:
    assert kept.one("SELECT count(*) FROM retention_rule WHERE why ~ 'CFR|customs records|law'") == 0


def test_every_kind_of_sensor_has_a_rule_with_a_reason(kept: Kept) -> None:
    found = {rule.kind: rule for rule in rules(kept.connection)}
    assert set(found) == {*SensorKind, "unknown"}
    assert all(len(rule.why) > 20 for rule in found.values())
    assert (found["radiation_portal"].raw or 0) > (found["environment"].raw or 0)


@pytest.mark.parametrize(
    ("kind", "days", "message"),
    [
        ("thermometer", {"raw": 5}, "is no kind of sensor; there are access"),
        ("access", {"raw": 0}, "counted from 1"),
        ("access", {"raw": 9999}, "minute aggregates outlive raw"),
        ("access", {"hour": 10}, "hour aggregates outlive minute"),
        ("access", {"minute": None}, "hour aggregates outlive minute"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(
    kept: Kept, kind: str, days: dict[str, int | None], message: str
) -> None:
    before = rules(kept.connection)
    with pytest.raises(Permanent, match=message):
        change(kept.connection, kind, days, None)
    assert rules(kept.connection) == before


def test_a_collector_writes_while_old_data_goes(kept: Kept) -> None:
    portal = kept.sensor("rpm-2", "radiation_portal")
    kept.readings(portal, *(NOW - day * DAY for day in range(401, 440)), NOW)
    stop, written = threading.Event(), 0

    def write() -> None:
        nonlocal written
        with psycopg.connect(kept.dsn, autocommit=True, options="-c search_path=hubwatch") as connection:
            while not stop.is_set():
                connection.execute("INSERT INTO reading VALUES (%s, %s, 1, 0)", (NOW, portal))
                written += 1

    thread = threading.Thread(target=write)
    thread.start()
    done = kept.maintain()
    stop.set()
    thread.join()
    assert done.deleted is not None
    assert done.deleted.partitions["raw"] == 39
    assert kept.one("SELECT count(*) FROM reading") == written + 1
