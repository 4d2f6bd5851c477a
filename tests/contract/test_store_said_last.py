"""Last said wins, not last come; and a time of the future blocks nothing. On both databases."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest

from hubwatch_core import wire
from hubwatch_core.clock import now_us
from hubwatch_core.message import Message
from hubwatch_core.words import SensorKind
from hubwatch_store.database import DatabaseSection
from hubwatch_store.ingest import Offer, State, Writer
from support.store_examples import EPOCH, HOUR_US, OTHER_EPOCH, birth, frame, rows, series

SECOND_US = 1_000_000
DAY_US = 24 * HOUR_US
AHEAD = [pytest.param(shift, id=name) for name, shift in (("hour", HOUR_US), ("day", DAY_US), ("year", 365 * DAY_US))]

ZONES = "SELECT sensor, agent, zone FROM sensors ORDER BY sensor"
LATEST = "SELECT channel, value FROM latest ORDER BY channel"


@pytest.fixture
async def writer(migrated_database: str) -> AsyncIterator[Writer]:
    made = Writer(DatabaseSection(dsn=migrated_database))
    yield made
    await made.close()


def came(content: wire.Frame | wire.Birth | State, received: int, *, retained: bool = False) -> Offer:
    return Offer(Message("hubwatch/1/harbour/gate-7/any", b"as it came", 1, retained, 0, received), content)


def said(zone: str, sent: int, agent: str = "gate-7", unit: str = "count") -> wire.Birth:
    channel = wire.Channel(name="gamma.1", unit=unit, period_us=200_000)
    sensor = wire.Sensor(sensor="rpm-2", kind=SensorKind.RADIATION_PORTAL, zone=zone, channels=[channel])
    return birth(sent=sent, agent=agent, inventory=[sensor])


def ask(writer: Writer, query: str) -> list[tuple[Any, ...]]:
    return rows(writer.settings.dsn, query)


def change(writer: Writer, query: str) -> None:
    with psycopg.connect(writer.settings.dsn, autocommit=True) as connection:
        connection.execute(query.encode())


@pytest.mark.parametrize("ahead", AHEAD)
async def test_a_birth_of_the_future_gives_way_to_the_next_one(writer: Writer, ahead: int) -> None:
    now = now_us()
    await writer.write([came(said("old", now + ahead), now - SECOND_US)])
    await writer.write([came(said("new", now), now)])
    assert ask(writer, ZONES) == [("rpm-2", "gate-7", "new")]
    assert ask(writer, "SELECT born <= clock_timestamp() FROM agents") == [(True,)]


async def test_a_retained_birth_of_the_future_is_no_news_each_time_it_is_delivered(writer: Writer) -> None:
    now = now_us()
    wrong = said("old", now + HOUR_US)
    await writer.write([came(wrong, now - 2 * SECOND_US)])
    await writer.write([came(said("new", now - SECOND_US), now - SECOND_US)])
    await writer.write([came(wrong, now, retained=True)])
    assert ask(writer, ZONES) == [("rpm-2", "gate-7", "new")]


@pytest.mark.parametrize("back", AHEAD)
async def test_a_birth_of_an_agent_whose_clock_was_set_back_is_taken(writer: Writer, back: int) -> None:
    now = now_us()
    await writer.write([came(said("old", now - 60 * SECOND_US), now - 60 * SECOND_US)])
    await writer.write([came(said("older", now - back), now - 50 * SECOND_US)])
    assert ask(writer, ZONES) == [("rpm-2", "gate-7", "old")], "nothing says that its clock was set back"
    await writer.write([came(frame(1, sent=now - back), now - 40 * SECOND_US)])
    await writer.write([came(said("new", now - back + SECOND_US), now)])
    assert ask(writer, ZONES) == [("rpm-2", "gate-7", "new")]


async def test_what_a_gateway_left_behind_takes_no_sensor_back(writer: Writer) -> None:
    now = now_us()
    left = said("quay", now - HOUR_US, agent="gate-old", unit="cps")
    await writer.write([came(left, now - HOUR_US)])
    await writer.write([came(State("harbour", "gate-old", False), now - 90 * SECOND_US)])
    await writer.write([came(said("gate", now - 60 * SECOND_US), now - 60 * SECOND_US)])
    for _ in range(2):  # at every subscribing
        await writer.write([came(left, now, retained=True)])
    assert ask(writer, ZONES) == [("rpm-2", "gate-7", "gate")]
    change(writer, "DELETE FROM hubwatch.agents WHERE agent = 'gate-old'")
    await writer.write([came(left, now, retained=True)])
    assert ask(writer, ZONES) == [("rpm-2", "gate-7", "gate")]
    assert ask(writer, "SELECT unit FROM channels WHERE channel = 'gamma.1'") == [("count",)]


@pytest.mark.parametrize("column", ["agents SET born", "agents SET state_said"])
async def test_a_time_of_the_future_in_a_row_gives_way(writer: Writer, column: str) -> None:
    now = now_us()
    await writer.write([came(said("old", now - 9 * SECOND_US), now), came(State("harbour", "gate-7", False), now)])
    change(writer, f"UPDATE hubwatch.{column} = clock_timestamp() + INTERVAL '1 year'")
    await writer.write([came(said("new", now), now), came(State("harbour", "gate-7", True), now)])
    assert ask(writer, ZONES) == [("rpm-2", "gate-7", "new")]
    assert ask(writer, "SELECT state, state_said <= clock_timestamp() FROM agents") == [("online", True)]


async def test_a_retained_state_says_nothing_new(writer: Writer) -> None:
    """A leftover at a broker that the agent no longer uses; the agent itself is there and heard."""
    now = now_us()
    await writer.write([came(birth(), now), came(State("harbour", "gate-7", True), now - HOUR_US), came(frame(1), now)])
    before = ask(writer, "SELECT state, state_since, state_said, heard FROM agents")
    for online in (False, True):
        await writer.write([came(State("harbour", "gate-7", online), now_us(), retained=True)])
    assert ask(writer, "SELECT state, state_since, state_said, heard FROM agents") == before


async def test_a_retained_offline_counts_when_the_agent_was_not_heard(writer: Writer) -> None:
    now = now_us()
    await writer.write([came(State("harbour", "gate-7", True), now - HOUR_US), came(frame(1), now - HOUR_US)])
    await writer.write([came(State("harbour", "gate-7", False), now, retained=True)])
    assert ask(writer, "SELECT state FROM agents") == [("offline",)]
    await writer.write([came(State("harbour", "gate-7", True), now, retained=True)])
    assert ask(writer, "SELECT state FROM agents") == [("offline",)]


async def test_a_live_frame_well_after_the_last_will_proves_that_the_agent_is_back(writer: Writer) -> None:
    now = now_us()
    await writer.write([came(frame(1), now - HOUR_US), came(State("harbour", "gate-7", False), now - 60 * SECOND_US)])
    await writer.write([came(frame(2, late=True), now)])
    assert ask(writer, "SELECT state FROM agents") == [("offline",)]
    await writer.write([came(frame(3), now)])
    assert ask(writer, "SELECT state FROM agents") == [("online",)]


@pytest.mark.parametrize("ahead", AHEAD)
async def test_a_reading_of_the_future_gives_way_to_the_next_one_received(writer: Writer, ahead: int) -> None:
    now = now_us()
    wrong = frame(1, sent=now + ahead, series=[series(now + ahead, [2.0])])
    right = frame(2, sent=now, series=[series(now - 1000, [3.0])])
    await writer.write([came(wrong, now - SECOND_US), came(right, now)])
    assert ask(writer, LATEST) == [("gamma.1", 3.0)]
    await writer.write([came(frame(3, series=[series(now + ahead, [4.0])]), now_us())])
    assert ask(writer, "SELECT value, age_s BETWEEN 0 AND 60 FROM latest") == [(4.0, True)]
    change(writer, "UPDATE hubwatch.latest_value SET time = clock_timestamp() + INTERVAL '1 day'")
    await writer.write([came(frame(4, series=[series(now_us() - 1000, [5.0])]), now_us())])
    assert ask(writer, "SELECT value, age_s BETWEEN 0 AND 60 FROM latest") == [(5.0, True)]


@pytest.mark.parametrize("shift", [-365 * DAY_US, -DAY_US, -HOUR_US, HOUR_US, DAY_US])
async def test_the_newest_frame_is_known_by_its_number_whatever_the_clock_said(writer: Writer, shift: int) -> None:
    now = now_us()
    await writer.write([came(frame(1, sent=now + shift), now - 2 * SECOND_US)])
    await writer.write([came(frame(2, sent=now), now)])
    assert ask(writer, "SELECT epoch, last_seq FROM agents") == [(EPOCH, 2)]
    await writer.write([came(frame(1, sent=now + shift, epoch=OTHER_EPOCH), now_us())])
    assert ask(writer, "SELECT epoch, last_seq, last_frame <= heard FROM agents") == [(OTHER_EPOCH, 1, True)]


@pytest.mark.parametrize("seed", range(3))
async def test_any_order_of_arrival_gives_the_same_rows(writer: Writer, seed: int) -> None:
    """Everything was received at its time; collectors that were held up write it in another order."""
    now, order = now_us(), random.Random(seed)
    clock = [0, 5 * HOUR_US, 0, 0, -3 * SECOND_US, 0]
    offers = [
        came(what, at)
        for i, off in enumerate(clock)
        for at in [now - (len(clock) - i) * 60 * SECOND_US]
        for what in (
            said(f"zone-{i}", at + off),
            State("harbour", "gate-7", i % 2 == 0),
            frame(i + 1, sent=at + off, series=[series(at + off, [float(i)])]),
        )
    ]
    order.shuffle(offers)
    for each in offers:
        await writer.write([each])
    agent = ask(writer, "SELECT state, last_seq, born <= heard, heard < clock_timestamp() FROM agents")
    assert agent == [("offline", 6, True, True)]
    assert ask(writer, ZONES) == [("rpm-2", "gate-7", "zone-5")]
    # A frame that is written before its birth stands under what its channel meant before.
    newest = "SELECT value FROM latest WHERE channel LIKE 'gamma.1%' ORDER BY time DESC LIMIT 1"
    assert ask(writer, newest) == [(5.0,)]
