"""Escalations on TimescaleDB and on plain PostgreSQL: who is told when, and that a person's answer ends it for all."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from hubwatch_alarms import acts, suppressing
from hubwatch_alarms.instructions import Instructions
from hubwatch_alarms.mover import Mover
from hubwatch_alarms.notify.log import LogRouteSection
from hubwatch_alarms.oncall.escalation import Escalations
from hubwatch_alarms.oncall.escalation_settings import EscalationSection, StepSection
from hubwatch_alarms.oncall.settings import PersonSection, RotaSection, WaySection
from hubwatch_alarms.settings import ExpectingSection
from hubwatch_alarms.suppressing import Wish
from hubwatch_core.alarm import Action
from hubwatch_core.errors import Permanent
from hubwatch_core.permission import Actor
from hubwatch_store.alarms import ExpectedAlarms, ExpectedKind, alarms, notifications
from hubwatch_store.database import Pool, open_pool
from support.alarms_database import Hands, hands_on, settings_of
from support.alarms_examples import START_US, detection

KIM = Actor("kim", verified=False)
PEOPLE = [
    PersonSection(name=name, ways=(WaySection(route="mail"), WaySection(route="phone"))) for name in ("kim", "ada")
]
PEOPLE.append(PersonSection(name="chief", ways=(WaySection(route="phone"),)))
ROTA = RotaSection(name="duty", time_zone="UTC", begins="2026-01-05", hand_over=("mon 08:00",), people=("kim",))
STEPS = (
    StepSection(rotas=("duty",)),
    StepSection(after_s=300, people=("ada",), routes=("siren",)),
    StepSection(after_s=600, people=("chief",)),
)
DUTY = EscalationSection(name="duty", min_priority=2, repeat_last_s=900, steps=STEPS)


@pytest.fixture
def hands(migrated_database: str) -> Iterator[Hands]:
    with hands_on(migrated_database) as made:
        yield made


@pytest.fixture
async def pool(migrated_database: str) -> AsyncIterator[Pool]:
    async with open_pool(settings_of(migrated_database)) as made:
        yield made


def mover(pool: Pool, *sections: EscalationSection, routes: tuple[LogRouteSection, ...] = ()) -> Mover:
    return Mover(pool, routes, Instructions.load(), escalations=Escalations(sections or (DUTY,), PEOPLE, [ROTA]))


def pass_time(hands: Hands, seconds: int) -> None:
    """Let what stands in the table be so much older."""
    hands.rows(
        "UPDATE alarm_escalation SET began = began - %s * interval '1 s', due = due - %s * interval '1 s' RETURNING 1",
        seconds,
        seconds,
    )


def ways(hands: Hands, state: str | None = None) -> list[str]:
    return [row["route"] for row in hands.outbox() if state in (None, row["state"])]


def steps(hands: Hands) -> list[dict[str, Any]]:
    return hands.rows("SELECT escalation, told FROM alarm_escalation ORDER BY alarm, escalation")


async def take(pool: Pool) -> None:
    async with alarms.moving(pool) as connection:
        await acts.acknowledge(connection, KIM, 1, None)


async def test_whoever_is_on_call_is_told_at_once_and_the_next_only_when_nobody_acknowledges(
    hands: Hands, pool: Pool
) -> None:
    hands.detect(detection())
    work = mover(pool)
    await work.round()
    await work.round()
    assert ways(hands) == ["mail/kim", "phone/kim"]
    pass_time(hands, 200)
    await work.round()
    assert len(ways(hands)) == 2
    pass_time(hands, 100)
    await work.round()
    assert ways(hands)[2:] == ["mail/ada", "phone/ada", "siren"]
    pass_time(hands, 300)
    await work.round()
    assert ways(hands)[5:] == ["phone/chief"]
    assert hands.actions(1) == ["opened", "escalated", "escalated"]
    assert steps(hands) == [{"escalation": "duty", "told": 3}]


async def test_route_of_a_step_that_also_follows_escalations_is_told_once(hands: Hands, pool: Pool) -> None:
    hands.detect(detection())
    siren = LogRouteSection(name="siren", kind="log", on=(Action.OPENED, Action.ESCALATED))
    work = mover(pool, routes=(siren,))
    await work.round()
    pass_time(hands, 300)
    await work.round()
    await work.round()
    await work.round()
    assert ways(hands).count("siren") == 2, "opened, and the step"
    assert hands.rows("SELECT 1 FROM alarm_unrouted") == []


async def test_alarm_that_is_expected_from_now_on_ends_its_escalation_and_begins_it_anew_when_released(
    hands: Hands, pool: Pool
) -> None:
    hands.rows("INSERT INTO hubs (hub) VALUES ('rotterdam') ON CONFLICT DO NOTHING RETURNING hub")
    hands.place("rotterdam", "fence-1", "quay")
    hands.detect(detection())
    work = mover(pool)
    await work.round()
    assert len(steps(hands)) == 1
    wish = Wish(ExpectedKind.WORKS, "rotterdam", "new posts", 3600, sensor="fence-1")
    async with alarms.moving(pool) as connection:
        added = await suppressing.expect(connection, KIM, wish, ExpectingSection(), agreed_by="ada")
    assert isinstance(added, ExpectedAlarms)
    await work.round()
    await work.round()
    assert (hands.alarms()[0]["state"], steps(hands)) == ("suppressed", [])
    assert ways(hands, "waiting") == []
    async with alarms.moving(pool) as connection:
        await suppressing.lift(connection, KIM, added.id)
    await work.round()
    await work.round()
    assert (hands.alarms()[0]["state"], len(steps(hands))) == ("unacknowledged", 1)
    assert ways(hands, "waiting") == ["mail/kim", "phone/kim"]


async def test_last_step_is_told_again_until_somebody_answers(hands: Hands, pool: Pool) -> None:
    hands.detect(detection())
    work = mover(pool)
    await work.round()
    for seconds in (300, 300, 900, 900):
        pass_time(hands, seconds)
        await work.round()
    assert ways(hands)[5:] == ["phone/chief"] * 3
    (last,) = hands.rows("SELECT note FROM alarm_journal ORDER BY id DESC LIMIT 1")
    assert last["note"] == "step 5 of duty: nobody has acknowledged, told phone/chief"


async def test_delivery_is_no_answer(hands: Hands, pool: Pool) -> None:
    hands.detect(detection())
    work = mover(pool)
    await work.round()
    hands.rows("UPDATE notification_outbox SET state = 'delivered', finished = now() RETURNING 1")
    pass_time(hands, 300)
    await work.round()
    assert "siren" in ways(hands)


async def test_answer_stops_it_for_everybody_and_withdraws_what_waits(hands: Hands, pool: Pool) -> None:
    hands.detect(detection())
    work = mover(pool, routes=(LogRouteSection(name="journal", kind="log"),))
    await work.round()
    await take(pool)
    # Already before the round that withdraws it, nobody is told by the escalation; a plain route says who has it.
    assert await notifications.claim(pool, "mail", ways=["mail/kim"], lease_s=9, give_up_after_s=3600) is None
    assert await notifications.claim(pool, "journal", lease_s=9, give_up_after_s=3600) is not None
    await work.round()
    assert ways(hands, "withdrawn") == ["mail/kim", "phone/kim"]
    assert ways(hands, "waiting") == ["journal"]
    assert steps(hands) == []


async def test_more_urgent_detection_of_a_taken_alarm_begins_anew(hands: Hands, pool: Pool) -> None:
    hands.detect(detection())
    work = mover(pool)
    await work.round()
    await take(pool)
    await work.round()
    hands.detect(detection(number=2, priority=1))
    await work.round()
    assert ways(hands, "waiting") == ["mail/kim", "phone/kim"]
    assert steps(hands) == [{"escalation": "duty", "told": 1}]


async def test_condition_that_comes_back_again_and_again_does_not_begin_anew(hands: Hands, pool: Pool) -> None:
    hands.detect(detection(over=True))
    work = mover(pool)
    await work.round()
    pass_time(hands, 300)
    await work.round()
    assert steps(hands) == [{"escalation": "duty", "told": 2}]
    hands.detect(detection(number=2, start=START_US + 3600 * 1_000_000, over=True))
    await work.round()
    assert hands.actions(1)[-1] == "recurred"
    assert steps(hands) == [{"escalation": "duty", "told": 2}]


async def test_only_alarms_that_it_is_for_are_on_an_escalation(hands: Hands, pool: Pool) -> None:
    hands.place("rotterdam", "fence-1", "quay")
    hands.detect(detection(), detection(number=2, sensor="fence-2"), detection(number=3, priority=3, sensor="fence-3"))
    quay = DUTY.model_copy(update={"name": "quay", "zones": ("quay",)})
    elsewhere = DUTY.model_copy(update={"name": "elsewhere", "hubs": ("antwerp",)})
    raised = DUTY.model_copy(update={"name": "raised", "levels": (2, 3)})
    await mover(pool, DUTY, quay, elsewhere, raised).round()
    found = hands.rows(
        "SELECT a.sensor, e.escalation FROM alarm_escalation e JOIN alarms a ON a.id = e.alarm ORDER BY 1, 2"
    )
    assert [tuple(row.values()) for row in found] == [("fence-1", "duty"), ("fence-1", "quay"), ("fence-2", "duty")]


async def test_way_that_two_escalations_name_is_told_once(hands: Hands, pool: Pool) -> None:
    hands.detect(detection())
    await mover(pool, DUTY, DUTY.model_copy(update={"name": "again"})).round()
    assert ways(hands) == ["mail/kim", "phone/kim"]


async def test_escalation_that_is_no_longer_configured_ends_and_others_go_on(hands: Hands, pool: Pool) -> None:
    hands.detect(detection())
    await mover(pool, DUTY, DUTY.model_copy(update={"name": "gone"})).round()
    pass_time(hands, 300)
    await mover(pool).round()
    assert steps(hands) == [{"escalation": "duty", "told": 2}]


async def test_clock_set_back_holds_no_step_back(hands: Hands, pool: Pool) -> None:
    hands.detect(detection())
    work = mover(pool)
    await work.round()
    hands.rows(
        "UPDATE alarm_escalation SET last_told = now() + '1 d'::interval, due = now() + '1 d'::interval RETURNING 1"
    )
    await work.round()
    assert "siren" in ways(hands)


async def test_round_that_fails_has_told_nothing_and_the_next_tells_it_once(hands: Hands, pool: Pool) -> None:
    hands.detect(detection())
    work = mover(pool)
    await work.round()
    pass_time(hands, 300)
    hands.connection.execute(
        "ALTER TABLE notification_outbox ADD CONSTRAINT no_siren CHECK (route <> 'siren') NOT VALID"
    )
    with pytest.raises(Permanent, match="no_siren"):
        await work.round()
    assert (len(ways(hands)), hands.actions(1), steps(hands)[0]["told"]) == (2, ["opened"], 1)
    hands.connection.execute("ALTER TABLE notification_outbox DROP CONSTRAINT no_siren")
    await work.round()
    await work.round()
    assert ways(hands)[2:] == ["mail/ada", "phone/ada", "siren"]
    assert hands.actions(1) == ["opened", "escalated"]


async def test_way_of_a_person_is_claimed_with_its_route_and_held_with_it(hands: Hands, pool: Pool) -> None:
    hands.detect(detection())
    await mover(pool).round()
    claimed = await notifications.claim(pool, "mail", ways=["mail/kim"], lease_s=9, give_up_after_s=3600)
    assert claimed is not None
    assert claimed.route == "mail/kim"
    (attempt,) = hands.attempts()
    assert attempt["route"] == "mail/kim"
