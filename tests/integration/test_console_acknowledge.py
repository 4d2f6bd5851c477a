"""Acknowledging from a message: only by its own link, only by the button, once, and in the recipient's name."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from hubwatch_alarms.instructions import Instructions
from hubwatch_alarms.mover import Mover
from hubwatch_alarms.oncall.escalation import Escalations
from hubwatch_alarms.oncall.escalation_settings import EscalationSection, StepSection
from hubwatch_alarms.oncall.link import LinkSection
from hubwatch_alarms.oncall.settings import PersonSection, WaySection
from hubwatch_core.permission import Role
from hubwatch_store.database import open_pool
from support.alarms_database import Hands, hands_on, settings_of
from support.alarms_examples import detection
from support.console_running import Answer, Client, add_person, running_api

PEOPLE = [PersonSection(name=name, ways=(WaySection(route="mail"),)) for name in ("kim", "ada", "lee")]
TELL = EscalationSection(name="duty", steps=(StepSection(people=("kim", "ada", "lee")),))


@pytest.fixture
def hands(migrated_plain_dsn: str) -> Iterator[Hands]:
    with hands_on(migrated_plain_dsn) as made:
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
        for name in ("kim", "ada"):
            await add_person(migrated_plain_dsn, name, Role.GUARD)
        yield client


async def told(
    dsn: str, hands: Hands, links: LinkSection, person: str = "kim", number: int = 1, priority: int = 2
) -> str:
    """Open or raise the alarm, and return the path of the newest message's link to a person."""
    hands.detect(detection(number=number, priority=priority))
    async with open_pool(settings_of(dsn)) as pool:
        await Mover(pool, [], Instructions.load(), escalations=Escalations([TELL], PEOPLE)).round()
    rows = [row for row in hands.outbox() if row["route"] == f"mail/{person}"]
    link = links.link(rows[-1]["id"], 1, rows[-1]["alarm"], person, time.time())
    return link.removeprefix("https://console.port.example/api/v1")


def journal(hands: Hands) -> list[tuple[object, ...]]:
    return [tuple(row.values()) for row in hands.rows("SELECT action, by, verified FROM alarm_journal ORDER BY id")]


def says(answer: Answer) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", answer.body).split())


async def test_link_shows_the_alarm_and_only_the_button_acknowledges(
    hands: Hands, migrated_plain_dsn: str, links: LinkSection, api: Client
) -> None:
    path = await told(migrated_plain_dsn, hands, links)
    for _ in range(3):  # scanners of mail open links, and people look twice
        page = await api.get(path)
        assert page.status == 200
        assert "Acknowledge as kim" in says(page)
        assert "rotterdam / fence-1" in says(page)
    assert '<form method="post"><button type="submit">' in page.body
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert journal(hands) == [("opened", "system", None)]
    done = await api.ask("POST", path)
    assert done.status == 200
    assert "You have it now." in says(done)
    assert journal(hands)[1:] == [("acknowledged", "kim", False)]
    (act,) = hands.rows("SELECT who, verified, act FROM audit WHERE act = 'alarm.acknowledge'")
    assert (act["who"], act["verified"]) == ("kim", False)


async def test_link_is_used_up_by_its_button(
    hands: Hands, migrated_plain_dsn: str, links: LinkSection, api: Client
) -> None:
    path = await told(migrated_plain_dsn, hands, links)
    assert (await api.ask("POST", path)).status == 200
    again = await api.ask("POST", path)
    assert (again.status, says(again)[-26:]) == (409, "This link was used before.")
    assert (await api.get(path)).status == 409
    assert len(journal(hands)) == 2


async def test_second_recipient_learns_who_has_it(
    hands: Hands, migrated_plain_dsn: str, links: LinkSection, api: Client
) -> None:
    kim = await told(migrated_plain_dsn, hands, links)
    (row,) = [row for row in hands.outbox() if row["route"] == "mail/ada"]
    ada = links.link(row["id"], 1, row["alarm"], "ada", time.time()).partition("/api/v1")[2]
    await api.ask("POST", kim)
    assert "Who has it: kim" in says(await api.get(ada))
    late = await api.ask("POST", ada)
    assert late.status == 409
    assert "is with kim" in says(late)


async def test_link_of_another_person_alarm_time_or_key_is_not_valid(
    hands: Hands, migrated_plain_dsn: str, links: LinkSection, api: Client, tmp_path: Path
) -> None:
    path = await told(migrated_plain_dsn, hands, links)
    row = next(row for row in hands.outbox() if row["route"] == "mail/kim")
    other_key = tmp_path / "other.key"
    other_key.write_text("another key of this test, long enough", encoding="utf-8")
    other_key.chmod(0o600)
    stranger = links.model_copy(update={"key_file": other_key})
    message, attempt, until, seal = path.rpartition("/")[2].split(".")
    wrong = [
        links.link(row["id"], 1, row["alarm"], "ada", time.time()).partition("/api/v1")[2],
        links.link(row["id"], 1, row["alarm"] + 1, "kim", time.time()).partition("/api/v1")[2],
        stranger.link(row["id"], 1, row["alarm"], "kim", time.time()).partition("/api/v1")[2],
        f"/acknowledge/{message}.{attempt}.{int(until) + 1}.{seal}",
        f"/acknowledge/{message}.2.{until}.{seal}",
        f"/acknowledge/{'0' * 26}.{attempt}.{until}.{seal}",
        f"/acknowledge/{message}.{attempt}.{until}.{seal[:-1]}",
        "/acknowledge/%00",
    ]
    for each in wrong:
        for method in ("GET", "POST"):
            answer = await api.ask(method, each)
            assert (answer.status, "not valid" in says(answer)) == (404, True), each
    assert len(journal(hands)) == 1


async def test_link_ends_at_its_time_and_with_a_more_urgent_detection(
    hands: Hands, migrated_plain_dsn: str, links: LinkSection, api: Client
) -> None:
    path = await told(migrated_plain_dsn, hands, links)
    row = next(row for row in hands.outbox() if row["route"] == "mail/kim")
    old = links.link(row["id"], 1, row["alarm"], "kim", time.time() - links.valid_s - 5).partition("/api/v1")[2]
    answer = await api.ask("POST", old)
    assert (answer.status, "The time of this link is over" in says(answer)) == (409, True)
    newer = await told(migrated_plain_dsn, hands, links, number=2, priority=1)
    answer = await api.ask("POST", path)
    assert (answer.status, "more urgent" in says(answer)) == (409, True)
    assert (await api.ask("POST", newer)).status == 200


async def test_only_who_may_acknowledge_at_the_hub_does(
    hands: Hands, migrated_plain_dsn: str, links: LinkSection, api: Client
) -> None:
    path = await told(migrated_plain_dsn, hands, links, "lee")
    unknown = await api.ask("POST", path)
    assert (unknown.status, "may not acknowledge" in says(unknown)) == (409, True)
    await add_person(migrated_plain_dsn, "lee", Role.TECHNICIAN)
    assert (await api.ask("POST", path)).status == 409
    assert len(journal(hands)) == 1
    hands.rows("UPDATE user_grants SET role = 'guard' WHERE role = 'technician' RETURNING role")
    assert (await api.ask("POST", path)).status == 200
    assert journal(hands)[1:] == [("acknowledged", "lee", False)]


async def test_console_without_the_key_knows_no_link(hands: Hands, migrated_plain_dsn: str, links: LinkSection) -> None:
    path = await told(migrated_plain_dsn, hands, links)
    async with running_api(migrated_plain_dsn) as api:
        assert (await api.get(path)).status == 404
