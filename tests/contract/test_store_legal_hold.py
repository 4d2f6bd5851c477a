"""Nothing under a legal hold is ever deleted, by whatever path."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import psycopg
import pytest

from hubwatch_core.errors import Permanent
from hubwatch_store.keeping import change, legal_hold
from hubwatch_store.keeping.retention import apply
from hubwatch_store.series import Bounds
from support.kept_database import DAY, HOUR, HUB, MINUTE, NOW, Kept, kept_in

LONG_AGO = NOW - 2000 * DAY


@pytest.fixture
def kept(migrated_database: str) -> Iterator[Kept]:
    with kept_in(migrated_database) as kept:
        yield kept


def hold(kept: Kept, sensor: str | None = "door-3", **changes: object) -> int:
    values = {"held_from": LONG_AGO, "held_to": LONG_AGO + HOUR, "reason": "case 42", "by": "counsel"} | changes
    return legal_hold.add(kept.connection, hub=HUB, sensor=sensor, **values)  # type: ignore[arg-type]


def fill(kept: Kept, sensor: str, kind: str | None = "access") -> None:
    channel = kept.sensor(sensor, kind)
    times = [LONG_AGO + i * MINUTE * 10 for i in range(-60, 60)]
    kept.readings(channel, *times)
    kept.events(sensor, *times)


def everything(kept: Kept, sensor: str, since: object, until: object) -> dict[str, list[object]]:
    """What each layer shows of a sensor within the held time."""
    times = {"readings": "time", "events": "time", "readings_1m": "bucket", "readings_1h": "bucket"}
    return {
        view: kept.rows(
            f"SELECT * FROM {view} WHERE sensor = %s AND {at} BETWEEN %s AND %s ORDER BY {at}", sensor, since, until
        )
        for view, at in times.items()
    }


def shortest_rules(kept: Kept) -> None:
    kept.do("UPDATE retention_rule SET raw_days = 1, minute_days = 1, hour_days = 1, event_days = 1")


def drop_one_day(kept: Kept) -> None:
    kept.do("UPDATE retention_rule SET raw_days = 1, minute_days = 1, hour_days = 1, event_days = 1")
    fill(kept, "door-4")


def rename_kind(kept: Kept) -> None:
    kept.do("UPDATE sensors SET kind = 'environment'")


def kind_unknown(kept: Kept) -> None:
    kept.do("UPDATE sensors SET kind = NULL")


def no_rules_but_unknown(kept: Kept) -> None:
    kept.do("DELETE FROM retention_rule WHERE kind <> 'unknown'")


def second_hold_released(kept: Kept) -> None:
    legal_hold.release(kept.connection, hold(kept), reason="closed", by="counsel")


def shorter_hold_beside(kept: Kept) -> None:
    hold(kept, held_to=LONG_AGO + MINUTE)
    hold(kept, sensor=None, held_from=LONG_AGO - DAY, held_to=LONG_AGO - HOUR)


def new_reading_in_old_time(kept: Kept) -> None:
    kept.maintain()
    kept.readings(kept.one("SELECT id FROM channels WHERE sensor = 'door-3'"), LONG_AGO - DAY)


PATHS = [
    shortest_rules,
    drop_one_day,
    rename_kind,
    kind_unknown,
    no_rules_but_unknown,
    second_hold_released,
    shorter_hold_beside,
    new_reading_in_old_time,
]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.__name__)
@pytest.mark.parametrize("sensor", ["door-3", None], ids=["sensor", "hub"])
def test_what_is_held_stays_on_every_path(kept: Kept, sensor: str | None, path: Callable[[Kept], None]) -> None:
    fill(kept, "door-3")
    fill(kept, "elsewhere")
    number = hold(kept, sensor)
    kept.maintain()
    shortest_rules(kept)
    held = LONG_AGO, LONG_AGO + HOUR
    before = everything(kept, "door-3", *held)
    assert [len(rows) for rows in before.values()] == [7, 7, 7, 1]
    path(kept)
    kept.maintain()
    kept.maintain()
    assert everything(kept, "door-3", *held) == before
    # The tests would be worth nothing if nothing were deleted at all.
    assert kept.one("SELECT count(*) FROM readings WHERE sensor = 'door-3'") <= 9
    if sensor is not None:
        assert kept.one("SELECT count(*) FROM readings WHERE sensor = 'elsewhere'") == 0
    legal_hold.release(kept.connection, number, reason="closed", by="counsel")
    if path not in (no_rules_but_unknown, shorter_hold_beside, rename_kind):
        kept.maintain()
        assert kept.one("SELECT count(*) FROM readings WHERE sensor = 'door-3'") == 0


def test_a_bucket_is_held_when_any_part_of_it_is(kept: Kept) -> None:
    channel = kept.sensor("door-3", "access")
    begin = LONG_AGO.replace(minute=0)
    kept.readings(channel, *(begin + i * MINUTE for i in range(180)))
    hold(kept, held_from=begin + 59.5 * MINUTE, held_to=begin + 60 * MINUTE)
    shortest_rules(kept)
    kept.maintain()
    assert kept.rows("SELECT bucket FROM readings_1h ORDER BY 1") == [(begin,), (begin + HOUR,)]
    assert kept.rows("SELECT bucket FROM readings_1m ORDER BY 1") == [(begin + 59 * MINUTE,), (begin + 60 * MINUTE,)]
    assert kept.rows("SELECT time FROM readings") == [(begin + 60 * MINUTE,)]


def test_a_hold_without_end_holds_what_is_still_to_come(kept: Kept) -> None:
    fill(kept, "door-3")
    number = hold(kept, held_to=None)
    assert legal_hold.holds(kept.connection)[0].endless
    shortest_rules(kept)
    kept.maintain()
    assert kept.one("SELECT min(time) FROM readings") == LONG_AGO
    assert kept.one("SELECT count(*) FROM readings") == 60
    legal_hold.release(kept.connection, number, reason="closed", by="counsel")
    kept.maintain()
    assert kept.one("SELECT count(*) FROM readings") == 0


def test_a_dry_run_counts_nothing_that_is_held(kept: Kept) -> None:
    fill(kept, "door-3")
    kept.maintain()
    hold(kept, sensor=None, held_from=LONG_AGO - 10 * DAY, held_to=NOW)
    shortest_rules(kept)
    would = kept.maintain(dry_run=True).deleted
    assert would is not None
    assert (sum(would.rows.values()), sum(would.partitions.values())) == (0, 0)


def test_a_hold_made_while_deleting_holds_from_the_moment_it_is_made(kept: Kept) -> None:
    fill(kept, "door-3")
    kept.do("UPDATE rollup_state SET log_before = now(), minute_to = now(), hour_to = now()")
    shortest_rules(kept)
    made: list[int] = []

    def make() -> None:
        with psycopg.connect(kept.dsn, autocommit=True) as other:
            made.append(
                legal_hold.add(
                    other, hub=HUB, sensor=None, held_from=LONG_AGO, held_to=None, reason="case 43", by="counsel"
                )
            )

    with psycopg.connect(kept.dsn) as deleting:
        legal_hold.lock(deleting)  # as every step of retention does first
        thread = threading.Thread(target=make)
        thread.start()
        thread.join(0.5)
        assert made == []
    thread.join(10)
    assert len(made) == 1
    before = kept.one("SELECT count(*) FROM readings WHERE time >= %s", LONG_AGO)
    apply(kept.connection, Bounds())
    assert kept.one("SELECT count(*) FROM readings WHERE time >= %s", LONG_AGO) == before


def test_holds_and_releases_are_never_changed_or_deleted(kept: Kept) -> None:
    kept.sensor("door-3", "access")
    number = hold(kept)
    legal_hold.release(kept.connection, number, reason="closed", by="judge")
    for statement in (
        "UPDATE legal_hold SET held_to = held_from + INTERVAL '1 s'",
        "DELETE FROM legal_hold",
        "TRUNCATE legal_hold CASCADE",
        "UPDATE legal_hold_release SET by = 'me'",
        "DELETE FROM legal_hold_release",
        "TRUNCATE legal_hold_release",
    ):
        with pytest.raises(psycopg.errors.RestrictViolation, match="never changed"):
            kept.do(statement)
    (one,) = legal_hold.holds(kept.connection)
    assert (one.id, one.by, one.reason, one.released_by, one.release_reason) == (
        number,
        "counsel",
        "case 42",
        "judge",
        "closed",
    )
    assert one.released is not None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sensor": "door-33"}, "no sensor door-33 in hub harbour"),
        ({"held_to": LONG_AGO}, "ends after it begins"),
        ({"reason": " "}, "needs a reason"),
        ({"by": ""}, "needs a reason and the name"),
    ],
)
def test_a_hold_that_would_hold_nothing_is_refused(kept: Kept, changes: dict[str, object], message: str) -> None:
    kept.sensor("door-3", "access")
    with pytest.raises(Permanent, match=message):
        hold(kept, **changes)  # type: ignore[arg-type]
    assert legal_hold.holds(kept.connection) == []


def test_a_hold_on_an_unknown_hub_is_refused(kept: Kept) -> None:
    with pytest.raises(Permanent, match="no hub harbour"):
        hold(kept, sensor=None)


def test_a_hold_is_released_once(kept: Kept) -> None:
    kept.sensor("door-3", "access")
    number = hold(kept)
    legal_hold.release(kept.connection, number, reason="closed", by="counsel")
    for which in (number, 4711):
        with pytest.raises(Permanent, match="does not exist or is released already"):
            legal_hold.release(kept.connection, which, reason="closed", by="counsel")


def test_a_rule_may_be_shortened_under_a_hold_and_the_hold_wins(kept: Kept) -> None:
    fill(kept, "door-3", "environment")
    hold(kept, sensor=None, held_from=LONG_AGO - 30 * DAY, held_to=NOW)
    change(kept.connection, "environment", {"raw": 40}, None)
    kept.maintain()
    assert kept.one("SELECT count(*) FROM readings") == 120
