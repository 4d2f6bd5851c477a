"""`hubwatch detectors explain` with the real database."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from hubwatch_core import wire
from hubwatch_core.clock import now_us
from hubwatch_detectors.cli import app
from hubwatch_store.database import DatabaseSection, open_pool
from hubwatch_store.detections import DetectionBatch, keep

ID = "01JD3ZQ4T8XK6W1M5R9V2B7C0D"


async def test_evidence_is_shown_and_drawn(migrated_timescale_dsn: str, tmp_path: Path) -> None:
    now = now_us()
    found = wire.Detection(
        id=ID, type="radiation.gamma", hub="harbour", sensor="rpm-2", subject=None, start=now, end=None, detected=now,
        score=6.5, priority=1, detector="radiation_portal", version=2, late=False, why="many \u202ecounts",
        evidence={"profile": [1, 2, 3, 9, 2], "sigma": 6.5},
    )  # fmt: skip
    async with open_pool(DatabaseSection(dsn=migrated_timescale_dsn)) as pool:
        await keep(pool, DetectionBatch([found]))
    order = ["explain", ID, "--dsn", migrated_timescale_dsn, "--svg", str(tmp_path / "why.svg")]
    shown = CliRunner().invoke(app, order)
    assert shown.exit_code == 0, shown.output
    assert "radiation.gamma at harbour / rpm-2, score 6.5, by radiation_portal 2" in shown.output
    assert "profile: ▁▂▃█▂" in shown.output
    assert "\u202e" not in shown.output, "foreign text is escaped"
    assert "polyline" in (tmp_path / "why.svg").read_text()


async def test_an_id_that_is_none_is_told(migrated_timescale_dsn: str) -> None:
    shown = CliRunner().invoke(app, ["explain", "nothing", "--dsn", migrated_timescale_dsn])
    assert shown.exit_code == 2
    assert "no detection has the id nothing" in shown.output
