"""What Grafana's alert rules are answered, as the reader that Grafana is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from hubwatch_dashboards.alert_rules import RULES, rules
from support.board_reader import Grafana, as_owner, portal_birth, portal_frame, reading, silenced, watched, write
from support.role_logins import roles_in


@pytest.fixture
def grafana(migrated_database: str) -> Iterator[Grafana]:
    with reading(migrated_database) as made:
        yield made


def _answers(grafana: Grafana) -> dict[str, list[tuple[Any, ...]]]:
    """Return what each rule is answered: its rows, of which the number above 0 fires."""
    asked = {rule["uid"]: rule["data"][0]["model"]["rawSql"] for rule in rules()}
    rows = {uid.removeprefix("hubwatch-"): grafana.ask(sql) for uid, sql in asked.items()}
    return {name: [tuple(row.values()) for row in found] for name, found in rows.items()}


def test_without_a_hub_nothing_is_answered_so_that_the_rules_fire_and_the_dead_man_is_silent(grafana: Grafana) -> None:
    as_owner(grafana, "INSERT INTO hubwatch.hubs (hub) VALUES ('harbour')")
    assert _answers(grafana) == {name.replace("_", "-"): [] for name in RULES}


async def test_hub_that_is_watched_fires_only_its_dead_man(grafana: Grafana) -> None:
    await write(grafana, portal_birth(), portal_frame())
    watched(grafana)
    answers = _answers(grafana)
    assert answers.pop("dead-man") == [("harbour", 1)]
    assert {name: rows for name, rows in answers.items() if rows != [("harbour", 0)]} == {}


async def test_each_rule_fires_for_what_it_is_about(grafana: Grafana) -> None:
    await write(grafana, portal_birth(), portal_frame(1), portal_frame(4))
    answers = _answers(grafana)
    assert answers["detectors-behind"] == answers["nobody-told"] == [("harbour", 1)]
    assert answers["data-stopped"] == answers["ledger-unexplained"] == [("harbour", 0)]
    watched(grafana)
    silenced(grafana)
    as_owner(grafana, "UPDATE hubwatch.ledger_grace SET grace = interval '0'")
    answers = _answers(grafana)
    assert answers["data-stopped"] == [("harbour", 1)]
    assert answers["ledger-unexplained"] == [("harbour", 2)]
    assert answers["detectors-behind"] == [("harbour", 0)]


async def test_hub_whose_agents_are_gone_is_not_calm(grafana: Grafana) -> None:
    await write(grafana, portal_birth(), portal_frame())
    watched(grafana)
    as_owner(grafana, "UPDATE hubwatch.agents SET gone = now()")
    answers = _answers(grafana)
    assert answers["data-stopped"] == answers["dead-man"] == [("harbour", 1)]


async def test_hub_that_a_reader_was_given_is_not_calm_though_it_is_not_there(migrated_plain_dsn: str) -> None:
    with reading(migrated_plain_dsn) as grafana:
        await write(grafana, portal_birth(), portal_frame())
    asked = {rule["uid"]: rule["data"][0]["model"]["rawSql"] for rule in rules()}
    with roles_in(migrated_plain_dsn) as logins:
        with psycopg.connect(logins.reader("grafana", "harbour", "rotterdam")) as reader:
            answers: dict[str, dict[str, int]] = {
                uid: dict(reader.execute(sql).fetchall()) for uid, sql in asked.items()
            }
        assert answers.pop("hubwatch-ledger-unexplained") == {"harbour": 0, "rotterdam": 0}
        assert {uid: hubs["rotterdam"] for uid, hubs in answers.items()} == dict.fromkeys(answers, 1)
        with psycopg.connect(logins.reader("other", "rotterdam")) as reader:
            assert reader.execute(asked["hubwatch-dead-man"]).fetchall() == [("rotterdam", 1)]


async def test_frames_that_nothing_brings_back_fire_for_a_day_unless_their_age_is_not_known(grafana: Grafana) -> None:
    await write(grafana, portal_birth(), portal_frame(1), portal_frame(4), portal_frame(9))
    watched(grafana)
    as_owner(grafana, "UPDATE hubwatch.ledger_grace SET grace = interval '0'")
    assert _answers(grafana)["ledger-unexplained"] == [("harbour", 6)]
    as_owner(grafana, "UPDATE hubwatch.ledger_commit SET at = now() - interval '2 days'")
    as_owner(grafana, "UPDATE hubwatch.epoch SET first_seen = now() - interval '2 days'")
    assert _answers(grafana)["ledger-unexplained"] == [("harbour", 0)]
    as_owner(grafana, "INSERT INTO hubwatch.eviction SELECT id, 7, 8, 0, 'full', now() FROM hubwatch.epoch")
    assert _answers(grafana)["ledger-unexplained"] == [("harbour", 2)]
