"""`hubwatch users`: the directory, at the machine."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner

from hubwatch_ops.users import app


@pytest.fixture
def dsn(migrated_plain_dsn: str) -> str:
    return migrated_plain_dsn


def said(dsn: str, *words: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, [*words, "--dsn", dsn])
    assert result.exit_code == code, result.output
    return result.output


def audit(dsn: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(dsn) as connection:
        return connection.execute(
            "SELECT who LIKE 'os:%', verified, act, subject FROM hubwatch.audit ORDER BY id"
        ).fetchall()


def test_user_is_added_listed_given_roles_disabled_enabled_and_reset(dsn: str) -> None:
    assert "there are no users" in said(dsn, "list")
    said(dsn, "add", "root", "--role", "administrator")
    added = said(
        dsn, "add", "kim", "--role", "guard=rotterdam,basel", "--role", "viewer", "--full-name", "Kim [b]\x1b[2J"
    )
    password = added.split()[-1]
    assert len(password) == 19
    (kim, root) = said(dsn, "list").splitlines()
    assert kim == (
        "kim (Kim [b] [2J): viewer at every hub, guard at basel and rotterdam; has to set up: password, never seen"
    )
    assert root == "root: administrator at every hub; has to set up: password, has to set up: second factor, never seen"
    assert "supervisor at basel" in said(dsn, "grant", "kim", "--role", "supervisor=basel")
    said(dsn, "disable", "kim", "--note", "left")
    assert "disabled" in said(dsn, "list")
    said(dsn, "enable", "kim")
    assert said(dsn, "reset", "kim").split()[-1] != password
    (facts, _) = json.loads(said(dsn, "list", "--json"))
    assert (facts["grants"], facts["needs"]) == ({"supervisor": ["basel"]}, ["password", "second_factor"])
    words = [act for _, _, act, subject in audit(dsn) if subject == "kim"]
    assert words == ["user.add", "user.reset", "user.grant", "user.disable", "user.enable", "user.reset"]
    assert {row[:2] for row in audit(dsn)} == {(True, False)}


def test_what_cannot_be_is_told_in_a_line(dsn: str) -> None:
    said(dsn, "add", "root", "--role", "administrator")
    for words, line, code in (
        (("add", "Kim", "--role", "guard"), "a user's name has 1 to 63", 2),
        (("add", "kim", "--role", "boss"), "boss is no role: there are viewer, guard", 2),
        (("add", "kim", "--role", "guard="), "guard needs the names of hubs", 2),
        (("add", "root", "--role", "guard"), "there is a user root already", 1),
        (("disable", "root"), "nobody would be left who may change users", 1),
        (("grant", "nobody", "--role", "guard"), "there is no user nobody", 1),
    ):
        assert line in said(dsn, *words, code=code)
    assert "disabled" not in said(dsn, "list")
