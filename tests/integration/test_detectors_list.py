"""`hubwatch detectors list -c` against a real database."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner

from hubwatch_detectors.cli import app
from support.site_applied import applied, fenced


def listed(file: Path) -> str:
    result = CliRunner().invoke(app, ["list", "-c", str(file)])
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def sensors(migrated_plain_dsn: str) -> str:
    with psycopg.connect(migrated_plain_dsn, autocommit=True) as connection:
        connection.execute("INSERT INTO hubwatch.hubs (hub) VALUES ('rotterdam'), ('antwerp')")
        for hub, sensor, kind in (
            ("rotterdam", "fence-1", "perimeter"),
            ("rotterdam", "fence-9", "perimeter"),
            ("rotterdam", "door-1", "access"),
            ("antwerp", "door-2", "access"),
        ):
            values = "INSERT INTO hubwatch.sensors (hub, sensor, agent, kind, zone) VALUES (%s, %s, 'a', %s, 'z')"
            connection.execute(values.encode(), [hub, sensor, kind])
    applied(migrated_plain_dsn, fenced("rotterdam"))
    return migrated_plain_dsn


@pytest.mark.parametrize("shape", ["detectors", "hub"])
def test_each_detector_says_what_it_misses_at_each_hub(sensors: str, tmp_path: Path, shape: str) -> None:
    file, table = tmp_path / "c.toml", "detectors." if shape == "hub" else ""
    more = '[collector.intake]\ngroup = ""\n' if shape == "hub" else ""
    file.write_text(f'{more}[database]\ndsn = "{sensors}"\n[{table}access]\nheld_s = 77\n')
    output = listed(file)
    assert "held_s = 77.0" in output
    perimeter = output.partition("\nperimeter ")[2].partition("\n\n")[0]
    assert "misses     rotterdam: fences: fence-9 in no line" in perimeter
    assert "antwerp" not in perimeter
    access = output.partition("\naccess ")[2].partition("\n\n")[0]
    assert "misses     antwerp: a site" in access
    assert "misses     rotterdam: doors: door-1 at no door" in access
    assert "misses     rotterdam: cardholders: none imported" in access


def test_hubs_that_are_not_watched_are_left_out(sensors: str, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text(f'hubs = ["antwerp"]\n[database]\ndsn = "{sensors}"\n')
    assert "rotterdam" not in listed(tmp_path / "c.toml")
