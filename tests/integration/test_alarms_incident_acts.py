"""Incidents as people see them, and taking all of one: by command and over the API."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from typer.testing import CliRunner

from hubwatch_alarms.cli import app
from hubwatch_core.permission import Role
from support.alarms_database import Hands, hands_on
from support.alarms_examples import START_US, detection
from support.alarms_moved import moved_once
from support.console_running import add_person, running_api

HUB = "rotterdam"


@pytest.fixture
def hands(migrated_plain_dsn: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hands]:
    monkeypatch.setenv("HUBWATCH_DATABASE__DSN", migrated_plain_dsn)
    monkeypatch.setenv("COLUMNS", "200")
    with hands_on(migrated_plain_dsn) as made:
        for sensor in ("fence-1", "fence-2", "fence-3"):
            made.place(HUB, sensor, "north")
        made.detect(
            detection(number=1),
            detection(number=2, sensor="fence-2", over=True),
            detection(number=3, sensor="fence-3"),
            detection(number=4, hub="basel", sensor="door-1", priority=3, start=START_US),
        )
        moved_once(migrated_plain_dsn)
        yield made


def run(*words: str) -> str:
    result = CliRunner().invoke(app, list(words))
    assert result.exit_code == 0, result.output
    return result.stdout


def states(hands: Hands) -> dict[str, tuple[str, str | None]]:
    return {row["sensor"]: (row["state"], row["acknowledged_by"]) for row in hands.alarms()}


def incident(hands: Hands, hub: str = HUB) -> int:
    (row,) = hands.rows("SELECT id FROM incidents WHERE hub = %s", hub)
    return int(row["id"])


def test_open_incidents_are_shown_with_what_nobody_has_taken(hands: Hands) -> None:
    found = json.loads(run("incidents", "--json"))
    assert [(each["hub"], each["priority"], each["open"], each["untaken"], each["zones"]) for each in found] == [
        (HUB, 2, 3, 3, ["north"]),
        ("basel", 3, 1, 1, []),
    ]
    assert "Intrusion at the perimeter, rotterdam / north" in run("incidents")
    assert [each["hub"] for each in json.loads(run("incidents", "--hub", "basel", "--json"))] == ["basel"]


def test_whole_incident_is_taken_and_what_others_have_stays_theirs(hands: Hands) -> None:
    first = next(row["id"] for row in hands.alarms() if row["sensor"] == "fence-1")
    run("ack", str(first), "--by", "lee")
    shelved = next(row["id"] for row in hands.alarms() if row["sensor"] == "fence-3")
    run("shelve", str(shelved), "--by", "lee", "--for", "1h", "--note", "works")
    number = incident(hands)
    assert (
        run("ack-incident", str(number), "--by", "kim", "--note", "on my way") == f"incident {number}: 1 alarm taken\n"
    )
    assert states(hands) == {
        "fence-1": ("acknowledged", "lee"),
        "fence-2": ("normal", "kim"),
        "fence-3": ("shelved", None),
        "door-1": ("unacknowledged", None),
    }
    assert run("ack-incident", str(number), "--by", "kim").endswith(": 0 alarms taken\n")


def test_incident_is_worked_on_from_the_terminal(hands: Hands) -> None:
    number, door = str(incident(hands)), str(incident(hands, "basel"))
    assert run("incident", "comment", number, "a fox", "--by", "kim") == f"incident {number} has one comment\n"
    assert run("incident", "assign", number, "--to", "lee", "--by", "kim") == f"incident {number} is with lee\n"
    run("incident", "assign", number, "--nobody", "--by", "kim")
    third = next(str(row["id"]) for row in hands.alarms() if row["sensor"] == "fence-3")
    made = json.loads(run("incident", "split", number, third, "--by", "kim", "--json"))
    assert (made["alarms"], made["state"]) == (1, "open")
    assert run("incident", "merge", number, str(made["id"]), "--by", "kim") == f"incident {number} has 3 alarms now\n"
    refused = CliRunner().invoke(app, ["incident", "merge", number, door, "--by", "kim"])
    assert (refused.exit_code, "of another hub" in refused.stderr) == (1, True)
    run("ack-incident", number, "--by", "kim")
    done = json.loads(run("incident", "close", number, "false", "--end-alarms", "--by", "kim", "--json"))
    assert (done["state"], done["verdict"], len(done["ended"])) == ("closed", "false", 2)
    shown = run("incident", "show", number)
    for said in ("closed, high, with nobody", "was false, says kim", "comment commented", "a fox", "act merged"):
        assert said in shown
    page = json.loads(run("incident", "show", number, "--most", "2", "--json"))["timeline"]
    assert len(page["rows"]) == 2
    after = json.loads(run("incident", "show", number, "--after", page["next"], "--json"))["timeline"]["rows"]
    assert page["rows"][0] not in after
    assert [each["id"] for each in json.loads(run("incidents", "--all", "--json"))] == [int(door), int(number)]


def test_shift_is_handed_over_from_the_terminal(hands: Hands) -> None:
    hands.rows("INSERT INTO hubs (hub) VALUES (%s) RETURNING hub", HUB)
    text = run("handover", "draft", "--hub", HUB, "--by", "kim")
    number = text.split()[1]
    assert "OPEN ALARMS: 3\n  NOT KNOWN whether that is all: no process" in text
    run("handover", "notes", number, "the key is at the desk", "--by", "kim")
    assert CliRunner().invoke(app, ["handover", "sign", number, "--by", "kim"], input="n\n").exit_code != 0
    read = CliRunner().invoke(app, ["handover", "sign", number, "--by", "kim"], input="y\n")
    assert (read.exit_code, "the key is at the desk" in read.stderr) == (0, True)
    digest = json.loads(run("handover", "show", number, "--json"))["digest"]
    taken = run("handover", "take", number, "--digest", digest, "--by", "lee")
    assert "Left: by kim (unverified)" in taken
    assert "Taken over: by lee (unverified)" in taken
    assert f"handover {number} of {HUB}" in run("handover", "list")
    assert "taken over: kim to lee" in run("handover", "list", "--hub", HUB)


def test_incident_that_is_not_there_is_refused_in_words(hands: Hands) -> None:
    result = CliRunner().invoke(app, ["ack-incident", "999", "--by", "kim"])
    assert (result.exit_code, "there is no incident 999" in result.stderr) == (1, True)
    assert {state for state, _ in states(hands).values()} == {"unacknowledged", "returned"}


async def test_over_the_api_incidents_are_those_of_ones_hubs(hands: Hands, migrated_plain_dsn: str) -> None:
    async with running_api(migrated_plain_dsn) as anybody:
        kim = anybody.with_token(await add_person(migrated_plain_dsn, "kim", Role.GUARD, HUB))
        vic = anybody.with_token(await add_person(migrated_plain_dsn, "vic", Role.VIEWER, HUB))
        assert [each["hub"] for each in (await kim.get("/incidents")).body["incidents"]] == [HUB]
        assert (await kim.post(f"/incidents/{incident(hands, 'basel')}/acknowledge")).status == 404
        assert (await vic.post(f"/incidents/{incident(hands)}/acknowledge")).status == 403
        taken = await kim.post(f"/incidents/{incident(hands)}/acknowledge", note="on my way")
        assert (taken.status, len(taken.body["acknowledged"])) == (200, 3)
    assert {state for state, by in states(hands).values() if by == "kim"} == {"acknowledged", "normal"}
    acts = hands.rows("SELECT who, verified FROM audit WHERE act = 'alarm.acknowledge'")
    assert [(row["who"], row["verified"]) for row in acts] == [("kim", True)] * 3
