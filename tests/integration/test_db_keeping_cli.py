"""`hubwatch db retention, hold, maintain, backup, restore, verify` as an operator types them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner, Result

from hubwatch_ops.database.app import app
from support.databases import fresh_database
from support.kept_database import DAY, NOW, Kept, kept_in

BY = ("--by", "kim")


@pytest.fixture
def kept(migrated_plain_dsn: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kept]:
    monkeypatch.setenv("HUBWATCH_DATABASE__DSN", migrated_plain_dsn)
    monkeypatch.setenv("COLUMNS", "160")
    with kept_in(migrated_plain_dsn) as kept:
        yield kept


def hubwatch_db(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def said(*arguments: str) -> str:
    result = hubwatch_db(*arguments)
    assert result.exit_code == 0, result.output
    return result.output


def test_rules_are_shown_with_their_reasons_and_changed_one_by_one(kept: Kept) -> None:
    assert "environment              60      400  forever      400  weather explains" in said("retention", "show")
    assert said("retention", "set", "environment", "--raw", "30d", "--why", "disk", *BY) == (
        "environment: raw 30, 1m 400, 1h forever, events 400 (days)\n"
    )
    assert "environment              30      400  forever      400  disk" in said("retention", "show")
    said("retention", "set", "access", "--minutes", "forever", "--hours", "forever", *BY)
    assert "access                   90  forever  forever      365" in said("retention", "show")
    journal = "SELECT who, verified, subject FROM hubwatch.audit WHERE act = 'retention.change' ORDER BY id"
    assert kept.rows(journal) == [("kim", False, "rule environment"), ("kim", False, "rule access")]


def test_evidence_is_changed(kept: Kept) -> None:
    said("retention", "evidence", "--before", "5", "--after", "30", "--days", "forever", *BY)
    assert "5 min before to 30 min after every detection of a sensor: forever" in said("retention", "show")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("retention", "set", "environment", "--raw", "soon"), 2, "neither a number of days nor"),
        (("retention", "set", "access", "--raw", "٣"), 2, "neither a number of days"),
        (("retention", "set", "access", "--raw", "36526"), 2, "neither a number of days"),
        (("retention", "set", "access", "--raw", "9" * 5000), 2, "neither a number of days"),
        (("retention", "evidence", "--before", "1e308"), 2, "less than or equal to 44640"),
        (("retention", "evidence", "--after", "nan"), 2, "less than or equal to 44640"),
        (("retention", "set", "thermometer", "--raw", "5", *BY), 1, "is no kind of sensor"),
        (("hold", "add", "--hub", "h", "--from", "noon", "--reason", "r", "--by", "b"), 2, "is no moment"),
        (("hold", "add", "--hub", "h", "--from", "2026-01-01", "--reason", "r", "--by", "b"), 1, "there is no hub h"),
        (("hold", "release", "9", "--reason", "r", "--by", "b"), 1, "hold 9 does not exist"),
        (("restore", "no-such-file"), 1, "cannot be read"),
    ],
)
def test_mistakes_get_one_clear_line(kept: Kept, arguments: tuple[str, ...], code: int, message: str) -> None:
    result = hubwatch_db(*arguments)
    assert result.exit_code == code
    assert message in result.output
    assert "Traceback" not in result.output


def test_a_hold_is_made_listed_and_released(kept: Kept) -> None:
    kept.sensor("door-3", "access")
    assert said("hold", "list") == "no hold is in force\n"
    start = ("--hub", "harbour", "--sensor", "door-3", "--from", "2026-01-01T00:00+01:00", "--to", "2026-02-01")
    assert said("hold", "add", *start, "--reason", "case\n\x1b42", "--by", "counsel\x1b") == "hold 1 is in force\n"
    line = "   1  harbour/door-3  2025-12-31T23:00:00+00:00 to 2026-02-01T00:00:00+00:00  case 42  by counsel\n"
    assert said("hold", "list") == line
    assert "holds        1 in force" in said("status")
    said("hold", "release", "1", "--reason", "closed", "--by", "judge")
    assert said("hold", "list") == "no hold is in force\n"
    assert "by judge: closed" in said("hold", "list", "--all")


def test_maintain_tells_first_and_does_then(kept: Kept) -> None:
    kept.readings(kept.sensor("weather-1", "environment"), NOW - 70 * DAY, NOW - DAY)
    kept.readings(kept.sensor("rpm-2", "radiation_portal"), NOW - 70 * DAY)
    assert "aggregates never made" in said("status")
    would = "raw    environment                    1 rows would go\n"
    assert said("maintain", "--dry-run").startswith(would)
    assert "raw    environment                    1 rows deleted" in said("maintain")
    assert said("maintain", "--dry-run") == "nothing is past its rule\n"
    assert kept.ages() == {"rpm-2": [70], "weather-1": [1]}
    assert "retention completed 20" in said("status")


def test_maintain_says_when_another_is_at_it(kept: Kept) -> None:
    kept.do("SELECT hubwatch.try_lock_maintenance()")
    result = hubwatch_db("maintain")
    assert result.exit_code == 4
    assert "another process maintains this database" in result.output


def test_maintain_says_when_something_is_left(kept: Kept) -> None:
    portal = kept.sensor("rpm-2", "radiation_portal")
    kept.readings(portal, NOW - 450 * DAY)
    kept.do("UPDATE rollup_state SET log_before = now(), minute_to = now(), hour_to = now()")
    with psycopg.connect(kept.dsn, options="-c search_path=hubwatch") as other:
        other.execute("INSERT INTO reading VALUES (%s, %s, 1, 0)", (NOW - 450 * DAY, portal))
        result = hubwatch_db("maintain")
    assert result.exit_code == 5
    assert "left for the next run" in result.output


def test_a_backup_is_made_verified_and_restored(kept: Kept, plain_server: str, tmp_path: Path) -> None:
    kept.readings(kept.sensor("weather-1", "environment"), NOW - DAY)
    file = str(tmp_path / "harbour.backup")
    assert "rows of" in said("backup", file, "--quiet")
    assert "whole;" in said("verify", file, "--quiet")
    with fresh_database(plain_server) as dsn:
        assert "restored" in said("restore", file, "--quiet", "--dsn", dsn)
        with kept_in(dsn) as there:
            assert there.ages() == {"weather-1": [1]}
    result = hubwatch_db("restore", file, "--quiet")
    assert result.exit_code == 1
    assert "the database is not empty" in result.output
