"""The webhook route against real HTTP servers that fail."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import time
from pathlib import Path
from typing import Any

import pytest

from hubwatch_alarms.instructions import Instructions
from hubwatch_alarms.message import AlarmMessage
from hubwatch_alarms.notify.webhook import WebhookRoute, WebhookRouteSection
from hubwatch_core.alarm import Action
from hubwatch_core.delivery import DeliveryOutcome, DeliveryResult
from hubwatch_core.errors import Permanent
from support.alarms_examples import START_US, alarm
from support.alarms_receiver import Answer, cut, endless_body, hang, receiving, speaking, status
from support.ports import free_port

KEY = "c2lnbmluZyBrZXkgb2YgdGhlIHRlc3Rz"
MESSAGE = AlarmMessage(
    "01JD3Z00000000000000000009",
    Action.OPENED,
    START_US,
    "system",
    None,
    alarm(),
    Instructions.load().of("radiation.gamma"),
)


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    file = tmp_path / "key"
    file.write_text(KEY + "\n", encoding="utf-8")
    return file


def settings(url: str, key_file: Path, **more: Any) -> WebhookRouteSection:
    return WebhookRouteSection(name="duty", kind="webhook", url=url, secret_file=key_file, **more)


async def deliver(key_file: Path, url: str, **more: Any) -> DeliveryOutcome:
    async with WebhookRoute(settings(url, key_file, **more)) as route:
        return await route.deliver(MESSAGE)


async def answered(key_file: Path, answer: Answer, **more: Any) -> DeliveryOutcome:
    async with receiving(answer) as receiver:
        return await deliver(key_file, receiver.url, **more)


async def test_request_carries_the_message_its_id_and_a_signature_over_time_and_body(key_file: Path) -> None:
    async with receiving() as receiver:
        outcome = await deliver(key_file, receiver.url)
        (request,) = receiver.received
    assert outcome == DeliveryOutcome(DeliveryResult.DELIVERED, 204)
    stamp = request.headers["X-Hubwatch-Timestamp"]
    expected = hmac.new(KEY.encode(), stamp.encode() + b"." + request.body, hashlib.sha256).hexdigest()
    assert request.headers["X-Hubwatch-Signature"] == f"v1={expected}"
    assert abs(int(stamp) - time.time()) < 5
    assert request.id == MESSAGE.id == request.message["id"]
    assert request.headers["Content-Type"] == "application/json"
    assert request.message["alarm"]["type"] == "radiation.gamma"


@pytest.mark.parametrize("code", [500, 502, 503, 504, 408, 425, 429])
async def test_answer_that_means_try_again_is_transient(key_file: Path, code: int) -> None:
    outcome = await answered(key_file, status(code))
    assert (outcome.result, outcome.status) == (DeliveryResult.TRANSIENT, code)


@pytest.mark.parametrize("code", [400, 401, 403, 404, 405, 410, 413, 422, 451])
async def test_refusal_is_told_from_an_outage(key_file: Path, code: int) -> None:
    outcome = await answered(key_file, status(code))
    assert (outcome.result, outcome.status) == (DeliveryResult.REFUSED, code)


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
async def test_redirect_is_refused_and_its_target_never_called(key_file: Path, code: int) -> None:
    async with receiving() as elsewhere, receiving(status(code, location=elsewhere.url)) as receiver:
        outcome = await deliver(key_file, receiver.url)
        assert elsewhere.received == []
    assert (outcome.result, outcome.status) == (DeliveryResult.REFUSED, code)
    assert "redirect" in (outcome.error or "")


async def test_retry_after_is_passed_on(key_file: Path) -> None:
    assert (await answered(key_file, status(429, retry_after="7"))).retry_after_s == 7


async def test_hanging_receiver_ends_with_the_timeout(key_file: Path) -> None:
    began = time.monotonic()
    outcome = await answered(key_file, hang(), timeout_s=0.3)
    assert outcome == DeliveryOutcome(DeliveryResult.TRANSIENT, error="no answer within 0.3 s")
    assert time.monotonic() - began < 30


async def test_connection_cut_instead_of_an_answer_is_transient(key_file: Path) -> None:
    outcome = await answered(key_file, cut())
    assert (outcome.result, outcome.status) == (DeliveryResult.TRANSIENT, None)
    assert outcome.error


async def test_nobody_listening_is_transient(key_file: Path) -> None:
    outcome = await deliver(key_file, f"http://127.0.0.1:{free_port()}/hook")
    assert outcome.result is DeliveryResult.TRANSIENT


async def test_endless_body_of_the_answer_is_not_read(key_file: Path) -> None:
    began = time.monotonic()
    outcome = await answered(key_file, endless_body(), timeout_s=15)
    assert outcome.result is DeliveryResult.DELIVERED
    assert time.monotonic() - began < 12  # an answer read to its end would last until the timeout


async def test_what_the_receiver_says_is_not_kept(key_file: Path) -> None:
    outcome = await answered(key_file, status(500))
    assert "believe" not in (outcome.error or "")


def test_key_file_that_is_missing_or_empty_is_refused_before_anything_connects(tmp_path: Path) -> None:
    with pytest.raises(Permanent, match="cannot be read"):
        WebhookRoute(settings("https://example.org/", tmp_path / "none"))
    (tmp_path / "empty").touch()
    with pytest.raises(Permanent, match="is empty"):
        WebhookRoute(settings("https://example.org/", tmp_path / "empty"))


async def test_key_from_the_environment_signs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUTY_KEY", KEY)
    async with receiving() as receiver:
        section = WebhookRouteSection(name="duty", kind="webhook", url=receiver.url, secret_env="DUTY_KEY")
        async with WebhookRoute(section) as route:
            await route.deliver(MESSAGE)
        (request,) = receiver.received
    signed = request.headers["X-Hubwatch-Timestamp"].encode() + b"." + request.body
    expected = hmac.new(KEY.encode(), signed, hashlib.sha256).hexdigest()
    assert request.headers["X-Hubwatch-Signature"] == f"v1={expected}"


def test_key_variable_that_holds_no_text_is_refused_before_it_must_sign() -> None:
    section = WebhookRouteSection(name="duty", kind="webhook", url="https://example.org/", secret_env="DUTY_KEY")
    os.environb[b"DUTY_KEY"] = b"\xff\xfe"
    try:
        with pytest.raises(Permanent, match="DUTY_KEY is not UTF-8 text"):
            WebhookRoute(section)
    finally:
        del os.environ["DUTY_KEY"]


@pytest.mark.parametrize(
    "answer",
    [
        b"\xff\xfe\x00\x1b[2J\r\n\r\n",
        b"HTTP/1.1 500 x\r\nX-\xff: \xff\x00\r\n\r\n",
        b"HTTP/1.1 500 x\r\nContent-Length: \xff\r\n\r\n",
        b"HTTP/1.1 200 " + b"a" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nZZ",
        b"HTTP/1.1 100 Continue\r\n\r\n",
    ],
    ids=["noise", "header", "length", "long", "smuggled", "no end"],
)
async def test_answer_that_is_no_http_is_transient_and_told_in_one_line(key_file: Path, answer: bytes) -> None:
    async with speaking(answer) as url:
        outcome = await deliver(key_file, url)
    assert (outcome.result, outcome.status) == (DeliveryResult.TRANSIENT, None)
    assert outcome.error is not None
    assert outcome.error.isprintable()
    assert len(outcome.error) <= 500


def test_key_variable_that_is_not_set_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DUTY_KEY", raising=False)
    section = WebhookRouteSection(name="duty", kind="webhook", url="https://example.org/", secret_env="DUTY_KEY")
    with pytest.raises(Permanent, match="DUTY_KEY is not set"):
        WebhookRoute(section)


async def test_key_that_changes_signs_the_next_message(key_file: Path) -> None:
    async with receiving() as receiver, WebhookRoute(settings(receiver.url, key_file)) as route:
        await route.deliver(MESSAGE)
        await asyncio.to_thread(key_file.unlink)
        outcome = await route.deliver(MESSAGE)
        assert outcome.result is DeliveryResult.TRANSIENT
        assert "cannot be read" in (outcome.error or "")
        await asyncio.to_thread(key_file.write_text, "another key\n", encoding="utf-8")
        await route.deliver(MESSAGE)
    keys = [KEY, "another key"]
    for key, request in zip(keys, receiver.received, strict=True):
        signed = request.headers["X-Hubwatch-Timestamp"].encode() + b"." + request.body
        expected = hmac.new(key.encode(), signed, hashlib.sha256).hexdigest()
        assert request.headers["X-Hubwatch-Signature"] == f"v1={expected}"


HOOK = "T0SECRET/B0SECRET"


@pytest.mark.parametrize(
    "answer",
    [
        b"\xff\xfe\x00\r\n\r\n",
        b"HTTP/1.1 500 /" + HOOK.encode() + b"\r\nbad header\r\n\r\n",
        b"",
        b"HTTP/1.1 302 x\r\n\r\n",
    ],
    ids=["noise", "echo", "nothing", "redirect"],
)
async def test_path_of_the_address_is_in_no_outcome(key_file: Path, answer: bytes) -> None:
    async with speaking(answer) as url:
        outcome = await deliver(key_file, f"{url}/{HOOK}?token={HOOK}")
    assert outcome.error
    assert "SECRET" not in outcome.error


@pytest.mark.parametrize("host", ["127.0.0.1:1", "name.invalid", "[::1]:1", "127.0.0.1:65535"])
async def test_path_of_an_address_that_nobody_answers_is_in_no_outcome(key_file: Path, host: str) -> None:
    outcome = await deliver(key_file, f"https://{host}/{HOOK}", timeout_s=3)
    assert outcome.result is DeliveryResult.TRANSIENT
    assert "SECRET" not in (outcome.error or "")


async def test_address_is_read_from_its_file_for_each_message(key_file: Path, tmp_path: Path) -> None:
    file = tmp_path / "hook"
    async with receiving() as receiver:
        await asyncio.to_thread(file.write_text, receiver.url + "\n", encoding="utf-8")
        section = WebhookRouteSection(name="duty", kind="webhook", url_file=file, secret_file=key_file)
        async with WebhookRoute(section) as route:
            await route.deliver(MESSAGE)
            await asyncio.to_thread(file.write_text, f"http://203.0.113.7/{HOOK}", encoding="utf-8")
            outcome = await route.deliver(MESSAGE)
    assert len(receiver.received) == 1
    assert outcome.result is DeliveryResult.TRANSIENT
    assert "SECRET" not in (outcome.error or "")


def test_address_in_a_file_that_is_none_is_refused_without_being_repeated(key_file: Path, tmp_path: Path) -> None:
    file = tmp_path / "hook"
    for address in (f"https://u:{HOOK}@h/", f"ftp://h/{HOOK}", f"https://h:{HOOK}/", f"http://203.0.113.7/{HOOK}"):
        file.write_text(address, encoding="utf-8")
        with pytest.raises(Permanent, match="duty") as refused:
            WebhookRoute(WebhookRouteSection(name="duty", kind="webhook", url_file=file, secret_file=key_file))
        assert "SECRET" not in str(refused.value)


def test_key_that_others_can_read_is_refused(key_file: Path) -> None:
    key_file.chmod(0o644)
    with pytest.raises(Permanent, match="chmod 600"):
        WebhookRoute(settings("https://example.org/", key_file))
