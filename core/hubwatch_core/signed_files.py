"""Files that a hub gives out, signed by its key: whoever has the public half knows what they were, offline.

A signature is a file of two lines: a statement, which is JSON and names each file with its size and SHA-256, and by
which key it is signed, with the Ed25519 signature over the bytes of the first line. Of one file it stands beside it
(`NAME.signature`), of a folder in it (`signature`), and then every file of the folder is named.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Literal

import msgspec

from hubwatch_core import whole_files
from hubwatch_core.clock import now_us, to_datetime
from hubwatch_core.errors import Permanent
from hubwatch_core.plain_text import one_line
from hubwatch_core.signing_key import key_in, public_key_in

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

CONTEXT = b"hubwatch files 1\x00"
"""Before what is signed, so that the signature is worth nothing anywhere else."""
OF_FOLDER = "signature"
OF_FILE = ".signature"
MOST_FILES = 100_000
MOST_BYTES = 32 << 20
"""Of a signature; a file takes some 130 bytes of it."""
_PIECE = 1 << 20
_KEY_CHARS = 16


class SignedFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file as it was: its name below where the signature is, with slashes."""

    name: str
    bytes: int
    sha256: str


class Statement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is signed: what the files are, and when that was said (µs UTC, by the signer's clock)."""

    v: Literal[1]
    what: str
    at: int
    files: list[SignedFile]

    @property
    def said(self) -> datetime:
        """Return when it was said."""
        return to_datetime(self.at)


def sign(path: Path, what: str, key_file: Path) -> Path:
    """Sign a file, or a folder with all that is in it; return the signature's file.

    Raises Permanent when the key cannot be used, or the files cannot be read.
    """
    key = key_in(key_file)
    place, root, names = _place(path)
    try:
        files = [_seen(root, name) for name in names]
    except OSError as error:
        raise Permanent(f"{error.filename or path} cannot be read: {error.strerror}") from None
    try:
        statement = msgspec.json.encode(Statement(1, what, now_us(), files))
    except UnicodeEncodeError:
        raise Permanent(f"{path} has a file whose name is no text (UTF-8)") from None
    name, signature = _name(key.public_key()), key.sign(CONTEXT + statement).hex()
    whole_files.write(place, b"%b\n%b %b\n" % (statement, name.encode(), signature.encode()))
    return place


def check(path: Path, trusted: Path) -> tuple[Statement, list[str]]:
    """Return what was signed of a file or folder, and what is not as it was.

    Raises Permanent unless the signature is one of the key whose public half `trusted` holds.
    """
    place, root, there = _place(path)
    statement = _statement(place, trusted)
    listed, names = {each.name: each for each in statement.files}, set(there)
    faults = [f"{one_line(name)} was not there" for name in there if name not in listed]
    for name, was in listed.items():
        if name not in names:
            faults.append(f"{one_line(name)} is gone")
            continue
        try:
            is_same = _seen(root, name) == was
        except OSError as error:
            raise Permanent(f"{root / name} cannot be read: {error.strerror}") from None
        if not is_same:
            faults.append(f"{one_line(name)} is another")
    return statement, faults


def _statement(place: Path, trusted: Path) -> Statement:
    from cryptography.exceptions import InvalidSignature

    key = public_key_in(trusted)
    try:
        if place.stat().st_size > MOST_BYTES:
            raise Permanent(f"{place} is too long for a signature")
        lines = place.read_bytes().split(b"\n")
    except FileNotFoundError:
        raise Permanent(f"it is not signed: there is no {place}") from None
    except OSError as error:
        raise Permanent(f"{place} cannot be read: {error.strerror}") from None
    name, _, signature = lines[1].partition(b" ") if len(lines) == 3 and not lines[2] else (b"", b"", b"")
    try:
        given = bytes.fromhex(signature.decode("ascii"))
        if given.hex().encode() != signature or name != _name(key).encode():
            raise ValueError
        key.verify(given, CONTEXT + lines[0])
        said = msgspec.json.decode(lines[0], type=Statement)
    except (InvalidSignature, msgspec.MsgspecError, ValueError):
        raise Permanent(f"{place} was not signed with the key of {trusted}, or was changed afterwards") from None
    return said


def _place(path: Path) -> tuple[Path, Path, Sequence[str]]:
    """Return where the signature of a path is, below which folder its files are, and their names."""
    if not path.is_dir():
        return path.with_name(path.name + OF_FILE), path.parent, [path.name] if path.exists() else []
    try:
        names = sorted(_below(path))
    except OSError as error:
        raise Permanent(f"{error.filename or path} cannot be read: {error.strerror}") from None
    if len(names) > MOST_FILES:
        raise Permanent(f"{path} has more than {MOST_FILES} files")
    return path / OF_FOLDER, path, [name for name in names if name != OF_FOLDER]


def _below(root: Path) -> Iterator[str]:
    folders = [root]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(Path(entry.path))
                else:
                    yield str(PurePosixPath(Path(entry.path).relative_to(root)))


def _seen(root: Path, name: str) -> SignedFile:
    """Return a file as it is. Links are not followed: what they lead to is no part of what is given out."""
    digest, size = hashlib.sha256(), 0
    with open(os.open(root / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise Permanent(f"{root / name} is no file")
        while piece := file.read(_PIECE):
            digest.update(piece)
            size += len(piece)
    return SignedFile(name, size, digest.hexdigest())


def _name(key: Ed25519PublicKey) -> str:
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()[:_KEY_CHARS]
