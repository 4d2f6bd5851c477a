"""What an expert is sent of an alarm: an occupancy as N42 and as a table, to whoever may see the alarm."""

from __future__ import annotations

import csv
from xml.etree import ElementTree as Xml

import pytest

from hubwatch_console.pages.n42 import NAMESPACE
from hubwatch_core.permission import Role
from support.alarms_database import Hands
from support.console_hub import HUB, a_bad_morning, alarmed, found, passage_readings
from support.console_running import Client
from support.console_visitor import Visitor, person

MADE = {"n": NAMESPACE}


async def test_occupancy_is_handed_out_as_n42_and_as_a_table(api: Client, dsn: str, hands: Hands) -> None:
    morning = a_bad_morning()
    passage_readings(dsn, morning[0])
    await alarmed(dsn, hands, *morning)
    vic = await person(api, dsn, "vic", Role.VIEWER)
    _, text, _ = await vic.get("/alarms/1")
    assert "/alarms/1/occupancy.n42?detection=" in text
    status, text, headers = await vic.get("/alarms/1/occupancy.n42")
    assert (status, headers["Content-Type"]) == (200, "application/xml; charset=utf-8")
    assert headers["Content-Disposition"] == 'attachment; filename="alarm-1-occupancy.n42"'
    assert headers["X-Content-Type-Options"] == "nosniff"
    tree = Xml.fromstring(text)
    said = [each.text for each in tree.iterfind("n:RadMeasurement/n:OccupancyIndicator", MADE)]
    assert said.count("true") == 60
    assert said[:20] == ["false"] * 20
    status, text, headers = await vic.get("/alarms/1/occupancy.csv")
    assert (status, headers["Content-Disposition"]) == (200, 'attachment; filename="alarm-1-occupancy.csv"')
    rows = list(csv.DictReader(text.splitlines()))
    assert {row["channel"] for row in rows} == {"gamma.1", "neutron.1", "occupied"}
    assert {(row["unit"], row["quality"]) for row in rows if row["channel"] == "gamma.1"} == {("count", "good")}
    assert all(row["time_utc"].endswith("Z") for row in rows)


async def test_readings_that_are_deleted_leave_the_sums_of_the_detector(api: Client, dsn: str, hands: Hands) -> None:
    await alarmed(dsn, hands, *a_bad_morning())
    vic = await person(api, dsn, "vic", Role.VIEWER)
    status, text, _ = await vic.get("/alarms/1/occupancy.n42")
    assert (status, "not stored" in text) == (200, True)


async def test_alarm_without_an_occupancy_has_none_to_hand_out(api: Client, dsn: str, hands: Hands) -> None:
    counted = found(7, "radiation.gamma", "rpm-2", priority=1, why="the portal itself alarms", evidence={"counts": 9})
    last = (await alarmed(dsn, hands, *a_bad_morning(), counted))[-1]
    vic = await person(api, dsn, "vic", Role.VIEWER)
    for path in ("/alarms/3/occupancy.n42", "/alarms/3/occupancy.csv", f"/alarms/{last}/occupancy.n42",
                 "/alarms/1/occupancy.n42?detection=none", "/alarms/999/occupancy.n42"):  # fmt: skip
        assert (await vic.get(path))[0] == 404, path
    _, text, _ = await vic.get("/alarms/3")
    assert "occupancy.n42" not in text


async def test_who_may_not_see_the_hub_gets_nothing(api: Client, dsn: str, hands: Hands) -> None:
    morning = a_bad_morning()
    passage_readings(dsn, morning[0])
    await alarmed(dsn, hands, *morning)
    elsewhere = await person(api, dsn, "eve", Role.SUPERVISOR, "basel")
    nobody = Visitor(api)
    for path in ("/alarms/1/occupancy.n42", "/alarms/1/occupancy.csv", "/alarms/1/readings.csv"):
        assert (await elsewhere.get(path))[0] == 404, path
        assert (await nobody.get(path))[0] == 303, path
    here = await person(api, dsn, "ann", Role.VIEWER, HUB)
    assert (await here.get("/alarms/1/occupancy.n42"))[0] == 200


async def test_table_that_is_cut_has_what_is_around_the_beginning_and_says_that_it_is_not_all(
    api: Client, dsn: str, hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    morning = a_bad_morning()
    passage_readings(dsn, morning[0])
    await alarmed(dsn, hands, *morning)
    vic = await person(api, dsn, "vic", Role.VIEWER)
    for path in ("/alarms/1/readings.csv", "/alarms/1/occupancy.csv"):
        rows = list(csv.DictReader((await vic.get(path))[1].splitlines()))
        assert [row for row in rows if row["time_utc"] == "NOT ALL"] == [], path
    monkeypatch.setattr("hubwatch_store.console.behind.MOST_READINGS", 31)
    for path in ("/alarms/1/readings.csv", "/alarms/1/occupancy.csv"):
        *rows, last = csv.DictReader((await vic.get(path))[1].splitlines())
        assert (len(rows), last["time_utc"]) == (31, "NOT ALL"), path
        assert {row["value"] for row in rows if row["channel"] == "occupied"} == {"0.0", "1.0"}, path
        assert [row["time_utc"] for row in rows] == sorted(row["time_utc"] for row in rows), path
    assert "it is cut" in (await vic.get("/alarms/1/occupancy.n42"))[1]


async def test_occupancy_that_ended_is_whole_however_long_its_alarm_lasts(api: Client, dsn: str, hands: Hands) -> None:
    morning = a_bad_morning()
    passage_readings(dsn, morning[0])
    await alarmed(dsn, hands, *morning)
    vic = await person(api, dsn, "vic", Role.VIEWER)
    hands.rows("UPDATE alarms SET last_active = opened + interval '20 min' RETURNING 1")
    assert "it is cut" in (await vic.get("/alarms/1/occupancy.n42"))[1]
    assert "NOT ALL" in (await vic.get("/alarms/1/occupancy.csv"))[1]
    hands.rows(
        """INSERT INTO detection_ends (id, "end", detected) """
        "SELECT id, start + interval '12 s', start + interval '13 s' FROM detection RETURNING 1"
    )
    assert "it is cut" not in (await vic.get("/alarms/1/occupancy.n42"))[1]
    assert "NOT ALL" not in (await vic.get("/alarms/1/occupancy.csv"))[1]
