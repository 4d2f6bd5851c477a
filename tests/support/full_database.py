"""Fills a migrated database with something in every table, of the kinds that backups get wrong, and sums it up."""

from __future__ import annotations

from datetime import timedelta
from importlib import resources
from typing import Any

import psycopg

from hubwatch_core.clock import to_us
from hubwatch_site import Cardholder
from hubwatch_site.cardholder_list import ListedPerson
from hubwatch_store.keeping.legal_hold import add, release
from hubwatch_store.site import apply, import_list
from support.kept_database import DAY, HUB, MINUTE, NOW, Kept

NASTY = 'quote " comma , semicolon ; newline \n return \r\n tab \t backslash \\. \\N ünïcødé 港 '


def fill(kept: Kept, readings: int = 500) -> None:
    """Put rows into every table."""
    portal, weather = kept.sensor("rpm-2", "radiation_portal"), kept.sensor("weather-1", None)
    kept.readings(portal, *(NOW - 3 * DAY + i * MINUTE for i in range(readings)), value=1 / 3)
    kept.readings(weather, NOW - 390 * DAY, NOW + timedelta(microseconds=1), value=float("-inf"))
    kept.do("UPDATE reading SET value = NULL, quality = 2, reason = %s WHERE extract(minute FROM time) = 7", NASTY)
    kept.do("UPDATE reading SET device_time = time - INTERVAL '1.000001 s' WHERE extract(minute FROM time) = 8")
    kept.events("rpm-2", NOW - 40 * DAY, NOW)
    kept.do("UPDATE event SET subject = '', attrs = jsonb_build_object('a', %s::text, 'b', 1e300)", NASTY)
    kept.do("INSERT INTO zones (hub, zone, name) VALUES (%s, 'attic', %s)", HUB, NASTY)
    _site(kept)
    _devices(kept)
    kept.do("INSERT INTO epoch (hub, agent, epoch) VALUES (%s, 'gate-7', 'E')", HUB)
    kept.do("INSERT INTO ledger_commit SELECT FROM generate_series(1, 3)")
    kept.do("INSERT INTO frame SELECT 1, i, now(), i, 1, 0, false FROM generate_series(1, 3) i")
    kept.do("INSERT INTO frame_range VALUES (1, 4, 9, 6, 0, now(), now())")
    kept.do("INSERT INTO eviction VALUES (1, 10, 12, 3, 'full', now())")
    kept.do(
        "INSERT INTO dead_letters (topic, payload, reason, digest) SELECT 't', '\\x00ff0a0d5c2e22', %s, 'd'",
        NASTY,
    )
    kept.do("INSERT INTO latest_value SELECT id, now(), NULL, 2, '' FROM channels")
    kept.do("INSERT INTO detector_state VALUES (%s, 'radiation_portal', 'rpm-2', '', 1, '\\x0001ff')", HUB)
    _detections(kept)
    _alarm(kept)
    _people(kept)
    _trust(kept)
    kept.do(
        "INSERT INTO audit_signatures SELECT id, hash, at, decode(repeat('00', 32), 'hex'),"
        " decode(repeat('11', 64), 'hex') FROM audit"
    )
    kept.do("SELECT journal(%s, true, %s, 'tested', %s, '{\"a\": 1e300}')", NASTY, HUB, NASTY)
    hold: dict[str, Any] = {"held_from": NOW - DAY, "held_to": None, "reason": NASTY, "by": "counsel"}
    add(kept.connection, hub=HUB, sensor=None, **hold)
    release(kept.connection, add(kept.connection, hub=HUB, sensor="rpm-2", **hold), reason="closed", by="counsel")
    kept.do("UPDATE retention_rule SET raw_days = 800, why = 'ours' WHERE kind = 'radiation_portal'")
    kept.maintain()
    kept.do("INSERT INTO role_hubs VALUES ('nobody_has_this_role', %s)", HUB)
    kept.do("INSERT INTO role_limits VALUES ('nobody_has_this_role', '1 s', NULL)")
    kept.do("INSERT INTO rollup_late VALUES (%s, date_trunc('hour', now()))", portal)


def _site(kept: Kept) -> None:
    sample = resources.files("hubwatch_site").joinpath("sample.toml").read_text(encoding="utf-8")
    apply(kept.connection, sample.replace("rotterdam", HUB), by=NASTY, note=NASTY)
    person = ListedPerson(Cardholder(f"badge:{NASTY}", "attic", None, True, 3, to_us(NOW)), NASTY)
    import_list(kept.connection, HUB, [person], by=NASTY, note=NASTY, with_names=True)
    kept.do(
        "INSERT INTO level_journal (hub, level, former, by, note, until) VALUES (%s, 2, 1, 'kim', %s, now())",
        HUB,
        NASTY,
    )
    kept.do(
        "INSERT INTO level_journal (hub, level, former, by, note, ends) SELECT hub, 1, 2, 'system', '', id"
        " FROM level_journal"
    )
    kept.do("UPDATE level_scales SET value = 3 WHERE what = 'budget' AND level = 2")


def _devices(kept: Kept) -> None:
    kept.do("INSERT INTO agents (hub, agent, epoch, last_seq) VALUES (%s, 'gate-7', 'E', 3)", HUB)
    kept.do(
        "INSERT INTO listing VALUES (%s, 'rpm-2', 'gate-7', now(), 'radiation_portal', 'gate-2', %s, 5, '{gamma.1}')",
        HUB,
        NASTY,
    )
    kept.do("INSERT INTO sensor_owner SELECT id, '-infinity', 'gate-7', '{gw-b}' FROM sensors")
    kept.do("INSERT INTO sensor_former SELECT min(id), %s, 'rpm-1', NULL FROM sensors", HUB)
    kept.do("SELECT renew_channel(min(id), now()) FROM channels")
    kept.do(
        "INSERT INTO device_journal (action, hub, sensor, target, by, reason) VALUES"
        " ('renamed', %s, 'rpm-1', 'rpm-2', 'kim', %s)",
        HUB,
        NASTY,
    )


def _detections(kept: Kept) -> None:
    for i in range(3):
        kept.do(
            "INSERT INTO detection (id, type, hub, sensor, start, detected, score, priority, detector, version, late,"
            " why) VALUES (%s, 'radiation.gamma', %s, 'rpm-2', %s, %s, 6.1, 1, 'radiation_portal', 1, false, %s)",
            f"d{i}",
            HUB,
            NOW - i * DAY,
            NOW,
            NASTY,
        )
    kept.do("INSERT INTO detection_ends VALUES ('d1', now(), now())")
    kept.do("DELETE FROM alarm_inbox WHERE detection = 'd0'")


def _alarm(kept: Kept) -> None:
    incident = kept.one("INSERT INTO incidents (hub, opened, title) VALUES (%s, now(), 'gate 2') RETURNING id", HUB)
    alarm = kept.one(
        "INSERT INTO alarms (hub, sensor, type, priority, state, opened, last_active, why, incident) VALUES"
        " (%s, 'rpm-2', 'radiation.gamma', 1, 'unacknowledged', now(), now(), '', %s) RETURNING id",
        HUB,
        incident,
    )
    journal = kept.one(
        "INSERT INTO alarm_journal (alarm, action, by, to_state) VALUES (%s, 'opened', 'system', 'unacknowledged')"
        " RETURNING id",
        alarm,
    )
    kept.do("INSERT INTO alarm_unrouted VALUES (%s)", journal)
    kept.do("INSERT INTO alarm_detection VALUES ('d0', %s, false)", alarm)
    kept.do(
        "INSERT INTO adjudications (alarm, detection, verdict, by, note) VALUES (%s, 'd0', 'false', 'kim', %s)",
        alarm,
        NASTY,
    )
    kept.do("INSERT INTO alarm_delayed (detection, hub, since, due) VALUES ('d1', %s, now(), now())", HUB)
    kept.do(
        "INSERT INTO alarm_suppression (kind, hub, starts, ends, critical, by, verified, reason) VALUES"
        " ('works', %s, now(), now() + INTERVAL '1 hour', false, 'kim', true, %s)",
        HUB,
        NASTY,
    )
    kept.do(
        "INSERT INTO incident_journal (incident, hub, action, by, verified, note)"
        " VALUES (%s, %s, 'commented', %s, true, %s)",
        incident,
        HUB,
        NASTY,
        NASTY,
    )
    kept.do("INSERT INTO handovers (hub, drafted, drafted_by, drafted_verified, facts, notes)"
            " VALUES (%s, now(), %s, true, '{\"a\": 1e300}', %s)", HUB, NASTY, NASTY)  # fmt: skip
    kept.do("UPDATE handovers SET left_by = 'kim', left_at = now(), left_verified = true")
    kept.do("UPDATE handovers SET taken_by = 'lee', taken_at = now(), taken_verified = false")
    kept.do("INSERT INTO notification_outbox (id, journal, alarm, route) VALUES ('m', %s, %s, 'r')", journal, alarm)
    kept.do(
        "INSERT INTO notifications (alarm, route, attempt, outcome, message) VALUES (%s, 'r', 1, 'sending', 'm')", alarm
    )


def _people(kept: Kept) -> None:
    user = kept.one("INSERT INTO users (name, full_name, created_by) VALUES ('kim', %s, 'os:root') RETURNING id", NASTY)
    kept.do("INSERT INTO user_secrets (\"user\", password, second_factor) VALUES (%s, %s, 'KEY')", user, NASTY)
    kept.do("INSERT INTO user_grants VALUES (%s, 'guard', %s)", user, [HUB, "*"])
    kept.do(
        'INSERT INTO user_sessions ("user", kind, hash, label, idle, expires)'
        " VALUES (%s, 'session', sha256('x'), %s, INTERVAL '30 min', now())",
        user,
        NASTY,
    )
    kept.do("INSERT INTO login_failures VALUES (%s, 3, now(), now())", NASTY)
    kept.do("INSERT INTO acts_once VALUES (%s, sha256('k'), sha256('r'), now(), 200, 'sealed')", user)
    kept.do("INSERT INTO oidc_logins VALUES (sha256('s'), sha256('b'), 'n', 'v', %s, now())", NASTY)
    kept.do(
        "INSERT INTO approvals (act, hub, subject, details, reason, asked_by, expires)"
        " VALUES ('level.lower', %s, '1', '{\"to\": 1}', %s, 'kim', now())",
        HUB,
        NASTY,
    )


def _trust(kept: Kept) -> None:
    kept.do(
        "INSERT INTO agent_keys (hub, agent, not_before, not_after, public_key, serial, certificate, revoked_at,"
        " revoked_by) VALUES (%s, 'gate-7', now(), now() + INTERVAL '1 d', sha256('k'), 'A0', '\\x00ff', now(), %s)",
        HUB,
        NASTY,
    )
    kept.do(
        "INSERT INTO enrolment_tokens (hub, agent, hash, made_by, expires_at, serial)"
        " VALUES (%s, 'gate-7', sha256('t'), %s, now(), 'A0')",
        HUB,
        NASTY,
    )
    kept.do("INSERT INTO intake_finding VALUES ('forged', %s, 'gate-7', '', 'd0', now(), now(), 3)", HUB)
    kept.do("INSERT INTO sensor_grant VALUES (%s, 'rpm-2', 'gate-7', now(), %s)", HUB, NASTY)
    kept.do("INSERT INTO sensor_claim VALUES (%s, 'rpm-2', 'gate-8', now(), %s)", HUB, NASTY)
    kept.do("INSERT INTO signed_frame (hub, agents, frames, lines) VALUES (%s, '{gate-7}', 1, '\\x0001ff')", HUB)
    kept.do("UPDATE signed_frame_bounds SET keep = INTERVAL '7 days'")
    kept.do(
        "INSERT INTO privacy_erasures (by, reason, digest, counts) VALUES (%s, %s, sha256('s'), '{}')", NASTY, NASTY
    )
    kept.do("UPDATE retention_person SET days = 7300")


def relations(connection: psycopg.Connection[Any]) -> list[str]:
    """Return every table and view of ours, partitions left out."""
    query = """
        SELECT relname FROM pg_class WHERE relnamespace = 'hubwatch'::regnamespace AND relkind IN ('r', 'p', 'v')
            AND NOT relispartition AND relname <> 'migrations' ORDER BY 1"""
    return [row[0] for row in connection.execute(query)]


def summary(dsn: str) -> dict[str, tuple[int, str]]:
    """Return count and checksum of every table and view; what changes with the clock by itself is left out."""
    with psycopg.connect(dsn, options="-c search_path=hubwatch,public -c timezone=UTC") as connection:
        return {name: _sum(connection, name) for name in relations(connection)}


def _sum(connection: psycopg.Connection[Any], name: str) -> tuple[int, str]:
    query = f"""
        SELECT count(*), md5(string_agg(line, E'\\n' ORDER BY line))
        FROM (SELECT (to_jsonb(t) - '{{age_s,cause}}'::text[])::text AS line FROM hubwatch.{name} t) l"""
    row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row[0], row[1]
