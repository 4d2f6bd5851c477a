"""Backups that only their recipients can read, in the format of age (https://age-encryption.org/v1), by a library.

Who makes backups needs public keys only (`age1…`), so a hub cannot read the backups that it makes. `age -d` and
`rage -d` read them, too. All of it is a stream: memory does not depend on the size.
"""

from __future__ import annotations

import os
import re
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from hubwatch_core import whole_files
from hubwatch_core.config import read_secret
from hubwatch_core.errors import BadCall, Permanent

BEGINNING = b"age-encryption.org/v1\n"
RECIPIENT = re.compile(r"age1[02-9ac-hj-np-z]{58}")
"""The look of one; only the library knows whether a sign of it is wrong."""


def is_encrypted(path: Path) -> bool:
    """Return whether a file is one of age's; raises OSError."""
    with path.open("rb") as file:
        return file.read(len(BEGINNING)) == BEGINNING


def recipients_in(texts: Sequence[str]) -> list[Any]:
    """Return the library's recipients; raises BadCall for a text that is none."""
    import pyrage

    found = []
    for text in texts:
        try:
            found.append(pyrage.x25519.Recipient.from_str(text))
        except pyrage.RecipientError as error:
            raise BadCall(f"'{text}' is no recipient (age1…): {error}") from None
    return found


def make_identity(file: Path) -> str:
    """Write a new identity, for its owner alone, and return its recipient; raises Permanent where there is a file."""
    import pyrage

    if file.exists():
        raise Permanent(f"{file} exists already")
    made = pyrage.x25519.Identity.generate()
    recipient = str(made.to_public())
    whole_files.write(file, f"# recipient: {recipient}\n{made}\n".encode(), whole_files.SECRET)
    return recipient


@contextmanager
def encrypting(to: BinaryIO, recipients: Sequence[str]) -> Iterator[BinaryIO]:
    """Yield a stream; what is written there goes to `to` as one that only the recipients can read.

    Raises BadCall for a recipient that is none, Permanent when it cannot be written.
    """
    import pyrage

    known = recipients_in(recipients)
    read_end, write_end = os.pipe()
    failed: list[BaseException] = []

    def encrypt() -> None:
        with os.fdopen(read_end, "rb") as source:
            try:
                pyrage.encrypt_io(source, to, known)
            except BaseException as error:  # noqa: BLE001 - whatever it was, the file is not whole
                failed.append(error)

    # The library takes from a stream, and a zip is given to one.
    thread = threading.Thread(target=encrypt, name="backup-encryption")
    thread.start()
    try:
        with os.fdopen(write_end, "wb") as sink:
            yield sink
    except BrokenPipeError:
        thread.join()
        if not failed:
            raise
    finally:
        thread.join()
    if failed:
        raise Permanent(f"the backup cannot be encrypted: {failed[0]}")


@contextmanager
def decrypted(path: Path, identity: Path) -> Iterator[BinaryIO]:
    """Yield what an encrypted file holds, in an unnamed file of the folder TMPDIR that ends with its reader.

    Not a stream: a backup says at its end what is in it. Raises Permanent when the identity is none or another's, the
    file is cut off or damaged, or there is no room.
    """
    import pyrage

    known = _identities_in(identity)
    folder = tempfile.gettempdir()
    with path.open("rb") as source, tempfile.TemporaryFile(dir=folder) as plain:
        to = _Noted(plain)
        try:
            pyrage.decrypt_io(source, to, known)
        except (pyrage.DecryptError, OSError) as error:
            if to.failed is not None:
                raise Permanent(
                    f"{path} cannot be decrypted in {folder}: {to.failed.strerror}; name another folder with TMPDIR"
                ) from None
            if isinstance(error, pyrage.DecryptError) and "matching keys" in str(error):
                raise Permanent(f"{path} is not encrypted for {identity}: use the identity of a recipient") from None
            raise Permanent(f"{path} is cut off or damaged: {error}") from None
        plain.seek(0)
        yield plain


class _Noted:
    """A file that notes why it could not be written: the library passes on only that."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.failed: OSError | None = None

    def write(self, content: bytes) -> int:
        try:
            return self._file.write(content)
        except OSError as error:
            self.failed = error
            raise

    def flush(self) -> None:
        try:
            self._file.flush()
        except OSError as error:
            self.failed = error
            raise


def _identities_in(file: Path) -> list[Any]:
    import pyrage

    text = read_secret(None, file) or ""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    try:
        found = [pyrage.x25519.Identity.from_str(line) for line in lines]
    except pyrage.IdentityError:
        found = []
    if not found:
        raise Permanent(f"{file} holds no identity (AGE-SECRET-KEY-1…); one with a passphrase has to be opened before")
    return found
