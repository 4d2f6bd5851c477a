"""Whose a sensor is, on every engine: the first agent that lists it has it, until a person says otherwise."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from hubwatch_core import wire
from hubwatch_core.clock import now_us
from hubwatch_core.errors import Permanent
from hubwatch_core.words import SensorKind
from hubwatch_store import devices
from hubwatch_store.database import DatabaseSection, connect
from hubwatch_store.devices import SayingRules
from hubwatch_store.ingest import Departure, Mistrust, State, Writer
from support.store_examples import OTHER_EPOCH, birth, event, frame, offer, one, rows, series

A, B = "gate-7", "gate-8"


@pytest.fixture
async def writer(migrated_database: str) -> AsyncIterator[Writer]:
    made = Writer(DatabaseSection(dsn=migrated_database), rules=SayingRules(own=True))
    yield made
    await made.close()


@pytest.fixture
async def strict(migrated_database: str) -> AsyncIterator[Writer]:
    made = Writer(DatabaseSection(dsn=migrated_database), rules=SayingRules(own=True, announced=True))
    yield made
    await made.close()


def listing(agent: str, *names: str, unit: str = "count", channel: str = "gamma.1") -> wire.Birth:
    sensors = [
        wire.Sensor(
            sensor=name,
            kind=SensorKind.RADIATION_PORTAL,
            zone="gate-2",
            channels=[wire.Channel(name=channel, unit=unit)],
        )
        for name in names
    ]
    return birth(agent=agent, epoch=OTHER_EPOCH if agent == B else birth().epoch, inventory=sensors, sent=now_us())


def said(agent: str, seq: int, sensor: str = "rpm-2", **changes: object) -> wire.Frame:
    now = now_us()
    values: dict[str, object] = {"series": [series(now - 1000, [float(seq)], sensor=sensor)], "sent": now}
    epoch = OTHER_EPOCH if agent == B else birth().epoch
    return frame(seq, agent=agent, epoch=epoch, **(values | changes))


def owner(dsn: str) -> str:
    name: str = one(dsn, "SELECT agent FROM sensors WHERE sensor = 'rpm-2'")
    return name


def values(dsn: str) -> list[float]:
    return [value for (value,) in rows(dsn, "SELECT value FROM readings ORDER BY value")]


def told(dsn: str) -> list[tuple[str, str, str]]:
    return rows(dsn, "SELECT type, sensor, subject FROM detections ORDER BY detected")


async def act(dsn: str, how: str, *what: str) -> None:
    connection = await connect(DatabaseSection(dsn=dsn), "test")
    try:
        await getattr(devices, how)(connection, *what, "chief", "says so")
    finally:
        await connection.close()


async def test_a_second_claim_is_refused_kept_and_told(writer: Writer, migrated_database: str) -> None:
    await writer.write([offer(listing(A, "rpm-2"))])
    written = await writer.write([offer(listing(B, "rpm-2", "rpm-3"))])
    assert [(letter.kind, letter.sensor) for letter in written.dead] == [("claimed", "rpm-2")]
    assert owner(migrated_database) == A
    assert rows(migrated_database, "SELECT sensor, agent FROM listing ORDER BY 1") == [("rpm-2", A), ("rpm-3", B)]
    assert told(migrated_database) == [("integrity.sensor_claimed", "rpm-2", B)]
    assert one(migrated_database, "SELECT kind FROM dead_letters") == "claimed"


async def test_what_a_stranger_says_of_it_is_not_stored_and_the_rest_of_the_frame_is(
    writer: Writer, migrated_database: str
) -> None:
    await writer.write([offer(listing(A, "rpm-2")), offer(listing(B, "rpm-3"))])
    now = now_us()
    both = [series(now, [1.0], sensor="rpm-2"), series(now, [2.0], sensor="rpm-3")]
    events = [event("door.closed", sensor="rpm-2"), event("door.closed", sensor="rpm-3")]
    written = await writer.write([offer(said(B, 1, series=both, events=events))])
    assert (written.frames, written.readings, written.events) == (1, 1, 1)
    assert values(migrated_database) == [2.0]
    assert rows(migrated_database, "SELECT sensor FROM events") == [("rpm-3",)]
    assert [letter.seq for letter in written.dead] == [None], "the frame is stored, not dead"
    assert told(migrated_database) == [("integrity.sensor_claimed", "rpm-2", B)]


async def test_an_owner_that_is_offline_loses_nothing_to_a_claim(writer: Writer, migrated_database: str) -> None:
    await writer.write([offer(listing(A, "rpm-2")), offer(State("harbour", A, online=False))])
    await writer.write([offer(listing(B, "rpm-2")), offer(State("harbour", B, online=True))])
    assert owner(migrated_database) == A


async def test_moving_it_is_an_operators_act_and_history_goes_on(writer: Writer, migrated_database: str) -> None:
    await writer.write([offer(listing(A, "rpm-2")), offer(listing(B, "rpm-2"))])
    late = said(A, 2)
    await writer.write([offer(said(A, 1))])
    await act(migrated_database, "give", "harbour", "rpm-2", B)
    assert owner(migrated_database) == B
    await writer.write([offer(said(B, 3)), offer(late), offer(said(A, 4))])
    assert values(migrated_database) == [1.0, 2.0, 3.0], "what A sent before counts, what it sends now does not"
    await writer.write([offer(listing(A, "rpm-2"))])
    assert owner(migrated_database) == B
    assert rows(migrated_database, "SELECT action, target FROM device_journal") == [("given", B)]
    await act(migrated_database, "give", "harbour", "rpm-2", A)
    assert owner(migrated_database) == A


async def test_another_unit_of_the_new_agent_is_told_and_never_mixed(writer: Writer, migrated_database: str) -> None:
    await writer.write([offer(listing(A, "rpm-2")), offer(said(A, 1)), offer(listing(B, "rpm-2", unit="cps"))])
    await act(migrated_database, "give", "harbour", "rpm-2", B)
    await writer.write([offer(said(B, 2))])
    units = "SELECT c.unit, r.value FROM readings r JOIN channels c USING (hub, sensor, channel) ORDER BY r.time"
    assert rows(migrated_database, units) == [("count", 1.0), ("cps", 2.0)]


async def test_a_changed_unit_is_told(writer: Writer, migrated_database: str) -> None:
    await writer.write([offer(listing(A, "rpm-2")), offer(said(A, 1))])
    await writer.write([offer(listing(A, "rpm-2", unit="cps"))])
    assert told(migrated_database) == [("integrity.unit_changed", "rpm-2", A)]
    assert "gamma.1 from count to cps" in one(migrated_database, "SELECT why FROM detections")


async def test_two_may_share_one_where_a_person_says_so(writer: Writer, migrated_database: str) -> None:
    await writer.write([offer(listing(A, "rpm-2")), offer(listing(B, "rpm-2", channel="neutron.1"))])
    await act(migrated_database, "share", "harbour", "rpm-2", B)
    series_of_b = [series(now_us() - 1000, [7.0], channel="neutron.1")]
    written = await writer.write([offer(said(A, 1)), offer(said(B, 2, series=series_of_b))])
    assert written.dead == []
    assert rows(migrated_database, "SELECT channel, value FROM readings ORDER BY value") == [
        ("gamma.1", 1.0),
        ("neutron.1", 7.0),
    ]


async def test_who_lists_it_no_more_or_is_taken_away_has_it_no_more(writer: Writer, migrated_database: str) -> None:
    await writer.write([offer(listing(A, "rpm-2", "rpm-4"))])
    await writer.write([offer(listing(A, "rpm-4")), offer(listing(B, "rpm-2"))])
    assert owner(migrated_database) == B
    await writer.write([offer(Departure("harbour", A))])
    written = await writer.write([offer(listing(B, "rpm-2", "rpm-4"))])
    assert written.dead == []


async def test_giving_names_an_agent_and_a_sensor_there_are(writer: Writer, migrated_database: str) -> None:
    await writer.write([offer(listing(A, "rpm-2"))])
    with pytest.raises(Permanent, match="no agent nobody"):
        await act(migrated_database, "give", "harbour", "rpm-2", "nobody")
    with pytest.raises(Permanent, match="no sensor rpm-9"):
        await act(migrated_database, "give", "harbour", "rpm-9", A)


async def test_names_outside_the_birth_are_not_stored(strict: Writer, migrated_database: str) -> None:
    early = await strict.write([offer(said(A, 1))])
    assert [letter.kind for letter in early.dead] == ["unannounced"]
    await strict.write([offer(listing(A, "rpm-2"))])
    now = now_us()
    mixed = [series(now, [1.0]), series(now, [2.0], channel="other"), series(now, [3.0], sensor="rpm-9")]
    own = event("agent.lost", sensor=A)
    written = await strict.write([offer(said(A, 2, series=mixed, events=[own]))])
    assert (written.readings, written.events, len(written.dead)) == (1, 1, 1)
    assert written.dead[0].reason == "no birth announces this of rpm-2, rpm-9"
    assert values(migrated_database) == [1.0]
    assert one(migrated_database, "SELECT count(*) FROM frames") == 2


@pytest.mark.parametrize("again", [False, True], ids=["it is remembered", "it is asked for"])
async def test_an_epoch_is_the_agents_that_had_it_first_whatever_others_say_in_the_same_batch(
    migrated_plain_dsn: str, again: bool
) -> None:
    settings = DatabaseSection(dsn=migrated_plain_dsn)
    writer = Writer(settings, own_epochs=True)
    try:
        await writer.write([offer(frame(1))])
        if again:
            await writer.close()
        theirs = [offer(frame(1, agent=B)), offer(birth(agent=B, inventory=[]))]
        written = await writer.write([theirs[0], offer(frame(2)), theirs[1], offer(frame(3))])
        assert [(each.agent, each.kind) for each in written.dead] == [(B, Mistrust.FORGED)] * 2
        assert rows(migrated_plain_dsn, "SELECT agent, seq FROM frames ORDER BY 2") == [(A, 1), (A, 2), (A, 3)]
    finally:
        await writer.close()
