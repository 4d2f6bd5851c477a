"""The alarms process at work: database in, messages out, with receivers and databases that fail."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from aiohttp import web

from hubwatch_alarms import sender, service
from hubwatch_alarms.instructions import Instructions
from hubwatch_alarms.mover import Mover
from hubwatch_alarms.notify.webhook import WebhookRouteSection
from hubwatch_alarms.people import acknowledge
from hubwatch_alarms.settings import AlarmsSettings, CommandSettings, DeliverySection
from hubwatch_alarms.views import all_alarms
from hubwatch_core.process import Context
from hubwatch_store.database import open_pool
from hubwatch_store.ownership import NameTaken
from support.alarms_database import Hands, hands_on, settings_of
from support.alarms_examples import detection
from support.alarms_receiver import hang, receiving, status
from support.alarms_running import alarms_in_loop
from support.alarms_until import until
from support.ports import free_port
from support.proxy import Proxy


@pytest.fixture
def hands(migrated_plain_dsn: str) -> Iterator[Hands]:
    with hands_on(migrated_plain_dsn) as made:
        yield made


@pytest.fixture
def route(tmp_path: Path) -> Callable[..., WebhookRouteSection]:
    key = tmp_path / "key"
    key.write_text("signing key", encoding="utf-8")

    def make(name: str, url: str, **more: Any) -> WebhookRouteSection:
        return WebhookRouteSection(name=name, kind="webhook", url=url, secret_file=key, **{"timeout_s": 1.0} | more)

    return make


TEXTS = Instructions.load()


def commands(dsn: str) -> CommandSettings:
    return CommandSettings(database=settings_of(dsn))


@asynccontextmanager
async def serving(
    dsn: str, *routes: WebhookRouteSection, give_up_after_s: float = 3600, other_routes_after_s: float = 60
) -> AsyncIterator[Context]:
    settings = AlarmsSettings(
        database=settings_of(dsn),
        routes=routes,
        delivery=DeliverySection(give_up_after_s=give_up_after_s, other_routes_after_s=other_routes_after_s),
    )
    async with alarms_in_loop(settings) as context:
        yield context


async def test_detection_becomes_a_delivered_message_promptly(
    hands: Hands, migrated_plain_dsn: str, route: Callable[..., WebhookRouteSection]
) -> None:
    async with receiving() as receiver, serving(migrated_plain_dsn, route("duty", receiver.url)):
        await until(lambda: listening(hands))
        began = asyncio.get_running_loop().time()
        hands.detect(detection(why="fence section moved twice"))
        (request,) = await receiver.wait_for(1)
        assert asyncio.get_running_loop().time() - began < 20
        await until(lambda: [row["outcome"] for row in hands.attempts()] == ["delivered"])
    (alarm,) = hands.alarms()
    assert request.message["event"] == "opened"
    assert request.message["alarm"]["id"] == alarm["id"]
    assert "fence section moved twice" in request.message["text"]
    assert "nobody yet" in request.message["text"]
    (message,) = hands.outbox()
    assert (message["id"], message["state"], message["attempts"]) == (request.id, "delivered", 1)
    (attempt,) = hands.attempts()
    assert (attempt["route"], attempt["attempt"], attempt["status"]) == ("duty", 1, 204)


async def test_failing_receiver_gets_the_same_id_until_it_takes_it(
    hands: Hands, migrated_plain_dsn: str, route: Callable[..., WebhookRouteSection]
) -> None:
    hands.detect(detection())
    async with (
        receiving(status(500), status(503)) as receiver,
        serving(migrated_plain_dsn, route("duty", receiver.url)),
    ):
        requests = await receiver.wait_for(3)
        await until(lambda: hands.outbox()[0]["state"] == "delivered")
    assert len({request.id for request in requests}) == 1
    gaps = [after.at - before.at for before, after in itertools.pairwise(requests)]
    assert gaps[0] >= 0.5
    assert gaps[1] >= 1.0
    told = [(row["attempt"], row["outcome"], row["status"]) for row in hands.attempts()]
    assert told == [(1, "transient", 500), (2, "transient", 503), (3, "delivered", 204)]


async def test_refused_messages_are_recorded_and_delivered_once_the_receiver_takes_them(
    hands: Hands,
    migrated_plain_dsn: str,
    route: Callable[..., WebhookRouteSection],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sender, "FIRST_REFUSED_PAUSE_S", 0.3)
    codes = [301, 308, 400, 401, 403, 404, 410]
    hands.detect(*(detection(number=n, sensor=f"fence-{n}") for n in range(len(codes))))
    script = [*map(status, codes), status(429, retry_after="1"), status(408)]
    async with receiving(*script) as receiver, serving(migrated_plain_dsn, route("duty", receiver.url)) as context:
        await receiver.wait_for(2 * len(codes) + 2)
        await until(lambda: {row["state"] for row in hands.outbox()} == {"delivered"})
        assert context.registry.get_sample_value("hubwatch_alarms_refused_total", {"route": "duty"}) == len(codes)
        assert len(receiver.received) == 2 * len(codes) + 2
    found = {row["status"]: row["outcome"] for row in hands.attempts()}
    assert found == dict.fromkeys(codes, "refused") | {429: "transient", 408: "transient", 204: "delivered"}


async def intrusion(dsn: str) -> dict[str, object]:
    """Return the one alarm of a sensor as it is listed."""
    listed = (await all_alarms(commands(dsn), hub=None, closed=False, most=9)).facts(TEXTS)
    (found,) = [each for each in listed if each["type"] == "perimeter.intrusion"]
    return found


async def test_alarm_its_route_cannot_tell_is_shown_and_told_on_the_others(
    hands: Hands,
    migrated_plain_dsn: str,
    route: Callable[..., WebhookRouteSection],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(service, "UNTOLD_AFTER_S", 0.5)
    hands.detect(detection(number=1, priority=2))
    async with receiving(*[status(401)] * 50) as closed, receiving(status(500), status(500)) as other:
        duty, guard = route("duty", closed.url), route("guard", other.url, min_priority=1)
        async with serving(migrated_plain_dsn, duty, guard, other_routes_after_s=2) as context:
            await until(lambda: not context.health.ok and "nobody was told of" in str(context.health.report()))
            await until(lambda: context.registry.get_sample_value("hubwatch_alarms_untold") == 1)
            listed = await intrusion(migrated_plain_dsn)
            assert (listed["told"], "duty" in str(listed["undelivered_by"])) == (None, True)
            # Which carries nothing so little urgent otherwise; that the first one fails is told there, too.
            await until(lambda: listed["id"] in {each.message["alarm"]["id"] for each in other.received})
            await until(lambda: context.health.checks()["alarms.told"].ok)
            rerouted = "hubwatch_alarms_rerouted_total"
            await until(lambda: bool(context.registry.get_sample_value(rerouted, {"route": "guard"})))
    assert (await intrusion(migrated_plain_dsn))["told"] is not None
    told_on = [row["route"] for row in hands.outbox() if row["alarm"] == listed["id"]]
    assert sorted(told_on) == ["duty", "guard"], "it was told on the other route once"


async def test_open_alarm_given_up_on_every_route_is_taken_up_again(
    hands: Hands,
    migrated_plain_dsn: str,
    route: Callable[..., WebhookRouteSection],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sender, "REVIVE_AFTER_S", 0.5)
    port = free_port()
    hands.detect(detection(number=1))
    duty = route("duty", f"http://127.0.0.1:{port}/hook")
    async with serving(migrated_plain_dsn, duty, give_up_after_s=1):
        await until(lambda: "given_up" in {row["outcome"] for row in hands.attempts()})
        async with receiving(port=port) as receiver:
            await receiver.wait_for(1)
            await until(lambda: [row["state"] for row in hands.outbox()] == ["delivered"])


async def test_critical_message_overtakes_500_that_wait_for_a_slow_receiver(
    hands: Hands, migrated_plain_dsn: str, route: Callable[..., WebhookRouteSection]
) -> None:
    """The receiver is at the first when the critical one comes: it is the next, before all that have waited longer."""
    critical_waits = asyncio.Event()

    async def slow(_: web.Request) -> web.StreamResponse:
        await critical_waits.wait()
        return web.Response(status=204)

    async with receiving(*[slow] * 600) as receiver, receiving() as fast:
        routes = route("slow", receiver.url, timeout_s=15), route("fast", fast.url, min_priority=1)
        hands.detect(*(detection(number=n, sensor=f"fence-{n}", priority=4) for n in range(500)))
        async with open_pool(settings_of(migrated_plain_dsn)) as pool:
            mover = Mover(pool, routes, TEXTS)
            while len(hands.outbox()) < 500:
                await mover.round()
        async with serving(migrated_plain_dsn, *routes):
            await receiver.wait_for(1, 60)
            hands.detect(detection(number=1000, sensor="gate", priority=1, type_="radiation.gamma"))
            await until(lambda: len(hands.outbox()) == 502, 60)
            before = len(receiver.received)
            critical_waits.set()
            await until(lambda: any(one.message["alarm"]["sensor"] == "gate" for one in receiver.received), 60)
            place = next(i for i, one in enumerate(receiver.received) if one.message["alarm"]["sensor"] == "gate")
            assert before < 450
            assert place <= before
            await fast.wait_for(1, 60)  # the other route has a queue of its own


async def test_dead_route_does_not_delay_another(
    hands: Hands, migrated_plain_dsn: str, route: Callable[..., WebhookRouteSection]
) -> None:
    dead = route("dead", f"http://127.0.0.1:{free_port()}/")
    async with (
        receiving(*[hang()] * 20) as deaf,
        receiving() as good,
        serving(migrated_plain_dsn, dead, route("deaf", deaf.url, timeout_s=15), route("good", good.url)),
    ):
        await until(lambda: listening(hands))
        for i in range(10):
            began = asyncio.get_running_loop().time()
            hands.detect(detection(number=i, sensor=f"fence-{i}"))
            await good.wait_for(i + 1)
            # Had it waited for the deaf route, this would have been its timeout.
            assert asyncio.get_running_loop().time() - began < 12


async def test_route_that_asks_for_time_is_left_alone_with_all_its_messages(
    hands: Hands, migrated_plain_dsn: str, route: Callable[..., WebhookRouteSection]
) -> None:
    hands.detect(detection(number=1), detection(number=2, sensor="fence-2"))
    async with (
        receiving(status(429, retry_after="2")) as receiver,
        serving(migrated_plain_dsn, route("duty", receiver.url)),
    ):
        first, second, third = await receiver.wait_for(3)
    assert second.at - first.at >= 2.0
    assert third.at - first.at >= 2.0
    assert {second.id, third.id} == {row["id"] for row in hands.outbox()}


async def test_message_nobody_took_is_given_up_in_row_metric_and_log(
    hands: Hands,
    migrated_plain_dsn: str,
    route: Callable[..., WebhookRouteSection],
    capsys: pytest.CaptureFixture[str],
) -> None:
    hands.detect(detection())
    nobody = route("duty", f"http://127.0.0.1:{free_port()}/")
    async with serving(migrated_plain_dsn, nobody, give_up_after_s=1) as context:
        await until(lambda: [row["state"] for row in hands.outbox()] == ["given_up"])
        await until(lambda: context.registry.get_sample_value("hubwatch_alarms_given_up_total", {"route": "duty"}) == 1)
    last = hands.attempts()[-1]
    assert (last["outcome"], last["error"]) == ("given_up", "not delivered within 1 s")
    heard = capsys.readouterr()
    assert (heard.out + heard.err).count("message given up, not delivered") == 1


async def test_message_for_a_route_that_is_no_longer_configured_is_given_up(
    hands: Hands, migrated_plain_dsn: str, route: Callable[..., WebhookRouteSection]
) -> None:
    gone = route("gone", f"http://127.0.0.1:{free_port()}/")
    hands.detect(detection())
    async with serving(migrated_plain_dsn, gone):
        await until(lambda: len(hands.outbox()) == 1)
    async with serving(migrated_plain_dsn, give_up_after_s=1):
        await until(lambda: [row["state"] for row in hands.outbox()] == ["given_up"])


async def test_message_that_comes_late_says_who_took_the_alarm_meanwhile(
    hands: Hands, migrated_plain_dsn: str, route: Callable[..., WebhookRouteSection]
) -> None:
    hands.detect(detection())
    async with receiving(status(503)) as receiver, serving(migrated_plain_dsn, route("duty", receiver.url)):
        await receiver.wait_for(1)
        wishes = CommandSettings(database=settings_of(migrated_plain_dsn))
        await acknowledge(wishes, hands.alarms()[0]["id"], "kim", None)
        _, second = await receiver.wait_for(2)
    assert second.message["event"] == "opened"
    assert second.message["alarm"]["acknowledged_by"] == "kim"
    assert "Who has it: kim" in second.message["text"]


async def test_acknowledgement_is_told_on_a_route_that_asks_for_it(
    hands: Hands, migrated_plain_dsn: str, route: Callable[..., WebhookRouteSection]
) -> None:
    hands.detect(detection())
    async with (
        receiving() as receiver,
        serving(migrated_plain_dsn, route("duty", receiver.url, on=("acknowledged", "closed"))),
    ):
        await until(lambda: len(hands.alarms()) == 1)
        wishes = CommandSettings(database=settings_of(migrated_plain_dsn))
        await acknowledge(wishes, hands.alarms()[0]["id"], "kim", "on my way")
        (request,) = await receiver.wait_for(1)
    assert (request.message["event"], request.message["by"], request.message["note"]) == (
        "acknowledged",
        "kim",
        "on my way",
    )


async def test_second_process_is_refused_and_the_first_one_tells_everything_once(
    hands: Hands, migrated_plain_dsn: str, route: Callable[..., WebhookRouteSection]
) -> None:
    async with receiving() as receiver:
        duty = route("duty", receiver.url)
        async with serving(migrated_plain_dsn, duty) as context:
            await until(lambda: context.health.ok)
            with pytest.RaisesGroup(NameTaken):
                async with serving(migrated_plain_dsn, duty):
                    for i in range(40):
                        hands.detect(detection(number=i, sensor=f"fence-{i}"))
                    await receiver.wait_for(40)
                    await until(lambda: "refused to 1 other" in str(context.health.report()))
            await until(lambda: {row["state"] for row in hands.outbox()} == {"delivered"})
    assert len(receiver.received) == 40
    assert len({request.id for request in receiver.received}) == 40
    assert len(hands.alarms()) == 40


async def test_database_that_goes_away_and_comes_back_loses_nothing(
    hands: Hands, migrated_plain_dsn: str, route: Callable[..., WebhookRouteSection]
) -> None:
    parts_of = urlsplit(migrated_plain_dsn)
    async with receiving() as receiver, Proxy(str(parts_of.hostname), int(parts_of.port or 5432)) as proxy:
        user = f"{parts_of.username}@" if parts_of.username else ""
        through = parts_of._replace(netloc=f"{user}{proxy.address[0]}:{proxy.address[1]}").geturl()
        async with serving(through, route("duty", receiver.url)) as context:
            hands.detect(detection(number=1))
            await receiver.wait_for(1)
            await proxy.refuse()
            await until(lambda: not context.health.ok)
            hands.detect(detection(number=2, sensor="fence-2"))
            await proxy.heal()
            await receiver.wait_for(2)
            await until(lambda: context.health.ok)
    assert {request.message["alarm"]["sensor"] for request in receiver.received} == {"fence-1", "fence-2"}
    assert len(hands.alarms()) == 2


def listening(hands: Hands) -> bool:
    query = "SELECT count(*) AS n FROM pg_stat_activity WHERE application_name = %s AND datname = current_database()"
    return bool(hands.rows(query, "hubwatch alarms listener")[0]["n"])
