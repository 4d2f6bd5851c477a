"""What a finding, a message and an act cost does not grow with the alarms of an incident: counted in rows read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from random import Random

import psycopg
import pytest

from hubwatch_alarms import acts
from hubwatch_alarms.instructions import Instructions
from hubwatch_alarms.mover import Mover
from hubwatch_core.clock import SECOND_US, now_us
from hubwatch_core.permission import Actor
from hubwatch_store.alarms import NearbyAlarm, alarms, incidents, notifications
from hubwatch_store.database import Pool, open_pool
from support.alarms_database import Hands, hands_on, settings_of
from support.alarms_examples import detection
from support.eventually import eventually

HUBS = {"rotterdam": 1500, "antwerp": 3000}
"""Two incidents of a flood that lasts minutes, one with twice as many alarms as the other."""
MORE = 40
"""Rows that twice as many alarms may cost more: steps down an index that is larger."""
LIMIT = 2.2
KIM = Actor("kim", verified=False)
READ = """SELECT (SELECT sum(seq_tup_read) FROM pg_stat_user_tables WHERE schemaname = 'hubwatch')
    + (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE schemaname = 'hubwatch')"""
OTHERS = """SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name = 'counted'"""


@pytest.fixture
def hands(migrated_plain_dsn: str) -> Iterator[Hands]:
    with hands_on(migrated_plain_dsn) as made:
        for hub in HUBS:
            made.place(hub, "fence-1", "north")
        flood(made, "basel", 6000, closed=1)
        yield made


def flood(hands: Hands, hub: str, count: int, *, state: str = "acknowledged", closed: int = 2) -> int:
    """Let one incident of a hub have many alarms, of which every `closed`th one is closed; return its number."""
    (incident,) = hands.rows(
        "INSERT INTO incidents (hub, opened, title, alarms, priority) VALUES (%s, now(), 'x', %s, 2) RETURNING id",
        hub, count,
    )  # fmt: skip
    hands.connection.execute(
        """INSERT INTO alarms (hub, zone, sensor, type, priority, state, opened, last_active, why, incident, detections,
            active, acknowledged, acknowledged_by, returned, closed)
        SELECT %(hub)s, 'north', 's-' || i, 'perimeter.intrusion', 2, CASE WHEN over THEN 'normal' ELSE %(state)s END,
            now() - i * interval '1 ms', now(), 'x', %(incident)s, 1, (NOT over AND %(state)s <> 'returned')::int,
            CASE WHEN %(state)s = 'acknowledged' THEN now() END, CASE WHEN %(state)s = 'acknowledged' THEN 'kim' END,
            CASE WHEN over OR %(state)s = 'returned' THEN now() END, CASE WHEN over THEN now() END
        FROM (SELECT i, i %% %(closed)s = 0 AS over FROM generate_series(1, %(count)s) i) each""",
        {"hub": hub, "state": state, "incident": incident["id"], "count": count, "closed": closed},
    )
    hands.connection.execute("ANALYZE alarms")
    return int(incident["id"])


async def rows_read(hands: Hands, dsn: str, work: Callable[[Pool], Awaitable[object]]) -> int:
    """Return how many rows, of tables and indexes, some work has read."""
    # What the test itself has read so far is counted before.
    hands.rows("SELECT pg_stat_force_next_flush()")
    with psycopg.connect(dsn, autocommit=True) as watching:

        def said(query: str) -> int:
            (found,) = watching.execute(query.encode()).fetchone() or (0,)
            return int(found)

        before = said(READ)
        async with open_pool(settings_of(dsn), "counted") as pool:
            await work(pool)
        # A session says what it has read when it ends.
        await eventually(lambda: said(OTHERS) == 0)
        return said(READ) - before


async def one_round(pool: Pool) -> None:
    await Mover(pool, [], Instructions.load()).round()


async def of_finding(hands: Hands, dsn: str, put_in: Callable[[], None]) -> int:
    """Return how many rows a finding makes a round read, beside what a round reads without one."""
    idle = await rows_read(hands, dsn, one_round)
    put_in()
    return await rows_read(hands, dsn, one_round) - idle


async def test_alarm_that_opens_reads_as_much_whatever_its_incident_has(hands: Hands, migrated_plain_dsn: str) -> None:
    read = []
    for number, (hub, count) in enumerate(HUBS.items()):
        incident = flood(hands, hub, count)
        found = detection(number=number, hub=hub, start=now_us())
        read.append(await of_finding(hands, migrated_plain_dsn, partial(hands.detect, found)))
        (row,) = hands.rows("SELECT incident FROM alarms WHERE hub = %s AND sensor = 'fence-1'", hub)
        assert row["incident"] == incident
    assert read[1] <= read[0] + MORE, read


async def test_alarm_that_closes_last_reads_as_much_whatever_its_incident_has(
    hands: Hands, migrated_plain_dsn: str
) -> None:
    read = []
    for number, (hub, count) in enumerate(HUBS.items()):
        flood(hands, hub, count, closed=1)
        found = detection(number=number, hub=hub, start=now_us())
        hands.detect(found)
        await rows_read(hands, migrated_plain_dsn, one_round)
        (row,) = hands.rows("SELECT id, incident FROM alarms WHERE hub = %s AND sensor = 'fence-1'", hub)
        async with open_pool(settings_of(migrated_plain_dsn)) as pool, alarms.moving(pool) as connection:
            await acts.acknowledge(connection, KIM, row["id"], None)
        read.append(await of_finding(hands, migrated_plain_dsn, partial(hands.end, found.id, now_us())))
        assert hands.rows("SELECT closed IS NULL AS open FROM incidents WHERE id = %s", row["incident"]) == [
            {"open": False}
        ]
    assert read[1] <= read[0] + MORE, read


async def test_taking_a_whole_incident_costs_what_its_alarms_cost_one_by_one(
    hands: Hands, migrated_plain_dsn: str
) -> None:
    read = []
    for hub, count in zip(HUBS, (60, 120), strict=True):
        incident = flood(hands, hub, count, state="returned", closed=count + 1)

        async def taken(pool: Pool, incident: int = incident, count: int = count) -> None:
            async with alarms.moving(pool) as connection:
                assert len(await acts.acknowledge_incident(connection, KIM, incident, None)) == count

        read.append(await rows_read(hands, migrated_plain_dsn, taken))
    assert read[1] <= LIMIT * read[0], read


async def test_message_is_chosen_by_reading_each_that_waits_and_each_that_was_told_once(
    hands: Hands, migrated_plain_dsn: str
) -> None:
    read = []
    for hub, count in zip(HUBS, (400, 800), strict=True):
        incident = flood(hands, hub, 2 * count, state="unacknowledged", closed=2 * count + 1)
        route = f"sms/{hub}"
        # Half of them were told a moment ago and are less urgent than the other half, which therefore does not wait.
        hands.connection.execute("UPDATE alarms SET priority = 3 WHERE incident = %s AND id %% 2 = 0", [incident])
        hands.connection.execute(
            """WITH entry AS (INSERT INTO alarm_journal (alarm, at, action, by, from_state, to_state)
                SELECT id, now(), 'opened', 'system', 'normal', 'unacknowledged' FROM alarms WHERE incident = %s
                RETURNING id, alarm)
            INSERT INTO notification_outbox (id, journal, alarm, route, state, finished)
            SELECT 'm' || e.id, e.id, e.alarm, %s, CASE a.priority WHEN 3 THEN 'delivered' ELSE 'waiting' END,
                CASE a.priority WHEN 3 THEN clock_timestamp() END
            FROM entry e JOIN alarms a ON a.id = e.alarm""",
            [incident, route],
        )

        async def chosen(pool: Pool, route: str = route) -> None:
            claimed = await notifications.claim(pool, route, lease_s=10, give_up_after_s=3600, group_s=60)
            assert claimed is not None

        read.append(await rows_read(hands, migrated_plain_dsn, chosen))
    # Whether all alarms are read once or some by their number is the database's choice; each for each is none.
    (every,) = hands.rows("SELECT count(*) AS alarms FROM alarms")
    assert read[1] <= LIMIT * read[0] + every["alarms"], read


def newest_of(near: Sequence[NearbyAlarm]) -> dict[tuple[str | None, bool], NearbyAlarm]:
    """Return the newest of each zone, critical or not."""
    return {(each.zone, each.priority == 1): each for each in reversed(near)}


async def test_newest_of_each_zone_are_the_same_whichever_way_they_are_looked_up(
    hands: Hands, migrated_plain_dsn: str
) -> None:
    chance, hub, now = Random(12), "rotterdam", now_us()
    for incident in [flood(hands, hub, 0) for _ in range(6)]:
        for _ in range(20):
            zone = chance.choice([None, "north", "south", "quay"])
            opened = now - chance.randrange(600) * SECOND_US
            hands.rows(
                "INSERT INTO alarms (hub, zone, sensor, type, priority, state, opened, last_active, why, incident)"
                " VALUES (%s, %s, gen_random_uuid(), 'x', %s, 'unacknowledged', to_timestamp(%s), now(), 'x', %s)"
                " RETURNING id",
                hub, zone, chance.choice([1, 2, 3]), opened / SECOND_US, incident,
            )  # fmt: skip
    hands.connection.execute("UPDATE incidents SET closed = now() WHERE id % 3 = 0")
    since, until = now - 400 * SECOND_US, now - 60 * SECOND_US
    async with open_pool(settings_of(migrated_plain_dsn)) as pool, pool.connection() as connection:
        every = await incidents.neighbours(connection, hub, since, until, most=10_000)
        by_zone = await incidents.neighbours(connection, hub, since, until, most=1)
    assert len(every) > len(by_zone)
    assert newest_of(by_zone) == newest_of(every)
    assert len(newest_of(every)) == 8


async def test_many_newer_alarms_of_closed_incidents_hide_none_of_an_open_one(
    hands: Hands, migrated_plain_dsn: str
) -> None:
    hub, now = "rotterdam", now_us()
    standing, over = flood(hands, hub, 0), flood(hands, hub, 0)
    for ago, incident in [(60, standing), *((ago, over) for ago in range(10, 20))]:
        hands.rows(
            "INSERT INTO alarms (hub, zone, sensor, type, priority, state, opened, last_active, why, incident)"
            " VALUES (%s, 'quay', gen_random_uuid(), 'x', 3, 'unacknowledged', to_timestamp(%s), now(), 'x', %s)"
            " RETURNING id",
            hub, now / SECOND_US - ago, incident,
        )  # fmt: skip
    hands.connection.execute("UPDATE incidents SET closed = now() WHERE id = %s", [over])
    async with open_pool(settings_of(migrated_plain_dsn)) as pool, pool.connection() as connection:
        for most in (1, 5, 10_000):
            near = await incidents.neighbours(connection, hub, now - 400 * SECOND_US, now, most=most)
            assert [each.incident for each in near] == [standing], most
