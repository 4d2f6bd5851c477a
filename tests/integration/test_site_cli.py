"""`hubwatch site` as somebody types it who describes a hub for the first time."""

from __future__ import annotations

import json
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner, Result

from hubwatch_ops.site import app


@pytest.fixture
def file(migrated_plain_dsn: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("HUBWATCH_DATABASE__DSN", migrated_plain_dsn)
    monkeypatch.setenv("COLUMNS", "160")
    path = tmp_path / "site.toml"
    path.write_text(said("sample"), encoding="utf-8")
    return path


def hubwatch_site(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def said(*arguments: str) -> str:
    result = hubwatch_site(*arguments)
    assert result.exit_code == 0, result.output
    return result.output


def refused(code: int, *arguments: str) -> str:
    result = hubwatch_site(*arguments)
    assert result.exit_code == code, result.output
    return result.output


def read_sensors(dsn: str, *names: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("INSERT INTO hubwatch.hubs (hub) VALUES ('rotterdam') ON CONFLICT DO NOTHING")
        for name in names:
            columns, values = "hub, sensor, agent, kind, zone", "'rotterdam', %s, 'a', 'access', 'z'"
            connection.execute(f"INSERT INTO hubwatch.sensors ({columns}) VALUES ({values})".encode(), [name])


def test_sample_is_checked_applied_shown_and_exported(file: Path) -> None:
    contents = "4 zones, 1 paths, 1 doors, 1 fences, 1 lanes, 1 sensors, 1 supplies, 1 cameras, 1 shifts, 2 checks"
    assert said("check", str(file)) == f"{file} is right: {contents}\n"
    assert said("apply", str(file), "--by", "kim", "--note", "survey").startswith(
        "version 1 of hub rotterdam is in force\n  zones: 4 written\n"
    )
    assert said("apply", str(file), "--by", "kim", "--note", "survey").startswith("nothing to do: version 1")
    assert "Maasvlakte gate complex (rotterdam, sea, Europe/Amsterdam)\nversion 1, " in said("show")
    assert json.loads(said("show", "--json"))["hub"]["id"] == "rotterdam"
    assert said("export") == file.read_text(encoding="utf-8")


def test_history_and_difference_say_who_changed_what(file: Path) -> None:
    said("apply", str(file), "--by", "kim", "--note", "survey")
    file.write_text(file.read_text(encoding="utf-8").replace("metres = 40", "metres = 45"), encoding="utf-8")
    said("apply", str(file), "--by", "li", "--note", "measured \x1b[31m again")
    lines = said("history").splitlines()
    assert len(lines) == 2
    assert "by li: measured" in lines[0]
    assert "\x1b" not in lines[0]
    assert [each["by"] for each in json.loads(said("history", "--json"))] == ["li", "kim"]
    changes = [line for line in said("diff", "1").splitlines() if line.startswith(("-m", "+m"))]
    assert changes == ["-metres = 40", "+metres = 45"]
    assert said("diff", "1", "1") == "versions 1 and 1 do not differ\n"
    assert "hub rotterdam has no version 9 of its site" in refused(1, "export", "--version", "9")


def test_check_against_the_database_names_what_does_not_meet(file: Path, migrated_plain_dsn: str) -> None:
    read_sensors(migrated_plain_dsn, "door-3", "fence-1", "fence-2", "rpm-2", "barrier-2", "ups-1", "xray-1", "meter-1")
    output = refused(2, "check", str(file), "--dsn", migrated_plain_dsn)
    assert "meter-1 is read, and the site does not say where it is" in output
    assert "radar-1 is named here, and no agent reads it" in output
    read_sensors(migrated_plain_dsn, "radar-1")
    assert "every sensor that it names is read" in said("check", str(file), "--dsn", migrated_plain_dsn)


def test_mistakes_stand_with_file_and_key(file: Path) -> None:
    file.write_text(file.read_text(encoding="utf-8").replace('to = "gate-2"', 'to = "moon"'), encoding="utf-8")
    for command in (("check", str(file)), ("apply", str(file), "--by", "k", "--note", "n")):
        assert f"{file}: paths[0].to: there is no zone moon in this file" in refused(2, *command)


def test_plan_is_drawn_also_when_something_is_wrong(file: Path, tmp_path: Path) -> None:
    picture = tmp_path / "plan.svg"
    assert said("draw", str(file), str(picture)) == f"{picture} is written\n"
    assert picture.read_text(encoding="utf-8").startswith("<svg")
    file.write_text(file.read_text(encoding="utf-8").replace("at = [35, 22]", "at = [35, 2200]"), encoding="utf-8")
    assert "sensors[0].at: 35, 2200 lies outside the plan" in refused(2, "draw", str(file), str(picture))
    assert 'class="wrong"' in picture.read_text(encoding="utf-8")
    assert f"{tmp_path} cannot be written: Is a directory" in refused(1, "draw", str(file), str(tmp_path))


def test_draft_of_a_hub_that_runs_is_a_site(file: Path, migrated_plain_dsn: str) -> None:
    assert "name the hub with --hub; known are: none" in refused(2, "draft")
    read_sensors(migrated_plain_dsn, "door-3")
    file.write_text(said("draft"), encoding="utf-8")
    assert "1 zones, 1 sensors" in said("check", str(file))
    assert "no agent of hub moon has announced a sensor yet" in refused(1, "draft", "--hub", "moon")
