"""The examples of docs/reference/api.md, run as they stand there against a real console."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hubwatch_console.api_examples import EXAMPLES, ApiExample
from hubwatch_console.api_page import page
from hubwatch_core.permission import Role
from support.alarms_database import hands_on
from support.console_document import check_answer
from support.console_hub import a_bad_morning, alarmed, hub_there
from support.console_running import add_person, one_time, running_api

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "api.md"


@dataclass
class Shell:
    """A shell in which somebody tries what the page shows."""

    names: dict[str, str]

    async def run(self, command: str) -> tuple[dict[str, str], int, bytes]:
        """Run a command; return the headers, status and body that curl was given."""
        shown = re.sub(r"^curl (-\w+)", r"curl \1 -i", command)
        process = await asyncio.create_subprocess_exec(
            "bash", "-c", shown, env={"PATH": "/usr/bin:/bin", **self.names}, stdout=-1, stderr=-1
        )
        said, complaint = await process.communicate()
        assert complaint == b"", complaint
        head, _, body = said.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        return headers, int(first.split()[1]), body


@pytest.fixture
async def shell(migrated_plain_dsn: str) -> AsyncIterator[Shell]:
    dsn = migrated_plain_dsn
    hub_there(dsn)
    with hands_on(dsn) as hands:
        numbers = await alarmed(dsn, hands, *a_bad_morning())
        last = hands.rows("SELECT max(id) - 1 AS last FROM alarm_journal")[0]["last"]
    async with running_api(dsn) as client:
        yield Shell({
            "HUB": client.address, "TOKEN": await add_person(dsn, "robin", Role.SUPERVISOR), "NAME": "kim",
            "PASSWORD": await one_time(dsn, "kim"), "ALARM": str(numbers[0]), "LAST": str(last),
        })  # fmt: skip


async def tried(shell: Shell, example: ApiExample) -> Any:
    headers, status, body = await shell.run(example.command)
    assert status == example.status, body
    if "etag" in headers:
        shell.names["ETAG"] = headers["etag"]
    if status == 304:
        assert body == b""
        return None
    kind = headers["content-type"].partition(";")[0]
    answer = json.loads(body) if "json" in kind else body.decode()
    path = re.sub(r"{\w+}", "1", example.answer[1])
    check_answer(example.answer[0], path, status, kind, answer)
    return answer


async def test_every_example_does_what_the_page_says(shell: Shell) -> None:
    answers = {}
    for example in EXAMPLES:
        # The headers come first, and then as many lines as the page shows.
        lines = example.command.replace("head -n 4", "head -n 24")
        shown = ApiExample(example.title, example.text, lines, example.answer, example.status)
        answers[example.title] = answer = await tried(shell, shown)
        if isinstance(answer, dict) and answer.get("next"):
            shell.names["NEXT"] = answer["next"]
    first, second = answers["List alarms, a page at a time"], answers["Go on where the page ended"]
    assert {each["id"] for each in first["alarms"]}.isdisjoint(each["id"] for each in second["alarms"])
    assert answers["Log in"]["user"]["needs"] == ["password"]
    assert answers["Acknowledge an alarm, once"]["changed"] is True
    assert answers["Read the security level"]["level"] == 1
    assert "event: pulse" in answers["Follow what happens"]


def test_page_is_what_the_routes_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `make samples`"
    assert len(re.findall(r"^```sh$", page(), re.MULTILINE)) == len(EXAMPLES)
