"""`hubwatch audit`: acts are shown, exported, signed and verified, with and without a database."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner, Result

from hubwatch_core.audit_chain import ERASED
from hubwatch_core.audit_signature import SigningKey, read_ends
from hubwatch_core.errors import Permanent
from hubwatch_ops.audit import app
from hubwatch_store.audit import AuditSection, journal_now, sign_daily
from hubwatch_store.database import DatabaseSection, connect_sync
from hubwatch_store.series import Bounds
from hubwatch_store.upkeep.maintenance import maintain_on
from support.chain_changes import changes, kept_chain

NASTY = "kim | = \\ \n\x9b \u202e 港"


@pytest.fixture
def connection(migrated_plain_dsn: str) -> Iterator[psycopg.Connection[Any]]:
    with connect_sync(DatabaseSection(dsn=migrated_plain_dsn)) as made:
        journal_now(made, "user added", who="kim", verified=True, hub="port", subject="lee", details={"role": "guard"})
        journal_now(made, "tested", who=NASTY, subject=NASTY)
        yield made


def run(*arguments: str, dsn: str | None) -> Result:
    return CliRunner().invoke(app, [*arguments, *(["--dsn", dsn] if dsn else [])])


def said(*arguments: str, dsn: str | None) -> str:
    result = run(*arguments, dsn=dsn)
    assert result.exit_code == 0, result.output
    return result.stdout


def behind_its_back(connection: psycopg.Connection[Any], statement: str) -> None:
    with connection.transaction():
        connection.execute("SET LOCAL session_replication_role = replica")
        connection.execute(statement.encode())


@pytest.mark.usefixtures("connection")
def test_rows_are_listed_on_one_line_each(migrated_plain_dsn: str) -> None:
    first, second = said("list", dsn=migrated_plain_dsn).splitlines()
    assert first.endswith('UTC  kim  user added at port: lee  {"role": "guard"}')
    assert second.endswith("UTC  kim | = \\ 港 (unverified)  tested: kim | = \\ 港")
    assert said("list", "--hub", "port", dsn=migrated_plain_dsn).count("\n") == 1


def test_export_signed_head_and_key_prove_the_rows_without_a_database(
    connection: psycopg.Connection[Any], migrated_plain_dsn: str, tmp_path: Path
) -> None:
    key, heads, file = tmp_path / "key", tmp_path / "heads", tmp_path / "rows"
    public = said("new-key", str(key), dsn=None).strip()
    assert key.stat().st_mode & 0o777 == 0o600
    assert "row 2 is signed" in said("sign", "--key", str(key), "--heads", str(heads), dsn=migrated_plain_dsn)
    assert "nothing is new" in said("sign", "--key", str(key), "--heads", str(heads), dsn=migrated_plain_dsn)
    file.write_text(said("export", dsn=migrated_plain_dsn), encoding="utf-8")
    proof = ("--heads", str(heads), "--key", public)
    assert "1 signed heads agree" in said("verify", "--file", str(file), *proof, dsn=None)
    assert "1 signed heads agree" in said("verify", *proof, dsn=migrated_plain_dsn)
    file.write_text(file.read_text(encoding="utf-8").replace('"lee"', '"bob"'), encoding="utf-8")
    changed = run("verify", "--file", str(file), *proof, dsn=None)
    assert (changed.exit_code, "row 1: who, subject or details altered" in changed.output) == (5, True)
    stranger = run("verify", "--heads", str(heads), "--key", "00" * 32, dsn=migrated_plain_dsn)
    assert (stranger.exit_code, stranger.exception is not None) == (1, True)
    behind_its_back(connection, "DELETE FROM audit WHERE id = 1")
    assert "row 1 missing" in run("verify", *proof, dsn=migrated_plain_dsn).output


@pytest.mark.usefixtures("connection")
def test_what_goes_to_a_siem_is_one_line_an_act_and_holds_no_line_of_its_own(migrated_plain_dsn: str) -> None:
    first, second = said("export", "--format", "cef", dsn=migrated_plain_dsn).splitlines()
    assert first.startswith("<110>1 20")
    assert "|user added|user added|3|rt=" in first
    assert 'suser=kim duser=lee msg={"role": "guard"} cs1Label=hub cs1=port' in first
    assert "suser=kim | \\= \\\\ \\n    港 duser=" in second
    events = [json.loads(line) for line in said("export", "--format", "ocsf", dsn=migrated_plain_dsn).splitlines()]
    assert [each["actor"]["user"]["name"] for each in events] == ["kim", NASTY]
    assert {each["type_uid"] for each in events} == {600399}
    assert events[0]["resources"] == [{"name": "lee"}]
    assert said("export", "--after", "2", dsn=migrated_plain_dsn) == ""


def test_row_that_was_emptied_is_no_fault_when_a_row_says_so(
    connection: psycopg.Connection[Any], migrated_plain_dsn: str
) -> None:
    behind_its_back(connection, "UPDATE audit SET who = NULL, subject = NULL, details = NULL, salt = NULL WHERE id = 1")
    assert "row 1: was emptied, and no row says so" in run("verify", dsn=migrated_plain_dsn).output
    journal_now(connection, ERASED, who="officer", details={"rows": [1]})
    assert "the chain holds" in said("verify", dsn=migrated_plain_dsn)
    assert "(erased)" in said("list", dsn=migrated_plain_dsn)


def test_key_that_others_can_read_or_that_is_none_is_refused(
    connection: psycopg.Connection[Any], tmp_path: Path
) -> None:
    open_to_all, none = tmp_path / "open", tmp_path / "none"
    SigningKey.make(open_to_all)
    open_to_all.chmod(0o644)
    none.touch(0o600)
    for file, says in ((open_to_all, "chmod 600"), (none, "is empty"), (tmp_path / "missing", "cannot be read")):
        with pytest.raises(Permanent, match=says):
            sign_daily(connection, file, None)


def test_upkeep_signs_once_a_day_where_it_has_a_key(connection: psycopg.Connection[Any], tmp_path: Path) -> None:
    key, heads = tmp_path / "key", tmp_path / "heads"
    SigningKey.make(key)
    section = AuditSection(key_file=key, heads=heads)
    for _ in range(2):
        assert maintain_on(connection, Bounds(), when_due=True, heads=section) is not None
        journal_now(connection, "tested", who="kim")
    assert [each.id for each in read_ends(heads)] == [2]
    behind_its_back(connection, "UPDATE audit_signatures SET at = at - INTERVAL '25 h'")
    assert maintain_on(connection, Bounds(), when_due=True, heads=section) is not None
    assert [(each.id, each.holds) for each in read_ends(heads)] == [(2, True), (4, True)]


def test_no_change_goes_unseen(migrated_plain_dsn: str, tmp_path: Path) -> None:
    kinds = changes()
    assert len(kinds) >= 50
    with kept_chain(migrated_plain_dsn, tmp_path) as chain:
        assert chain.faults() == []
        assert [name for name, statements in kinds.items() if not chain.found_after(statements)] == []
        assert chain.faults() == []
