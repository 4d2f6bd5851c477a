"""`hubwatch alarms drill`, where there is no directory of users, and over the API by whoever is logged in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from hubwatch_alarms.cli import app
from hubwatch_core.permission import Role
from support.alarms_database import Hands, hands_on
from support.alarms_moved import moved_once
from support.console_running import add_person, running_api

OWN = """[gate-left-open]
title = "The gate stands open"
about = "Nobody closes it for ten minutes."
for_s = 600
[[gate-left-open.steps]]
type = "access.held"
at = ["access"]
why = "the door stands open for 60 s"
"""
START = ("drill", "duress", "--hub", "rotterdam", "--for", "20m", "--note", "monthly")


@pytest.fixture
def hands(migrated_plain_dsn: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hands]:
    monkeypatch.setenv("HUBWATCH_DATABASE__DSN", migrated_plain_dsn)
    monkeypatch.setenv("COLUMNS", "200")
    with hands_on(migrated_plain_dsn) as made:
        made.rows("INSERT INTO hubs (hub) VALUES ('rotterdam') ON CONFLICT DO NOTHING RETURNING hub")
        made.place("rotterdam", "door-1", "north")
        made.rows("UPDATE sensors SET kind = 'access' RETURNING id")
        yield made


def run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def good(*words: str) -> str:
    result = run(*words)
    assert result.exit_code == 0, result.output
    return result.stdout


def bad(*words: str, code: int) -> str:
    result = run(*words)
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    return result.stderr


def test_exercise_from_its_beginning_to_its_report(hands: Hands, migrated_plain_dsn: str) -> None:
    assert "exercise 1 has begun and ends by itself at 20" in good(*START, "--by", "kim")
    assert "one at a time" in bad(*START, "--by", "kim", code=1)
    for _ in range(2):
        moved_once(migrated_plain_dsn)
    assert "EXERCISE: " in good("list")
    number = hands.alarms()[0]["id"]
    assert "EXERCISE: " in good("show", str(number))
    assert "EXERCISE: " in good("incidents")
    good("ack", str(number), "--by", "lee")
    assert "is of exercise 1" in bad("adjudicate", str(number), "false", "--by", "lee", code=1)
    assert good("drill", "end", "1", "--by", "lee") == "exercise 1 is over; its alarms close\n"
    moved_once(migrated_plain_dsn)
    told = json.loads(good("drill", "report", "1", "--json"))
    assert [(each["answered_by"], each["state"], len(each["told"])) for each in told["alarms"]] == [
        ("lee", "normal", 1)
    ]
    assert "acknowledged by lee after" in good("drill", "report", "1")
    assert hands.rows("SELECT ended_by FROM drills") == [{"ended_by": "lee"}]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("drill",), "name a scenario"),
        (("drill", "nothing", "--hub", "rotterdam", "--by", "kim"), "'nothing' is no scenario: there are cut-fence"),
        (("drill", "duress", "--by", "kim"), "--hub must say where"),
        (("drill", "duress", "7", "--hub", "rotterdam"), "belongs after report or end"),
        (("drill", "report"), "say which exercise"),
    ],
)
def test_call_that_cannot_be_meant_is_refused(words: tuple[str, ...], said: str) -> None:
    assert said in bad(*words, code=2)


def test_scenarios_are_listed_without_a_database() -> None:
    assert "cut-fence-at-night" in good("drill", "--list")


def test_scenarios_of_the_hub_are_listed_and_tried(hands: Hands, migrated_plain_dsn: str, tmp_path: Path) -> None:
    own, file = tmp_path / "scenarios.toml", tmp_path / "alarms.toml"
    own.write_text(OWN, encoding="utf-8")
    file.write_text(f'scenarios_file = "{own}"\n[database]\ndsn = "{migrated_plain_dsn}"\n', encoding="utf-8")
    assert "valid" in good("check-config", str(file))
    shown = good("drill", "--list", "-c", str(file))
    assert "duress" in shown
    assert "gate-left-open" in shown
    listed = json.loads(good("drill", "--list", "--json", "-c", str(file)))["scenarios"]
    assert {name for name, each in listed.items() if each["own"]} == {"gate-left-open"}
    good("drill", "gate-left-open", "--hub", "rotterdam", "--by", "kim", "-c", str(file))
    assert hands.rows("SELECT scenario, title FROM drills") == [
        {"scenario": "gate-left-open", "title": "The gate stands open"}
    ]
    own.write_text(OWN.replace("access.held", "access.nothing"), encoding="utf-8")
    assert "gate-left-open: access.nothing is no type of the priority table" in bad("check-config", str(file), code=2)


async def test_over_the_api_a_supervisor_begins_and_a_guard_ends(hands: Hands, migrated_plain_dsn: str) -> None:
    body = {"scenario": "duress", "hub": "rotterdam"}
    async with running_api(migrated_plain_dsn) as anybody:
        kim = anybody.with_token(await add_person(migrated_plain_dsn, "kim", Role.SUPERVISOR, "rotterdam"))
        lee = anybody.with_token(await add_person(migrated_plain_dsn, "lee", Role.GUARD, "rotterdam"))
        far = anybody.with_token(await add_person(migrated_plain_dsn, "far", Role.SUPERVISOR, "basel"))
        assert (await lee.post("/drills", **body)).status == 403
        assert (await far.post("/drills", **body)).status == 403
        begun = await kim.post("/drills", **body)
        assert (begun.status, begun.body["by"], begun.body["verified"]) == (200, "kim", True)
        number = begun.body["drill"]
        assert (await far.get(f"/drills/{number}")).status == 404
        assert (await far.get("/drills")).body == {"drills": [], "next": None}
        assert (await lee.get(f"/drills/{number}")).body["title"] == "EXERCISE: Somebody is forced to open a door"
        assert (await lee.get("/drills/scenarios")).body["duress"]["own"] is False
        assert (await lee.post(f"/drills/{number}/end")).body["ended_by"] == "lee"
        assert [each["drill"] for each in (await lee.get("/drills")).body["drills"]] == [number]
    acted = hands.rows("SELECT who, act, verified FROM audit WHERE act LIKE 'alarm.drill%%' ORDER BY id")
    assert [(row["who"], row["act"], row["verified"]) for row in acted] == [
        ("kim", "alarm.drill", True),
        ("lee", "alarm.drill_end", True),
    ]
