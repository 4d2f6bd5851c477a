"""`hubwatch site cardholders import` against a real database, and detectors that learn of it while they run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner, Result

from hubwatch_agents.values.pseudonyms import keyed
from hubwatch_core.health import Health
from hubwatch_detectors.engine import Engine
from hubwatch_detectors.settings import DetectorsSettings
from hubwatch_detectors.site_following import SiteFollowing
from hubwatch_ops.site import app
from hubwatch_store.database import DatabaseSection, open_pool
from hubwatch_store.site import Sites, people_of
from support.site_applied import applied

REPOSITORY = Path(__file__).parents[2]
SITE = (
    '[hub]\nid = "rotterdam"\nname = "R"\nmode = "sea"\ntime_zone = "Europe/Amsterdam"\n'
    '[[zones]]\nid = "office"\n[[shifts]]\nname = "early"\ndays = "mon-fri"\nfrom = "06:00"\nto = "14:00"\n'
)
HEAD = "badge,home zone,shift,on call,clearance,valid from,valid to,name\n"
KEY = "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQobLDnOXw/yE="


@pytest.fixture
def connection(migrated_plain_dsn: str) -> Iterator[psycopg.Connection[Any]]:
    applied(migrated_plain_dsn, SITE)
    with psycopg.connect(migrated_plain_dsn, autocommit=True) as made:
        yield made


@pytest.fixture
def key(tmp_path: Path) -> Path:
    (tmp_path / "subjects.key").write_text(KEY + "\n")
    return tmp_path / "subjects.key"


def imported(dsn: str, folder: Path, lines: str, *options: str) -> Result:
    file = folder / "people.csv"
    file.write_text(HEAD + lines, encoding="utf-8")
    by = () if "--by" in options else ("--by", "kim")
    return CliRunner().invoke(app, ["cardholders", "import", str(file), "--dsn", dsn, *by, *options])


def test_list_is_in_force_as_a_whole_and_journalled(
    connection: psycopg.Connection[Any], migrated_plain_dsn: str, tmp_path: Path, key: Path
) -> None:
    def put(lines: str, *more: str) -> str:
        options = ("--key-file", str(key), "--by", "kim", "--note", "from the access system", *more)
        result = imported(migrated_plain_dsn, tmp_path, lines, *options)
        assert result.exit_code == 0, result.output
        return result.output

    first = put("1,office,early,yes,2,,,Kim\n2,,,,,2026-03-01,,Li\n", "--with-names")
    assert "import 1 of hub rotterdam is in force: 2 cardholders, 2 of them new or changed, 0 removed" in first
    assert "2 cardholders, 1 of them new or changed, 1 removed" in put("1,office,early,yes,2,,,Kim\n3,,,,,,,Jo\n")
    one, three = (keyed(KEY.encode())("badge:", badge) for badge in "13")
    rows = connection.execute("SELECT subject, version FROM hubwatch.cardholders").fetchall()
    assert dict(rows) == {one: 1, three: 2}
    names = connection.execute("SELECT count(*) FROM hubwatch.cardholder_names").fetchone()
    assert names == (0,), "the second list came without names"
    journal = "SELECT version, imported_by, note, cardholders, removed, with_names FROM hubwatch.cardholder_imports"
    assert connection.execute(journal.encode()).fetchall() == [
        (1, "kim", "from the access system", 2, 0, True),
        (2, "kim", "from the access system", 2, 1, False),
    ]
    with pytest.raises(psycopg.errors.RestrictViolation):
        connection.execute("UPDATE hubwatch.cardholder_imports SET note = 'x'")


def test_list_with_mistakes_changes_nothing(
    connection: psycopg.Connection[Any], migrated_plain_dsn: str, tmp_path: Path, key: Path
) -> None:
    result = imported(migrated_plain_dsn, tmp_path, "1,cellar,late,,,,,\n", "--key-file", str(key))
    assert result.exit_code == 2
    assert "people.csv:2: home zone: there is no zone cellar at this hub" in result.output
    assert "people.csv:2: shift: there is no shift late" in result.output
    assert connection.execute("SELECT count(*) FROM hubwatch.cardholders").fetchone() == (0,)


def test_key_or_raw_has_to_be_said_and_the_key_to_be_long_enough(
    connection: psycopg.Connection[Any], migrated_plain_dsn: str, tmp_path: Path, key: Path
) -> None:
    assert "give either --key-file" in imported(migrated_plain_dsn, tmp_path, "1,,,,,,,\n").output
    key.write_text("short")
    assert "32 random bytes" in imported(migrated_plain_dsn, tmp_path, "1,,,,,,,\n", "--key-file", str(key)).output
    assert imported(migrated_plain_dsn, tmp_path, "1,,,,,,,\n", "--raw").exit_code == 0
    assert connection.execute("SELECT subject FROM hubwatch.cardholders").fetchall() == [("badge:1",)]


def test_names_are_read_by_their_own_role_and_not_by_that_of_boards(
    connection: psycopg.Connection[Any], migrated_plain_dsn: str, tmp_path: Path
) -> None:
    assert imported(migrated_plain_dsn, tmp_path, "1,,,,,,,Kim\n", "--raw", "--with-names").exit_code == 0
    for file in ("grafana/reader.sql", "timescaledb/names.sql"):
        connection.execute((REPOSITORY / "ops" / file).read_bytes())
    asked = "SELECT name FROM hubwatch.cardholder_names"
    connection.execute("SET ROLE hubwatch_names")
    assert connection.execute(asked.encode()).fetchall() == [("Kim",)]
    connection.execute("SET ROLE hubwatch_reader")
    assert connection.execute("SELECT subject FROM hubwatch.cardholders").fetchall() == [("badge:1",)]
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(asked.encode())


async def test_detectors_learn_of_cardholders_and_level_while_they_run(
    connection: psycopg.Connection[Any], migrated_plain_dsn: str, tmp_path: Path
) -> None:
    engine = Engine(DetectorsSettings().rules())
    async with open_pool(DatabaseSection(dsn=migrated_plain_dsn), "test") as pool:
        sites = Sites(with_people=True)
        following = SiteFollowing(engine, sites, Health())
        await following.look(pool)
        assert following.site.cardholder("rotterdam", "badge:1") is None
        assert imported(migrated_plain_dsn, tmp_path, "1,office,early,yes,2,,,\n", "--raw").exit_code == 0
        connection.execute("UPDATE hubwatch.hubs SET security_level = 3")
        await following.look(pool)
        known = following.site.cardholder("rotterdam", "badge:1")
        assert known is not None
        assert (known.home_zone, known.on_call) == ("office", True)
        assert following.site.level("rotterdam") == 3
        assert await people_of(pool, "rotterdam") == {"badge:1": known}


def test_both_keys_of_a_change_name_the_same_people(
    connection: psycopg.Connection[Any], migrated_plain_dsn: str, tmp_path: Path, key: Path
) -> None:
    following = tmp_path / "next.key"
    following.write_text(bytes(range(100, 140)).hex())
    options = ("--key-file", str(key), "--key-version", "3", "--next-key-file", str(following))
    result = imported(migrated_plain_dsn, tmp_path, "1,office,early,yes,2,,,\n", *options)
    assert result.exit_code == 0, result.output
    rows = connection.execute("SELECT subject, clearance FROM hubwatch.cardholders ORDER BY subject").fetchall()
    now, then = keyed(KEY.encode(), 3)("badge:", "1"), keyed(following.read_bytes(), 4)("badge:", "1")
    assert rows == [(now, 2), (then, 2)]
    assert now.startswith("badge:p3-")
    assert (
        "goes with --key-file"
        in imported(migrated_plain_dsn, tmp_path, "1,,,,,,,\n", "--raw", "--next-key-file", str(following)).output
    )
