"""The whole way to people: detection, mail, link, acknowledgement, and the heart that beats while it is well."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from hubwatch_alarms.oncall.heartbeat import DeadMan, Work
from hubwatch_alarms.settings import AlarmsSettings
from hubwatch_core.permission import Role
from hubwatch_core.process import Context
from support.alarms_database import Hands, hands_on, settings_of
from support.alarms_examples import detection
from support.alarms_receiver import endless_body, receiving, status
from support.alarms_running import alarms_in_loop
from support.alarms_until import until
from support.console_running import add_person, running_api
from support.mail_server import MailServer, mail_server

PERSON = [{"name": "kim", "ways": [{"route": "mail", "to": "kim@port.example"}]}]
TELL = [{"name": "duty", "steps": [{"people": ["kim"]}]}]


@pytest.fixture
def hands(migrated_plain_dsn: str) -> Iterator[Hands]:
    with hands_on(migrated_plain_dsn) as made:
        yield made


@pytest.fixture
def key(tmp_path: Path) -> Path:
    file = tmp_path / "key"
    file.write_text("a key of this test that is long enough", encoding="utf-8")
    file.chmod(0o600)
    return file


def mail(server: MailServer, **more: object) -> dict[str, object]:
    plain = {"name": "mail", "kind": "smtp", "host": "127.0.0.1", "port": server.port, "security": "none"}
    return {**plain, "sender": "hubwatch@port.example", **more}


@asynccontextmanager
async def serving(dsn: str, **sections: Any) -> AsyncIterator[Context]:
    settings = AlarmsSettings.model_validate({"database": settings_of(dsn), **sections})
    async with alarms_in_loop(settings) as context:
        yield context


async def test_person_is_told_by_mail_and_acknowledges_from_it(
    hands: Hands, migrated_plain_dsn: str, key: Path
) -> None:
    async with mail_server() as server, running_api(migrated_plain_dsn, acknowledge={"key_file": str(key)}) as api:
        await add_person(migrated_plain_dsn, "kim", Role.GUARD)
        links = {"url": "https://console.port.example", "key_file": str(key)}
        async with serving(
            migrated_plain_dsn, routes=[mail(server)], people=PERSON, escalations=TELL, acknowledge=links
        ):
            hands.detect(detection())
            await until(lambda: len(server.received) == 1)
            ((recipients, told),) = server.received
            assert recipients == ["kim@port.example"]
            (path,) = re.findall(r"https://console\.port\.example/api/v1(\S+)", str(told.get_content()))
            assert (await api.ask("POST", path)).status == 200
            await until(lambda: hands.rows("SELECT 1 FROM alarm_escalation") == [])
    assert hands.alarms()[0]["acknowledged_by"] == "kim"
    (attempt,) = hands.attempts()
    assert (attempt["route"], attempt["outcome"]) == ("mail/kim", "delivered")


async def test_mail_server_that_hangs_delays_no_other_way_and_the_next_step_comes(
    hands: Hands, migrated_plain_dsn: str, key: Path
) -> None:
    steps = [{"people": ["kim"], "routes": ["hook"]}, {"after_s": 1, "routes": ["other"]}]
    async with mail_server("hang", "hang") as server, receiving() as hook, receiving(endless_body()) as other:
        hooks = [
            {"name": name, "kind": "webhook", "url": each.url, "secret_file": str(key), "min_priority": 1}
            for name, each in (("hook", hook), ("other", other))
        ]
        routes = [mail(server, timeout_s=5), *hooks]
        escalations = [{"name": "duty", "steps": steps}]
        async with serving(migrated_plain_dsn, routes=routes, people=PERSON, escalations=escalations):
            hands.detect(detection())
            await hook.wait_for(1)
            await other.wait_for(1)
            assert server.received == []
            await until(lambda: {row["route"]: row["state"] for row in hands.outbox()}["other"] == "delivered")
    assert other.received[0].message["event"] == "escalated"


async def test_heart_beats_while_all_is_well_and_stops_while_an_alarm_reaches_nobody(
    hands: Hands, migrated_plain_dsn: str, key: Path
) -> None:
    async with receiving(status(500), status(302), endless_body()) as outside, receiving(*[status(503)] * 3) as duty:
        heart = {"url": outside.url, "every_s": 1, "timeout_s": 5}
        route = {"name": "duty", "kind": "webhook", "url": duty.url, "secret_file": str(key)}
        async with serving(migrated_plain_dsn, routes=[route], heartbeat=heart) as context:

            def beats(outcome: str) -> float:
                return context.registry.get_sample_value("hubwatch_alarms_beats_total", {"outcome": outcome}) or 0

            # A beat that fails is no reason not to make the next one.
            await until(lambda: beats("failed") == 2 and beats("taken") >= 2)
            assert outside.received[-1].message["rounds"] >= 1
            hands.detect(detection())
            await duty.wait_for(1)
            held = beats("held_back")
            await until(lambda: beats("held_back") > held)
            await duty.wait_for(4)
            taken = beats("taken")
            await until(lambda: beats("taken") > taken)
            # The console says it from the database.
            await until(lambda: [row["outcome"] for row in hands.rows("SELECT outcome FROM dead_man")] == ["taken"])
    async with serving(migrated_plain_dsn, routes=[route]):
        await until(lambda: hands.rows("SELECT outcome FROM dead_man") == [])


async def test_heart_without_work_does_not_beat() -> None:
    async with receiving() as outside:
        settings = AlarmsSettings.model_validate({"heartbeat": {"url": outside.url}})
        assert settings.heartbeat is not None
        context = Context.make("test")
        work = Work()
        heart = DeadMan(settings.heartbeat, context.health, work, context.registry)
        async with aiohttp.ClientSession() as http:
            assert not await heart.beat(http)
            work.moved, work.looked = 5, 1
            assert await heart.beat(http)
            work.moved = 9
            assert not await heart.beat(http)
            assert heart.held_back() == "no messages were looked after since the beat before"
            context.health.set("alarms.told", False, "nobody")
            assert heart.held_back() == "these checks fail: alarms.told"
    assert [each.message["rounds"] for each in outside.received] == [5]
