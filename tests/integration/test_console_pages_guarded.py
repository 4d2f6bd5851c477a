"""What pages must not do: hide what is real behind an exercise, be calm about what is not seen, tell of other hubs."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest

from hubwatch_alarms import drilling
from hubwatch_alarms.drilling import DrillWish
from hubwatch_alarms.scenarios import packaged
from hubwatch_core.permission import EVERY_HUB, Actor, Grant, Role
from hubwatch_store.alarms import alarms
from hubwatch_store.database import open_pool
from support.alarms_database import Hands, settings_of
from support.console_hub import HUB, alarmed, at_work, found, moved
from support.console_running import Client, add_person, running_api
from support.console_visitor import Visitor, events, of_kind
from support.eventually import eventually

SUPERVISOR = Actor("kim", (Grant(Role.SUPERVISOR, frozenset({EVERY_HUB})),))
NOTICE = "Property of the port <b>.\nWhat is done here is recorded."


@pytest.fixture
async def api(dsn: str) -> AsyncIterator[Client]:
    async with running_api(dsn, notice={"text": NOTICE}, api={"max_streams_per_person": 2}) as client:
        yield client


async def visitor(api: Client, dsn: str, role: Role, *hubs: str) -> Visitor:
    return Visitor(api, {"hubwatch_session": await add_person(dsn, f"a-{role}", role, *hubs)})


async def drilled(dsn: str, hands: Hands) -> dict[str, int]:
    """Begin an exercise at a hub with a real alarm that somebody has; return the alarm that it makes and its drill."""
    async with open_pool(settings_of(dsn)) as pool, alarms.moving(pool) as connection:
        drill = await drilling.start(connection, SUPERVISOR, DrillWish("cut-fence-at-night", HUB), packaged())
    hands.rows("UPDATE drill_steps SET due = now() RETURNING number")
    for _ in range(2):
        await moved(dsn)
    (row,) = hands.rows("SELECT id FROM alarms WHERE exercise = %s ORDER BY id LIMIT 1", drill.id)
    return {"alarm": int(row["id"]), "drill": drill.id}


async def test_exercise_says_so_on_every_page_and_stands_behind_what_is_real(
    api: Client, dsn: str, hands: Hands
) -> None:
    (real,) = await alarmed(dsn, hands, found(1, "access.held", "door-2", priority=4, why="open for 45 s"))
    made_up = (await drilled(dsn, hands))["alarm"]
    kim = await visitor(api, dsn, Role.GUARD)
    await kim.press("/", f"/alarms/{real}/acknowledge", to="/")
    for path in ("/", f"/?about={made_up}", "/wall", f"/alarms/{made_up}", "/plan", "/incidents"):
        status, text, _ = await kim.get(path)
        assert (status, "EXERCISE" in text) == (200, True), path
    incident = hands.rows("SELECT incident FROM alarms WHERE id = %s", made_up)[0]["incident"]
    assert (await kim.get(f"/incidents/{incident}"))[1].count("EXERCISE") >= 2
    assert "EXERCISE" not in (await kim.get(f"/alarms/{real}"))[1]
    _, text, _ = await kim.get("/")
    order = re.findall(r'data-alarm="(\d+)"', text)
    assert order[0] == str(real)
    assert str(made_up) in order
    # Who counts what is to be done counts what is real.
    assert re.search(r'class="count"><b>0</b> nobody has', text)


async def test_real_alarm_is_shown_on_the_plan_before_a_more_urgent_exercise(
    api: Client, dsn: str, hands: Hands
) -> None:
    made_up = (await drilled(dsn, hands))["alarm"]
    sensor = hands.rows("SELECT sensor FROM alarms WHERE id = %s", made_up)[0]["sensor"]
    real = (await alarmed(dsn, hands, found(1, "integrity.value_frozen", sensor, priority=4, why="the same")))[-1]
    kim = await visitor(api, dsn, Role.GUARD)
    _, text, _ = await kim.get("/plan")
    assert f"/alarms/{real}" in text
    assert f"/alarms/{made_up}" not in text


async def test_nothing_is_calm_about_a_hub_that_is_not_known_or_does_not_see(
    api: Client, dsn: str, hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hubwatch_console.feed.BLIND_EVERY_S", 0.0)
    kim = await visitor(api, dsn, Role.GUARD)
    _, text, _ = await kim.get("/incidents")
    assert "No incident is open." not in text
    assert "NOT KNOWN" in text
    _, text, _ = await kim.get("/health")
    assert "Every frame that was sent is stored." not in text
    async with at_work(dsn):

        async def known() -> bool:
            return "NOT KNOWN" not in (await kim.get("/"))[1]

        await eventually(known)
        for path in ("/?hub=nowhere", "/wall?hub=nowhere", "/incidents?hub=nowhere", "/blind?hub=nowhere"):
            _, text, _ = await kim.get(path)
            assert "NOT KNOWN" in text, path
            assert "calm well" not in text, path
        hands.rows("UPDATE agents SET state = 'offline' WHERE agent = 'quay' RETURNING agent")

        async def blind() -> bool:
            pages = [(await kim.get(path))[1] for path in ("/", "/wall")]
            return all("Sensors that are not seen at" in text and "calm well" not in text for text in pages)

        await eventually(blind)


async def test_notice_stands_on_the_log_in_as_text(api: Client) -> None:
    _, text, _ = await Visitor(api).get("/login")
    assert "<p>Property of the port &lt;b&gt;.</p><p>What is done here is recorded.</p>" in text


async def test_page_and_stream_say_nothing_of_hubs_that_one_does_not_see(api: Client, dsn: str, hands: Hands) -> None:
    hands.rows("INSERT INTO hubs (hub) VALUES ('basel') RETURNING hub")
    kim, lee = await visitor(api, dsn, Role.GUARD, HUB), await visitor(api, dsn, Role.ADMINISTRATOR)

    async def told() -> bool:
        return "basel" in (await lee.get("/"))[1].partition("data-watch=")[2].partition("data-cut")[0]

    await eventually(told)
    assert "basel" not in (await kim.get("/"))[1]
    async with api.http.get(f"{api.address}/live", headers=kim.cookie()) as answer:
        ((pulse, _),) = await of_kind(answer, "pulse", 1)
        assert "basel" not in str(pulse)
        assert HUB in pulse["watch"]


async def test_stream_ends_when_a_hub_is_taken_away_and_says_nothing_more_of_it(
    api: Client, dsn: str, hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    kim = await visitor(api, dsn, Role.GUARD, HUB, "basel")
    async with api.http.get(f"{api.address}/live", headers=kim.cookie()) as answer:
        await of_kind(answer, "pulse", 1)
        monkeypatch.setattr("hubwatch_console.pages.stream.CHECK_EVERY_S", 0.0)
    async with api.http.get(f"{api.address}/live", headers=kim.cookie()) as answer:
        await of_kind(answer, "pulse", 2)
        hands.rows("DELETE FROM user_grants WHERE %s = ANY (hubs) RETURNING *", HUB)
        hands.detect(found(1, "access.held", "door-1", priority=2, why="open"))
        await moved(dsn)
        names = [name async for name, _, _ in events(answer)]
    assert names[-1] == "over"
    assert "alarm" not in names


async def test_person_keeps_a_bounded_number_of_pages_live(api: Client, dsn: str) -> None:
    kim = await visitor(api, dsn, Role.GUARD)
    address = f"{api.address}/live"
    async with api.http.get(address, headers=kim.cookie()) as first, api.http.get(address, headers=kim.cookie()) as two:
        for each in (first, two):
            await of_kind(each, "pulse", 1)
        status, _, headers = await kim.get("/live")
        assert (status, headers["Retry-After"]) == (429, "5")
        assert (await kim.get("/"))[0] == 200  # only what stays open is counted

    async def free() -> bool:
        async with api.http.get(address, headers=kim.cookie()) as again:
            return again.status == 200

    await eventually(free)
