"""`hubwatch db roles / reader`: by hand, again and again, with passwords that are never sent in the clear."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from typer.testing import CliRunner, Result

from hubwatch_ops.cli import build
from hubwatch_ops.database.app import app
from hubwatch_store.database import LOGINS
from support.role_logins import own_prefix
from support.store_examples import one, rows


@pytest.fixture
def prefix(migrated_timescale_dsn: str) -> Iterator[str]:
    with own_prefix(migrated_timescale_dsn) as made:
        yield made


def run(dsn: str, *arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments, "--dsn", dsn])


def said(dsn: str, *arguments: str) -> str:
    result = run(dsn, *arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_roles_are_made_again_and_again_with_the_passwords_given(
    migrated_timescale_dsn: str, prefix: str, tmp_path: Path
) -> None:
    secret = tmp_path / "up"
    secret.write_text("correct horse\n", encoding="utf-8")
    for _ in range(2):
        told = said(migrated_timescale_dsn, "roles", "--prefix", prefix, "--password", f"up={secret}")
        assert [name for name in LOGINS if f"{prefix}_{name}" not in told] == []
    stored = one(migrated_timescale_dsn, f"SELECT rolpassword FROM pg_authid WHERE rolname = '{prefix}_up'")
    assert str(stored).startswith("SCRAM-SHA-256$")
    limits = rows(
        migrated_timescale_dsn,
        f"SELECT rolname FROM pg_roles WHERE rolname LIKE '{prefix}\\_%' AND rolcanlogin AND rolconnlimit < 0",
    )
    assert limits == []
    assert said(make_conninfo(migrated_timescale_dsn, user=f"{prefix}_up"), "migrate").startswith("nothing to do")


def test_a_reader_gets_other_hubs_when_it_is_asked_for_again(migrated_timescale_dsn: str, prefix: str) -> None:
    said(migrated_timescale_dsn, "roles", "--prefix", prefix)
    with psycopg.connect(migrated_timescale_dsn, autocommit=True) as owner:
        owner.execute("INSERT INTO hubwatch.hubs (hub) VALUES ('port'), ('airport')")
    name = f"{prefix}_board"
    login = make_conninfo(migrated_timescale_dsn, user=name)
    for arguments, seen in (
        (["--hub", "port"], ["port"]),
        (["--hub", "airport"], ["airport"]),
        (["--every-hub"], ["airport", "port"]),
        (["--hub", "none"], []),
    ):
        assert name in said(migrated_timescale_dsn, "reader", name, *arguments, "--prefix", prefix)
        with psycopg.connect(login) as connection:
            assert [row[0] for row in connection.execute("SELECT hub FROM hubwatch.hubs ORDER BY 1")] == seen


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["roles", "--password", "owner=x"], "write ROLE=FILE"),
        (["roles", "--prefix", 'x"; DROP'], "is no name for a role"),
        (["reader", "someone"], "name the hubs"),
        (["reader", "Some-One", "--every-hub"], "is no name for a role"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    migrated_timescale_dsn: str, arguments: list[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    result = run(migrated_timescale_dsn, *arguments)
    assert result.exit_code != 0
    assert why in result.output


COMMANDS = [
    ["db", "status"],
    ["db", "retention", "show"],
    ["db", "hold", "list"],
    ["db", "maintain", "--dry-run"],
    ["ledger", "report"],
    ["dead-letters", "list"],
    ["site", "history"],
    ["level", "show"],
    ["audit", "list"],
    ["audit", "verify"],
    ["enrol", "list"],
    ["privacy", "records"],
    ["privacy", "keep", "400", "--by", "kim", "--reason", "policy"],
]


def test_an_operator_may_ask_what_commands_show(migrated_timescale_dsn: str, prefix: str) -> None:
    said(migrated_timescale_dsn, "roles", "--prefix", prefix)
    with psycopg.connect(migrated_timescale_dsn, autocommit=True) as owner:
        owner.execute("INSERT INTO hubwatch.hubs (hub) VALUES ('port')")
    operator = make_conninfo(migrated_timescale_dsn, user=f"{prefix}_operator")
    refused = {}
    for words in COMMANDS:
        result = CliRunner().invoke(build(words), [*words, "--dsn", operator])
        if "permission" in result.output:
            refused[" ".join(words)] = result.output
    assert refused == {}
