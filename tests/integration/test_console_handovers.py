"""Handing over to the next shift over the API: what is said, what is NOT KNOWN, and the signatures of two persons."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import psycopg
import pytest

from hubwatch_alarms.instructions import Instructions
from hubwatch_alarms.mover import Mover
from hubwatch_core.permission import Role
from hubwatch_store.audit import verify
from hubwatch_store.database import DatabaseSection, connect_sync, open_pool
from support.alarms_database import Hands, hands_on, settings_of
from support.alarms_examples import detection
from support.console_running import Client, add_person, running_api

HUB = "rotterdam"


@pytest.fixture
def dsn(migrated_plain_dsn: str) -> str:
    return migrated_plain_dsn


@pytest.fixture
async def anybody(dsn: str) -> AsyncIterator[Client]:
    async with running_api(dsn) as client:
        yield client


@pytest.fixture
def hands(dsn: str) -> Iterator[Hands]:
    with hands_on(dsn) as made:
        made.rows("INSERT INTO hubs (hub) VALUES ('rotterdam'), ('basel') RETURNING hub")
        made.place(HUB, "fence-1", "north")
        yield made


async def busy(dsn: str, hands: Hands, kim: Client) -> None:
    """Leave something of every kind to the next shift."""
    hands.place(HUB, "fence-2", "north")
    hands.detect(detection(priority=1), detection(number=2, sensor="fence-2", type_="perimeter.masked"))
    async with open_pool(settings_of(dsn)) as pool:
        await Mover(pool, [], Instructions.load()).round()
    first, second = (row["id"] for row in hands.alarms())
    incident = hands.alarms()[0]["incident"]
    await kim.post(f"/alarms/{first}/acknowledge")
    await kim.post(f"/alarms/{second}/shelve", duration_s=600, note="a crane stands before it")
    await kim.post(f"/incidents/{incident}/assign", to="kim")
    await kim.post(f"/incidents/{incident}/comment", text="police are on their way")
    works = {"kind": "works", "hub": HUB, "note": "new posts", "duration_s": 3600, "sensor": "fence-2"}
    await kim.post("/suppressions", **works)
    hands.rows("INSERT INTO agents (hub, agent, state, heard) VALUES (%s, 'gate-7', 'offline', now()) RETURNING 1", HUB)
    hands.rows(
        "INSERT INTO notification_outbox (id, journal, alarm, route, state, attempts)"
        " SELECT 'm', min(id), alarm, 'mail/kim', 'given_up', 9 FROM alarm_journal WHERE alarm = %s GROUP BY alarm"
        " RETURNING 1",
        first,
    )


async def test_draft_says_all_that_the_next_shift_takes_over(anybody: Client, dsn: str, hands: Hands) -> None:
    kim = anybody.with_token(await add_person(dsn, "kim", Role.RESPONDER, HUB))
    await busy(dsn, hands, kim)
    draft = (await kim.post("/handovers", hub=HUB)).body
    noted = (await kim.post(f"/handovers/{draft['id']}/notes", notes="the key of gate 2 is\nat the desk")).body
    text = noted["text"]
    for said in (
        "Security level 1",
        "CRITICAL: Intrusion at the perimeter, north / fence-1",
        "with kim (incident",
        "kim: police are on their way",
        "kim has alarm",
        "kim has incident",
        "shelved until",
        "a crane stands before it",
        "works at fence-2, all types",
        "by kim: new posts",
        "gate-7: agent offline",
        "mail/kim: 0 wait, 1 given up",
        "  the key of gate 2 is\n  at the desk",
        "Left: not signed",
    ):
        assert said in text
    assert "no open alarm" not in text
    assert "every sensor is seen" not in text


async def test_what_nobody_has_looked_at_is_not_known(anybody: Client, dsn: str, hands: Hands) -> None:
    kim = anybody.with_token(await add_person(dsn, "kim", Role.GUARD, HUB))
    draft = (await kim.post("/handovers", hub=HUB)).body
    unknown = {
        name: draft["facts"][name]["not_known"] for name in ("alarms", "incidents", "set_aside", "blind", "routes")
    }
    assert all(unknown.values())
    assert "no process judges this hub" in unknown["alarms"]
    assert draft["facts"]["expected"]["not_known"] is None
    assert draft["text"].count("NOT KNOWN") == 6
    for calm in (
        "no open alarm",
        "no open incident",
        "every sensor is seen",
        "every way delivers",
        "nobody has anything",
    ):
        assert calm not in draft["text"]
    assert "nothing is bypassed or planned" in draft["text"]


async def beat(hands: Hands, stop: asyncio.Event, kinds: tuple[str, ...]) -> None:
    while not stop.is_set():
        hands.rows("UPDATE process_owner SET beats = beats + 1 WHERE kind = ANY (%s) RETURNING 1", list(kinds))
        await asyncio.sleep(0.05)


async def test_calm_is_said_where_programs_show_that_they_live(
    anybody: Client, dsn: str, hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hubwatch_alarms.handover.LIVES_WITHIN_S", 1.0)
    kim = anybody.with_token(await add_person(dsn, "kim", Role.GUARD, HUB))
    kinds = ("collector", "detectors", "alarms")
    for kind in kinds:
        hands.rows("INSERT INTO process_owner (token, kind, name, host, pid, machine, began)"
                   " VALUES (%s, %s, 'x', 'h', 1, 'm', 1) RETURNING 1", kind, kind)  # fmt: skip
    hands.rows("INSERT INTO agents (hub, agent, state, heard) VALUES (%s, 'gate-7', 'online', now()) RETURNING 1", HUB)
    hands.rows("INSERT INTO detector_journal (hub, version, entries) VALUES (%s, 1, '') RETURNING 1", HUB)
    stop = asyncio.Event()
    beating = asyncio.create_task(beat(hands, stop, kinds))
    text = (await kim.post("/handovers", hub=HUB)).body["text"]
    stop.set()
    await beating
    assert "NOT KNOWN" not in text
    for calm in (
        "no open alarm",
        "no open incident",
        "every sensor is seen",
        "every way delivers",
        "nobody has anything",
    ):
        assert calm in text
    # A process that was killed leaves its row, and no beat.
    stop.clear()
    beating = asyncio.create_task(beat(hands, stop, ("collector", "alarms")))
    sections = (await kim.post("/handovers", hub=HUB)).body["facts"]
    stop.set()
    await beating
    assert sections["alarms"]["not_known"] == "the process that judges this hub shows no life"
    assert (sections["blind"]["not_known"], sections["routes"]["not_known"]) == (None, None)


async def test_alarm_of_an_exercise_says_so_and_comes_after_what_is_real(
    anybody: Client, dsn: str, hands: Hands
) -> None:
    kim = anybody.with_token(await add_person(dsn, "kim", Role.GUARD, HUB))
    hands.detect(detection(priority=1), detection(number=2, sensor="fence-2", priority=3))
    async with open_pool(settings_of(dsn)) as pool:
        await Mover(pool, [], Instructions.load()).round()
    made_up, real = (row["id"] for row in hands.alarms())
    hands.rows(
        "WITH d AS (INSERT INTO drills (hub, scenario, title, began, ends, by, verified)"
        " VALUES (%s, 's', 't', now(), now() + INTERVAL '1 h', 'lee', true) RETURNING id)"
        " UPDATE alarms SET exercise = d.id FROM d WHERE alarms.id = %s RETURNING 1",
        HUB, made_up,
    )  # fmt: skip
    draft = (await kim.post("/handovers", hub=HUB)).body
    rows = draft["facts"]["alarms"]["rows"]
    assert [(row["id"], row["title"].startswith("EXERCISE: ")) for row in rows] == [(real, False), (made_up, True)]
    assert "CRITICAL: EXERCISE: " in draft["text"]


async def test_two_persons_sign_what_they_have_read_and_then_nobody_changes_it(
    anybody: Client, dsn: str, hands: Hands
) -> None:
    kim = anybody.with_token(await add_person(dsn, "kim", Role.GUARD, HUB))
    lee = anybody.with_token(await add_person(dsn, "lee", Role.GUARD, HUB))
    vic = anybody.with_token(await add_person(dsn, "vic", Role.VIEWER, HUB))
    draft = (await kim.post("/handovers", hub=HUB)).body
    number, read = draft["id"], draft["digest"]
    path = f"/handovers/{number}"
    assert (await vic.post(f"{path}/sign", digest=read)).status == 403
    assert (await lee.post(f"{path}/take", digest=read)).status == 409
    changed = (await kim.post(f"{path}/notes", notes="a key is missing")).body
    assert (await kim.post(f"{path}/sign", digest=read)).status == 409
    assert (await kim.post(f"{path}/sign", digest=changed["digest"])).body["state"] == "signed"
    alone = await kim.post(f"{path}/take", digest=changed["digest"])
    assert (alone.status, "somebody else" in alone.body["detail"]) == (409, True)
    # Notes that somebody has written meanwhile are not lost to whoever says what they have read.
    late = await lee.post(f"{path}/notes", notes="no key is missing", digest=read)
    assert (late.status, "has changed since it was shown" in late.body["detail"]) == (409, True)
    kept = (await lee.get(path)).body
    assert (kept["notes"], kept["left_by"]) == ("a key is missing", "kim")
    # What is changed under a signature is signed anew.
    again = (await lee.post(f"{path}/notes", notes="a key is missing: 7", digest=kept["digest"])).body
    assert (again["state"], again["left_by"]) == ("draft", None)
    await kim.post(f"{path}/sign", digest=again["digest"])
    taken = (await lee.post(f"{path}/take", digest=again["digest"])).body
    assert (taken["state"], taken["left_by"], taken["taken_by"], taken["taken_verified"]) == (
        "taken over", "kim", "lee", True,
    )  # fmt: skip
    for act, body in (("notes", {"notes": "x"}), ("sign", {"digest": read}), ("take", {"digest": read})):
        assert (await kim.post(f"{path}/{act}", **body)).status == 409
    for statement in (
        "UPDATE handovers SET notes = 'x'",
        "DELETE FROM handovers",
        "UPDATE handovers SET left_by = 'x'",
    ):
        with pytest.raises(psycopg.errors.RestrictViolation):
            hands.connection.execute(statement.encode())
    fresh = (await kim.post("/handovers", hub=HUB)).body
    assert (fresh["id"] > number, fresh["notes"]) == (True, "")
    assert [each["state"] for each in (await vic.get("/handovers")).body["handovers"]] == ["draft", "taken over"]
    with connect_sync(DatabaseSection(dsn=dsn)) as connection:
        assert list(verify(connection)) == []
        connection.execute("SET session_replication_role = replica")
        connection.execute("UPDATE hubwatch.handovers SET notes = 'all well' WHERE id = %s", [number])
        assert [each.what for each in verify(connection)] == [f"row {number} of the signed handovers altered"]


async def test_handover_of_another_hub_is_not_there(anybody: Client, dsn: str, hands: Hands) -> None:
    kim = anybody.with_token(await add_person(dsn, "kim", Role.GUARD, HUB))
    lee = anybody.with_token(await add_person(dsn, "lee", Role.SUPERVISOR, "basel"))
    number = (await kim.post("/handovers", hub=HUB)).body["id"]
    digest = "0" * 64
    assert (await lee.get("/handovers")).body == {"handovers": [], "next": None}
    assert (await lee.post("/handovers", hub=HUB)).status == 403
    assert (await kim.post("/handovers", hub="nowhere")).status == 403
    statuses = [
        (await lee.get(f"/handovers/{number}")).status,
        (await lee.post(f"/handovers/{number}/notes", notes="x")).status,
        (await lee.post(f"/handovers/{number}/sign", digest=digest)).status,
        (await lee.post(f"/handovers/{number}/take", digest=digest)).status,
    ]
    assert statuses == [404] * 4
    hands.rows("UPDATE handovers SET drafted = drafted - INTERVAL '3 h' RETURNING 1")
    old = (await kim.get(f"/handovers/{number}")).body["digest"]
    refused = await kim.post(f"/handovers/{number}/sign", digest=old)
    assert (refused.status, "draft it again" in refused.body["detail"]) == (409, True)
