"""The how-to and its notebook do what they say, and `hubwatch export` writes files; with the real database."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from hubwatch_core import wire
from hubwatch_core.clock import now_us
from hubwatch_core.words import SensorKind
from hubwatch_ops.cli import build
from hubwatch_store.database import DatabaseSection
from hubwatch_store.history import History
from hubwatch_store.ingest import Writer
from support.store_examples import birth, frame, offer, series

HOWTO = Path(__file__).parents[2] / "docs" / "howto"
CHANNELS = [wire.Channel(name=name, unit="count") for name in ("gamma.1", "occupied")]


@pytest.fixture
async def dsn(migrated_timescale_dsn: str) -> str:
    """A database in which a portal has counted for a minute, with one passage."""
    begin = now_us() - 120_000_000
    writer = Writer(DatabaseSection(dsn=migrated_timescale_dsn))
    portal = wire.Sensor(sensor="rpm-2", kind=SensorKind.RADIATION_PORTAL, zone="gate-2", channels=CHANNELS)
    await writer.write([offer(birth(inventory=[portal], sent=begin))])
    steps = [1_000_000 * i for i in range(60)]
    counts = series(begin, [float(500 + i % 7) for i in range(60)], dt=steps)
    occupied = series(begin, [float(20 <= i < 30) for i in range(60)], dt=steps, channel="occupied")
    await writer.write([offer(frame(1, series=[counts, occupied], sent=begin + 60_000_000))])
    await writer.close()
    return migrated_timescale_dsn


async def test_every_cell_of_the_notebook_runs(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB", "harbour")
    monkeypatch.setenv("HUBWATCH_DATABASE__DSN", dsn)
    cells = json.loads((HOWTO / "analyse-history.ipynb").read_text(encoding="utf-8"))["cells"]
    names: dict[str, object] = {}
    try:
        for cell in cells:
            if cell["cell_type"] == "code":
                assert cell["outputs"] == [], "the notebook in the repository holds nobody's data"
                exec(compile("".join(cell["source"]), cell["id"], "exec"), names)
    finally:
        history = names.get("history")
        assert isinstance(history, History)
        history.close()
    passages = names["passages"]
    assert isinstance(passages, pd.DataFrame)
    assert passages["seconds"].tolist() == [10.0]


async def test_the_example_of_the_page_runs(dsn: str) -> None:
    page = (HOWTO / "analyse-history.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names: dict[str, object] = {"dsn": dsn}
    exec(compile(example, "analyse-history.md", "exec"), names)
    assert len(names["gamma"]) == 60  # type: ignore[arg-type]


async def test_export_writes_a_file_a_day_and_goes_on(dsn: str, tmp_path: Path) -> None:
    day = datetime.now(UTC).date() - timedelta(days=1)
    order = ["export", str(tmp_path / "out"), "--hub", "harbour", "--dsn", dsn, "--from", day.isoformat()]
    first = CliRunner().invoke(build(order), order)
    assert first.exit_code == 0, first.output
    assert "120 readings, 0 events, 0 detections written" in first.output
    files = sorted((tmp_path / "out" / "readings").glob("*.parquet"))
    assert sum(len(pd.read_parquet(file)) for file in files) == 120
    (tmp_path / "out" / "readings" / f"{day}.parquet").unlink()
    again = CliRunner().invoke(build(order), order)
    assert again.exit_code == 0, again.output
    assert (tmp_path / "out" / "readings" / f"{day}.parquet").exists()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["--hub", "antwerp"], "--hub antwerp: the database knows harbour"),
        (["--hub", "harbour", "--from", "yesterday"], "--from yesterday: give a day or a time"),
        (["--hub", "harbour", "--from", "2026-11-02", "--to", "2026-11-01"], "is not after --from"),
        (["--hub", "harbour", "--what", "secrets"], "it may be readings, events, detections"),
        (["--hub", "harbour", "--format", "xml"], "it may be parquet, csv"),
    ],
)
async def test_a_wrong_order_is_told(dsn: str, tmp_path: Path, wrong: list[str], said: str) -> None:
    order = ["export", str(tmp_path / "out"), "--dsn", dsn, *wrong]
    result = CliRunner().invoke(build(order), order)
    assert result.exit_code == 2
    assert said in result.output
    assert not (tmp_path / "out").exists()
