"""The receiver on docs/howto/receive-webhooks.md, run as it stands there, against the real route."""

from __future__ import annotations

import asyncio
import re
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from hubwatch_alarms.facts import facts_of
from hubwatch_alarms.instructions import Instructions
from hubwatch_alarms.message import AlarmMessage
from hubwatch_alarms.notify.webhook import WebhookRoute, WebhookRouteSection, sign
from hubwatch_alarms.sender import FIRST_PAUSE_S, MAX_PAUSE_S, MAX_RETRY_AFTER_S
from hubwatch_core.alarm import Action
from hubwatch_core.delivery import DeliveryResult
from support.alarms_examples import START_US, alarm

PAGE = (Path(__file__).parents[2] / "docs" / "howto" / "receive-webhooks.md").read_text(encoding="utf-8")
KEY = b"the key of this test"
MESSAGE = AlarmMessage(
    "01JD3Z00000000000000000009", Action.OPENED, START_US, "system", None, alarm(), Instructions.load().of("x")
)


@pytest.fixture(scope="module")
def example() -> ModuleType:
    (code,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    module = ModuleType("receive_webhooks")
    exec(compile(code, "docs/howto/receive-webhooks.md", "exec"), module.__dict__)
    return module


@pytest.fixture
def server(example: ModuleType) -> Iterator[ThreadingHTTPServer]:
    made: ThreadingHTTPServer = example.serve(KEY, 0)
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join(timeout=5)


def url(server: ThreadingHTTPServer) -> str:
    return f"http://127.0.0.1:{server.server_address[1]}/"


def seen(server: ThreadingHTTPServer) -> dict[str, Any]:
    handler: Any = server.RequestHandlerClass
    found: dict[str, Any] = handler.seen
    return found


def post(server: ThreadingHTTPServer, body: bytes, headers: dict[str, str]) -> int:
    request = urllib.request.Request(url(server), data=body, headers=headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return int(response.status)
    except urllib.error.HTTPError as refused:
        refused.close()
        return refused.code


def signed(body: bytes, timestamp_s: int) -> dict[str, str]:
    return {
        "X-Hubwatch-Timestamp": str(timestamp_s),
        "X-Hubwatch-Signature": sign(KEY.decode(), timestamp_s, body),
        "X-Hubwatch-Id": MESSAGE.id,
    }


async def test_example_takes_what_hubwatch_sends_and_a_repeat_only_once(
    server: ThreadingHTTPServer, tmp_path: Path
) -> None:
    key = tmp_path / "key"
    key.write_bytes(KEY + b"\n")
    section = WebhookRouteSection(name="duty", kind="webhook", url=url(server), secret_file=key)
    async with WebhookRoute(section) as route:
        outcomes = [await route.deliver(MESSAGE) for _ in range(2)]
    assert [outcome.result for outcome in outcomes] == [DeliveryResult.DELIVERED] * 2
    assert list(seen(server)) == [MESSAGE.id]
    assert seen(server)[MESSAGE.id]["alarm"]["id"] == 41


async def test_example_refuses_forged_changed_old_and_oversized_requests(server: ThreadingHTTPServer) -> None:
    body, now_s = MESSAGE.json(), int(time.time())
    unsigned = signed(body, now_s) | {"X-Hubwatch-Signature": "v1=" + "0" * 64}
    answers = {
        "forged": await asyncio.to_thread(post, server, body, unsigned),
        "changed": await asyncio.to_thread(post, server, body.replace(b"rpm-2", b"rpm-3"), signed(body, now_s)),
        "played again": await asyncio.to_thread(post, server, body, signed(body, now_s - 301)),
        "other time": await asyncio.to_thread(
            post, server, body, signed(body, now_s - 301) | {"X-Hubwatch-Timestamp": str(now_s)}
        ),
        "no headers": await asyncio.to_thread(post, server, body, {}),
        "not ascii": await asyncio.to_thread(post, server, body, unsigned | {"X-Hubwatch-Signature": "v1=\xe9"}),
        "genuine": await asyncio.to_thread(post, server, body, signed(body, now_s)),
    }
    assert answers.pop("genuine") == 204
    assert set(answers.values()) == {401}


def test_page_says_what_the_code_does() -> None:
    assert f"after {FIRST_PAUSE_S:g} s, then doubling to at most {MAX_PAUSE_S:g} s" in PAGE
    assert f"up to {MAX_RETRY_AFTER_S / 60:g} minutes" in PAGE
    (shown,) = re.findall(r"^```json\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    assert set(facts_of(alarm(), "")) == set(re.findall(r'"(\w+)": ', shown.split('"alarm": {')[1]))
