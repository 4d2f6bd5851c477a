"""`hubwatch dashboards`: as a person and CI call it, and against a server that answers as Grafana does."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from hubwatch_dashboards.boards import BOARDS

REPOSITORY = Path(__file__).parents[2]
TOKEN = "glsa_test"
NOT_ALLOWED = "You'll need additional permissions to perform this action. Permissions needed: folders:read"


@dataclass
class FakeGrafana:
    """The three calls a push makes, with Grafana's paths, codes and answers; the server itself is not in Debian.

    Ref: Grafana HTTP API, folders and dashboards.
    """

    url: str = ""
    folders: list[dict[str, Any]] = field(default_factory=list)
    boards: list[dict[str, Any]] = field(default_factory=list)
    broken: int = 0
    missing_folder: int = 404
    """What is answered for a folder that is missing; 403 is what an editor's token gets."""
    hidden_folder: bool = False
    """Whether the folder is there, and the token may not read it."""
    refuses_folders: bool = False
    provisioned: bool = False
    """Whether the boards came from files."""

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self._guard])
        app.router.add_get("/grafana/api/folders/{uid}", self._folder)
        app.router.add_post("/grafana/api/folders", self._new_folder)
        app.router.add_post("/grafana/api/dashboards/db", self._board)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if self.broken:
            return web.json_response({"message": "out of order"}, status=self.broken)
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return web.json_response({"message": "Invalid API key"}, status=401)
        answer: web.StreamResponse = await handler(request)
        return answer

    async def _folder(self, request: web.Request) -> web.Response:
        for folder in self.folders:
            if folder["uid"] == request.match_info["uid"]:
                return web.json_response(folder)
        if self.missing_folder == 403 or self.hidden_folder:
            return web.json_response({"title": "Access denied", "message": NOT_ALLOWED}, status=403)
        return web.json_response({"message": "folder not found", "status": "not-found"}, status=self.missing_folder)

    async def _new_folder(self, request: web.Request) -> web.Response:
        if self.refuses_folders:
            return web.json_response({"message": "Permissions needed: folders:create"}, status=403)
        if self.hidden_folder:
            return web.json_response({"message": "a folder with that UID already exists"}, status=412)
        self.folders.append(await request.json())
        return web.json_response(self.folders[-1])

    async def _board(self, request: web.Request) -> web.Response:
        board = await request.json()
        if self.provisioned:
            return web.json_response({"message": "Cannot save provisioned dashboard"}, status=400)
        self.boards.append(board)
        uid = board["dashboard"]["uid"]
        return web.json_response(
            {"status": "success", "uid": uid, "url": f"/grafana/d/{uid}/hub-overview", "version": 1}
        )


@pytest.fixture
async def grafana() -> AsyncIterator[FakeGrafana]:
    fake = FakeGrafana()
    runner = web.AppRunner(fake.app())
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    fake.url = f"http://127.0.0.1:{runner.addresses[0][1]}/grafana"
    yield fake
    await runner.cleanup()


async def hubwatch(*arguments: str, token: str | None = None) -> tuple[int, str, str]:
    """Run `hubwatch dashboards …` in the repository; gives exit code, standard output and standard error."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "hubwatch_ops", "dashboards", *arguments),
        cwd=REPOSITORY,
        env={"PATH": "/usr/bin:/bin"} | ({"HUBWATCH_GRAFANA_TOKEN": token} if token else {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


async def test_check_of_committed_boards_passes() -> None:
    assert (await hubwatch("build", "--check"))[0] == 0
    assert (await hubwatch("check"))[0] == 0


async def test_build_writes_what_check_then_accepts(tmp_path: Path) -> None:
    code, _, err = await hubwatch("build", "--check", "--folder", str(tmp_path))
    assert code == 1
    assert "missing" in err
    assert "hubwatch dashboards build" in err
    code, out, _ = await hubwatch("build", "--folder", str(tmp_path))
    assert (code, "written" in out) == (0, True)
    assert (await hubwatch("build", "--check", "--folder", str(tmp_path)))[0] == 0


async def test_push_creates_the_folder_once_and_replaces_boards(grafana: FakeGrafana) -> None:
    code, out, err = await hubwatch("push", "--url", grafana.url, token=TOKEN)
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == f"{grafana.url}/d/hubwatch-hub-overview/hub-overview"
    await hubwatch("push", "--url", grafana.url, token=TOKEN)
    assert [folder["uid"] for folder in grafana.folders] == ["hubwatch"]
    assert [board["dashboard"]["uid"] for board in grafana.boards] == [f"hubwatch-{name}" for name in BOARDS] * 2
    assert {board["overwrite"] for board in grafana.boards} == {True}
    assert grafana.boards[0]["folderUid"] == "hubwatch"


@pytest.mark.parametrize("status", [403, 404])
async def test_push_creates_the_folder_whatever_grafana_answers_for_a_missing_one(
    grafana: FakeGrafana, status: int
) -> None:
    grafana.missing_folder = status
    code, _, err = await hubwatch("push", "--url", grafana.url, token=TOKEN)
    assert (code, err) == (0, "")
    assert [folder["uid"] for folder in grafana.folders] == ["hubwatch"]
    assert len(grafana.boards) == len(BOARDS)


async def test_push_over_provisioned_boards_says_that_the_two_ways_exclude_each_other(grafana: FakeGrafana) -> None:
    grafana.provisioned = True
    code, _, err = await hubwatch("push", "--url", grafana.url, token=TOKEN)
    assert code == 1
    assert "'hub-overview' is provisioned from files" in err
    assert "400" not in err


@pytest.mark.parametrize(
    ("hidden", "refuses", "words"), [(True, False, "folders:read"), (False, True, "folders:create")]
)
async def test_push_that_may_not_use_the_folder_names_the_permission(
    grafana: FakeGrafana, hidden: bool, refuses: bool, words: str
) -> None:
    grafana.hidden_folder, grafana.refuses_folders = hidden, refuses
    code, _, err = await hubwatch("push", "--url", grafana.url, token=TOKEN)
    assert code == 1
    assert "403" in err
    assert words in err
    assert len(err.strip().splitlines()) == 1
    assert grafana.boards == []


async def test_push_takes_the_token_from_a_file(grafana: FakeGrafana, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN + "\n", encoding="utf-8")
    code, _, _ = await hubwatch("push", "--url", grafana.url, "--token-file", str(tmp_path / "token"))
    assert code == 0


async def test_push_without_token_says_how_to_give_one(grafana: FakeGrafana) -> None:
    code, _, err = await hubwatch("push", "--url", grafana.url)
    assert code == 2
    assert "HUBWATCH_GRAFANA_TOKEN" in err


@pytest.mark.parametrize(("token", "broken", "words"), [("wrong", 0, "401"), (TOKEN, 500, "500 "), (TOKEN, 412, "412")])
async def test_refused_push_is_one_line_without_the_token(
    grafana: FakeGrafana, token: str, broken: int, words: str
) -> None:
    grafana.broken = broken
    code, _, err = await hubwatch("push", "--url", grafana.url, token=token)
    assert code == 1
    assert words in err
    assert token not in err
    assert len(err.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("url", "words", "exit_code"),
    [("http://127.0.0.1:1", "cannot be reached", 1), ("grafana", "is not an address", 2)],
)
async def test_unreachable_server_is_one_line(url: str, words: str, exit_code: int) -> None:
    code, _, err = await hubwatch("push", "--url", url, token=TOKEN)
    assert code == exit_code
    assert words in err
    assert len(err.strip().splitlines()) == 1
