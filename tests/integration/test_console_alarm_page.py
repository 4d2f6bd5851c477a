"""What people do with an alarm on its page, and what pages say of what they do not show."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from hubwatch_console.pages.sight import blind_by_hub
from hubwatch_core.permission import Role
from hubwatch_store.console import health
from hubwatch_store.database import open_pool
from support.alarms_database import Hands, settings_of
from support.console_hub import HUB, alarmed, found
from support.console_running import Client, add_person
from support.console_visitor import Visitor

ACTS = ("shelve", "unshelve", "close", "adjudicate", "out-of-service", "lift")


async def person(api: Client, dsn: str, name: str, role: Role, *hubs: str) -> Visitor:
    return Visitor(api, {"hubwatch_session": await add_person(dsn, name, role, *(hubs or (HUB,)))})


async def test_alarm_is_shelved_with_a_reason_and_an_end_and_taken_off_again(
    api: Client, dsn: str, hands: Hands
) -> None:
    (alarm,) = await alarmed(dsn, hands, found(1, "access.held", "area-1", priority=1, why="open for 45 s"))
    hands.place(HUB, "door-9", "office")
    page = f"/alarms/{alarm}"
    pat = await person(api, dsn, "pat", Role.RESPONDER)
    _, text, _ = await pat.get(page)
    offered = re.findall(r'<option value="(\w+)">\d+ (?:minutes|hours?)</option>', text.partition("/shelve")[2])
    assert offered[:3] == ["30m", "1h", "2h"]
    assert "8h" not in offered[:4]  # it is critical
    status, text, _ = await pat.press(page, f"{page}/shelve", note="a guard stands there", **{"for": "8h"})
    assert (status, "shelved for at most 2 h" in text) == (409, True)
    status, text, _ = await pat.press(page, f"{page}/shelve", note=" ", **{"for": "1h"})
    assert (status, "note must say why" in text) == (400, True)
    assert (await pat.press(page, f"{page}/shelve", note="a guard stands there", **{"for": "1h"}))[0] == 303
    _, text, _ = await pat.get(page)
    aside = text.partition('id="aside"')[2].partition("</section>")[0]
    assert "Shelved</b> until <time" in aside
    assert re.search(r"by pat: <q>[^<]*a guard stands there</q>", aside)
    assert f"{page}/shelve" not in text
    assert (await pat.press(page, f"{page}/unshelve"))[0] == 303
    assert "It is not set aside." in (await pat.get(page))[1]
    assert hands.actions(alarm) == ["opened", "shelved", "unshelved"]


async def test_sensor_is_taken_out_of_service_and_back(api: Client, dsn: str, hands: Hands) -> None:
    hands.place(HUB, "door-9", "office")
    alarm = (await alarmed(dsn, hands, found(1, "access.held", "door-1", priority=3, why="open for 45 s")))[-1]
    page = f"/alarms/{alarm}"
    pat = await person(api, dsn, "pat", Role.RESPONDER)
    assert (await pat.press(page, f"{page}/out-of-service", note="its hinge is mended", **{"for": "8h"}))[0] == 303
    _, text, _ = await pat.get(page)
    aside = text.partition('id="aside"')[2].partition("</section>")[0]
    assert "its hinge is mended" in aside
    (number,) = re.findall(r'name="suppression" value="(\d+)"', aside)
    status, text, _ = await pat.press(
        page, f"{page}/out-of-service", note="and what is critical", critical="yes", **{"for": "1h"}
    )  # fmt: skip
    assert (status, "It waits for a second person" in text) == (202, True)
    assert (await pat.press(page, f"{page}/lift", suppression=number))[0] == 303
    status, text, _ = await pat.press(page, f"{page}/lift", suppression=number)
    assert (status, "is over already" in text) == (409, True)
    assert (await pat.press(page, f"{page}/lift", suppression="one"))[0] == 400
    (row,) = hands.rows("SELECT kind, sensor, by, lifted_by FROM alarm_suppression")
    assert (row["kind"], row["sensor"], row["by"], row["lifted_by"]) == ("out_of_service", "door-1", "pat", "pat")


async def test_who_is_second_is_told_what_has_become_of_the_alarm(api: Client, dsn: str, hands: Hands) -> None:
    (alarm,) = await alarmed(dsn, hands, found(1, "access.held", "door-1", priority=3, why="open for 45 s"))
    page = f"/alarms/{alarm}"
    ada, lee = await person(api, dsn, "ada", Role.SUPERVISOR), await person(api, dsn, "lee", Role.SUPERVISOR)
    assert (await ada.press(page, f"{page}/close", note="shut by hand"))[0] == 303
    status, text, _ = await lee.press("/", f"{page}/close", note="me too")
    assert status == 409
    assert "Nothing was changed." in text
    assert "ada<br><q>shut by hand</q>" in text
    assert hands.actions(alarm) == ["opened", "closed"]


async def test_alarms_page_offers_what_one_may_do_and_refuses_the_rest(api: Client, dsn: str, hands: Hands) -> None:
    (alarm,) = await alarmed(dsn, hands, found(1, "access.held", "door-1", priority=3, why="open for 45 s"))
    page = f"/alarms/{alarm}"
    for name, role, offered in (
        ("vic", Role.VIEWER, set()),
        ("pat", Role.RESPONDER, {"shelve", "adjudicate", "out-of-service"}),
        ("ada", Role.SUPERVISOR, {"shelve", "adjudicate", "out-of-service", "close"}),
    ):
        visitor = await person(api, dsn, name, role)
        _, text, _ = await visitor.get(page)
        assert {act for act in ACTS if f'action="{page}/{act}"' in text} == offered, name
    vic, eve = await person(api, dsn, "vic2", Role.VIEWER), await person(api, dsn, "eve", Role.SUPERVISOR, "basel")
    for act in ACTS:
        form = {"note": "x", "for": "1h", "verdict": "real", "suppression": "1"}
        assert (await vic.press("/", f"{page}/{act}", **form))[0] == 403, act
        assert (await vic.send(f"{page}/{act}", form))[0] == 403, act
        assert (await eve.press("/", f"{page}/{act}", **form))[0] == 404, act
    assert hands.actions(alarm) == ["opened"]


async def test_wall_says_the_level_and_that_nobody_was_told(api: Client, dsn: str, hands: Hands) -> None:
    kim = await person(api, dsn, "kim", Role.GUARD)
    _, text, _ = await kim.get("/wall")
    assert "Security level <b>1</b>" in text
    assert "NOBODY WAS TOLD" not in text
    (alarm,) = await alarmed(dsn, hands, found(1, "access.held", "door-1", priority=3, why="open for 45 s", ago_s=1))
    assert "NOBODY WAS TOLD" not in (await kim.get("/wall"))[1]  # to tell people takes a moment
    hands.rows("UPDATE alarms SET opened = opened - interval '1 min' RETURNING id")
    hands.rows("UPDATE hubs SET security_level = 3 RETURNING hub")
    _, text, _ = await kim.get("/wall")
    assert "Security level <b>3</b>" in text
    assert "NOBODY WAS TOLD</strong> of 1 alarm that nobody has" in text
    await kim.press("/", f"/alarms/{alarm}/acknowledge", to="/")
    assert "NOBODY WAS TOLD" not in (await kim.get("/wall"))[1]


async def test_approvals_of_one_hub_are_not_hidden_by_newer_ones_of_others(
    api: Client, dsn: str, hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hubwatch_console.pages.governing.APPROVALS", 3)
    ask = (
        "INSERT INTO approvals (act, hub, subject, reason, asked_by, expires) "
        "VALUES ('level.lower', %s, %s, 'over', 'ada', now() + interval '1 h') RETURNING id"
    )
    hands.rows(ask, HUB, "level 1")
    for i in range(5):
        hands.rows(ask, "basel", f"level {i}")
    kim, lee = await person(api, dsn, "kim", Role.GUARD), await person(api, dsn, "lee", Role.SUPERVISOR, HUB, "basel")
    _, text, _ = await kim.get("/approvals")
    assert text.count("level.lower") == 1
    assert "There are more" not in text
    _, text, _ = await lee.get("/approvals")
    assert text.count("level.lower") == 3
    assert "There are more" in text
    listed = await api.with_token(kim.cookies["hubwatch_session"]).get("/approvals")
    assert [each["hub"] for each in listed.body["approvals"]] == [HUB]


async def test_sensors_beyond_a_page_are_counted_and_never_taken_for_seen(
    api: Client, dsn: str, hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: Counter[str] = Counter()
    hands.rows("UPDATE agents SET state = 'offline' RETURNING agent")
    monkeypatch.setattr("hubwatch_store.console.health.MOST_SENSORS", 3)
    async with open_pool(settings_of(dsn)) as pool, pool.connection() as connection:
        async for rows in health.every_sensor(connection):
            counted.update(blind_by_hub(rows))
    assert counted == {HUB: 10}
    kim = await person(api, dsn, "kim", Role.GUARD)
    for path in ("/blind", "/plan", f"/blind?hub={HUB}"):
        _, text, _ = await kim.get(path)
        assert "Sensors beside these: 7." in text, path
    hands.rows("UPDATE agents SET state = 'online', heard = now() RETURNING agent")
    hands.rows("UPDATE latest_value SET time = now() RETURNING channel_id")
    assert "No blind spots" not in (await kim.get("/blind"))[1]


async def test_table_of_the_audit_says_that_it_is_not_all_and_where_the_next_begins(
    api: Client, dsn: str, hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hubwatch_console.pages.governing.AT_A_TIME", 2)
    monkeypatch.setattr("hubwatch_console.pages.governing.EXPORTED", 3)
    ada = await person(api, dsn, "ada", Role.ADMINISTRATOR, "*")
    for i in range(4):
        await person(api, dsn, f"guard-{i}", Role.GUARD)
    rows, address = [], "/audit.csv"
    while True:
        _, text, _ = await ada.get(address)
        lines = text.splitlines()[1:]
        more = lines[-1].startswith("NOT ALL")
        rows += lines[: len(lines) - more]
        if not more:
            break
        assert len(lines) == 4
        address = "/audit.csv?" + re.findall(r"before=\d+", lines[-1])[0]
    (row,) = hands.rows("SELECT count(*)::int AS n FROM audit WHERE act NOT IN ('alarm_journal', 'adjudication')")
    assert len(rows) == row["n"] == len(set(rows))
