"""What stands behind an alarm, on its page: evidence in words, what stands around; and plan, health and links."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from hubwatch_core.permission import Role
from hubwatch_store.site import apply
from support.alarms_database import Hands
from support.console_hub import HUB, a_bad_morning, alarmed, door_history, former_readings, found
from support.console_running import Client, add_person, running_api
from support.console_visitor import Visitor

SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><rect width="9" height="9"/></svg>'


async def person(api: Client, dsn: str, name: str, *hubs: str) -> Visitor:
    return Visitor(api, {"hubwatch_session": await add_person(dsn, name, Role.VIEWER, *hubs)})


async def test_alarm_says_its_evidence_in_the_readers_words_and_what_stood_around_it(
    api: Client, dsn: str, hands: Hands
) -> None:
    door_history(dsn)
    former_readings(dsn)
    await alarmed(dsn, hands, *a_bad_morning())
    vic = await person(api, dsn, "vic")
    _, text, _ = await vic.get("/alarms/1")
    assert "<dt>By chance</dt><dd>one in 10¹⁹</dd>" in text
    assert "<dt>Speed</dt><dd>2.1 m/s</dd>" in text
    assert "The device is seen." in text
    assert "same lane" in text
    assert "1e-19" not in text
    _, text, _ = await vic.get("/alarms/1", **{"Accept-Language": "nl"})
    assert "<dt>Door toeval</dt><dd>één op 10¹⁹</dd>" in text
    _, text, _ = await vic.get("/alarms/3")
    assert "badge refused" in text
    assert "beyond the door" in text or "same zone" in text
    _, text, _ = await vic.get("/incidents/1")
    assert 'class="way"' in text


async def test_part_that_is_empty_is_there_so_that_it_can_be_filled(api: Client, dsn: str, hands: Hands) -> None:
    unplaced = found(8, "access.held", "door-99", priority=3, why="open for 45 s")
    alarm = (await alarmed(dsn, hands, unplaced))[-1]
    vic = await person(api, dsn, "vic")
    _, text, _ = await vic.get(f"/alarms/{alarm}")
    assert '<section class="card" id="map" data-swap hidden>' in text
    assert '<section class="card" id="nearby" data-swap hidden>' in text
    assert "Around it, when it began" not in text


async def test_device_out_of_service_or_gone_is_not_called_seen(api: Client, dsn: str, hands: Hands) -> None:
    await alarmed(dsn, hands, *a_bad_morning())
    vic = await person(api, dsn, "vic")
    assert "The device is seen." in (await vic.get("/alarms/1"))[1]
    hands.rows(
        "INSERT INTO alarm_suppression (kind, hub, sensor, starts, ends, critical, by, verified, reason) SELECT "
        "'out_of_service', hub, sensor, now() - interval '1 h', now() + interval '1 h', false, 'kim', true, 'x' "
        "FROM alarms WHERE id = 1 RETURNING id"
    )
    _, text, _ = await vic.get("/alarms/1")
    assert "The device is seen." not in text
    assert "<strong>BLIND</strong> out of service" in text
    hands.rows("UPDATE sensors SET gone = now() RETURNING id")
    assert "<strong>BLIND</strong> not there any more" in (await vic.get("/alarms/1"))[1]


async def test_health_says_whether_somebody_outside_hears_the_hub(api: Client, dsn: str) -> None:
    vic = await person(api, dsn, "vic")
    assert "none is set" in (await vic.get("/health"))[1]
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO hubwatch.dead_man (at, every_s, outcome, taken) "
            "VALUES (clock_timestamp(), 60, 'taken', clock_timestamp())"
        )
        assert "somebody outside hears" in (await vic.get("/health"))[1]
        connection.execute("UPDATE hubwatch.dead_man SET outcome = 'held_back', reason = 'alarms.told <b>'")
        _, text, _ = await vic.get("/health")
        assert "the beat is held back" in text
        assert "alarms.told &lt;b&gt;" in text
        connection.execute("UPDATE hubwatch.dead_man SET at = at - interval '1 h'")
        assert "NO BEAT" in (await vic.get("/health"))[1]


async def test_message_that_waits_is_told_of_with_its_age_however_long_it_has_waited(
    api: Client, dsn: str, hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    await alarmed(dsn, hands, *a_bad_morning())
    token = await add_person(dsn, "vic", Role.VIEWER)
    vic, program = Visitor(api, {"hubwatch_session": token}), api.with_token(token)
    hands.rows(
        "INSERT INTO notification_outbox (id, journal, alarm, route) "
        "SELECT 'm1', min(id), 1, 'mail/kim' FROM alarm_journal WHERE alarm = 1 RETURNING id"
    )
    (route,) = (await program.get("/health")).body["routes"]
    assert {name: route[name] for name in ("route", "waiting", "last")} == {
        "route": "mail/kim", "waiting": 1, "last": None,
    }  # fmt: skip
    assert datetime.fromisoformat(route["oldest"]) <= datetime.now(UTC)
    assert "HELD UP" not in (await vic.get("/health"))[1]
    hands.rows("UPDATE notification_outbox SET queued = queued - interval '3 d' RETURNING 1")
    answer = await program.get("/health")
    assert (answer.status, [each["waiting"] for each in answer.body["routes"]]) == (200, [1])
    _, text, _ = await vic.get("/health")
    assert '<tr class="wrong"><th scope="row">mail/kim</th>' in text
    assert "HELD UP" in text
    assert "There may be more" not in text
    monkeypatch.setattr("hubwatch_store.console.health.MOST_AGENTS", 1)
    monkeypatch.setattr("hubwatch_store.console.health.MOST_ROUTES", 1)
    _, text, _ = await vic.get("/health")
    assert "There may be more agents than are listed." in text
    assert "There may be more routes than are listed." in text


async def test_plan_is_drawn_on_the_picture_of_its_site_for_who_sees_the_hub(dsn: str, tmp_path: Path) -> None:
    picture = tmp_path / HUB / "plan.svg"
    picture.parent.mkdir()
    picture.write_text(SVG)
    with psycopg.connect(dsn, autocommit=True) as connection:
        row = connection.execute("SELECT file FROM hubwatch.site_versions ORDER BY version DESC").fetchone()
        assert row is not None
        apply(connection, row[0].replace("[plan]", '[plan]\nimage = "plan.svg"'), by="kim", note="a picture")
    async with running_api(dsn, plan_folder=str(tmp_path)) as api:
        vic, eve = await person(api, dsn, "vic"), await person(api, dsn, "eve", "basel")
        path = f"/plan/picture/{HUB}"
        assert f'<image href="{path}?version=' in (await vic.get("/plan"))[1]
        status, text, headers = await vic.get(path)
        assert (status, text, headers["Content-Type"]) == (200, SVG, "image/svg+xml")
        assert "sandbox" in headers["Content-Security-Policy"]
        assert "script" not in headers["Content-Security-Policy"]
        assert (await eve.get(path))[0] == 404
        assert (await Visitor(api).get(path))[0] == 303
        picture.write_text(SVG.replace("<rect", "<script>alert(1)</script><rect"))
        assert (await vic.get(path))[0] == 404
        _, text, _ = await vic.get("/plan")
        assert "<image" not in text
        assert "is not shown" in text


async def test_page_of_a_link_has_the_look_and_the_language_and_no_script(api: Client) -> None:
    nobody = Visitor(api)
    status, text, headers = await nobody.get("/api/v1/acknowledge/none", **{"Accept-Language": "es"})
    assert status == 404
    assert "Este enlace no es válido" in text
    assert "hubwatch.css" in text
    assert "<script" not in text
    assert headers.getall("Content-Security-Policy")[0].startswith("default-src 'none'; style-src 'self'")
    assert headers.getall("Referrer-Policy") == ["no-referrer"]
