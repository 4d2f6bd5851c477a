"""Agents that say the client id of another at a NATS server, as its monitoring tells; and what may answer instead."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from hubwatch_agents.settings import AgentSettings
from hubwatch_agents.uplink.client_id import client_id
from hubwatch_collector import client_ids
from hubwatch_collector.broker_log import Refusal
from hubwatch_collector.client_ids import MOST_PAGES, PAGE, ClientIds, is_own
from hubwatch_core.errors import Transient
from hubwatch_core.process import Context
from support.eventually import eventually

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
"""The server's own clock, which is not ours."""
SEVEN, EIGHT = "hubwatch-harbour-gate-7-0123456789abcdef", "hubwatch-harbour-gate-8-0123456789abcdef"


class Monitor:
    """Answers as a server of NATS does; `connz` itself is in the acceptance test of hostile agents."""

    def __init__(self) -> None:
        self.open: list[object] = []
        self.closed: list[object] = []
        self.text: str | None = None
        self.pause_s = 0.0
        self.asked = asyncio.Event()
        self.address = ""

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.set()
        await asyncio.sleep(self.pause_s)
        if self.text is not None:
            return web.Response(text=self.text)
        asked = self.open if request.query["state"] == "open" else self.closed
        first = int(request.query.get("offset", "0"))
        shown = asked[first : first + int(request.query["limit"])]
        return web.json_response({"now": NOW.isoformat(), "connections": shown})


@pytest.fixture
async def monitor(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Monitor]:
    monkeypatch.setattr(client_ids, "ASK_EVERY_S", 0.0)
    made, app = Monitor(), web.Application()
    app.router.add_get("/connz", made.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        made.address = "http://{}:{}".format(*runner.addresses[0])
        yield made
    finally:
        await runner.cleanup()


def connection(cid: object, user: str, said: str, ended_s_ago: float | None = None) -> dict[str, object]:
    made = {"cid": cid, "start": f"at {cid}", "authorized_user": f"CN={user}", "mqtt_client": said}
    ended = {} if ended_s_ago is None else {"stop": (NOW - timedelta(seconds=ended_s_ago)).isoformat()}
    return {**made, **ended}


def made_for(address: str) -> ClientIds:
    return ClientIds(address, list[Refusal]().append, Context.make("collector"))


async def test_who_says_the_client_id_of_another_is_told_once_and_again_while_it_stands(
    monitor: Monitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = [connection(100 + each, "harbour/gate-7", SEVEN) for each in range(PAGE)]
    service = {"cid": 4, "start": "x", "authorized_user": "CN=collector"}
    monitor.open = [*many, service, connection(1, "harbour/gate-7", EIGHT)]
    monitor.closed = [
        connection(2, "harbour/gate-9", "hubwatch-collector", 0),
        connection(3, "harbour/gate-8", EIGHT, 0),
    ]
    made = made_for(monitor.address)
    found = {refusal.agent: refusal.reason for refusal in await made.foreign()}
    assert set(found) == {("harbour", "gate-7"), ("harbour", "gate-9")}
    assert EIGHT in found["harbour", "gate-7"]
    assert await made.foreign() == []
    monkeypatch.setattr(client_ids, "TELL_AGAIN_S", 0.0)
    assert [refusal.agent for refusal in await made.foreign()] == [("harbour", "gate-7")]


async def test_what_ended_before_the_start_is_told_no_more_and_what_stands_is(monitor: Monitor) -> None:
    weeks_s = 3600.0 * 24 * 20
    monitor.closed = [connection(1, "harbour/gate-7", EIGHT, weeks_s)]
    monitor.open = [connection(2, "harbour/gate-9", EIGHT)]
    made = made_for(monitor.address)
    assert [refusal.agent for refusal in await made.foreign()] == [("harbour", "gate-9")]
    monitor.closed = [connection(3, "harbour/gate-8", SEVEN, 0), *monitor.closed]
    assert [refusal.agent for refusal in await made.foreign()] == [("harbour", "gate-8")]


@pytest.mark.parametrize(
    "text",
    [
        "no JSON", "[]", '{"now": 3, "connections": []}', '{"connections": []}',
        *(f'{{"now": "{NOW.isoformat()}", "connections": {each}}}' for each in ("3", "[3]", '"x"', '{"x": 3}')),
        "[" * 200_000, "9" * 10_000, "x" * (9 << 20),
    ],
    ids=lambda text: text[:40],
)  # fmt: skip
async def test_what_is_no_monitoring_is_said(monitor: Monitor, text: str) -> None:
    monitor.text = text
    with pytest.raises(Transient, match=monitor.address):
        await made_for(monitor.address).foreign()


@pytest.mark.parametrize(
    "wrong", [{"cid": []}, {"cid": None}, {"start": {}}, {"stop": 3}, {"stop": "2026-01-01T00:00"}]
)
async def test_connection_that_is_described_otherwise_is_said(monitor: Monitor, wrong: dict[str, object]) -> None:
    monitor.closed = [{**connection(1, "harbour/gate-7", EIGHT, 0), **wrong}]
    with pytest.raises(Transient, match="no monitoring"):
        await made_for(monitor.address).foreign()


async def test_all_pages_together_have_a_limit_of_time_of_bytes_and_of_number(
    monitor: Monitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_ids, "PAGE", 1)
    monitor.open = [connection(each, "harbour/gate-7", "x" * 1000) for each in range(MOST_PAGES)]
    with pytest.raises(Transient, match="more than 16 connections"):
        await made_for(monitor.address).foreign()
    monkeypatch.setattr(client_ids, "MOST_BYTES", 8000)
    with pytest.raises(Transient, match="answers with more than"):
        await made_for(monitor.address).foreign()
    monkeypatch.setattr(client_ids, "MOST_BYTES", 8 << 20)
    monkeypatch.setattr(client_ids, "ANSWERS_WITHIN_S", 0.5)
    monitor.pause_s = 0.1
    with pytest.raises(Transient, match="does not answer within"):
        await made_for(monitor.address).foreign()


async def test_stop_waits_for_no_answer(monitor: Monitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_ids, "ANSWERS_WITHIN_S", 3600.0)
    monitor.pause_s = 3600.0
    stop = asyncio.Event()
    task = asyncio.ensure_future(made_for(monitor.address).run(stop))
    await monitor.asked.wait()
    stop.set()
    async with asyncio.timeout(60):
        await task


async def test_monitoring_that_does_not_answer_is_lost_once_until_it_does(monitor: Monitor) -> None:
    context, stop, heard = Context.make("collector"), asyncio.Event(), list[Refusal]()
    monitor.text, monitor.open = "no JSON", [connection(1, "harbour/gate-7", EIGHT)]
    with capture_logs() as logged:
        task = asyncio.ensure_future(ClientIds(monitor.address, heard.append, context).run(stop))
        for _ in range(5):
            monitor.asked.clear()
            await monitor.asked.wait()
        assert not context.health.checks()["client-ids"].ok
        monitor.text = None
        await eventually(lambda: context.health.checks()["client-ids"].ok, 60)
        stop.set()
        await task
    told = [each["event"] for each in logged]
    assert told == ["who says the client id of another is not told", "it is told again"]
    assert [refusal.agent for refusal in heard] == [("harbour", "gate-7")]


async def test_monitoring_that_is_not_there_is_said() -> None:
    with pytest.raises(Transient, match="does not answer"):
        await made_for("http://127.0.0.1:1").foreign()


def test_what_our_agents_say_is_their_own(tmp_path: Path) -> None:
    key = tmp_path / "agent.key"
    key.write_bytes(b"key")
    tls = {"ca_file": key, "cert_file": key, "key_file": key}
    for mqtt in ({"tls": tls}, {}):
        said = client_id(AgentSettings.model_validate({"hub": "harbour", "agent": "gate-7", "mqtt": mqtt}))
        assert is_own(said, "harbour", "gate-7")
        assert not is_own(said, "harbour", "gate")
        assert not is_own(said, "harbour", "gate-8")
    assert not is_own("hubwatch-harbour-gate-7-b", "harbour", "gate-7")
