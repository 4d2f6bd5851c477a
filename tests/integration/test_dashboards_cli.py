"""`hubwatch dashboards`: as a person and CI call it, and against a server that answers as Grafana does."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hubwatch_dashboards.boards import BOARDS
from support.grafana_standin import ADMIN, EDITOR, GrafanaStandIn, running

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
async def grafana() -> AsyncIterator[GrafanaStandIn]:
    async with running() as standin:
        yield standin


async def hubwatch(*arguments: str, token: str | None = None, **environment: str) -> tuple[int, str, str]:
    """Run `hubwatch dashboards …` in the repository; gives exit code, standard output and standard error."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "hubwatch_ops", "dashboards", *arguments),
        cwd=REPOSITORY,
        env={"PATH": "/usr/bin:/bin"} | ({"HUBWATCH_GRAFANA_TOKEN": token} if token else {}) | environment,
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


async def test_push_creates_the_folder_once_and_the_second_finds_nothing_to_do(grafana: GrafanaStandIn) -> None:
    code, out, err = await hubwatch("push", "--url", grafana.url, token=EDITOR)
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == f"board 'hub-overview': new {grafana.url}/d/hubwatch-hub-overview/hub-overview"
    assert list(grafana.folders) == ["hubwatch"]
    assert list(grafana.boards) == [f"hubwatch-{name}" for name in BOARDS]
    written = list(grafana.writes)
    code, out, err = await hubwatch("push", "--url", grafana.url, token=EDITOR)
    assert (code, err) == (0, "")
    assert out.splitlines()[: len(BOARDS)] == [f"board {name!r}: unchanged" for name in BOARDS]
    assert grafana.writes == written


async def test_push_over_provisioned_boards_says_that_the_two_ways_exclude_each_other(grafana: GrafanaStandIn) -> None:
    grafana.provisioned = True
    code, _, err = await hubwatch("push", "--url", grafana.url, token=EDITOR)
    assert code == 1
    assert "'hub-overview' is provisioned from files" in err
    assert "400" not in err


@pytest.mark.parametrize(
    ("hidden", "refuses", "words"), [(True, False, "folders:read"), (False, True, "folders:create")]
)
async def test_push_that_may_not_use_the_folder_names_the_permission(
    grafana: GrafanaStandIn, hidden: bool, refuses: bool, words: str
) -> None:
    grafana.hidden_folder, grafana.refuses_folders = hidden, refuses
    code, _, err = await hubwatch("push", "--url", grafana.url, token=EDITOR)
    assert code == 1
    assert "403" in err
    assert words in err
    assert len(err.strip().splitlines()) == 1
    assert grafana.boards == {}


async def test_push_takes_the_token_from_a_file(grafana: GrafanaStandIn, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(EDITOR + "\n", encoding="utf-8")
    code, _, _ = await hubwatch("push", "--url", grafana.url, "--token-file", str(tmp_path / "token"))
    assert code == 0


async def test_secret_address_for_alerts_comes_from_a_file_or_the_environment(
    grafana: GrafanaStandIn, tmp_path: Path
) -> None:
    address, file = "https://hook.example.org/T0/secret", tmp_path / "address"
    file.write_text(address + "\n", encoding="utf-8")
    file.chmod(0o600)
    code, _, err = await hubwatch("push", "--url", grafana.url, "--alerts-to-file", str(file), token=ADMIN)
    assert (code, err) == (0, "")
    assert grafana.contacts["hubwatch-contact"]["settings"]["url"] == address
    other = {"HUBWATCH_GRAFANA_ALERTS_TO": address + "2"}
    code, out, _ = await hubwatch("pull", "--diff", "--url", grafana.url, token=ADMIN, **other)
    assert (code, "https://hook.example.org/… (not as given)" in out, "secret" in out) == (1, True, False)


async def test_push_without_token_says_how_to_give_one(grafana: GrafanaStandIn) -> None:
    code, _, err = await hubwatch("push", "--url", grafana.url)
    assert code == 2
    assert "HUBWATCH_GRAFANA_TOKEN" in err


async def test_pull_shows_what_a_person_changed_and_fails(grafana: GrafanaStandIn) -> None:
    await hubwatch("push", "--url", grafana.url, token=EDITOR)
    assert (await hubwatch("pull", "--diff", "--url", grafana.url, token=EDITOR))[0] == 0
    grafana.retitled("hubwatch-zone", "Sensors", "My sensors")
    code, out, err = await hubwatch("pull", "--diff", "--url", grafana.url, token=EDITOR)
    assert code == 1
    assert '-      "title": "My sensors"' in out
    assert '+      "title": "Sensors"' in out
    assert "1 of what is in Grafana differ" in err


@pytest.mark.parametrize(
    ("token", "broken", "words"), [("wrong", 0, "401"), (EDITOR, 500, "500 "), (EDITOR, 412, "412")]
)
async def test_refused_push_is_one_line_without_the_token(
    grafana: GrafanaStandIn, token: str, broken: int, words: str
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
    code, _, err = await hubwatch("push", "--url", url, token=EDITOR)
    assert code == exit_code
    assert words in err
    assert len(err.strip().splitlines()) == 1
