"""What is expected is not told, ends by itself, and blinds nobody."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from hubwatch_alarms import acts, suppressing
from hubwatch_alarms.instructions import Instructions
from hubwatch_alarms.mover import Mover
from hubwatch_alarms.notify.log import LogRouteSection
from hubwatch_alarms.priorities import Priorities
from hubwatch_alarms.settings import ExpectingSection
from hubwatch_alarms.suppressing import Wish
from hubwatch_core.alarm import Action
from hubwatch_core.clock import now_us, to_datetime
from hubwatch_core.errors import Permanent
from hubwatch_core.permission import EVERY_HUB, Actor, Grant, Role
from hubwatch_core.wire import Detection
from hubwatch_store.alarms import ExpectedAlarms, ExpectedKind, alarms
from hubwatch_store.alarms.expected import BURST, BURST_LEAST
from hubwatch_store.database import Pool, open_pool
from hubwatch_store.users import NotAllowed
from support.alarms_database import Hands, hands_on, settings_of
from support.alarms_examples import detection

KIM = Actor("kim", verified=False)
WORKS = Wish(ExpectedKind.WORKS, "rotterdam", "new fence posts", 3600, sensor="fence-1")
ROUTE = LogRouteSection(name="all", kind="log")


@pytest.fixture
def hands(migrated_database: str) -> Iterator[Hands]:
    with hands_on(migrated_database) as made:
        made.rows("INSERT INTO hubs (hub) VALUES ('rotterdam') ON CONFLICT DO NOTHING RETURNING hub")
        for sensor, zone in (("fence-1", "north"), ("fence-2", "north"), ("fence-3", "quay")):
            made.place("rotterdam", sensor, zone)
        yield made


@pytest.fixture
async def pool(migrated_database: str, hands: Hands) -> AsyncIterator[Pool]:
    async with open_pool(settings_of(migrated_database)) as made:
        yield made


@pytest.fixture
def mover(pool: Pool) -> Mover:
    return Mover(pool, [ROUTE], Instructions.load())


async def expect(pool: Pool, wish: Wish, *, person: Actor = KIM, agreed_by: str | None = None) -> ExpectedAlarms:
    async with alarms.moving(pool) as connection:
        added = await suppressing.expect(connection, person, wish, ExpectingSection(), agreed_by=agreed_by)
    assert isinstance(added, ExpectedAlarms)
    return added


async def refused(pool: Pool, wish: Wish, *, person: Actor = KIM, agreed_by: str | None = None) -> str:
    with pytest.raises((Permanent, NotAllowed)) as why:
        await expect(pool, wish, person=person, agreed_by=agreed_by)
    return str(why.value)


async def lift(pool: Pool, number: int) -> None:
    async with alarms.moving(pool) as connection:
        await suppressing.lift(connection, KIM, number)


def states(hands: Hands) -> dict[str, str]:
    return {row["sensor"]: row["state"] for row in hands.alarms()}


def told(hands: Hands) -> list[str]:
    query = "SELECT j.action FROM notification_outbox o JOIN alarm_journal j ON j.id = o.journal ORDER BY o.journal"
    return [row["action"] for row in hands.rows(query)]


def seen(number: int = 1, sensor: str = "fence-1", priority: int = 2, type_: str = "perimeter.intrusion") -> Detection:
    return detection(number=number, sensor=sensor, start=now_us(), priority=priority, type_=type_)


async def test_works_keep_what_they_cause_from_being_told_and_nothing_else(
    hands: Hands, mover: Mover, pool: Pool
) -> None:
    await expect(pool, WORKS)
    hands.detect(seen(1), seen(2, "fence-2"))
    await mover.round()
    assert states(hands) == {"fence-1": "suppressed", "fence-2": "unacknowledged"}
    assert told(hands) == ["opened"]
    assert hands.rows("SELECT note FROM alarm_journal WHERE to_state = 'suppressed'")[0]["note"].endswith("fence posts")


async def test_works_end_by_themselves_and_what_is_still_there_is_told(hands: Hands, mover: Mover, pool: Pool) -> None:
    await expect(pool, WORKS)
    there, gone = seen(1), seen(2, type_="access.held")
    hands.detect(there, gone)
    hands.end(gone.id, now_us())
    await mover.round()
    await mover.round()
    assert told(hands) == []
    hands.rows("UPDATE alarm_suppression SET starts = now() - INTERVAL '2 hours', ends = now() RETURNING id")
    await mover.round()
    assert [(row["type"], row["state"]) for row in hands.alarms()] == [
        ("perimeter.intrusion", "unacknowledged"),
        ("access.held", "normal"),
    ]
    assert told(hands) == ["released"]


async def test_nobody_hears_of_the_end_of_what_nobody_was_told_of(hands: Hands, pool: Pool) -> None:
    everything = LogRouteSection(name="all", kind="log", on=tuple(Action))
    mover = Mover(pool, [everything], Instructions.load())
    await expect(pool, replace(WORKS, kind=ExpectedKind.WORKS))
    found = detection(sensor="fence-1")
    hands.detect(found)
    await mover.round()
    hands.end(found.id, found.start + 1_000_000)
    await mover.round()
    await lift(pool, hands.rows("SELECT id FROM alarm_suppression")[0]["id"])
    await mover.round()
    await mover.round()
    assert states(hands) == {"fence-1": "normal"}
    assert hands.outbox() == []


async def test_that_much_is_set_aside_is_never_expected(hands: Hands, pool: Pool) -> None:
    hub = replace(WORKS, sensor=None)
    await expect(pool, hub, agreed_by="ada")
    hands.detect(detection(sensor="alarms", type_=BURST))
    await Mover(pool, [ROUTE], Instructions.load()).round()
    assert states(hands) == {"alarms": "unacknowledged"}


async def test_alarm_that_is_there_when_works_begin_is_set_aside_and_is_not_forgotten(
    hands: Hands, mover: Mover, pool: Pool
) -> None:
    found = seen()
    hands.detect(found)
    await mover.round()
    works = await expect(pool, WORKS)
    await mover.round()
    assert states(hands) == {"fence-1": "suppressed"}
    hands.end(found.id, now_us())
    await mover.round()
    await lift(pool, works.id)
    await mover.round()
    assert states(hands) == {"fence-1": "returned"}


async def test_critical_alarms_are_told_unless_two_persons_said_otherwise(
    hands: Hands, mover: Mover, pool: Pool
) -> None:
    await expect(pool, WORKS)
    hands.detect(seen(1), seen(2, priority=1, type_="access.forced"), seen(3, type_="access.tamper"))
    await mover.round()
    assert {row["type"]: row["state"] for row in hands.alarms()} == {
        "perimeter.intrusion": "suppressed",
        "access.forced": "unacknowledged",
        "access.tamper": "unacknowledged",
    }
    critical = replace(WORKS, critical=True)
    assert "--agreed-by" in await refused(pool, critical)
    assert "--agreed-by" in await refused(pool, critical, agreed_by="kim")
    await expect(pool, critical, agreed_by="lee")
    await mover.round()
    assert {row["state"] for row in hands.alarms()} == {"suppressed"}


async def test_more_urgent_detection_breaks_out_of_works(hands: Hands, mover: Mover, pool: Pool) -> None:
    await expect(pool, WORKS)
    hands.detect(seen(1, priority=3))
    await mover.round()
    hands.detect(seen(2, priority=1))
    await mover.round()
    await mover.round()
    assert states(hands) == {"fence-1": "unacknowledged"}
    assert told(hands) == ["raised"]


@pytest.mark.parametrize(
    "wish",
    [
        replace(WORKS, sensor="fence-3"),
        replace(WORKS, sensor=None, zone="north"),
        replace(WORKS, sensor=None),
        replace(WORKS, sensor=None, zone="quay", kind=ExpectedKind.MAINTENANCE),
    ],
    ids=["only sensor", "whole zone", "whole hub", "maintenance"],
)
async def test_zone_is_blinded_by_two_persons_or_not_at_all(pool: Pool, wish: Wish) -> None:
    assert "would be heard" in await refused(pool, wish)
    added = await expect(pool, wish, agreed_by="lee")
    assert (added.by, added.agreed_by) == ("kim", "lee")


async def test_last_sensor_of_a_zone_needs_two_persons_also_when_the_others_went_one_by_one(pool: Pool) -> None:
    await expect(pool, WORKS)
    assert "zone north" in await refused(pool, replace(WORKS, sensor="fence-2"))
    later = to_datetime(now_us()) + timedelta(hours=2)
    await expect(pool, replace(WORKS, sensor="fence-2", starts=later))


async def test_radiation_is_told_to_nobody_by_two_persons_or_not_at_all(hands: Hands, pool: Pool) -> None:
    hands.rows("UPDATE sensors SET kind = 'radiation_portal' WHERE sensor = 'fence-1' RETURNING sensor")
    for types in ((), ("radiation",), ("perimeter", "radiation.norm")):
        assert "alarms of radiation" in await refused(pool, replace(WORKS, types=types))
    assert "alarms of radiation" in await refused(pool, replace(WORKS, sensor=None, zone="north"))
    await expect(pool, replace(WORKS, types=("perimeter", "radiationless.x")))
    await expect(pool, WORKS, agreed_by="lee")


async def test_last_sensor_that_is_heard_is_shelved_by_two_persons(hands: Hands, mover: Mover, pool: Pool) -> None:
    await expect(pool, WORKS)
    hands.detect(seen(1, "fence-2"))
    await mover.round()
    (alarm,) = hands.alarms()
    for second in (None, "kim"):
        with pytest.raises(Permanent, match="no other sensor of its zone"):
            async with alarms.moving(pool) as connection:
                await acts.shelve(connection, KIM, alarm["id"], 600, "a crane", agreed_by=second)
    async with alarms.moving(pool) as connection:
        await acts.shelve(connection, KIM, alarm["id"], 600, "a crane", agreed_by="lee")
    assert states(hands) == {"fence-2": "shelved"}
    (entry,) = hands.rows("SELECT by, note FROM alarm_journal WHERE action = 'shelved'")
    assert (entry["by"], entry["note"].endswith("a crane (agreed by lee)")) == ("kim", True)


@pytest.mark.parametrize(
    ("wish", "says"),
    [
        (replace(WORKS, duration_s=20 * 86_400), "at most 336 h"),
        (replace(WORKS, critical=True, duration_s=9 * 3600), "at most 8 h"),
        (replace(WORKS, starts=datetime.fromisoformat("2020-01-01T00:00+00:00")), "over already"),
        (replace(WORKS, hub="hamburg"), "no hub hamburg"),
        (replace(WORKS, sensor="fence-9"), "no sensor fence-9"),
        (replace(WORKS, zone="nowhere", sensor=None), "no zone nowhere"),
        (replace(WORKS, kind=ExpectedKind.MAINTENANCE), "maintenance is of a zone"),
    ],
)
async def test_what_may_not_be_so_is_refused_in_words(pool: Pool, wish: Wish, says: str) -> None:
    assert says in await refused(pool, wish, agreed_by="lee")


async def test_person_with_a_login_needs_the_role_at_the_hub(pool: Pool) -> None:
    guard = Actor("pat", (Grant(Role.GUARD, frozenset({EVERY_HUB})),))
    assert "needs the role responder" in await refused(pool, WORKS, person=guard)
    elsewhere = Actor("pat", (Grant(Role.RESPONDER, frozenset({"hamburg"})),))
    assert "needs the role responder" in await refused(pool, WORKS, person=elsewhere)


async def test_rule_by_design_holds_while_its_zone_is_in_maintenance(hands: Hands, pool: Pool, tmp_path: Path) -> None:
    file = tmp_path / "priority.toml"
    file.write_text(
        '[[design]]\nname = "fence-in-maintenance"\ntypes = ["perimeter"]\nwhile_maintenance = true\n', encoding="utf-8"
    )
    mover = Mover(pool, [ROUTE], Instructions.load(), priorities=Priorities.load(file))
    wish = Wish(ExpectedKind.MAINTENANCE, "rotterdam", "yearly", 3600, zone="north")
    maintenance = await expect(pool, wish, agreed_by="lee")
    hands.detect(seen(1), seen(2, "fence-3"), seen(3, type_="access.held"))
    await mover.round()
    assert [row["state"] for row in hands.alarms()] == ["suppressed", "unacknowledged", "unacknowledged"]
    await lift(pool, maintenance.id)
    await mover.round()
    assert [row["state"] for row in hands.alarms()] == ["unacknowledged"] * 3


async def test_rule_by_design_folds_symptoms_under_their_cause(hands: Hands, pool: Pool, tmp_path: Path) -> None:
    file = tmp_path / "priority.toml"
    file.write_text(
        '[[design]]\nname = "no-power"\ntypes = ["integrity.sensor_silent"]\nwhile_open = ["power.lost"]\n',
        encoding="utf-8",
    )
    mover = Mover(pool, [ROUTE], Instructions.load(), priorities=Priorities.load(file))
    hands.detect(seen(1, type_="integrity.sensor_silent", priority=3))
    await mover.round()
    cause = seen(2, "fence-2", type_="power.lost")
    hands.detect(cause)
    await mover.round()
    await mover.round()
    assert states(hands) == {"fence-1": "suppressed", "fence-2": "unacknowledged"}
    hands.end(cause.id, now_us())
    await mover.round()
    await mover.round()
    assert states(hands) == {"fence-1": "unacknowledged", "fence-2": "returned"}


async def test_many_acts_of_setting_aside_are_an_alarm_once(hands: Hands, mover: Mover, pool: Pool) -> None:
    for _ in range(BURST_LEAST):
        await mover.round()
        assert hands.alarms() == []
        await expect(pool, WORKS)
    for _ in range(3):
        await mover.round()
    (alarm,) = hands.alarms()
    assert (alarm["type"], alarm["hub"], alarm["priority"]) == (BURST, "rotterdam", 2)
    assert alarm["why"].startswith("5 alarms or sensors were set aside")


async def test_everything_that_nobody_is_told_of_is_one_view(hands: Hands, mover: Mover, pool: Pool) -> None:
    await expect(pool, WORKS)
    hands.detect(seen(1))
    await mover.round()
    found = hands.rows("SELECT what, kind, sensor, by, reason, until IS NOT NULL AS ends FROM suppressed ORDER BY what")
    assert [(row["what"], row["kind"], row["sensor"], row["ends"]) for row in found] == [
        ("alarm", "suppressed", "fence-1", False),
        ("expected", "works", "fence-1", True),
    ]
    assert found[1]["by"] == "kim"
    assert "new fence posts" in found[0]["reason"]


async def test_record_made_after_now_is_over_because_the_clock_was_set_back(
    hands: Hands, mover: Mover, pool: Pool
) -> None:
    await expect(pool, WORKS)
    hands.rows("UPDATE alarm_suppression SET made = now() + INTERVAL '1 hour' RETURNING id")
    hands.detect(seen(1))
    await mover.round()
    assert states(hands) == {"fence-1": "unacknowledged"}


async def test_acts_that_lie_ahead_since_the_clock_was_set_back_are_no_burst(
    hands: Hands, mover: Mover, pool: Pool
) -> None:
    for _ in range(BURST_LEAST):
        await expect(pool, WORKS)
    hands.rows("UPDATE alarm_suppression SET made = now() + INTERVAL '1 hour' RETURNING id")
    await mover.round()
    assert hands.alarms() == []
    hands.rows("UPDATE alarm_suppression SET made = now() RETURNING id")
    await mover.round()
    assert [row["type"] for row in hands.alarms()] == [BURST]
