"""The file of a backup: a zip with one CSV per table and a manifest that says what has to be in it.

Zip, because it is written and read as a stream, has a checksum per member, shows at once when its end is missing, and
can be opened and understood without hubwatch. CSV, because it is the same for every engine and version of PostgreSQL.
Where there are recipients, the whole zip is encrypted for them.
"""

from __future__ import annotations

import hashlib
import os
import time
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec

from hubwatch_core.errors import Permanent
from hubwatch_store.backup.encryption import decrypted, encrypting, is_encrypted
from hubwatch_store.backup.signature import check, sign

FORMAT = 1
MANIFEST = "manifest.json"
SIGNATURE = "manifest.sig"
MAX_MANIFEST = 64 << 20
MAX_SIGNATURE = 4096
MAX_MEMBERS = 10_000
"""Bounds of what is read before the digests are known to be right; a large hub has some hundred tables."""
CHUNK = 1 << 20
FAST = 1
"""zlib's level: 2.5 times as fast as the default on rows of readings, for a file a fifth larger."""

Piece = bytes | bytearray | memoryview

Progress = Callable[[str, int], None]
"""Told the table and its bytes so far, now and then and at its end."""


class Table(msgspec.Struct, frozen=True):
    """One table of a backup: its columns in file order, its rows, its file's uncompressed size and SHA-256, and the
    spans of time its rows lie in.
    """

    name: str
    columns: list[str]
    rows: int
    bytes: int
    sha256: str
    spans: list[tuple[str, str]] = []


class ArchiveStep(msgspec.Struct, frozen=True):
    """A migration that the backup's schema has."""

    number: int
    name: str
    checksum: str


class Manifest(msgspec.Struct, frozen=True):
    """What a backup holds; it is the last member of the file."""

    format: int
    hubwatch: str
    made: str
    engine: str
    migrations: list[ArchiveStep]
    tables: list[Table]
    sequences: dict[str, int | None]


class Archive:
    """A backup being written."""

    def __init__(self, file: zipfile.ZipFile, progress: Progress) -> None:
        self._file = file
        self._progress = progress

    def add(self, name: str, pieces: Iterable[Piece]) -> tuple[int, str]:
        """Write a table's CSV; return its size and SHA-256."""
        size, digest = 0, hashlib.sha256()
        with self._file.open(_member(f"{name}.csv"), "w", force_zip64=True) as member:
            for block in _blocks(pieces):
                digest.update(block)
                member.write(block)
                size += len(block)
                self._progress(name, size)
        return size, digest.hexdigest()

    def finish(self, manifest: Manifest, sign_key: Path | None = None) -> None:
        """Write the manifest, which makes it a backup, and its signature; raises Permanent when the key is no good."""
        text = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
        if sign_key is not None:
            self._file.writestr(_member(SIGNATURE), sign(text, sign_key))
        self._file.writestr(_member(MANIFEST), text)


def _member(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, time.gmtime()[:6])
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = 0o600 << 16
    return info


def _blocks(pieces: Iterable[Piece]) -> Iterator[bytes]:
    """Gather small pieces, for each costs a call of hash, compressor and file."""
    gathered = bytearray()
    for piece in pieces:
        gathered += piece
        if len(gathered) >= CHUNK:
            yield bytes(gathered)
            gathered.clear()
    if gathered:
        yield bytes(gathered)


@contextmanager
def writing(path: Path, progress: Progress, recipients: Sequence[str] = ()) -> Iterator[Archive]:
    """Make a backup's file, readable by its owner only; it gets its name when it is whole and on disk.

    With `recipients` it is encrypted for them. Raises Permanent when there is a file of that name already, or when it
    cannot be written.
    """
    if path.exists():
        raise Permanent(f"{path} exists already")
    partial = path.with_name(path.name + ".partial")
    try:
        with os.fdopen(os.open(partial, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600), "w+b") as raw:
            sealed = encrypting(raw, recipients) if recipients else nullcontext(raw)
            with sealed as to, zipfile.ZipFile(to, "w", compresslevel=FAST) as file:
                yield Archive(file, progress)
            raw.flush()
            os.fsync(raw.fileno())
        partial.rename(path)
    except OSError as error:
        raise Permanent(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        partial.unlink(missing_ok=True)


class OpenedBackup(NamedTuple):
    """A backup that can be read, and its name for people."""

    path: Path
    plain: BinaryIO


@contextmanager
def opened(path: Path, identity: Path | None = None) -> Iterator[OpenedBackup]:
    """Open a backup's file, decrypted where it is encrypted; raises Permanent."""
    with ExitStack() as stack:
        try:
            if not is_encrypted(path):
                plain: BinaryIO = stack.enter_context(path.open("rb"))
            elif identity is None:
                raise Permanent(f"{path} is encrypted: name the identity of one of its recipients (--identity)")
            else:
                plain = stack.enter_context(decrypted(path, identity))
        except OSError as error:
            raise Permanent(f"{path} cannot be read: {error.strerror or error}") from error
        yield OpenedBackup(path, plain)


@contextmanager
def reading(backup: OpenedBackup) -> Iterator[tuple[zipfile.ZipFile, Manifest]]:
    """Read a backup; raises Permanent when it is none, cut off, damaged, or of a later format."""
    try:
        with zipfile.ZipFile(backup.plain) as file:
            yield file, _manifest(file, backup.path)
    except OSError as error:
        raise Permanent(f"{backup.path} cannot be read: {error.strerror or error}") from error
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise Permanent(f"{backup.path} is cut off, damaged or no backup: {error}") from error


def _manifest(file: zipfile.ZipFile, path: Path) -> Manifest:
    if len(file.infolist()) > MAX_MEMBERS:
        raise Permanent(f"{path} is no backup of hubwatch: it holds more than {MAX_MEMBERS} members")
    try:
        text = _small(file, MANIFEST, MAX_MANIFEST)
        if msgspec.json.decode(text, type=_Format).format > FORMAT:
            raise Permanent(f"{path} was made by a newer hubwatch")
        return msgspec.json.decode(text, type=Manifest)
    except (KeyError, msgspec.DecodeError) as error:
        raise Permanent(f"{path} is no backup of hubwatch: {error}") from error


def _small(file: zipfile.ZipFile, name: str, most: int) -> bytes:
    """Return a member that must not be large, whatever the file says of its size. Raises KeyError, Permanent."""
    with file.open(name) as member:
        text = member.read(most + 1)
    if len(text) > most:
        raise Permanent(f"the backup is damaged: {name} is larger than {most} bytes")
    return text


def signature_in(file: zipfile.ZipFile) -> bytes | None:
    """Return the signature of a backup, None where it has none."""
    return _small(file, SIGNATURE, MAX_SIGNATURE) if SIGNATURE in file.namelist() else None


class _Format(msgspec.Struct):
    format: int


def verify(path: Path, progress: Progress, trusted: Path | None = None, identity: Path | None = None) -> Manifest:
    """Read a whole backup and compare it with its manifest; raises Permanent when anything differs.

    With `trusted`, a file with a public key, it must have been signed by that one; nothing else is read before. One
    that is encrypted needs `identity`.
    """
    with opened(path, identity) as backup:
        return verify_opened(backup, progress, trusted)


def verify_opened(backup: OpenedBackup, progress: Progress, trusted: Path | None) -> Manifest:
    """Do the same with one that is open."""
    path = backup.path
    with reading(backup) as (file, manifest):
        if trusted is not None:
            check(_small(file, MANIFEST, MAX_MANIFEST), signature_in(file), trusted)
        expected = {f"{table.name}.csv" for table in manifest.tables} | {MANIFEST}
        if sorted(set(file.namelist()) - {SIGNATURE}) != sorted(expected) or len(file.namelist()) > len(expected) + 1:
            raise Permanent(f"{path} is damaged: it does not hold the tables it says")
        for table in manifest.tables:
            digest, size = hashlib.sha256(), 0
            for block in contents(file, table):
                digest.update(block)
                size += len(block)
                if size > table.bytes:  # a small file may unpack to any size
                    raise Permanent(f"{path} is damaged: table {table.name} is larger than it was written")
                progress(table.name, size)
            if digest.hexdigest() != table.sha256:
                raise Permanent(f"{path} is damaged: table {table.name} is not as it was written")
    return manifest


def contents(file: zipfile.ZipFile, table: Table) -> Iterator[bytes]:
    """Return a table's CSV in blocks."""
    with file.open(f"{table.name}.csv") as member:
        while block := member.read(CHUNK):
            yield block
