"""The page about budgets: its files are valid, and its commands do what it says, on a real database."""

from __future__ import annotations

import asyncio
import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hubwatch_alarms.instructions import Instructions
from hubwatch_alarms.mover import Mover
from hubwatch_ops.cli import build
from hubwatch_store.database import open_pool
from support.alarms_database import hands_on, settings_of
from support.alarms_examples import detection
from support.budget_history import HUB, store_background, store_plant

PAGE = (Path(__file__).parents[2] / "docs" / "howto" / "set-a-false-alarm-budget.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def hubwatch(line: str) -> str:
    program, *arguments = shlex.split(line)
    assert program == "hubwatch"
    result = CliRunner().invoke(build(arguments), arguments, env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture
def dsn(migrated_plain_dsn: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """A hub with history and one alarm; commands run in a folder of their own."""
    store_background(migrated_plain_dsn, seconds=600)
    store_plant(migrated_plain_dsn)
    with hands_on(migrated_plain_dsn) as hands:
        hands.detect(detection(hub=HUB, sensor="dose-1", over=True))
    asyncio.run(move(migrated_plain_dsn))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HUBWATCH_DATABASE__DSN", migrated_plain_dsn)
    return migrated_plain_dsn


async def move(dsn: str) -> None:
    async with open_pool(settings_of(dsn)) as pool:
        await Mover(pool, [], Instructions.load()).round()


def test_every_command_of_the_page_works_with_its_configuration(dsn: str, tmp_path: Path) -> None:
    budget, plants = blocks("toml")
    (tmp_path / "hub.toml").write_text(f'{budget}[database]\ndsn = "{dsn}"\n')
    adjudicate, show, propose, fit = [block.strip() for block in blocks("console")]
    assert hubwatch(adjudicate) == "alarm 1 was false, says kim\n"
    shown = hubwatch(show)
    assert "harbour: 2 false alarms a day are accepted" in shown
    assert "perimeter.intrusion: the device's own alarm" in shown
    tried = hubwatch(propose)
    for part in ("Nothing was changed", "(in force)", "no data: none judged"):
        assert part in tried
    assert "fitted on 1399 periods" in hubwatch(fit)
    (tmp_path / "detectors.toml").write_text(budget + plants)
    assert "is valid" in hubwatch("hubwatch detectors check-config detectors.toml")
