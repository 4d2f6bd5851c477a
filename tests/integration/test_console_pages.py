"""The pages without a browser: who gets in, what a form has to carry, what is shown to whom, the stream of alarms."""

from __future__ import annotations

import asyncio
import re

import pytest

from hubwatch_core.permission import Role
from support.alarms_database import Hands
from support.console_hub import HUB, a_bad_morning, alarmed, at_work, door_history, found, moved
from support.console_running import Client, add_person, one_time, running_api
from support.console_visitor import Visitor, of_kind, person
from support.eventually import eventually
from support.role_logins import roles_in

PAGES = ("/", "/wall", "/alarms/1", "/incidents", "/incidents/1", "/plan", "/blind", "/health", "/level", "/approvals",
         "/handovers", "/incidents?closed=true")  # fmt: skip
GOOD = "four tall quay cranes"


async def test_log_in_leads_back_and_keeps_the_session_where_no_script_reads_it(api: Client, dsn: str) -> None:
    password = await one_time(dsn, "kim")
    kim = Visitor(api)
    status, _, headers = await kim.get("/alarms/7?x=1")
    assert (status, headers["Location"]) == (303, "/login?to=%2Falarms%2F7%3Fx%3D1")
    status, text, _ = await kim.send("/login", {"user": "kim", "password": "wrong", "to": "/wall"})
    assert (status, "is wrong" in text) == (401, True)
    status, _, headers = await kim.send("/login", {"user": "kim", "password": password, "to": "//evil.example"})
    assert (status, headers["Location"]) == (303, "/setup")
    assert {"Secure", "HttpOnly", "SameSite=lax", "Path=/"} <= set(headers["Set-Cookie"].split("; "))
    assert (await kim.get("/"))[2]["Location"] == "/setup"
    status, text, _ = await kim.press("/setup", "/setup", former=password, password=GOOD, again="other")
    assert (status, "not the same" in text) == (400, True)
    assert (await kim.press("/setup", "/setup", former=password, password=GOOD, again=GOOD))[0] == 303
    assert (await kim.get("/"))[0] == 200
    assert (await kim.press("/", "/logout"))[0] == 303
    assert (await kim.get("/"))[0] == 303


async def test_form_of_elsewhere_or_of_another_session_changes_nothing(api: Client, dsn: str, hands: Hands) -> None:
    (alarm,) = await alarmed(dsn, hands, found(1, "access.held", "door-1", priority=2, why="open for 45 s"))
    kim, ada = await person(api, dsn, "kim", Role.GUARD), await person(api, dsn, "ada", Role.GUARD)
    _, text, _ = await ada.get("/")
    of_ada = re.findall(r'name="csrf" value="(\w+)"', text)[0]
    path = f"/alarms/{alarm}/acknowledge"
    for form in ({}, {"csrf": ""}, {"csrf": of_ada}):
        assert (await kim.send(path, form))[0] == 403
    _, text, _ = await kim.get("/")
    own = {"csrf": re.findall(r'name="csrf" value="(\w+)"', text)[0]}
    for headers in (
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
    ):
        assert (await kim.send(path, own, **headers))[0] == 403
        assert (await kim.send("/login", {"user": "kim", "password": "x"}, **headers))[0] == 403
    assert hands.actions(alarm) == ["opened"]
    assert (await kim.send(path, own, **{"Sec-Fetch-Site": "same-origin"}))[0] == 303
    assert hands.actions(alarm) == ["opened", "acknowledged"]


async def test_who_is_second_learns_who_has_it(api: Client, dsn: str, hands: Hands) -> None:
    (alarm,) = await alarmed(dsn, hands, found(1, "access.held", "door-1", priority=2, why="open for 45 s"))
    kim, ada = await person(api, dsn, "kim", Role.GUARD), await person(api, dsn, "ada", Role.GUARD)
    first, second = await asyncio.gather(
        *(each.press("/", f"/alarms/{alarm}/acknowledge", to="/?show=all") for each in (kim, ada))
    )
    assert (first[0], second[0]) == (303, 303)
    (row,) = hands.alarms()
    winner, loser = (kim, ada) if row["acknowledged_by"] == "kim" else (ada, kim)
    told = second if winner is kim else first
    assert told[2]["Location"] == f"/?show=all&about={alarm}"
    _, text, _ = await loser.get(told[2]["Location"])
    assert f"it is with <b>{row['acknowledged_by']}</b>" in text
    assert "Nothing was changed." in text
    assert hands.actions(alarm) == ["opened", "acknowledged"]


async def test_people_see_and_press_what_their_roles_allow(api: Client, dsn: str, hands: Hands) -> None:
    here = found(1, "access.held", "door-1", priority=2, why="open for 45 s")
    there = found(2, "access.held", "door-1", priority=1, why="of another hub", hub="basel")
    await alarmed(dsn, hands, here, there)
    vic = await person(api, dsn, "vic", Role.VIEWER, HUB)
    status, text, _ = await vic.get("/")
    assert status == 200
    assert "open for 45 s" in text
    assert "of another hub" not in text
    assert "formaction" not in text
    assert (await vic.get("/alarms/2"))[0] == 404
    assert (await vic.get("/alarms/2/readings.csv"))[0] == 404
    assert (await vic.get("/audit"))[0] == 403
    assert (await vic.press("/", "/alarms/1/acknowledge"))[0] == 403
    assert hands.actions(1) == ["opened"]
    ada = await person(api, dsn, "ada", Role.SUPERVISOR, HUB)
    assert "door-1" in (await ada.get("/"))[1]
    assert (await ada.get("/audit"))[0] == 200


async def test_pages_answer_whoever_may_look_with_a_policy_that_lets_no_script_in(
    api: Client, dsn: str, hands: Hands
) -> None:
    hostile = '"><script>alert(1)</script>'
    door_history(dsn)
    worse = found(
        9,
        "access.held",
        "door-2",
        priority=2,
        why=hostile,
        subject=hostile,
        evidence={hostile: [1, 2, 3], "reader": hostile},
    )
    last = (await alarmed(dsn, hands, *a_bad_morning(), worse))[-1]
    ada = await person(api, dsn, "ada", Role.ADMINISTRATOR)
    for path in (*PAGES, f"/alarms/{last}", "/audit", "/audit?who=ada&day=2026-11-30", "/login", "/setup"):
        status, text, headers = await ada.get(path)
        assert status == 200, path
        assert "<script>" not in text, path
        assert not re.findall(r'\sstyle="', text), path
        policy = headers.getall("Content-Security-Policy")
        assert len(policy) == 1
        assert "script-src 'self'" in policy[0]
        assert "unsafe" not in policy[0]
        assert headers["Cache-Control"] == "no-store"
    assert (await ada.get("/alarms/999"))[0] == 404
    assert (await ada.get("/nothing"))[0] == 404
    status, text, headers = await ada.get("/alarms/1/readings.csv")
    assert (status, headers["Content-Type"]) == (200, "text/csv; charset=utf-8")
    assert text.splitlines()[0] == "time_utc,hub,sensor,channel,value,unit,quality,reason"


async def test_pages_need_no_more_of_the_database_than_the_consoles_login_may(dsn: str, hands: Hands) -> None:
    door_history(dsn)
    await alarmed(dsn, hands, *a_bad_morning())
    token = await add_person(dsn, "ada", Role.ADMINISTRATOR)
    with roles_in(dsn) as logins:
        async with running_api(logins.of("console")) as api, at_work(dsn):
            ada = Visitor(api, {"hubwatch_session": token})
            files = ("/audit.csv", "/alarms/1/readings.csv", "/alarms/1/occupancy.n42")
            for path in (*PAGES, "/alarms/3", "/audit", *files):
                assert (await ada.get(path))[0] == 200, path

            async def known() -> bool:
                return "NOT KNOWN" not in (await ada.get("/"))[1]

            await eventually(known)
            for path, form in (
                ("/alarms/1/acknowledge", {"to": "/"}),
                ("/alarms/3/out-of-service", {"for": "1h", "note": "mended"}),
                ("/incidents/1/comment", {"text": "seen"}),
                ("/incidents/1/assign", {"whom": "me"}),
                ("/handovers", {"hub": HUB}),
                ("/handovers/1/notes", {"notes": "x"}),
                (f"/level/{HUB}/checklist", {"item": "gates", "say": "done", "began": ""}),
            ):
                status, text, _ = await ada.press("/", path, **form)
                assert status in {202, 303, 409}, (path, text)
            assert len(hands.rows("SELECT 1 FROM checklist_journal")) == 1
            assert len(hands.rows("SELECT 1 FROM incident_journal WHERE by = 'ada'")) == 2
            assert (await ada.get("/handovers/1"))[0] == 200


async def test_empty_queue_is_calm_only_while_everything_works(api: Client, dsn: str) -> None:
    kim = await person(api, dsn, "kim", Role.GUARD)
    _, text, _ = await kim.get("/")
    assert "NOT KNOWN" in text
    assert "No open alarms" not in text
    async with at_work(dsn):

        async def calm() -> bool:
            _, text, _ = await kim.get("/")
            return "No open alarms" in text and "NOT KNOWN" not in text

        await eventually(calm)


async def test_filters_and_pages_of_the_queue_stand_in_the_address(api: Client, dsn: str, hands: Hands) -> None:
    many = [found(i, "access.held", f"door-{i}", priority=1 + i % 4, why=f"number {i}.", ago_s=i) for i in range(1, 61)]
    await alarmed(dsn, hands, *many)
    kim = await person(api, dsn, "kim", Role.GUARD)

    async def numbers(path: str) -> list[int]:
        _, text, _ = await kim.get(path)
        return [int(each) for each in re.findall(r"number (\d+)\.", text)]

    first, second = await numbers("/"), await numbers("/?p=2")
    assert (len(first), len(second), len({*first, *second})) == (50, 10, 60)
    urgent = hands.rows("SELECT count(*)::int AS n FROM alarms WHERE priority = 1")[0]["n"]
    assert len(await numbers("/?priority=1")) == min(50, urgent)
    assert await numbers("/?show=mine") == []
    await kim.press("/", "/alarms/3/acknowledge", to="/")
    assert len(await numbers("/?show=mine")) == 1
    assert len(await numbers("/?show=taken&hub=rotterdam")) == 1
    for path in ("/?priority=7", "/?show=x", "/?p=0", "/?p=9999"):
        assert (await kim.get(path))[0] == 422


async def test_exercise_is_marked_on_every_page_and_stands_below_what_is_real(
    api: Client, dsn: str, hands: Hands
) -> None:
    both = [found(n, "access.held", f"door-{n}", priority=n, why=f"number {n}.") for n in (1, 2)]
    await alarmed(dsn, hands, *both)
    made_up, real = (row["id"] for row in hands.alarms())
    hands.rows(
        "WITH d AS (INSERT INTO drills (hub, scenario, title, began, ends, by, verified)"
        " VALUES ('rotterdam', 's', 't', now(), now() + INTERVAL '1 h', 'lee', true) RETURNING id)"
        " UPDATE alarms SET exercise = d.id FROM d WHERE alarms.id = %s RETURNING 1",
        made_up,
    )
    kim = await person(api, dsn, "kim", Role.GUARD)
    _, text, _ = await kim.get("/")
    marks = re.findall(r'<strong class="exercise">EXERCISE</strong> <a[^>]*/alarms/(\d+)"', text)
    assert {int(each) for each in marks} == {made_up}
    assert 0 < text.index(f'/alarms/{real}"') < text.index(f'/alarms/{made_up}"')
    assert '<h1><strong class="exercise">EXERCISE</strong>' in (await kim.get(f"/alarms/{made_up}"))[1]
    assert "EXERCISE" not in (await kim.get(f"/alarms/{real}"))[1]


async def test_supervisors_raise_the_level_at_once_and_lower_it_with_a_second_one(
    api: Client, dsn: str, hands: Hands
) -> None:
    ada, lee = await person(api, dsn, "ada", Role.SUPERVISOR), await person(api, dsn, "lee", Role.SUPERVISOR)
    assert (await ada.press("/level", f"/level/{HUB}", level="2", note="a threat"))[0] == 303
    status, text, _ = await ada.press("/level", f"/level/{HUB}", level="1", note="it is over")
    assert (status, "second person" in text) == (202, True)
    number = hands.rows("SELECT id FROM approvals")[0]["id"]
    assert (await ada.press("/approvals", f"/approvals/{number}", say="approve"))[0] in {403, 409}
    assert hands.rows("SELECT security_level FROM hubs WHERE hub = %s", HUB) == [{"security_level": 2}]
    assert (await lee.press("/approvals", f"/approvals/{number}", say="approve"))[0] == 303
    assert hands.rows("SELECT security_level FROM hubs WHERE hub = %s", HUB) == [{"security_level": 1}]
    _, text, _ = await ada.get("/audit?act=level")
    assert "level.raise" in text
    assert "level.lower" in text
    _, table, _ = await ada.get("/audit.csv?act=level.raise")
    assert len(table.splitlines()) == 2


async def test_below_a_prefix_every_address_has_it(dsn: str) -> None:
    async with running_api(dsn, api={"path_prefix": "/hubwatch"}) as api:
        kim = await person(api, dsn, "kim", Role.GUARD)
        for path in ("/hubwatch/", "/"):  # the proxy leaves the prefix there, or takes it away
            status, text, _ = await kim.get(path)
            assert status == 200
            inside = re.findall(r'(?:href|src|action|data-live)="(/[^"]*)"', text)
            assert inside
            assert [each for each in inside if not each.startswith("/hubwatch/")] == []
        style = re.findall(r'href="(/hubwatch/static/[^"]*css)"', text)[0]
        assert (await kim.get(style))[0] == 200
        _, _, headers = await Visitor(api).get("/hubwatch/alarms/1")
        assert headers["Location"] == "/hubwatch/login?to=%2Falarms%2F1"
        assert (await api.with_token(kim.cookies["hubwatch_session"]).get("/me")).status == 200


async def test_stream_tells_what_was_missed_first_and_of_seen_hubs_only(api: Client, dsn: str, hands: Hands) -> None:
    token = await add_person(dsn, "kim", Role.GUARD, HUB)
    headers = {"Authorization": f"Bearer {token}"}
    first = found(1, "access.held", "door-1", priority=2, why="open")
    await alarmed(dsn, hands, first)
    async with api.http.get(f"{api.address}/api/v1/alarms/stream", headers=headers) as answer:
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        ((pulse, _),) = await of_kind(answer, "pulse", 1)
        assert pulse["database_lost_since"] is None or pulse["last"] == 0
        await eventually_read(api, headers)
        hands.detect(
            found(2, "access.held", "door-1", priority=1, why="secret", hub="basel"),
            found(3, "access.held", "door-2", priority=2, why="open"),
        )
        await moved(dsn)
        ((said, number),) = await of_kind(answer, "alarm", 1)
        assert (said["sensor"], said["action"], said["state"]) == ("door-2", "opened", "unacknowledged")
    assert (await api.with_token(token).post("/alarms/1/acknowledge")).status == 200
    async with api.http.get(
        f"{api.address}/api/v1/alarms/stream", headers={**headers, "Last-Event-ID": str(number)}
    ) as answer:
        ((said, later),) = await of_kind(answer, "alarm", 1)
        assert (said["alarm"], said["action"], said["by"], said["acknowledged_by"]) == (1, "acknowledged", "kim", "kim")
        assert int(later or 0) > int(number or 0)
    async with api.http.get(
        f"{api.address}/api/v1/alarms/stream", headers={**headers, "Last-Event-ID": "999999"}
    ) as answer:
        assert len(await of_kind(answer, "missed", 1)) == 1


async def eventually_read(api: Client, headers: dict[str, str]) -> None:
    """Wait until the feed has read the database."""

    async def read() -> bool:
        async with api.http.get(f"{api.address}/api/v1/alarms/stream", headers=headers) as answer:
            ((pulse, _),) = await of_kind(answer, "pulse", 1)
            return bool(pulse["database_lost_since"] is None and pulse["last"] > 0)

    await eventually(read)


async def test_stream_wants_a_session_and_ends_with_it(
    api: Client, dsn: str, hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hubwatch_console.pages.stream.CHECK_EVERY_S", 0.0)
    assert (await Visitor(api).get("/live"))[0] == 303
    assert (await api.get("/alarms/stream")).status == 401
    token = await add_person(dsn, "kim", Role.GUARD, HUB)
    kim = Visitor(api, {"hubwatch_session": token})
    async with api.http.get(f"{api.address}/live", headers={"Cookie": f"hubwatch_session={token}"}) as answer:
        await of_kind(answer, "pulse", 1)
        before = hands.rows("SELECT used FROM user_sessions")[0]["used"]
        await of_kind(answer, "pulse", 2)
        assert hands.rows("SELECT used FROM user_sessions")[0]["used"] == before  # standing open is no use
        assert (await kim.press("/", "/logout"))[0] == 303
        assert len(await of_kind(answer, "over", 1)) == 1
