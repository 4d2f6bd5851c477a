"""What is closed is listed by when it closed, a page at a time, and a page reads about as many rows as it shows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from hubwatch_alarms import views
from hubwatch_store.alarms import alarms, closed_pages, incidents
from hubwatch_store.database import DatabaseConnection, connect, fetch, queries, translated
from support.alarms_database import hands_on, settings_of

EVER = 6000
MOST = 50
FILL = f"""
INSERT INTO alarms (hub, zone, sensor, type, priority, state, opened, last_active, closed, detections, active, why)
SELECT CASE WHEN n % 100 = 0 THEN 'small' ELSE 'h' || n % 3 END, 'z', 's' || n, 'access.held', 1 + n % 4, 'normal',
    now(), now(), now() - n / 5 * interval '1 s', 1, 0, 'x' FROM generate_series(1, {EVER}) n;
INSERT INTO alarms (hub, zone, sensor, type, priority, state, opened, last_active, detections, active, why)
SELECT 'h' || n % 3, 'z', 's' || n, 'access.held', 1 + n % 4, 'unacknowledged', now(), now(), 1, 1, 'x'
    FROM generate_series(1, 20) n;
INSERT INTO incidents (hub, opened, closed, title, priority)
SELECT CASE WHEN n % 100 = 0 THEN 'small' ELSE 'h' || n % 3 END, now(), now() - n / 5 * interval '1 s', 'x', 1 + n % 4
    FROM generate_series(1, {EVER}) n;
ANALYZE hubwatch.alarms; ANALYZE hubwatch.incidents;
"""
ENDED = """
SELECT id FROM {} WHERE closed IS NOT NULL AND (%s::text[] IS NULL OR hub = ANY (%s)) ORDER BY closed DESC, id DESC
"""


@pytest.fixture
async def filled(migrated_plain_dsn: str) -> AsyncIterator[DatabaseConnection]:
    with hands_on(migrated_plain_dsn) as hands:
        hands.connection.execute(FILL)
    async with await connect(settings_of(migrated_plain_dsn)) as connection:
        with translated():
            yield connection


async def read(connection: DatabaseConnection, which: tuple[str, str], **values: Any) -> int:
    """Return how many rows a query takes out of its tables and indexes."""
    asked: dict[str, Any] = {"hub": None, "seen": None, "most": MOST, "after": None, "closed": True, "id": None}
    asked |= values
    found = await connection.execute("EXPLAIN (ANALYZE, FORMAT JSON) " + queries(which[0])[which[1]], asked)
    row: Any = await found.fetchone()
    (plan,) = row
    return int(sum(_read(plan[0]["Plan"])))


def _read(plan: dict[str, Any]) -> list[float]:
    mine = sum(plan.get(name, 0) for name in ("Actual Rows", "Rows Removed by Filter", "Rows Removed by Index Recheck"))
    is_scan = "Relation Name" in plan
    return [mine * plan["Actual Loops"] * is_scan, *(each for part in plan.get("Plans", ()) for each in _read(part))]


async def test_page_of_what_is_closed_reads_what_it_shows(filled: DatabaseConnection) -> None:
    first = await alarms.page_of_alarms(filled, hub=None, closed=True, most=MOST)
    deep = (await alarms.page_of_alarms(filled, hub=None, closed=True, most=EVER // 2))[-1][1]
    assert [alarm.closed is None for alarm, _ in first] == [True] * 20 + [False] * (MOST - 20)
    assert deep[0] == 1
    hubs = 4
    for name in (("alarms", "list_closed"), ("alarms", "count_closed"), ("incidents", "list_incidents")):
        for values in ({}, {"hub": "small"}, {"seen": ["small", "h1"]}):
            for place in (None, deep):
                counted = await read(filled, name, **values, **closed_pages.before(place))
                assert counted <= hubs * (MOST + 2), (name, values, place)


@pytest.mark.parametrize("seen", [None, ["small", "h2"]], ids=["all", "two hubs"])
async def test_every_closed_one_comes_once_in_the_order_of_their_ends(
    filled: DatabaseConnection, seen: list[str] | None
) -> None:
    for table, page_of in (("alarms", alarms.page_of_alarms), ("incidents", incidents.page_of_incidents)):
        found: list[int] = []
        after = None
        while page := await page_of(filled, hub=None, closed=True, most=777, seen=seen, after=after):
            found += [each.id for each, _ in page if each.closed is not None]
            after = page[-1][1]
        wanted = await (await filled.execute(ENDED.format(table), [seen, seen])).fetchall()
        assert found == [number for (number,) in wanted]


async def test_what_is_closed_is_counted_up_to_a_bound(
    filled: DatabaseConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await alarms.count_alarms(filled, hub=None, closed=True) == EVER + 20
    assert await alarms.count_alarms(filled, hub="small", closed=True) == EVER // 100
    monkeypatch.setattr(closed_pages, "MOST_COUNTED", 100)
    assert await alarms.count_alarms(filled, hub=None, closed=True) == 120


async def test_list_at_the_bound_says_that_there_are_at_least_so_many_more(
    filled: DatabaseConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    for bound, most, more, at_least in ((100, 200, 100, True), (10_000, 200, EVER + 20 - 200, False)):
        monkeypatch.setattr(closed_pages, "MOST_COUNTED", bound)
        found = await views.listed(filled, hub=None, closed=True, most=most)
        assert (len(found.alarms), found.more, found.at_least) == (most, more, at_least)
    assert (await views.listed(filled, hub=None, closed=False, most=20)).more == 0


async def test_alarm_that_closes_while_a_list_is_read_is_listed_once(
    filled: DatabaseConnection, migrated_plain_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first query has read it as open; the second would find it among the closed ones."""

    async def fetch_and_close(connection: DatabaseConnection, topic: str, name: str, /, **values: Any) -> list[Any]:
        rows = await fetch(connection, topic, name, **values)
        if name == "list_alarms":
            with hands_on(migrated_plain_dsn) as hands:
                hands.connection.execute("UPDATE alarms SET closed = now(), state = 'normal' WHERE closed IS NULL")
        return rows

    monkeypatch.setattr(alarms, "fetch", fetch_and_close)
    found = await views.listed(filled, hub=None, closed=True, most=100)
    numbers = [alarm.id for alarm in found.alarms]
    assert len(numbers) == len(set(numbers)) == 100
    assert found.more == EVER + 20 - 100
