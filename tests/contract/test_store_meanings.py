"""What a number means stays with it: a unit, a device, a place, a gateway, a name that changes, on both databases."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from hubwatch_core import wire
from hubwatch_core.clock import now_us, to_datetime
from hubwatch_core.errors import Permanent
from hubwatch_core.words import ChannelKind, SensorKind
from hubwatch_store import devices
from hubwatch_store.database import DatabaseConnection, DatabaseSection, connect, connect_sync
from hubwatch_store.ingest import State, Writer
from hubwatch_store.ingest.inventory import record_birth
from hubwatch_store.keeping.legal_hold import add
from support.eventually import eventually
from support.store_examples import birth, event, frame, offer, one, rows, series

SECOND_US = 1_000_000
WHO = {"by": "kim", "reason": "the old one broke"}
READ = (
    "SELECT c.name, c.channel, c.unit, r.value FROM readings r JOIN channels c USING (hub, sensor, channel) ORDER BY 4"
)
WAIT_FOR_A_LOCK = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


@pytest.fixture
async def writer(migrated_database: str) -> AsyncIterator[Writer]:
    made = Writer(DatabaseSection(dsn=migrated_database))
    yield made
    await made.close()


@pytest.fixture
async def hub(migrated_database: str) -> AsyncIterator[DatabaseConnection]:
    """Return a connection, as a command of an operator has."""
    async with await connect(DatabaseSection(dsn=migrated_database)) as connection:
        yield connection


def dose(unit: str = "uSv/h", **more: Any) -> wire.Sensor:
    sensor = wire.Sensor(
        sensor="dose-1",
        kind=SensorKind.RADIATION_AREA,
        zone="gate-2",
        profile="old-meter",
        channels=[wire.Channel(name="dose", unit=unit)],
    )
    return msgspec.structs.replace(sensor, **more)


def said(value: float, seq: int, sent: int, **more: Any) -> wire.Frame:
    """Return a frame with one reading; readings are always a little older than the frame that carries them."""
    one_series = series(sent - SECOND_US, [value], sensor="dose-1", channel="dose")
    return frame(seq, sent=sent, series=[one_series], **more)


def dsn(writer: Writer) -> str:
    return writer.settings.dsn


@pytest.mark.parametrize(
    "after",
    [
        dose("nSv/h"),
        dose(profile="new-meter"),
        dose(zone="gate-3"),
        dose(kind=SensorKind.PROCESS),
        dose(channels=[wire.Channel("dose", "uSv/h", ChannelKind.STATE)]),
    ],
    ids=["unit", "device", "place", "kind", "channel"],
)
async def test_another_meaning_begins_another_channel_and_aggregates_never_mix(
    writer: Writer, after: wire.Sensor
) -> None:
    now = now_us()
    before = (offer(birth(inventory=[dose()], sent=now)), offer(said(0.12, 1, now + 1)))
    await writer.write(before)
    await writer.write([offer(birth(inventory=[after], sent=now + 10)), offer(said(120.0, 2, now + 11))])
    found = rows(dsn(writer), READ)
    assert [(row[0], row[1], row[3]) for row in found] == [("dose", "dose#1", 0.12), ("dose", "dose", 120.0)]
    assert [row[2] for row in found] == ["uSv/h", after.channels[0].unit]
    for table in ("readings_1m", "readings_1h"):
        mixed = rows(dsn(writer), f"SELECT channel, min, max, avg FROM {table} ORDER BY max")
        assert mixed == [("dose#1", 0.12, 0.12, 0.12), ("dose", 120.0, 120.0, 120.0)]
    (old, new) = rows(dsn(writer), "SELECT valid_from, valid_to, zone, profile FROM channels ORDER BY version")
    assert (old[0], old[1], new[0], new[1]) == (None, to_datetime(now + 10), to_datetime(now + 10), None)
    assert (old[2:], new[2:]) == (("gate-2", "old-meter"), (after.zone, after.profile))


async def test_what_comes_late_keeps_the_meaning_it_was_said_with_also_from_another_collector(writer: Writer) -> None:
    other, now = Writer(writer.settings), now_us()
    await writer.write([offer(birth(inventory=[dose()], sent=now)), offer(said(1.0, 1, now + 1))])
    await other.write([offer(said(2.0, 2, now + 2))])  # it remembers now what the name means
    await writer.write([offer(birth(inventory=[dose("nSv/h")], sent=now + 10))])
    await other.write([offer(said(3.0, 3, now + 3, late=True)), offer(said(1000.0, 4, now + 10))])
    await other.close()
    assert [(row[1], row[3]) for row in rows(dsn(writer), READ)] == [
        ("dose#1", 1.0), ("dose#1", 2.0), ("dose#1", 3.0), ("dose", 1000.0)
    ]  # fmt: skip


async def test_births_and_frames_of_one_agent_from_two_collectors_do_not_block_each_other(writer: Writer) -> None:
    other, now = Writer(writer.settings), now_us()

    async def announce() -> None:
        for i in range(40):
            unit = dose(("uSv/h", "nSv/h")[i % 2])
            await other.write([offer(State("harbour", "gate-7", online=bool(i % 3)))])
            await other.write([offer(birth(inventory=[unit], sent=now + i))])

    async def send() -> None:
        for i in range(80):
            await writer.write([offer(said(float(i), i + 1, now + i // 2))])

    await asyncio.gather(announce(), send())
    await other.close()
    assert one(dsn(writer), "SELECT count(*) FROM readings") == 80


async def test_names_are_not_made_while_a_birth_says_what_they_mean(writer: Writer, hub: DatabaseConnection) -> None:
    now = now_us()
    other = wire.Channel(name="rate", unit="cps")
    await writer.write([offer(birth(inventory=[dose(channels=[other])], sent=now))])
    await writer.write([offer(frame(2, sent=now, series=[series(now, [1.0], sensor="dose-1", channel="rate")]))])
    async with hub.transaction():
        await devices.lock(hub)
        await hub.execute("SELECT FROM hubwatch.sensors FOR UPDATE")  # as a birth does that settles whose word counts
        waiting = asyncio.create_task(writer.write([offer(said(1.0, 1, now + 1))]))
        await eventually(lambda: one(dsn(writer), WAIT_FOR_A_LOCK) == 1)
        await record_birth(hub, birth(inventory=[dose()], sent=now + 1), now + 1, retained=False)
    assert (await waiting).readings == 1
    assert sorted(row[1] for row in rows(dsn(writer), READ)) == ["dose", "rate"]


async def test_births_that_say_the_same_again_change_nothing(writer: Writer) -> None:
    now = now_us()
    for i in range(3):
        same = dose(max_age_s=float(i + 1))  # how long it may say nothing is not what it means
        await writer.write([offer(birth(inventory=[same], sent=now + i)), offer(said(1.0, i + 1, now + i))])
    assert rows(dsn(writer), "SELECT channel, version FROM channels") == [("dose", 1)]


async def test_of_two_agents_that_list_one_sensor_the_first_counts_and_the_other_is_stored_beside(
    writer: Writer,
) -> None:
    now = now_us()
    for i, (agent, zone) in enumerate((("gw-a", "north"), ("gw-b", "south"))):
        await writer.write([offer(birth(agent=agent, inventory=[dose(zone=zone)], sent=now + i))])
    for seq in (1, 2):
        await writer.write([offer(said(1.0, seq, now + 5, agent="gw-a")), offer(said(9.0, seq, now + 5, agent="gw-b"))])
    assert rows(dsn(writer), "SELECT agent, zone FROM sensors") == [("gw-a", "north")]
    assert [(row[1], row[3]) for row in rows(dsn(writer), READ)] == [
        ("dose", 1.0), ("dose", 1.0), ("dose@gw-b", 9.0), ("dose@gw-b", 9.0)
    ]  # fmt: skip


async def test_sensor_that_moves_to_another_gateway_goes_on_and_backlog_stays_with_who_had_it(writer: Writer) -> None:
    now = now_us()
    await writer.write([offer(birth(agent="gw-a", inventory=[dose()], sent=now))])
    await writer.write([offer(said(1.0, 1, now + 1, agent="gw-a"))])
    await writer.write([offer(birth(agent="gw-b", inventory=[dose()], sent=now + 2))])
    await writer.write([offer(birth(agent="gw-a", inventory=[], sent=now + 4))])
    await writer.write([offer(said(2.0, 2, now + 3, agent="gw-a", late=True))])
    await writer.write([offer(said(3.0, 1, now + 5, agent="gw-b"))])
    assert [(row[1], row[3]) for row in rows(dsn(writer), READ)] == [("dose", 1.0), ("dose", 2.0), ("dose", 3.0)]
    assert rows(dsn(writer), "SELECT agent, gone FROM sensors") == [("gw-b", None)]


async def test_parts_of_one_sensor_at_two_agents_both_count(writer: Writer) -> None:
    now = now_us()
    reader = dose(channels=[wire.Channel("lock", "1")])
    await writer.write([offer(birth(agent="gw-a", inventory=[dose()], sent=now))])
    await writer.write([offer(birth(agent="gw-b", inventory=[reader], sent=now + 1))])
    lock = series(now, [1.0], sensor="dose-1", channel="lock")
    await writer.write([offer(frame(1, agent="gw-b", sent=now + 2, series=[lock]))])
    assert rows(dsn(writer), "SELECT channel FROM readings") == [("lock",)]


async def test_gateway_that_is_offline_loses_its_sensors_to_one_that_is_there(writer: Writer) -> None:
    for agent in ("gw-a", "gw-b"):
        await writer.write([offer(birth(agent=agent, inventory=[dose()], sent=now_us()))])
    await writer.write([offer(State("harbour", "gw-a", online=False))])
    assert one(dsn(writer), "SELECT agent FROM sensors") == "gw-b"


async def test_sensor_that_no_agent_lists_is_gone_until_one_lists_it_again(writer: Writer) -> None:
    now = now_us()
    await writer.write([offer(birth(inventory=[dose()], sent=now)), offer(birth(inventory=[], sent=now + 1))])
    assert one(dsn(writer), "SELECT gone IS NOT NULL FROM sensors")
    await writer.write([offer(birth(inventory=[dose()], sent=now + 2))])
    assert one(dsn(writer), "SELECT gone IS NULL FROM sensors")


async def test_channel_that_leaves_the_inventory_is_gone(writer: Writer) -> None:
    now = now_us()
    both = dose(channels=[wire.Channel("dose", "uSv/h"), wire.Channel("battery", "%")])
    await writer.write([offer(birth(inventory=[both], sent=now)), offer(birth(inventory=[dose()], sent=now + 1))])
    assert rows(dsn(writer), "SELECT channel FROM channels WHERE gone IS NOT NULL") == [("battery",)]


async def test_replaced_device_begins_anew_and_what_was_said_before_stays_with_the_former(
    writer: Writer, hub: DatabaseConnection
) -> None:
    now = now_us()
    await writer.write([offer(birth(inventory=[dose()], sent=now)), offer(said(1.0, 1, now + 1))])
    await devices.replace(hub, "harbour", "dose-1", **WHO, at=now + 5)
    await writer.write([offer(said(2.0, 2, now + 4)), offer(said(9.0, 3, now + 5))])
    assert [(row[1], row[3]) for row in rows(dsn(writer), READ)] == [("dose#1", 1.0), ("dose#1", 2.0), ("dose", 9.0)]
    assert rows(dsn(writer), "SELECT action, sensor, by, reason FROM device_journal") == [
        ("replaced", "dose-1", "kim", "the old one broke")
    ]


async def test_moved_sensor_stays_where_a_person_put_it_until_its_agent_says_another_zone(
    writer: Writer, hub: DatabaseConnection
) -> None:
    now = now_us()
    await writer.write([offer(birth(inventory=[dose()], sent=now)), offer(said(1.0, 1, now + 1))])
    await devices.move(hub, "harbour", "dose-1", "pier", **WHO, at=now + 2)
    await writer.write([offer(birth(inventory=[dose()], sent=now + 3)), offer(said(2.0, 2, now + 4))])
    assert one(dsn(writer), "SELECT zone FROM sensors") == "pier"
    assert rows(dsn(writer), "SELECT channel, zone FROM channels ORDER BY version") == [
        ("dose#1", "gate-2"), ("dose", "pier")
    ]  # fmt: skip
    await writer.write([offer(birth(inventory=[dose(zone="quay")], sent=now + 5))])
    assert one(dsn(writer), "SELECT zone FROM sensors") == "quay"


@pytest.mark.parametrize("configured", ["before", "after"])
async def test_renamed_sensor_keeps_history_and_holds(writer: Writer, hub: DatabaseConnection, configured: str) -> None:
    now = now_us()
    opened = event("device.fault", sensor="dose-1", t=now)
    await writer.write([offer(birth(inventory=[dose()], sent=now))])
    await writer.write([offer(said(1.0, 1, now + 1, events=[opened]))])
    with connect_sync(writer.settings) as connection:
        add(
            connection,
            hub="harbour",
            sensor="dose-1",
            held_from=to_datetime(now - SECOND_US),
            held_to=None,
            reason="case 42",
            by="kim",
        )
    new = [
        offer(birth(inventory=[dose(sensor="dose-9")], sent=now + 10)),
        offer(frame(3, sent=now + 11, series=[series(now, [3.0], sensor="dose-9", channel="dose")],
                    events=[event("device.fault", sensor="dose-9", t=now + 11)])),
    ]  # fmt: skip
    if configured == "before":
        await writer.write(new)
    await devices.rename(hub, "harbour", "dose-1", "dose-9", **WHO)
    if configured == "after":
        await writer.write(new)
    await writer.write([offer(said(2.0, 2, now + 5, late=True))])  # backlog under the old name
    assert rows(dsn(writer), "SELECT sensor, value FROM readings ORDER BY value") == [
        ("dose-9", 1.0), ("dose-9", 2.0), ("dose-9", 3.0)
    ]  # fmt: skip
    assert rows(dsn(writer), "SELECT sensor, count(*) FROM events GROUP BY 1") == [("dose-9", 2)]
    held = "SELECT count(*) FROM kept_ranges k JOIN sensors s ON s.id = k.sensor_id WHERE s.sensor = 'dose-9'"
    assert one(dsn(writer), held) == 1
    assert rows(dsn(writer), "SELECT sensor, gone FROM sensors") == [("dose-9", None)]


async def test_old_name_that_is_used_again_is_another_sensor(writer: Writer, hub: DatabaseConnection) -> None:
    now = now_us()
    await writer.write([offer(birth(inventory=[dose()], sent=now)), offer(said(1.0, 1, now + 1))])
    await devices.rename(hub, "harbour", "dose-1", "dose-9", **WHO)
    await writer.write([offer(birth(inventory=[dose()], agent="gw-b", sent=now + 10))])
    await writer.write([offer(said(2.0, 2, now + 2)), offer(said(3.0, 1, now + 11, agent="gw-b"))])
    assert rows(dsn(writer), "SELECT sensor, value FROM readings ORDER BY value") == [
        ("dose-9", 1.0), ("dose-9", 2.0), ("dose-1", 3.0)
    ]  # fmt: skip


async def test_nobody_and_nothing_is_refused_in_words(hub: DatabaseConnection) -> None:
    with pytest.raises(Permanent, match="there is no sensor dose-1 at hub harbour"):
        await devices.replace(hub, "harbour", "dose-1", by="kim", reason="x")
    with pytest.raises(Permanent, match="say who does it"):
        await devices.replace(hub, "harbour", "dose-1", by=" ", reason="x")
