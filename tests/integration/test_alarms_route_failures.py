"""A route on which nothing gets through is an alarm on another route, until it delivers again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry

from hubwatch_alarms.instructions import Instructions
from hubwatch_alarms.message import AlarmMessage
from hubwatch_alarms.metrics import AlarmMetrics
from hubwatch_alarms.mover import Mover
from hubwatch_alarms.notify.log import LogRoute, LogRouteSection
from hubwatch_alarms.notify.services import PagerDutyRouteSection
from hubwatch_alarms.oncall.escalation import Escalations
from hubwatch_alarms.oncall.escalation_settings import EscalationSection, StepSection
from hubwatch_alarms.oncall.settings import PersonSection, WaySection
from hubwatch_alarms.route_watch import watch_routes
from hubwatch_alarms.sender import Outbox, Sender, use_other_routes
from hubwatch_alarms.settings import DeliverySection
from hubwatch_core.delivery import DeliveryOutcome
from hubwatch_store.alarms import ROUTE_FAILED, notifications
from hubwatch_store.database import DatabaseSection, Pool, open_pool
from support.alarms_database import Hands, hands_on
from support.alarms_examples import detection
from support.alarms_receiver import Answer, Receiver, endless_body, receiving, status

ROUTES = ["pager", "journal"]
KIM = PersonSection(name="kim", ways=(WaySection(route="pager"), WaySection(route="mail")))
TELL = EscalationSection(name="duty", types=("integrity",), steps=(StepSection(people=("kim",)),))


@pytest.fixture
def hands(migrated_plain_dsn: str) -> Iterator[Hands]:
    with hands_on(migrated_plain_dsn) as made:
        yield made


@pytest.fixture
async def pool(migrated_plain_dsn: str) -> AsyncIterator[Pool]:
    async with open_pool(DatabaseSection(dsn=migrated_plain_dsn, connect_timeout_s=60)) as made:
        yield made


def outbox(pool: Pool) -> Outbox:
    delivery = DeliverySection(other_routes_after_s=60)
    return Outbox(pool, Instructions.load(), AlarmMetrics(CollectorRegistry()), delivery)


def pager(receiver: Receiver, folder: Path) -> PagerDutyRouteSection:
    key = folder / "key"
    key.write_text("integration key", encoding="utf-8")
    return PagerDutyRouteSection(name="pager", kind="pagerduty", url=receiver.url, secret_file=key, timeout_s=5)


def says(text: str) -> Answer:
    """Answer 200 with a body."""

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(text=text)

    return answer


TAKEN = says('{"status": "success"}')


@asynccontextmanager
async def failing(
    hands: Hands, pool: Pool, folder: Path, *answers: Answer
) -> AsyncIterator[tuple[Sender, Mover, Outbox]]:
    """Open an alarm that only the pager carries, which answers like that and then takes everything."""
    shared = outbox(pool)
    async with receiving(*answers) as receiver:
        section = pager(receiver, folder)
        journal = LogRouteSection(name="journal", kind="log", types=("radiation",))
        async with section.open() as route:
            mover = Mover(pool, [section, journal], shared.instructions)
            hands.detect(detection())
            await mover.round()
            yield Sender("pager", route, shared), mover, shared


def older(hands: Hands, seconds: int) -> None:
    """Let every attempt be so much older, and what waits be due."""
    hands.rows("UPDATE notifications SET at = at - make_interval(secs => %s) RETURNING 1", seconds)
    hands.rows("UPDATE notification_outbox SET due = now() - INTERVAL '1 s' WHERE state = 'waiting' RETURNING 1")


class Unwritable(LogRouteSection):
    """A route that cannot put a message into words."""

    def open(self) -> LogRoute:
        """Make it."""
        return UnwritableRoute(self)


class UnwritableRoute(LogRoute):
    """Fails as a text does that names what is not there."""

    async def deliver(self, message: AlarmMessage) -> DeliveryOutcome:
        """Raise."""
        raise KeyError("https://hook.example/secret")


def route_alarms(hands: Hands) -> list[dict[str, Any]]:
    return [row for row in hands.alarms() if row["type"] == ROUTE_FAILED]


def told_on(hands: Hands, alarm: int) -> list[str]:
    return [row["route"] for row in hands.outbox() if row["alarm"] == alarm]


async def test_message_that_cannot_be_written_is_recorded_and_goes_the_next_way(hands: Hands, pool: Pool) -> None:
    shared, section = outbox(pool), Unwritable(name="pager", kind="log")
    journal = LogRouteSection(name="journal", kind="log", types=("radiation",))
    hands.detect(detection(number=1), detection(number=2, sensor="fence-2"))
    await Mover(pool, [section, journal], shared.instructions).round()
    async with section.open() as route:
        sender = Sender("pager", route, shared)
        assert [await sender.send_next() for _ in range(3)] == [True, True, False]
    said = {(row["route"], row["outcome"], row["error"]) for row in hands.attempts()}
    assert said == {("pager", "refused", "the message cannot be written: KeyError")}
    older(hands, 61)
    hands.rows("UPDATE notification_outbox SET queued = queued - INTERVAL '61 s' RETURNING 1")
    await use_other_routes(shared, ["pager", "journal"])
    assert [row["state"] for row in hands.outbox() if row["route"] == "journal"] == ["waiting", "waiting"]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        pytest.param(says('{"status": "invalid event"}'), "answered: None", id="200-with-an-error-body"),
        pytest.param(status(429, retry_after="2"), "HTTP 429", id="429-with-retry-after"),
        pytest.param(status(307, location="http://127.0.0.1:9/"), "redirect, which is not followed", id="redirect"),
        pytest.param(endless_body(), "the answer is not what PagerDuty answers", id="body-without-end"),
    ],
)
async def test_route_on_which_nothing_gets_through_is_an_alarm_on_another_one_until_it_delivers(
    hands: Hands, pool: Pool, tmp_path: Path, answer: Answer, error: str
) -> None:
    async with failing(hands, pool, tmp_path, answer, TAKEN) as (sender, mover, shared):
        await sender.send_next()
        assert await watch_routes(shared, ROUTES) == 0, "one attempt within the bound is no failure"
        older(hands, 61)
        assert await watch_routes(shared, ROUTES) == 1
        await mover.round()
        (alarm,) = route_alarms(hands)
        assert (alarm["subject"], alarm["hub"], alarm["sensor"], alarm["active"]) == ("pager", "rotterdam", "alarms", 1)
        assert error in alarm["why"]
        assert told_on(hands, alarm["id"]) == ["journal"]
        older(hands, 61)
        assert await watch_routes(shared, ROUTES) == 0, "it is told once"
        await sender.send_next()
        assert await watch_routes(shared, ROUTES) == 0
        await mover.round()
    (alarm,) = route_alarms(hands)
    assert (alarm["active"], alarm["state"]) == (0, "returned")
    assert "delivers again" in hands.rows("SELECT why FROM detection_ends")[0]["why"]
    assert hands.rows("SELECT 1 FROM route_failures") == []


async def test_refusals_are_told_before_the_bound_and_only_once_by_two_processes(
    hands: Hands, pool: Pool, tmp_path: Path
) -> None:
    async with failing(hands, pool, tmp_path, *[status(401)] * 3) as (sender, mover, shared):
        for attempt in range(1, 4):
            assert await watch_routes(shared, ROUTES) == 0, f"before refusal {attempt}"
            await sender.send_next()
            older(hands, 1)
        both = await asyncio.gather(watch_routes(shared, ROUTES), watch_routes(shared, ROUTES))
        assert sorted(both) == [0, 1]
        await mover.round()
    assert [row["subject"] for row in route_alarms(hands)] == ["pager"]


async def test_message_that_is_just_being_sent_says_nothing_of_a_route_that_failed_long_ago(
    hands: Hands, pool: Pool, tmp_path: Path
) -> None:
    """That one was withdrawn because somebody had its alarm; nothing was tried on the route since."""
    async with failing(hands, pool, tmp_path, status(500)) as (sender, mover, shared):
        await sender.send_next()
        hands.rows("UPDATE notification_outbox SET state = 'withdrawn' RETURNING 1")
        older(hands, 86_400)
        hands.detect(detection(number=2, sensor="fence-2"))
        await mover.round()
        assert await notifications.claim(pool, "pager", lease_s=60, give_up_after_s=3600) is not None
        assert await watch_routes(shared, ROUTES) == 0
        older(hands, 61)
        assert await watch_routes(shared, ROUTES) == 1, "what was being sent by a process that died"


async def test_failure_of_a_route_that_is_no_longer_configured_ends(hands: Hands, pool: Pool, tmp_path: Path) -> None:
    async with failing(hands, pool, tmp_path, status(500)) as (sender, mover, shared):
        await sender.send_next()
        older(hands, 61)
        await watch_routes(shared, ROUTES)
        await mover.round()
        await watch_routes(shared, ["journal"])
        await mover.round()
    assert [row["active"] for row in route_alarms(hands)] == [0]


async def test_failed_route_is_never_a_way_to_tell_of_it(hands: Hands, pool: Pool) -> None:
    """Not where it carries everything, not as somebody's way, not when the other one has not delivered either."""
    every = [LogRouteSection(name=name, kind="log") for name in ROUTES]
    mover = Mover(pool, every, Instructions.load(), escalations=Escalations([TELL], [KIM]))
    hands.detect(detection(type_=ROUTE_FAILED, sensor="alarms", subject="pager"))
    await mover.round()
    (alarm,) = route_alarms(hands)
    assert sorted(told_on(hands, alarm["id"])) == ["journal", "mail/kim"]
    hands.rows("UPDATE notification_outbox SET queued = queued - INTERVAL '61 s', attempts = 1 RETURNING 1")
    await use_other_routes(outbox(pool), ROUTES)
    assert "pager" not in told_on(hands, alarm["id"])


async def test_failure_of_the_only_route_that_leads_somewhere_goes_to_people_by_other_ways(
    hands: Hands, pool: Pool
) -> None:
    tell = TELL.model_copy(update={"types": ("radiation",)})
    only: Sequence[LogRouteSection] = [LogRouteSection(name="pager", kind="log")]
    mover = Mover(pool, only, Instructions.load(), escalations=Escalations([tell], [KIM]))
    hands.detect(detection(type_=ROUTE_FAILED, sensor="alarms", subject="pager"))
    await mover.round()
    assert told_on(hands, route_alarms(hands)[0]["id"]) == ["mail/kim"]
