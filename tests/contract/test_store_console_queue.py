"""The queue is in the same order whether it is sorted or read from the index of that order."""

from __future__ import annotations

import pytest

from hubwatch_store.alarms import alarms
from hubwatch_store.console import QueueFilter, Which, queue
from hubwatch_store.database import connect, queries, translated
from support.alarms_database import hands_on, settings_of

FILL = """
INSERT INTO alarms (hub, zone, sensor, type, priority, state, opened, last_active, detections, active, why,
    acknowledged_by, acknowledged, shelved_until, exercise)
SELECT 'h' || n % 2, 'z' || n % 3, 's' || n, CASE n % 5 WHEN 0 THEN 'access.duress' ELSE 'access.held' END,
    1 + n * 7 % 4, state, now() - n / 4 * interval '1 s', now(), 1, 1, 'x',
    CASE WHEN state = 'acknowledged' THEN 'p' || n % 3 END,
    CASE WHEN state = 'acknowledged' THEN now() END, CASE WHEN state = 'shelved' THEN now() END,
    CASE WHEN n % 9 = 0 THEN (SELECT max(id) FROM drills) END
FROM (SELECT n, (ARRAY['unacknowledged', 'returned', 'acknowledged', 'shelved', 'suppressed'])[1 + n % 5] AS state
    FROM generate_series(1, 120) n) rows
"""
ONE = """
INSERT INTO alarms (hub, zone, sensor, type, priority, state, opened, last_active, detections, active, why)
VALUES ('h', 'z', %s, 'access.held', %s, %s, now(), now(), 1, 1, 'x')
"""
DRILL = """
INSERT INTO drills (hub, scenario, title, began, ends, by, verified, ended, ended_by)
VALUES ('h0', 'x', 'x', now(), now() + interval '1 h', 'kim', true, now(), 'kim')
"""
WANTED = (
    QueueFilter(), QueueFilter(hub="h0"), QueueFilter(zone="z2"), QueueFilter(priority=2),
    *(QueueFilter(which=each) for each in Which),
)  # fmt: skip


@pytest.mark.parametrize("seen", [None, ["h0"]], ids=["all", "one hub"])
async def test_order_of_the_index_is_that_of_the_queue(migrated_plain_dsn: str, seen: list[str] | None) -> None:
    with hands_on(migrated_plain_dsn) as hands:
        hands.connection.execute(DRILL)
        hands.connection.execute(FILL)
    async with await connect(settings_of(migrated_plain_dsn)) as connection:
        with translated():
            for wanted in WANTED:
                both = [
                    [
                        alarm.id
                        for skip in range(0, 140, 20)
                        for alarm in await queue.page(
                            connection, wanted, person="p1", skip=skip, most=20, seen=seen, calm=calm
                        )
                    ]
                    for calm in (False, True)
                ]
                assert both[0] == both[1], wanted
                assert both[0], wanted


async def test_what_nobody_has_stands_by_priority_and_what_is_gone_behind_what_lasts(migrated_plain_dsn: str) -> None:
    wanted = [(1, "unacknowledged"), (1, "returned"), (3, "unacknowledged"), (3, "returned"), (1, "acknowledged")]
    with hands_on(migrated_plain_dsn) as hands:
        for number, (priority, state) in enumerate(reversed(wanted)):
            hands.connection.execute(ONE, [f"s{number}", priority, state])
    async with await connect(settings_of(migrated_plain_dsn)) as connection:
        with translated():
            listed = await alarms.list_alarms(connection, hub=None, closed=False, most=9)
            pages = [await queue.page(
                connection, QueueFilter(), person="p", skip=0, most=9, seen=None, calm=calm
            ) for calm in (False, True)]  # fmt: skip
    for found in (listed, *pages):
        assert [(each.priority, str(each.state)) for each in found] == wanted


async def test_page_of_a_calm_queue_is_read_and_not_sorted(migrated_plain_dsn: str) -> None:
    with hands_on(migrated_plain_dsn) as hands:
        hands.connection.execute(DRILL)
        hands.connection.execute(FILL.replace("1, 120", "1, 20000"))
        hands.connection.execute("ANALYZE hubwatch.alarms")
        asked = {
            "hub": None, "zone": None, "priority": None, "which": "all", "person": "p", "seen": None,
            "skip": 0, "most": 51,
        }  # fmt: skip
        plan = hands.connection.execute("EXPLAIN " + queries("console")["queue_calm"], asked).fetchall()
    text = "\n".join(str(row) for row in plan)
    assert "alarms_by_priority" in text
    assert "Sort" not in text
