"""Acknowledging from a message that tells of several alarms: all that it named, and no other one."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from hubwatch_alarms import acts
from hubwatch_alarms.instructions import Instructions
from hubwatch_alarms.mover import Mover
from hubwatch_alarms.oncall.escalation import Escalations
from hubwatch_alarms.oncall.escalation_settings import EscalationSection, StepSection
from hubwatch_alarms.oncall.link import LinkSection
from hubwatch_alarms.oncall.settings import PersonSection, WaySection
from hubwatch_core.delivery import DeliveryOutcome, DeliveryResult
from hubwatch_core.permission import Actor, Role
from hubwatch_store.alarms import Claimed, alarms, notifications
from hubwatch_store.database import Pool, open_pool
from support.alarms_database import Hands, hands_on, settings_of
from support.alarms_examples import detection
from support.console_running import Answer, Client, add_person, running_api

KIM = PersonSection(name="kim", ways=(WaySection(route="mail"),))
TELL = EscalationSection(name="duty", steps=(StepSection(people=("kim",)),))
AWAY = DeliveryOutcome(DeliveryResult.TRANSIENT, 421, "SMTP 421")


@pytest.fixture
def hands(migrated_plain_dsn: str) -> Iterator[Hands]:
    with hands_on(migrated_plain_dsn) as made:
        for number in range(1, 5):
            made.place("rotterdam", f"fence-{number}", "quay")
        yield made


@pytest.fixture
async def pool(migrated_plain_dsn: str) -> AsyncIterator[Pool]:
    async with open_pool(settings_of(migrated_plain_dsn)) as made:
        yield made


@pytest.fixture
def links(tmp_path: Path) -> LinkSection:
    key = tmp_path / "link.key"
    key.write_text("a key of this test that is long enough", encoding="utf-8")
    key.chmod(0o600)
    return LinkSection(url="https://console.port.example", key_file=key)


@pytest.fixture
async def api(migrated_plain_dsn: str, links: LinkSection) -> AsyncIterator[Client]:
    async with running_api(migrated_plain_dsn, acknowledge={"key_file": str(links.key_file)}) as client:
        await add_person(migrated_plain_dsn, "kim", Role.GUARD)
        yield client


async def opened(hands: Hands, pool: Pool, *numbers: int, priority: int = 2, first: int = 0) -> None:
    """Open (or raise) an alarm of each number, all of one incident; `first` makes the detections differ."""
    hands.detect(*(detection(number=first + n, sensor=f"fence-{n}", priority=priority) for n in numbers))
    await Mover(pool, [], Instructions.load(), escalations=Escalations([TELL], [KIM])).round()


async def claimed(pool: Pool) -> Claimed:
    found = await notifications.claim(pool, "mail", ways=["mail/kim"], lease_s=60, give_up_after_s=3600, group_s=0)
    assert found is not None
    return found


def path(links: LinkSection, message: Claimed) -> str:
    link = links.link(message.id, message.attempt, message.alarm.id, "kim", time.time())
    return link.removeprefix("https://console.port.example/api/v1")


def holders(hands: Hands) -> dict[str, str | None]:
    return {row["sensor"]: row["acknowledged_by"] for row in hands.alarms()}


def says(answer: Answer) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", answer.body).split())


async def test_button_takes_every_alarm_that_the_message_named_and_the_page_says_which(
    hands: Hands, pool: Pool, links: LinkSection, api: Client
) -> None:
    await opened(hands, pool, 1, 2, 3)
    message = await claimed(pool)
    page = await api.get(path(links, message))
    assert "Acknowledge all 3 as kim" in says(page)
    assert [f"fence-{n}" in says(page) for n in (1, 2, 3)] == [True] * 3
    assert set(holders(hands).values()) == {None}
    done = says(await api.ask("POST", path(links, message)))
    assert "You have 3 of the 3 alarms of this message now." in done
    assert holders(hands) == {"fence-1": "kim", "fence-2": "kim", "fence-3": "kim"}
    acted = hands.rows("SELECT subject FROM audit WHERE act = 'alarm.acknowledge' ORDER BY id")
    assert [row["subject"] for row in acted] == [f"alarm {row['id']}" for row in hands.alarms()]


async def test_page_says_of_each_alarm_of_an_exercise_that_it_is_one(
    hands: Hands, pool: Pool, links: LinkSection, api: Client
) -> None:
    await opened(hands, pool, 1, 2)
    message = await claimed(pool)
    hands.rows(
        "WITH d AS (INSERT INTO drills (hub, scenario, title, began, ends, by, verified)"
        " VALUES ('rotterdam', 's', 't', now(), now() + INTERVAL '1 h', 'lee', true) RETURNING id)"
        " UPDATE alarms SET exercise = d.id FROM d RETURNING 1"
    )
    page = await api.get(path(links, message))
    # Once over all of it, and once over each alarm.
    assert page.body.count('<strong class="exercise">EXERCISE</strong>') == 3
    assert says(page).startswith("EXERCISE ")


async def test_alarm_that_joined_later_is_not_taken_unseen_not_even_by_the_link_of_an_earlier_attempt(
    hands: Hands, pool: Pool, links: LinkSection, api: Client
) -> None:
    await opened(hands, pool, 1, 2)
    first = await claimed(pool)
    await notifications.postpone(pool, first, AWAY, pause_s=0, hold_route=False)
    await opened(hands, pool, 3)
    second = await claimed(pool)
    assert (second.id, second.attempt, len(second.carried)) == (first.id, 2, 2)
    await opened(hands, pool, 4)
    assert "fence-3" not in says(await api.get(path(links, first)))
    await api.ask("POST", path(links, first))
    assert holders(hands) == {"fence-1": "kim", "fence-2": "kim", "fence-3": None, "fence-4": None}
    assert "used before" in says(await api.ask("POST", path(links, second)))
    assert holders(hands)["fence-3"] is None


async def test_what_somebody_else_has_and_what_became_more_urgent_is_left_and_said(
    hands: Hands, pool: Pool, links: LinkSection, api: Client
) -> None:
    await opened(hands, pool, 1, 2, 3)
    message = await claimed(pool)
    second = next(row["id"] for row in hands.alarms() if row["sensor"] == "fence-2")
    async with alarms.moving(pool) as connection:
        await acts.acknowledge(connection, Actor("ada", verified=False), second, None)
    await opened(hands, pool, 3, priority=1, first=20)
    done = await api.ask("POST", path(links, message))
    assert done.status == 200
    assert "You have 1 of the 3 alarms of this message now." in says(done)
    assert "is with ada" in says(done)
    assert "more urgent since" in says(done)
    assert holders(hands) == {"fence-1": "kim", "fence-2": "ada", "fence-3": None}


async def test_link_of_which_no_alarm_waits_any_more_says_so_of_each(
    hands: Hands, pool: Pool, links: LinkSection, api: Client
) -> None:
    await opened(hands, pool, 1, 2)
    message = await claimed(pool)
    await opened(hands, pool, 1, 2, priority=1, first=20)
    page = await api.get(path(links, message))
    assert page.status == 409
    assert "None of these alarms waits for you." in says(page)
    assert says(page).count("more urgent since") == 2
    assert (await api.ask("POST", path(links, message))).status == 409
    assert set(holders(hands).values()) == {None}
