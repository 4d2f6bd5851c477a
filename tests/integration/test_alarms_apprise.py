"""The Apprise route against a real HTTP server: what it sends, what it makes of answers, and what it never shows."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import requests

from hubwatch_alarms.check import check
from hubwatch_alarms.instructions import Instructions
from hubwatch_alarms.message import AlarmMessage
from hubwatch_alarms.notify.apprise import AppriseRouteSection, service_of, words_of
from hubwatch_core.alarm import Action
from hubwatch_core.clock import SECOND_US
from hubwatch_core.delivery import DeliveryOutcome, DeliveryResult
from hubwatch_core.errors import ConfigError, Permanent
from support.alarms_examples import START_US, alarm
from support.alarms_receiver import Answer, Receiver, cut, endless_body, receiving, status

TOKEN = "Zq7-secret-token"


def told() -> AlarmMessage:
    about = alarm()
    id_ = "01JD3Z00000000000000000009"
    return AlarmMessage(id_, Action.OPENED, START_US, "system", None, about, Instructions.load().of(about.type))


def section(folder: Path, url: str, **more: object) -> AppriseRouteSection:
    file = folder / "chat.url"
    file.write_text(url + "\n", encoding="utf-8")
    # A slow machine is no outage.
    return AppriseRouteSection.model_validate(
        {"name": "chat", "kind": "apprise", "url_file": file, "timeout_s": 60, **more}
    )


def address(receiver: Receiver, query: str = "") -> str:
    return f"json://kim:{TOKEN}@127.0.0.1:{receiver.port}/{TOKEN}/{query}"


async def deliver(folder: Path, url: str, message: AlarmMessage | None = None, **more: object) -> DeliveryOutcome:
    async with section(folder, url, **more).open() as route:
        return await route.deliver(told() if message is None else message)


async def test_service_is_told_what_people_read_and_nothing_is_attached(tmp_path: Path) -> None:
    message = told()
    async with receiving() as receiver:
        url = address(receiver, f"?attach=file://{tmp_path}/chat.url&template={tmp_path}/chat.url")
        outcome = await deliver(tmp_path, url, message)
        (request,) = receiver.received
    assert outcome == DeliveryOutcome(DeliveryResult.DELIVERED, 204)
    body = json.loads(request.body)
    assert body["title"] == message.text.partition("\n")[0]
    assert body["message"].split() == message.text.partition("\n")[2].split()
    assert not body["attachments"]
    assert request.path == f"/{TOKEN}/"


def test_text_message_is_the_short_text_and_has_the_link_where_there_is_room(tmp_path: Path) -> None:
    service = service_of(section(tmp_path, f"bulksms://kim:{TOKEN}@+31612345678"))
    link = "https://console.port.example:8443/api/v1/acknowledge/one.1.2.three"
    message = replace(told(), now=START_US + 3 * 3600 * SECOND_US, link=link)
    title, body = words_of(message, service.body_maxlen)
    assert (title, len(body) <= 160, body.isascii()) == ("", True, True)
    assert body.startswith("3 H OLD - CRITICAL: Gamma alarm")
    assert words_of(message, 300) == ("", f"{body}\n{link}")
    title, body = words_of(message, 4096)
    assert f"{title}\n{body}" == message.text


@pytest.mark.parametrize(
    ("answer", "result", "code", "asked_s"),
    [
        (status(500), DeliveryResult.TRANSIENT, 500, None),
        (status(429, retry_after="7"), DeliveryResult.TRANSIENT, 429, 7.0),
        (status(401), DeliveryResult.REFUSED, 401, None),
        (cut(), DeliveryResult.TRANSIENT, None, None),
        (endless_body(), DeliveryResult.DELIVERED, 200, None),
    ],
)
async def test_answers_mean_what_they_mean_on_other_routes(
    tmp_path: Path, answer: Answer, result: DeliveryResult, code: int | None, asked_s: float | None
) -> None:
    async with receiving(answer) as receiver:
        outcome = await deliver(tmp_path, address(receiver))
    assert (outcome.result, outcome.status, outcome.retry_after_s) == (result, code, asked_s)
    assert TOKEN not in str(outcome.error)
    assert "believe" not in str(outcome.error), "what a service answers is not repeated"


@pytest.mark.parametrize("query", ["", "?redirect=yes"])
@pytest.mark.parametrize("code", [302, 307])
async def test_redirect_leads_nowhere(tmp_path: Path, query: str, code: int) -> None:
    async with receiving() as elsewhere, receiving(status(code, location=elsewhere.url)) as receiver:
        outcome = await deliver(tmp_path, address(receiver, query))
        assert elsewhere.received == []
        # The bound is that of the route's thread: whoever else asks by the same library is redirected as ever.
        receiver.script.append(status(302, location=elsewhere.url))
        answer = await asyncio.to_thread(requests.post, receiver.url, timeout=20)
        assert (answer.status_code, len(elsewhere.received)) == (204, 1)
    assert (outcome.result, outcome.status) == (DeliveryResult.REFUSED, code)
    assert "redirect, which is not followed" in str(outcome.error)


async def test_service_that_hangs_holds_up_nothing_and_has_one_thread(tmp_path: Path) -> None:
    well = asyncio.Event()

    async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Begin an answer byte by byte, so that no wait of a library ends, until the service is well."""
        with contextlib.suppress(OSError):
            while not well.is_set():
                writer.write(b"H")
                await writer.drain()
                await asyncio.sleep(0.02)
        writer.close()

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    url = f"json://127.0.0.1:{server.sockets[0].getsockname()[1]}/{TOKEN}"
    async with server, section(tmp_path, url, timeout_s=0.5).open() as route:
        assert (await route.deliver(told())).error == "no answer within 0.5 s"
        for _ in range(2):
            again = await route.deliver(told())
            assert (again.result, again.error) == (
                DeliveryResult.TRANSIENT,
                "the call before this one has not ended yet",
            )
        assert sum(each.name == "alarms.apprise.chat" for each in threading.enumerate()) == 1
        well.set()
        async with receiving() as receiver:
            section(tmp_path, address(receiver))
            delivered = False
            for _ in range(600):
                delivered = delivered or (await route.deliver(told())).result is DeliveryResult.DELIVERED
                await asyncio.sleep(0 if delivered else 0.1)
            assert delivered


async def test_address_stands_in_no_log_error_or_output(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(1)
    async with receiving(status(500)) as receiver:
        await deliver(tmp_path, address(receiver))
    with pytest.raises(Permanent) as refused:
        section(tmp_path, f"nothing://{TOKEN}/").open()
    shown = capfd.readouterr()
    for text in (caplog.text, shown.out, shown.err, str(refused.value)):
        assert TOKEN not in text


@pytest.mark.parametrize(
    ("url", "says"),
    [
        (f"no-such-kind://{TOKEN}", "none that Apprise knows"),
        (f"json://example.org/{TOKEN}", "in the clear"),
        (f"jsons://example.org/{TOKEN}?verify=no", "switches the check of certificates off"),
    ],
)
def test_bad_address_is_an_error_of_check_config(tmp_path: Path, url: str, says: str) -> None:
    secret = tmp_path / "chat.url"
    secret.write_text(url, encoding="utf-8")
    file = tmp_path / "alarms.toml"
    file.write_text(f'[[routes]]\nname = "chat"\nkind = "apprise"\nurl_file = "{secret}"\n', encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        check(file)
    (problem,) = refused.value.problems
    assert problem.key == "routes[0].url_file"
    assert says in str(problem)
    assert TOKEN not in str(problem)


def test_address_may_come_from_the_environment_and_from_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_env = AppriseRouteSection(name="chat", kind="apprise", url_env="CHAT_URL")
    with pytest.raises(Permanent, match="CHAT_URL holds no address"):
        with_env.open()
    monkeypatch.setenv("CHAT_URL", f"jsons://example.org/{TOKEN}")
    with_env.open()
    file = tmp_path / "alarms.toml"
    file.write_text('[[routes]]\nname = "chat"\nkind = "apprise"\nurl = "jsons://example.org"\n', encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        check(file)
    assert "routes[0].url" in {problem.key for problem in refused.value.problems}
