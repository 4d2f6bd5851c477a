"""Signed backups: who made one is known before anything of it is used, and nothing unpacks to more than it says."""

from __future__ import annotations

import hashlib
import subprocess
import zipfile
from pathlib import Path

import msgspec
import pytest

from hubwatch_core.errors import Permanent
from hubwatch_store.backup.archive import FORMAT, MANIFEST, SIGNATURE, Manifest, Table, verify, writing

ROWS = b"1,2\n" * 1000


def quiet(_table: str, _size: int) -> None:
    """Say nothing of the progress."""


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two pairs of keys as OpenSSL makes them, one of them a stranger's, and a key of another kind."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("ours", "strange"):
        make = ["openssl", "genpkey", "-algorithm", "ed25519", "-out", str(folder / f"{name}.key")]
        subprocess.run(make, check=True, capture_output=True)
        show = ["openssl", "pkey", "-in", str(folder / f"{name}.key"), "-pubout", "-out", str(folder / f"{name}.pub")]
        subprocess.run(show, check=True, capture_output=True)
    other = ["openssl", "genpkey", "-algorithm", "x25519", "-out", str(folder / "other.key")]
    subprocess.run(other, check=True, capture_output=True)
    return folder


def manifest(rows: bytes = ROWS) -> Manifest:
    table = Table("reading", ["a", "b"], 1000, len(rows), hashlib.sha256(rows).hexdigest())
    return Manifest(FORMAT, "0.1.0", "2026-11-29T00:00:00+00:00", "plain", [], [table], {})


def backup(folder: Path, key: Path | None) -> Path:
    path = folder / "hub.backup"
    with writing(path, quiet) as archive:
        archive.add("reading", [ROWS])
        archive.finish(manifest(), key)
    return path


def changed(path: Path, **members: bytes | None) -> Path:
    """Write a backup anew, with members in place of others (`manifest__json`), or without them."""
    mine = {name.replace("__", "."): text for name, text in members.items()}
    other = path.with_suffix(".changed")
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(other, "w", zipfile.ZIP_DEFLATED) as to:
        for name in source.namelist():
            text = mine.get(name, source.read(name))
            if text is not None:
                to.writestr(name, text)
    return other


def test_signed_backup_is_whole_with_and_without_the_key(tmp_path: Path, keys: Path) -> None:
    path = backup(tmp_path, keys / "ours.key")
    assert verify(path, quiet, keys / "ours.pub") == verify(path, quiet) == manifest()


def test_strange_signature_none_and_a_changed_manifest_are_refused(tmp_path: Path, keys: Path) -> None:
    path = backup(tmp_path, keys / "ours.key")
    with pytest.raises(Permanent, match=r"not signed with the key of .*strange\.pub"):
        verify(path, quiet, keys / "strange.pub")
    with pytest.raises(Permanent, match="the backup is not signed"):
        verify(changed(path, manifest__sig=None), quiet, keys / "ours.pub")
    forged = msgspec.json.encode(msgspec.structs.replace(manifest(), made="2020-01-01T00:00:00+00:00"))
    with pytest.raises(Permanent, match="or was changed afterwards"):
        verify(changed(path, manifest__json=forged), quiet, keys / "ours.pub")
    for signature in (b"", b"{}", b'{"key":"x","signature":"?"}'):
        with pytest.raises(Permanent, match="not signed with the key"):
            verify(changed(path, manifest__sig=signature), quiet, keys / "ours.pub")


def test_changed_table_is_refused_though_the_signature_is_right(tmp_path: Path, keys: Path) -> None:
    path = backup(tmp_path, keys / "ours.key")
    with pytest.raises(Permanent, match="table reading is not as it was written"):
        verify(changed(path, reading__csv=ROWS.replace(b"1", b"7")), quiet, keys / "ours.pub")


@pytest.mark.parametrize("bytes_", [len(ROWS) + 1, 20 << 20])
def test_table_that_unpacks_to_more_than_it_says_is_left_at_that_point(tmp_path: Path, bytes_: int) -> None:
    path = changed(backup(tmp_path, None), reading__csv=ROWS + b"0" * (bytes_ - len(ROWS)))
    read = [0]

    def noted(_table: str, size: int) -> None:
        read[0] = max(read[0], size)

    with pytest.raises(Permanent, match="larger than it was written"):
        verify(path, noted)
    assert read[0] <= len(ROWS)


def test_manifest_and_signature_that_unpack_to_much_are_refused(tmp_path: Path, keys: Path) -> None:
    path = backup(tmp_path, keys / "ours.key")
    with pytest.raises(Permanent, match=r"manifest.json is larger than"):
        verify(changed(path, manifest__json=b" " * (65 << 20)), quiet)
    with pytest.raises(Permanent, match=r"manifest.sig is larger than"):
        verify(changed(path, manifest__sig=b" " * 5000), quiet, keys / "ours.pub")


def test_backup_with_more_members_than_any_has_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "many"
    with zipfile.ZipFile(path, "w") as file:
        for number in range(10_001):
            file.writestr(str(number), b"")
    with pytest.raises(Permanent, match="more than 10000 members"):
        verify(path, quiet)


def test_key_that_is_none_or_that_others_can_read_leaves_no_backup(tmp_path: Path, keys: Path) -> None:
    (tmp_path / "none.key").write_text("x", encoding="utf-8")
    (tmp_path / "open.key").write_bytes((keys / "ours.key").read_bytes())
    (tmp_path / "open.key").chmod(0o644)
    for key, says in (
        (tmp_path / "none.key", "no Ed25519 key"),
        (keys / "other.key", "another kind"),
        (tmp_path / "open.key", "chmod 600"),
    ):
        with pytest.raises(Permanent, match=says):
            backup(tmp_path, key)
        assert not list(tmp_path.glob("hub.backup*"))


def test_signature_stands_before_the_manifest_that_makes_it_a_backup(tmp_path: Path, keys: Path) -> None:
    with zipfile.ZipFile(backup(tmp_path, keys / "ours.key")) as file:
        assert file.namelist() == ["reading.csv", SIGNATURE, MANIFEST]
