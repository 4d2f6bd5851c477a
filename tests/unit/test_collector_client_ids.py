"""Agents that say the client id of another at a NATS server, as its monitoring tells; and what may answer instead."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from hubwatch_agents.settings import AgentSettings
from hubwatch_agents.uplink.client_id import client_id
from hubwatch_collector import client_ids
from hubwatch_collector.client_ids import PAGE, ClientIds, is_own
from hubwatch_core.errors import Transient


class Monitor:
    """Answers as a server of NATS does; `connz` itself is in the acceptance test of hostile agents."""

    def __init__(self) -> None:
        self.open: list[object] = []
        self.closed: list[object] = []
        self.text: str | None = None
        self.address = ""

    async def answer(self, request: web.Request) -> web.Response:
        if self.text is not None:
            return web.Response(text=self.text)
        asked = self.open if request.query["state"] == "open" else self.closed
        first = int(request.query.get("offset", "0"))
        return web.json_response({"connections": asked[first : first + int(request.query["limit"])]})


@pytest.fixture
async def monitor(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Monitor]:
    monkeypatch.setattr(client_ids, "ASK_EVERY_S", 0.0)
    made, app = Monitor(), web.Application()
    app.router.add_get("/connz", made.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        made.address = "http://{}:{}".format(*runner.addresses[0])
        yield made
    finally:
        await runner.cleanup()


def connection(cid: int, user: str, said: str) -> dict[str, object]:
    return {"cid": cid, "start": f"at {cid}", "authorized_user": f"CN={user}", "mqtt_client": said}


async def test_who_says_the_client_id_of_another_is_told_once_and_again_while_it_stands(
    monitor: Monitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    seven, eight = "hubwatch-harbour-gate-7-0123456789abcdef", "hubwatch-harbour-gate-8-0123456789abcdef"
    many = [connection(100 + each, "harbour/gate-7", seven) for each in range(PAGE)]
    service = {"cid": 4, "start": "x", "authorized_user": "CN=collector"}
    monitor.open = [*many, service, connection(1, "harbour/gate-7", eight)]
    monitor.closed = [connection(2, "harbour/gate-9", "hubwatch-collector"), connection(3, "harbour/gate-8", eight)]
    made = ClientIds(monitor.address)
    found = {refusal.agent: refusal.reason for refusal in await made.foreign()}
    assert set(found) == {("harbour", "gate-7"), ("harbour", "gate-9")}
    assert eight in found["harbour", "gate-7"]
    assert await made.foreign() == []
    monkeypatch.setattr(client_ids, "TELL_AGAIN_S", 0.0)
    assert [refusal.agent for refusal in await made.foreign()] == [("harbour", "gate-7")]
    assert await ClientIds(None).foreign() == []


@pytest.mark.parametrize("text", ["no JSON", "[]", '{"connections": 3}', '{"connections": [3]}', "x" * (9 << 20)])
async def test_what_is_no_monitoring_is_said(monitor: Monitor, text: str) -> None:
    monitor.text = text
    with pytest.raises(Transient, match=monitor.address):
        await ClientIds(monitor.address).foreign()


async def test_monitoring_that_does_not_answer_is_said() -> None:
    with pytest.raises(Transient, match="does not answer"):
        await ClientIds("http://127.0.0.1:1").foreign()


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
