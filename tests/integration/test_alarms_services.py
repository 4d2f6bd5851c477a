"""Routes to PagerDuty, Alertmanager and CAP: the documented bodies, and answers that say no with a good status."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from hubwatch_alarms.instructions import Instructions
from hubwatch_alarms.message import AlarmMessage
from hubwatch_alarms.notify.cap import CapRouteSection
from hubwatch_alarms.notify.services import AlertmanagerRouteSection, PagerDutyRouteSection
from hubwatch_alarms.notify.webhook import PostedRouteSection, sign
from hubwatch_core.alarm import Action
from hubwatch_core.delivery import DeliveryOutcome, DeliveryResult
from hubwatch_core.words import AlarmState
from support.alarms_examples import START_US, alarm
from support.alarms_receiver import Answer, Receiver, endless_body, receiving, status

MESSAGE = AlarmMessage(
    "01JD3Z00000000000000000009", Action.OPENED, START_US, "system", None, alarm(),
    Instructions.load().of("radiation.gamma"),
)  # fmt: skip
KEY = "the integration key"


@pytest.fixture
def key(tmp_path: Path) -> Path:
    file = tmp_path / "key"
    file.write_text(KEY, encoding="utf-8")
    file.chmod(0o600)
    return file


def answers(code: int, body: object) -> Answer:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.json_response(body, status=code)

    return answer


@asynccontextmanager
async def sent(
    make: Callable[[str], PostedRouteSection], *script: Answer, message: AlarmMessage = MESSAGE
) -> AsyncIterator[tuple[DeliveryOutcome, Receiver]]:
    async with receiving(*script) as receiver, make(receiver.url).open() as route:
        yield await route.deliver(message), receiver


def pagerduty(key: Path) -> Callable[[str], PostedRouteSection]:
    return lambda url: PagerDutyRouteSection(name="pd", kind="pagerduty", url=url, secret_file=key, timeout_s=5)


@pytest.mark.parametrize(
    ("state", "action"),
    [
        (AlarmState.UNACKNOWLEDGED, "trigger"),
        (AlarmState.RETURNED, "trigger"),
        (AlarmState.ACKNOWLEDGED, "acknowledge"),
        (AlarmState.SHELVED, "acknowledge"),
        (AlarmState.NORMAL, "resolve"),
    ],
)
async def test_pagerduty_gets_one_incident_an_alarm(key: Path, state: AlarmState, action: str) -> None:
    taken = answers(202, {"status": "success", "message": "Event processed", "dedup_key": "x"})
    async with sent(pagerduty(key), taken, message=replace(MESSAGE, alarm=alarm(state=state))) as (outcome, receiver):
        assert outcome == DeliveryOutcome(DeliveryResult.DELIVERED, 202)
    body = json.loads(receiver.received[0].body)
    assert (body["routing_key"], body["event_action"], body["dedup_key"]) == (KEY, action, "hubwatch/rotterdam/41")
    payload = body["payload"]
    assert (payload["severity"], payload["source"]) == ("critical", "rotterdam / gate-2 / rpm-2")
    assert len(payload["summary"]) <= 160
    assert payload["custom_details"]["id"] == 41


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (answers(200, {"status": "invalid event", "message": "Event object is invalid\x1b[2J"}), "is invalid"),
        (answers(200, ["no"]), "answered: ['no']"),
        (status(200), "not what PagerDuty answers"),
        (endless_body(), "not what PagerDuty answers"),
    ],
)
async def test_good_status_with_a_bad_body_is_a_refusal(key: Path, answer: Answer, says: str) -> None:
    async with sent(pagerduty(key), answer) as (outcome, _):
        assert (outcome.result, outcome.status) == (DeliveryResult.REFUSED, 200)
    assert outcome.error is not None
    assert says in outcome.error
    assert outcome.error.isprintable()
    assert KEY not in outcome.error


async def test_pagerduty_that_asks_for_time_gets_it_and_a_redirect_is_refused(key: Path) -> None:
    async with sent(pagerduty(key), status(429, retry_after="7")) as (outcome, _):
        assert (outcome.result, outcome.retry_after_s) == (DeliveryResult.TRANSIENT, 7)
    async with sent(pagerduty(key), status(307, location="https://elsewhere.example/")) as (outcome, receiver):
        assert outcome.result is DeliveryResult.REFUSED
    assert len(receiver.received) == 1


async def test_alertmanager_gets_an_alert_that_ends_with_the_alarm(key: Path) -> None:
    def make(url: str) -> PostedRouteSection:
        return AlertmanagerRouteSection(name="am", kind="alertmanager", url=url, secret_file=key)

    async with sent(make, status(200)) as (outcome, receiver):
        assert outcome == DeliveryOutcome(DeliveryResult.DELIVERED, 200)
    (request,) = receiver.received
    assert request.headers["Authorization"] == f"Bearer {KEY}"
    (alert,) = json.loads(request.body)
    assert alert["labels"] == {
        "alertname": "radiation.gamma", "alarm": "41", "hub": "rotterdam", "zone": "gate-2", "sensor": "rpm-2",
        "severity": "critical",
    }  # fmt: skip
    assert (alert["startsAt"], alert["endsAt"]) == ("2026-11-21T18:00:00.000000Z", "2026-11-22T18:00:00.000000Z")
    over = replace(MESSAGE, alarm=replace(alarm(state=AlarmState.NORMAL), closed=START_US + 60_000_000))
    async with sent(make, status(200), message=over) as (_, receiver):
        (alert,) = json.loads(receiver.received[0].body)
    assert alert["endsAt"] == "2026-11-21T18:01:00.000000Z"


async def test_cap_is_posted_signed(key: Path) -> None:
    def make(url: str) -> PostedRouteSection:
        return CapRouteSection(name="cap", kind="cap", url=url, secret_file=key, sender="hubwatch.port.example")

    async with sent(make) as (outcome, receiver):
        assert outcome.result is DeliveryResult.DELIVERED
    (request,) = receiver.received
    headers: dict[str, Any] = request.headers
    assert headers["Content-Type"] == "application/cap+xml"
    assert headers["X-Hubwatch-Signature"] == sign(KEY, int(headers["X-Hubwatch-Timestamp"]), request.body)
    assert b"<identifier>hubwatch.alarm.41</identifier>" in request.body
