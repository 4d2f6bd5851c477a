"""A backup restores to the same rows on the same and on the other engine, all of it or nothing."""

from __future__ import annotations

import hashlib
import os
import stat
import threading
import tracemalloc
import zipfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import psycopg
import pytest

from hubwatch_core.errors import Permanent
from hubwatch_store.backup import Manifest, archive, create_backup, make_identity
from hubwatch_store.backup.restore import SETTINGS, restore_backup
from hubwatch_store.database import DatabaseSection, Migration, migrate, migrations
from hubwatch_store.ingest import Writer
from support.databases import fresh_database
from support.full_database import fill, summary
from support.kept_database import DAY, NOW, Kept, kept_in
from support.store_examples import event, frame, offer


def quiet(_table: str, _size: int) -> None:
    pass


def section(dsn: str) -> DatabaseSection:
    return DatabaseSection(dsn=dsn, connect_timeout_s=2)


@pytest.fixture
def kept(migrated_database: str) -> Iterator[Kept]:
    with kept_in(migrated_database) as kept:
        yield kept


@pytest.fixture
def plain_kept(migrated_plain_dsn: str) -> Iterator[Kept]:
    with kept_in(migrated_plain_dsn) as kept:
        yield kept


@pytest.fixture
def target(plain_server: str) -> Iterator[str]:
    with fresh_database(plain_server) as dsn:
        yield dsn


@pytest.fixture
def file(plain_kept: Kept, tmp_path: Path) -> Path:
    fill(plain_kept)
    path = tmp_path / "harbour.backup"
    create_backup(plain_kept.settings, path, quiet)
    return path


@pytest.mark.parametrize("other", ["timescale", "plain"])
def test_what_is_restored_is_what_was_backed_up(
    kept: Kept, other: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    server = request.getfixturevalue(f"{other}_server")
    fill(kept)
    before = summary(kept.dsn)
    path = tmp_path / "harbour.backup"
    made = create_backup(kept.settings, path, quiet)
    with fresh_database(server) as dsn:
        restored = restore_backup(section(dsn), path, quiet)
        assert summary(dsn) == before
    assert restored == made
    assert {table.name for table in made.tables} == set(tables_of(kept))
    assert {table.name: table.rows for table in made.tables} == {
        table.name: before[table.name][0] for table in made.tables
    }


async def test_a_collector_goes_on_writing_after_a_restore(kept: Kept, plain_server: str, tmp_path: Path) -> None:
    fill(kept)
    path = tmp_path / "harbour.backup"
    create_backup(kept.settings, path, quiet)
    with fresh_database(plain_server) as dsn:
        restore_backup(section(dsn), path, quiet)
        writer = Writer(section(dsn))
        more = frame(1, agent="gate-8", events=[event("door.opened", sensor="door-9")])
        written = await writer.write([offer(more), offer(frame(2, agent="gate-8", epoch="F"))])
        again = await writer.write([offer(frame(3, epoch="E"))])
        await writer.close()
        assert (written.frames, written.readings, written.events) == (2, 4, 1)
        assert again.duplicates == 1, "the ledger came along: what was stored before the backup is not stored twice"
        with kept_in(dsn) as there:
            assert there.one("SELECT count(*) FROM sensors") == 3
            there.maintain()
            assert there.one("SELECT count(*) = count(DISTINCT id) FROM ledger_commit")
            new = "INSERT INTO incidents (hub, opened, title) VALUES ('harbour', now(), 'next') RETURNING id"
            assert there.one(new) == 2


def test_encrypted_backup_is_restored_with_the_identity_of_a_recipient(
    plain_kept: Kept, target: str, tmp_path: Path
) -> None:
    fill(plain_kept)
    before, path, identity = summary(plain_kept.dsn), tmp_path / "b", tmp_path / "identity"
    made = create_backup(plain_kept.settings, path, quiet, recipients=[make_identity(identity)])
    with pytest.raises(Permanent, match="is encrypted"):
        restore_backup(section(target), path, quiet)
    assert restore_backup(section(target), path, quiet, identity=identity) == made
    assert summary(target) == before


def test_restored_triggers_work_again_and_did_not_fire(file: Path, target: str, plain_kept: Kept) -> None:
    restore_backup(section(target), file, quiet)
    with kept_in(target) as there:
        inbox = "SELECT id, detection FROM alarm_inbox ORDER BY id"
        assert there.rows(inbox) == plain_kept.rows(inbox)
        with pytest.raises(psycopg.errors.RestrictViolation):
            there.do("DELETE FROM legal_hold")
        there.do("INSERT INTO detection_ends VALUES ('d2', now(), now())")
        assert there.one("SELECT detection FROM alarm_inbox ORDER BY id DESC LIMIT 1") == "d2"


def test_a_backup_is_of_one_moment_whatever_is_written_meanwhile(kept: Kept, tmp_path: Path, plain_server: str) -> None:
    portal = kept.sensor("rpm-2", "radiation_portal")
    kept.readings(portal, NOW - DAY, NOW)
    stop, done = threading.Event(), threading.Event()

    def write() -> None:
        with psycopg.connect(kept.dsn, autocommit=True, options="-c search_path=hubwatch,public") as connection:
            while not stop.is_set():
                with connection.transaction():
                    connection.execute("INSERT INTO incidents (hub, opened, title) VALUES ('harbour', now(), 'x')")
                    connection.execute("INSERT INTO reading VALUES (%s, %s, 1, 0)", (NOW, portal))
                done.set()

    thread = threading.Thread(target=write)
    thread.start()
    done.wait(10)
    manifest = create_backup(kept.settings, tmp_path / "b", quiet)
    stop.set()
    thread.join()
    rows = {table.name: table.rows for table in manifest.tables}
    assert rows["reading"] == rows["incidents"] + 2
    last = manifest.sequences["incidents_id_seq"]
    assert last is not None
    assert last >= rows["incidents"]
    with fresh_database(plain_server) as dsn:
        restore_backup(section(dsn), tmp_path / "b", quiet)


def test_retention_drops_nothing_that_a_backup_is_reading(kept: Kept, tmp_path: Path) -> None:
    kept.readings(kept.sensor("rpm-2", "radiation_portal"), NOW - 450 * DAY, NOW)
    started, go_on = threading.Event(), threading.Event()
    manifests: list[Manifest] = []

    def slow(table: str, _size: int) -> None:
        if table == "agents":
            started.set()
            go_on.wait(20)

    thread = threading.Thread(target=lambda: manifests.append(create_backup(kept.settings, tmp_path / "b", slow)))
    thread.start()
    started.wait(10)
    deleted = kept.maintain().deleted
    go_on.set()
    thread.join(20)
    assert deleted is not None
    assert not deleted.complete
    assert next(table.rows for table in manifests[0].tables if table.name == "reading") == 2
    kept.maintain()
    assert kept.one("SELECT count(*) FROM reading") == 1


def test_the_file_is_the_owners_and_tells_no_secret(plain_kept: Kept, tmp_path: Path) -> None:
    path = tmp_path / "b"
    secret = "correct-horse-battery"
    create_backup(DatabaseSection(dsn=plain_kept.dsn, password=secret), path, quiet)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with zipfile.ZipFile(path) as file:
        content = b"".join(file.read(name) for name in file.namelist())
    assert secret.encode() not in content
    assert b"127.0.0.1" not in content


def test_the_file_can_be_read_without_hubwatch(file: Path) -> None:
    with zipfile.ZipFile(file) as content:
        assert content.testzip() is None
        assert content.read("hubs.csv").decode().splitlines() == [
            "hub,name,mode,security_level",
            "harbour,Maasvlakte gate complex,sea,1",
        ]


def test_progress_is_told_for_every_table_on_both_ways(plain_kept: Kept, target: str, tmp_path: Path) -> None:
    fill(plain_kept)
    told: list[str] = []
    manifest = create_backup(plain_kept.settings, tmp_path / "b", lambda table, _: told.append(table))
    assert list(dict.fromkeys(told)) == [table.name for table in manifest.tables]
    told.clear()
    restore_backup(section(target), tmp_path / "b", lambda table, _: told.append(table))
    assert set(told) == {table.name for table in manifest.tables}


def test_a_backup_never_writes_over_a_file(plain_kept: Kept, tmp_path: Path) -> None:
    path = tmp_path / "b"
    path.write_text("precious")
    with pytest.raises(Permanent, match="exists already"):
        create_backup(plain_kept.settings, path, quiet)
    assert path.read_text() == "precious"


def test_a_backup_that_fails_leaves_no_file(plain_kept: Kept, tmp_path: Path) -> None:
    def fail(table: str, _size: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        create_backup(plain_kept.settings, tmp_path / "b", fail)
    with pytest.raises(Permanent, match="cannot be written"):
        create_backup(plain_kept.settings, tmp_path / "no-such-folder" / "b", quiet)
    assert list(tmp_path.iterdir()) == []


def untouched(dsn: str) -> bool:
    with psycopg.connect(dsn) as connection:
        return connection.execute("SELECT to_regnamespace('hubwatch') IS NULL").fetchone() == (True,)


@pytest.mark.parametrize("kept_share", [0.0, 0.3, 0.9, 0.999])
def test_a_file_that_was_cut_off_is_refused_before_anything_is_written(
    file: Path, target: str, kept_share: float
) -> None:
    os.truncate(file, int(file.stat().st_size * kept_share))
    with pytest.raises(Permanent, match="cut off, damaged or no backup"):
        restore_backup(section(target), file, quiet)
    assert untouched(target)


@pytest.mark.parametrize("part", ["rows", "manifest"])
def test_a_file_with_a_flipped_bit_is_refused_before_anything_is_written(file: Path, target: str, part: str) -> None:
    name = "reading.csv" if part == "rows" else archive.MANIFEST
    with zipfile.ZipFile(file) as content:
        info = content.getinfo(name)
    bytes_ = bytearray(file.read_bytes())
    bytes_[info.header_offset + 30 + len(name) + 24 + info.compress_size // 2] ^= 4
    file.write_bytes(bytes_)
    with pytest.raises(Permanent, match="damaged"):
        restore_backup(section(target), file, quiet)
    assert untouched(target)


def rewritten(file: Path, change: dict[str, bytes]) -> None:
    """Write the zip anew, with some members changed and every zip checksum right."""
    with zipfile.ZipFile(file) as content:
        members = {name: content.read(name) for name in content.namelist()} | change
    with zipfile.ZipFile(file, "w") as content:
        for name, text in members.items():
            content.writestr(name, text)


def manifest_of(file: Path) -> Manifest:
    with archive.opened(file) as backup, archive.reading(backup) as (_, manifest):
        return manifest


def test_a_table_that_is_not_as_it_was_written_is_refused(file: Path, target: str) -> None:
    rewritten(file, {"hubs.csv": b"hub,name,mode,security_level\nharbour,,,2\n"})
    with pytest.raises(Permanent, match="table hubs is not as it was written"):
        restore_backup(section(target), file, quiet)
    assert untouched(target)


def test_a_table_more_than_the_manifest_says_is_refused(file: Path, target: str) -> None:
    rewritten(file, {"more.csv": b"x\n1\n"})
    with pytest.raises(Permanent, match="does not hold the tables it says"):
        restore_backup(section(target), file, quiet)


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x05\x06" + bytes(18)])
def test_what_is_no_backup_is_refused(target: str, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "b"
    path.write_bytes(content)
    with pytest.raises(Permanent, match="no backup"):
        restore_backup(section(target), path, quiet)
    with pytest.raises(Permanent, match="cannot be read"):
        restore_backup(section(target), tmp_path / "missing", quiet)


def test_rows_the_database_refuses_undo_the_whole_restore(file: Path, target: str) -> None:
    manifest = manifest_of(file)
    zones = next(table for table in manifest.tables if table.name == "zones")
    bad = b"hub,zone,name,criticality,outline,version\nharbour,gate-2,,1,,\nharbour,gate-2,,1,,\n"
    table = msgspec.structs.replace(zones, rows=2, bytes=len(bad), sha256=hashlib.sha256(bad).hexdigest())
    tables = [table if each.name == "zones" else each for each in manifest.tables]
    changed = msgspec.json.encode(msgspec.structs.replace(manifest, tables=tables))
    rewritten(file, {"zones.csv": bad, archive.MANIFEST: changed})
    with pytest.raises(Permanent, match="duplicate key"):
        restore_backup(section(target), file, quiet)
    assert {name for name, (rows, _) in summary(target).items() if rows} <= SETTINGS


def test_fewer_rows_than_the_manifest_says_undo_the_whole_restore(file: Path, target: str) -> None:
    manifest = manifest_of(file)
    tables = [msgspec.structs.replace(each, rows=each.rows + (each.name == "hubs")) for each in manifest.tables]
    rewritten(file, {archive.MANIFEST: msgspec.json.encode(msgspec.structs.replace(manifest, tables=tables))})
    with pytest.raises(Permanent, match="has 1 rows, not 2"):
        restore_backup(section(target), file, quiet)
    assert {name for name, (rows, _) in summary(target).items() if rows} <= SETTINGS


def test_a_database_with_anything_in_it_is_refused(file: Path, plain_kept: Kept) -> None:
    before = summary(plain_kept.dsn)
    with pytest.raises(Permanent, match="not empty"):
        restore_backup(plain_kept.settings, file, quiet)
    assert summary(plain_kept.dsn) == before


def test_a_database_that_is_migrated_but_unused_is_taken(file: Path, target: str, plain_kept: Kept) -> None:
    migrate(section(target))
    restore_backup(section(target), file, quiet)
    assert summary(target) == summary(plain_kept.dsn)


def test_a_schema_newer_than_the_backup_is_refused(file: Path, target: str) -> None:
    migrate(section(target), known=[*migrations(), Migration(9000, "pre", "later", "SELECT 1")])
    with pytest.raises(Permanent, match="newer schema than the backup"):
        restore_backup(section(target), file, quiet)


def test_a_backup_of_a_newer_program_is_refused(file: Path, target: str) -> None:
    manifest = manifest_of(file)
    later = archive.ArchiveStep(9000, "9000_pre_later", "0" * 64)
    newer = msgspec.structs.replace(manifest, migrations=[*manifest.migrations, later])
    rewritten(file, {archive.MANIFEST: msgspec.json.encode(newer)})
    with pytest.raises(Permanent, match="newer hubwatch"):
        restore_backup(section(target), file, quiet)
    rewritten(file, {archive.MANIFEST: msgspec.json.encode({"format": 2})})
    with pytest.raises(Permanent, match="newer hubwatch"):
        restore_backup(section(target), file, quiet)
    assert untouched(target)


def test_an_older_backup_is_migrated_to_this_program(file: Path, target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    extra = Migration(9000, "pre", "later", "CREATE TABLE hubwatch.later AS SELECT hub FROM hubwatch.hubs")
    both = (*migrations(), extra)
    monkeypatch.setattr("hubwatch_store.database.schema.migrations", lambda: both)
    restore_backup(section(target), file, quiet)
    with kept_in(target) as there:
        assert there.rows("SELECT hub FROM later") == [("harbour",)], "it ran after the rows were there"


@pytest.mark.parametrize("which", ["pending", "unknown"])
def test_a_database_of_another_programs_schema_is_not_backed_up(plain_kept: Kept, tmp_path: Path, which: str) -> None:
    if which == "pending":
        plain_kept.do("DELETE FROM migrations WHERE number = (SELECT max(number) FROM migrations)")
    else:
        plain_kept.do("INSERT INTO migrations VALUES (9000, '9000_pre_later', '')")
    with pytest.raises(Permanent, match="run `hubwatch db migrate`" if which == "pending" else "newer hubwatch"):
        create_backup(plain_kept.settings, tmp_path / "b", quiet)
    assert list(tmp_path.iterdir()) == []


def tables_of(kept: Kept) -> list[str]:
    query = (
        "SELECT relname FROM pg_class WHERE relnamespace = 'hubwatch'::regnamespace AND relkind IN ('r', 'p')"
        " AND NOT relispartition AND relname <> 'migrations'"
    )
    return [row[0] for row in kept.rows(query)]


def test_only_tables_of_settings_have_rows_after_a_migration(kept: Kept) -> None:
    found = summary(kept.dsn)
    assert {name for name in tables_of(kept) if found[name][0]} == SETTINGS


def test_memory_stays_bounded(plain_kept: Kept, target: str, tmp_path: Path) -> None:
    channel = plain_kept.sensor("rpm-2", "radiation_portal")
    plain_kept.do("SELECT ensure_partitions('reading', %s)", [NOW])
    plain_kept.do("INSERT INTO reading SELECT %s, %s, i, 0 FROM generate_series(1, 300000) i", NOW, channel)
    tracemalloc.start()
    create_backup(plain_kept.settings, tmp_path / "b", quiet)
    restore_backup(section(target), tmp_path / "b", quiet)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 << 20
