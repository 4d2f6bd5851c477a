"""What is stored about a person is given out whole, and forgotten with a record; holds and open alarms go before."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner

from hubwatch_core.errors import Permanent
from hubwatch_ops.privacy import app
from hubwatch_store.keeping import legal_hold, privacy
from support.kept_database import DAY, HOUR, HUB, NOW, Kept, kept_in

WHO = "badge:p1-5f2c\"'%\\x"
"""With what has a meaning in SQL, JSON and patterns: a subject may be raw."""
OTHER = "badge:p1-77aa"
ADD = (
    "INSERT INTO hubwatch.detection (id, type, hub, sensor, subject, start, detected, score, priority, detector,"
    " version, late, why, evidence)"
    " VALUES (%s, 'access.brute_force', %s, 'door-3', %s, %s, %s, 5, 2, 'badges', 1, false, %s, %s)"
)


@pytest.fixture
def kept(migrated_database: str) -> Iterator[Kept]:
    with kept_in(migrated_database) as kept:
        kept.sensor("door-3", "access")
        yield kept


def fill(kept: Kept, subject: str, number: int, at: Any = NOW) -> None:
    kept.events("door-3", at)
    kept.do("UPDATE hubwatch.event SET subject = %s WHERE subject IS NULL OR subject = ''", subject)
    evidence = json.dumps({"badge": subject, "tries": 7})
    kept.do(ADD, f"01JD3Z{number:020d}", HUB, subject, at, at, f"{subject} was denied 7 times", evidence)
    kept.do("INSERT INTO hubwatch.cardholder_imports VALUES (%s, %s, now(), 'kim', 'x', 1, 1, 0, true)", HUB, number)
    kept.do(
        "INSERT INTO hubwatch.cardholders VALUES (%s, %s, NULL, NULL, false, 0, NULL, NULL, %s)", HUB, subject, number
    )
    kept.do("INSERT INTO hubwatch.cardholder_names VALUES (%s, %s, 'Kim Li')", HUB, subject)


def alarm(kept: Kept, subject: str, *, closed: bool, at: Any = NOW) -> None:
    kept.do(
        "INSERT INTO hubwatch.alarms"
        " (hub, sensor, type, subject, priority, state, opened, last_active, why, score, closed)"
        " VALUES (%s, 'door-3', 'access.brute_force', %s, 2, %s, %s, %s, %s, 1, %s)",
        HUB, subject, "normal" if closed else "unacknowledged", at, at, f"{subject} was denied", at if closed else None,
    )  # fmt: skip


def mentions(kept: Kept, subject: str) -> list[str]:
    """Return the tables in which a subject stands anywhere."""
    tables = ("event", "detection", "alarms", "cardholders", "cardholder_names", "privacy_erasures")
    part = json.dumps(subject)[1:-1]
    return [
        table
        for table in tables
        for row in kept.rows(f"SELECT to_jsonb(t)::text FROM hubwatch.{table} t")
        if part in str(row) or part in str(row[0])
    ]


def test_all_that_is_stored_about_a_person_is_given_out(kept: Kept) -> None:
    fill(kept, WHO, 1)
    fill(kept, OTHER, 2)
    alarm(kept, WHO, closed=True)
    found = privacy.about(kept.connection, WHO)
    assert {kind: len(rows) for kind, rows in found.items()} == dict.fromkeys((*privacy.KINDS, "names"), 1)
    assert found["names"][0]["name"] == "Kim Li"
    assert OTHER not in json.dumps(found)


def test_person_is_forgotten_everywhere_and_what_happened_stays(kept: Kept) -> None:
    fill(kept, WHO, 1)
    fill(kept, OTHER, 2)
    alarm(kept, WHO, closed=True)
    done = privacy.erase(kept.connection, WHO, by="counsel", reason="asked for by the person")
    assert done.counts == {"events": 1, "detections": 1, "alarms": 1, "names": 1, "cardholders": 1}
    assert mentions(kept, WHO) == []
    assert len(mentions(kept, OTHER)) == 4
    detection = privacy.about(kept.connection, f"erased:{done.id}")["detections"][0]
    assert detection["why"] == f"erased:{done.id} was denied 7 times"
    assert detection["evidence"] == {"badge": f"erased:{done.id}", "tries": 7}
    assert privacy.about(kept.connection, WHO)["events"] == []


def test_record_tells_whether_somebody_was_forgotten_and_not_who(kept: Kept) -> None:
    fill(kept, WHO, 1)
    done = privacy.erase(kept.connection, WHO, by="counsel", reason="asked for")
    assert [each.id for each in privacy.erasures(kept.connection, WHO)] == [done.id]
    assert privacy.erasures(kept.connection, OTHER) == []
    for change in ("UPDATE hubwatch.privacy_erasures SET by = 'x'", "DELETE FROM hubwatch.privacy_erasures"):
        with pytest.raises(psycopg.errors.RestrictViolation):
            kept.do(change)


def test_hold_and_open_alarm_go_before(kept: Kept) -> None:
    fill(kept, WHO, 1)
    hold = legal_hold.add(
        kept.connection, hub=HUB, sensor=None, held_from=NOW - HOUR, held_to=NOW + HOUR, reason="case 42", by="counsel"
    )
    with pytest.raises(Permanent, match=f"hold {hold} is in force"):
        privacy.erase(kept.connection, WHO, by="counsel", reason="asked for")
    legal_hold.release(kept.connection, hold, reason="over", by="counsel")
    alarm(kept, WHO, closed=False)
    with pytest.raises(Permanent, match="stands: close it first"):
        privacy.erase(kept.connection, WHO, by="counsel", reason="asked for")
    assert len(mentions(kept, WHO)) >= 4, "nothing was changed"


FORGET = "SELECT hubwatch.forget_person(%s, %s)"
BEGIN = (
    "INSERT INTO hubwatch.privacy_erasures (by, reason, digest)"
    " VALUES ('x', 'x', sha256(convert_to(%s::text, 'UTF8'))) RETURNING id"
)


def only_event(kept: Kept) -> None:
    kept.events("door-3", NOW)
    kept.do("UPDATE hubwatch.event SET subject = %s", WHO)


def only_detection(kept: Kept) -> None:
    kept.do(ADD, f"01JD3Z{1:020d}", HUB, WHO, NOW, NOW, "", "{}")


def only_alarm(kept: Kept) -> None:
    alarm(kept, WHO, closed=True)


@pytest.mark.parametrize("put", [only_event, only_detection, only_alarm])
def test_nobody_forgets_what_is_held_by_calling_the_function_itself(kept: Kept, put: Callable[[Kept], None]) -> None:
    """Whoever may call it needs none of our programs; one thing under the hold is enough, of any kind."""
    put(kept)
    hold = legal_hold.add(
        kept.connection, hub=HUB, sensor=None, held_from=NOW - HOUR, held_to=NOW + HOUR, reason="case 42", by="counsel"
    )
    ((record,),) = kept.rows(BEGIN, WHO)
    with pytest.raises(psycopg.errors.RestrictViolation, match="legal hold is in force"):
        kept.rows(FORGET, WHO, record)
    with pytest.raises(Permanent, match=f"hold {hold} is in force"):
        privacy.erase(kept.connection, WHO, by="counsel", reason="asked for")
    legal_hold.release(kept.connection, hold, reason="over", by="counsel")
    alarm(kept, WHO, closed=False)
    with pytest.raises(psycopg.errors.RestrictViolation, match="stands: close it first"):
        kept.rows(FORGET, WHO, record)
    kept.do("UPDATE hubwatch.alarms SET state = 'normal', closed = %s WHERE closed IS NULL", NOW)
    assert mentions(kept, WHO) != [], "nothing was changed so far"
    kept.rows(FORGET, WHO, record)
    assert mentions(kept, WHO) == []


@pytest.mark.parametrize(("by", "reason", "subject"), [("", "x", WHO), ("x", " ", WHO), ("x", "x", "erased:1")])
def test_erasure_has_somebody_a_reason_and_a_subject(kept: Kept, by: str, reason: str, subject: str) -> None:
    with pytest.raises(Permanent):
        privacy.erase(kept.connection, subject, by=by, reason=reason)


def test_detection_is_changed_under_a_record_that_is_being_made_and_otherwise_never(kept: Kept) -> None:
    fill(kept, WHO, 1)
    done = privacy.erase(kept.connection, WHO, by="counsel", reason="asked for")
    for change in (
        "UPDATE hubwatch.detection SET subject = 'badge:p1-other'",
        f"UPDATE hubwatch.detection SET subject = 'erased:{done.id}'",
        "UPDATE hubwatch.detection SET subject = 'erased:999999'",
        "UPDATE hubwatch.detection SET why = 'nothing happened'",
        "UPDATE hubwatch.detection SET score = 0",
    ):
        with pytest.raises(psycopg.errors.RestrictViolation):
            kept.do(change)


def test_old_detections_and_alarms_name_nobody_any_more(kept: Kept) -> None:
    fill(kept, WHO, 1, NOW - 731 * DAY)
    fill(kept, OTHER, 2, NOW - 700 * DAY)
    alarm(kept, WHO, closed=True, at=NOW - 731 * DAY)
    kept.do("DELETE FROM hubwatch.event")
    assert privacy.person_days(kept.connection) == 730
    assert privacy.expire(kept.connection) == 1
    assert set(mentions(kept, WHO)) == {"cardholders", "cardholder_names"}, "the list says itself who is on it"
    assert "detection" in mentions(kept, OTHER)
    assert privacy.expire(kept.connection) == 0
    (record,) = privacy.erasures(kept.connection)
    assert (record.by, record.counts) == ("retention", {"detections": 1, "alarms": 1})


def lasting_detection(kept: Kept, until: Any) -> None:
    kept.do(ADD, f"01JD3Z{1:020d}", HUB, WHO, NOW - 9 * DAY, NOW - 9 * DAY, "", "{}")
    if until is not None:
        kept.do("INSERT INTO hubwatch.detection_ends (id, \"end\", detected) SELECT id, %s, %s FROM hubwatch.detection",
                until, until)  # fmt: skip


def lasting_alarm(kept: Kept, until: Any) -> None:
    alarm(kept, WHO, closed=True, at=NOW - 9 * DAY)
    kept.do("UPDATE hubwatch.alarms SET closed = %s", until if until is not None else NOW)


@pytest.mark.parametrize("put", [lasting_detection, lasting_alarm])
@pytest.mark.parametrize(("until", "is_held"), [(NOW, True), (None, True), (NOW - 2 * DAY, False)])
def test_hold_is_over_what_began_before_it_and_lasted_into_it(
    kept: Kept, put: Callable[[Kept, Any], None], until: Any, is_held: bool
) -> None:
    put(kept, until)
    legal_hold.add(
        kept.connection, hub=HUB, sensor=None, held_from=NOW - DAY, held_to=NOW + DAY, reason="case 42", by="counsel"
    )
    ((record,),) = kept.rows(BEGIN, WHO)
    if not is_held:
        kept.rows(FORGET, WHO, record)
        return
    with pytest.raises(psycopg.errors.RestrictViolation, match="legal hold is in force"):
        kept.rows(FORGET, WHO, record)
    with pytest.raises(Permanent, match="is in force"):
        privacy.erase(kept.connection, WHO, by="counsel", reason="asked for")
    privacy.set_person_days(kept.connection, 1)
    privacy.expire(kept.connection)
    assert mentions(kept, WHO) != []


def test_old_detection_under_a_hold_and_rule_of_for_ever_keep_the_name(kept: Kept) -> None:
    fill(kept, WHO, 1, NOW - 800 * DAY)
    hold = legal_hold.add(
        kept.connection,
        hub=HUB,
        sensor="door-3",
        held_from=NOW - 801 * DAY,
        held_to=NOW - 799 * DAY,
        reason="case 42",
        by="counsel",
    )
    privacy.expire(kept.connection)
    assert "detection" in mentions(kept, WHO)
    legal_hold.release(kept.connection, hold, reason="over", by="counsel")
    privacy.set_person_days(kept.connection, None)
    privacy.expire(kept.connection)
    assert "detection" in mentions(kept, WHO)
    privacy.set_person_days(kept.connection, 10)
    assert privacy.expire(kept.connection) == 1


def test_commands_give_out_forget_and_list(migrated_plain_dsn: str, tmp_path: Path) -> None:
    with kept_in(migrated_plain_dsn) as kept:
        kept.sensor("door-3", "access")
        fill(kept, WHO, 1)
    file, key = tmp_path / "about.json", tmp_path / "key"
    key.write_text(bytes(range(32)).hex(), encoding="utf-8")

    def run(*words: str, given: str | None = None) -> str:
        dsn = () if words[0] == "subject" else ("--dsn", migrated_plain_dsn)
        result = CliRunner().invoke(app, [*words, *dsn], input=given)
        assert result.exit_code == 0, result.output
        return result.stdout

    assert "1 events, 1 detections, 0 alarms, 1 cardholder" in run("export", WHO, "--to", str(file))
    assert file.stat().st_mode & 0o777 == 0o600
    assert json.loads(file.read_text(encoding="utf-8"))["subject"] == WHO
    assert json.loads(run("export", WHO))["events"][0]["subject"] == WHO
    said = run("erase", WHO, "--by", "counsel", "--reason", "asked for")
    assert all(part in said for part in ("erasure 1: ", "1 events", "1 detections", "0 alarms", "1 names"))
    assert "counsel: asked for" in run("records", "--subject", WHO)
    assert "for 30 days" in run("keep", "30", "--by", "counsel", "--reason", "policy of the port")
    assert run("subject", "--key-file", str(key), given="17\n").strip().startswith("badge:p1-")
