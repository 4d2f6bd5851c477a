"""A supply that the site says feeds something is the cause of what falls silent there, and one incident with it."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Iterator

import pytest

from hubwatch_alarms import views
from hubwatch_alarms.correlation import SYMPTOMS
from hubwatch_alarms.instructions import Instructions
from hubwatch_alarms.mover import Mover
from hubwatch_alarms.notify.log import LogRouteSection
from hubwatch_alarms.priorities import Priorities
from hubwatch_core.clock import SECOND_US, now_us
from hubwatch_core.wire import Detection
from hubwatch_store.alarms import notifications
from hubwatch_store.database import Pool, open_pool
from support.alarms_database import Hands, hands_on, settings_of
from support.alarms_examples import detection
from support.site_applied import applied

HUB = "rotterdam"
SILENT = "integrity.sensor_silent"
ZONES = ("cellar", "gate-2", "quay", "roof", "attic")
SITE = (
    f'[hub]\nid = "{HUB}"\nname = "R"\nmode = "sea"\ntime_zone = "UTC"\n'
    + "".join(f'[[zones]]\nid = "{zone}"\n' for zone in ZONES)
    + '[[supplies]]\nsensor = "mains-1"\nsensors = ["ups-1", "camera-1"]\n'
    + '[[supplies]]\nsensor = "ups-1"\nsensors = ["rpm-2"]\nagents = ["gate-7"]\nzones = ["quay"]\n'
)
FED = ("rpm-2", "gate-7", "on-roof", "quay-1", "ups-1")
PLACES = {
    "mains-1": "cellar", "ups-1": "cellar", "cellar-1": "cellar", "rpm-2": "gate-2", "on-roof": "roof",
    "quay-1": "quay", "attic-1": "attic", "attic-ups": "attic",
}  # fmt: skip


@pytest.fixture
def hands(migrated_database: str) -> Iterator[Hands]:
    with hands_on(migrated_database) as made:
        applied(migrated_database, SITE)
        for sensor, zone in PLACES.items():
            made.place(HUB, sensor, zone)
        made.rows("UPDATE sensors SET agent = 'gate-7' WHERE sensor = 'on-roof' RETURNING id")
        yield made


@pytest.fixture
async def pool(migrated_database: str, hands: Hands) -> AsyncIterator[Pool]:
    async with open_pool(settings_of(migrated_database)) as made:
        yield made


@pytest.fixture
def mover(pool: Pool) -> Mover:
    return Mover(pool, [], Instructions.load())


def found(sensor: str, type_: str = SILENT, *, minutes_ago: float = 5, priority: int = 3) -> Detection:
    start = now_us() - round(minutes_ago * 60 * SECOND_US)
    number = zlib.crc32(f"{sensor} {type_}".encode())
    return detection(number=number, sensor=sensor, type_=type_, start=start, priority=priority)


def causes(hands: Hands) -> dict[str, str]:
    """Return the sensor of each symptom, with that of its cause."""
    rows = hands.rows(
        "SELECT a.sensor, o.sensor AS cause FROM alarm_causes c JOIN alarms a ON a.id = c.alarm"
        " JOIN alarms o ON o.id = c.cause"
    )
    return {row["sensor"]: row["cause"] for row in rows}


async def symptoms(hands: Hands, mover: Mover) -> None:
    """Let what hangs on the mains fall silent, and some that does not."""
    hands.detect(
        found("rpm-2"), found("gate-7", "integrity.agent_offline", priority=2), found("on-roof"), found("quay-1"),
        found("ups-1", "power.low", priority=2), found("cellar-1"), found("attic-1"),
    )  # fmt: skip
    await mover.round()


async def test_lost_mains_are_the_cause_of_what_they_feed_through_others_and_of_nothing_else(
    hands: Hands, pool: Pool, mover: Mover
) -> None:
    hands.detect(found("mains-1", "power.lost", minutes_ago=40, priority=2))
    await mover.round()
    await symptoms(hands, mover)
    assert causes(hands) == dict.fromkeys(FED, "mains-1")
    # What is further up is the cause of what is further down, and a supply that works is the cause of nothing.
    hands.detect(found("ups-1", "power.lost", minutes_ago=30, priority=2))
    await mover.round()
    assert causes(hands) == dict.fromkeys(FED, "mains-1")
    hands.rows("UPDATE alarms SET active = 0 WHERE sensor = 'mains-1' RETURNING id")
    assert causes(hands) == dict.fromkeys(("rpm-2", "gate-7", "on-roof", "quay-1"), "ups-1")


async def test_what_is_fed_is_one_incident_with_its_supply_wherever_and_however_late_it_falls_silent(
    hands: Hands, mover: Mover
) -> None:
    hands.detect(found("mains-1", "power.lost", minutes_ago=40, priority=2))
    await mover.round()
    await symptoms(hands, mover)
    of = {row["sensor"]: row["incident"] for row in hands.alarms()}
    assert {of[sensor] for sensor in FED} == {of["mains-1"]}
    assert of["attic-1"] != of["mains-1"]


async def test_supply_that_the_site_does_not_name_feeds_its_zone(hands: Hands, pool: Pool, mover: Mover) -> None:
    hands.detect(found("attic-ups", "power.lost", minutes_ago=40, priority=2))
    await mover.round()
    await symptoms(hands, mover)
    assert causes(hands) == {"attic-1": "attic-ups", "on-roof": "gate-7"}
    of = {row["sensor"]: row["incident"] for row in hands.alarms()}
    assert (of["attic-1"], of["on-roof"]) == (of["attic-ups"], of["gate-7"])


async def test_critical_alarm_and_tampering_are_no_symptoms(hands: Hands, pool: Pool, mover: Mover) -> None:
    hands.detect(found("mains-1", "power.lost", minutes_ago=40, priority=2))
    await mover.round()
    hands.detect(found("rpm-2", priority=1), found("quay-1", "integrity.tamper", priority=3))
    await mover.round()
    assert causes(hands) == {}


async def test_only_what_a_loss_of_power_explains_is_a_symptom(hands: Hands, pool: Pool, mover: Mover) -> None:
    hands.detect(found("mains-1", "power.lost", minutes_ago=40, priority=2))
    await mover.round()
    types = sorted({each.type for each in Priorities.load().ranked()} | SYMPTOMS)
    # Of one type each, further apart than what is near in time.
    for number, type_ in enumerate(types):
        hands.detect(found("rpm-2", type_, minutes_ago=60 + 10 * number, priority=3))
    await mover.round()
    of = {row["type"]: row["incident"] for row in hands.alarms() if row["sensor"] == "rpm-2"}
    (supply,) = [row["incident"] for row in hands.alarms() if row["sensor"] == "mains-1"]
    assert of.keys() == set(types)
    assert {type_ for type_, incident in of.items() if incident == supply} == SYMPTOMS
    caused = hands.rows("SELECT a.type FROM alarm_causes c JOIN alarms a ON a.id = c.alarm")
    assert {row["type"] for row in caused} == SYMPTOMS


@pytest.mark.parametrize("type_", ["integrity.spoofed", "integrity.frame_forged", "integrity.agent_twice"])
async def test_attack_in_a_power_cut_is_an_incident_of_its_own(hands: Hands, mover: Mover, type_: str) -> None:
    hands.detect(found("mains-1", "power.lost", minutes_ago=40, priority=2))
    await mover.round()
    hands.detect(found("rpm-2"), found("quay-1", type_, priority=2))
    await mover.round()
    of = {row["sensor"]: row["incident"] for row in hands.alarms()}
    assert of["rpm-2"] == of["mains-1"] != of["quay-1"]


async def test_attack_in_a_power_cut_is_told_at_once(hands: Hands, pool: Pool) -> None:
    mover = Mover(pool, [LogRouteSection(name="journal", kind="log")], Instructions.load())

    async def told() -> list[str]:
        """Return what the way of a person is told next."""
        hands.rows("UPDATE notification_outbox SET route = 'mail/kim' RETURNING 1")
        claimed = await notifications.claim(
            pool, "mail", ways=["mail/kim"], lease_s=60, give_up_after_s=3600, group_s=600
        )
        hands.rows(
            "UPDATE notification_outbox SET state = 'delivered', finished = now() WHERE id = %s RETURNING 1",
            "" if claimed is None else claimed.id,
        )
        return [] if claimed is None else [claimed.alarm.type]

    hands.detect(found("mains-1", "power.lost", minutes_ago=40, priority=2))
    await mover.round()
    assert await told() == ["power.lost"]
    hands.detect(found("rpm-2"), found("quay-1", "integrity.spoofed", priority=2))
    await mover.round()
    assert await told() == ["integrity.spoofed"]
    assert await told() == [], "what is of the cause waits for what else there is of it"


async def test_in_a_flood_the_supply_stands_above_everything_it_feeds(hands: Hands, pool: Pool, mover: Mover) -> None:
    fed = [f"quay-{number}" for number in range(2, 14)]
    for sensor in fed:
        hands.place(HUB, sensor, "quay")
    hands.detect(*(found(sensor) for sensor in fed), found("attic-1", minutes_ago=4))
    await mover.round()
    hands.detect(found("mains-1", "power.lost", minutes_ago=3, priority=2))
    await mover.round()
    async with pool.connection() as connection:
        shown = await views.listed(connection, hub=HUB, closed=False, most=100)
    assert [alarm.sensor for alarm in shown.alarms][:2] == ["attic-1", "mains-1"]
    supply = shown.alarms[1].id
    assert {shown.causes.get(alarm.id) for alarm in shown.alarms[2:]} == {supply}
    assert len(shown.alarms) == 2 + len(fed)
