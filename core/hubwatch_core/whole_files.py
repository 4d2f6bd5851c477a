"""Files written whole or not at all, and secret ones for their owner alone."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from hubwatch_core.errors import Permanent

SECRET = 0o600
PUBLIC = 0o644
FOLDER = 0o700


def write(file: Path, content: bytes, mode: int = PUBLIC) -> None:
    """Put `content` in place of a file, so that whoever reads it meanwhile gets the old or the new one whole.

    Raises Permanent when it cannot be written.
    """
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)  # 0600 from the beginning
        try:
            with os.fdopen(descriptor, "wb") as made:
                made.write(content)
                made.flush()
                os.fsync(made.fileno())
            os.chmod(temporary, mode)
            os.replace(temporary, file)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        raise Permanent(f"{file} cannot be written: {error.strerror or error}") from None


def read(file: Path) -> bytes:
    """Return the content of a file; raises Permanent when it cannot be read."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise Permanent(f"{file} cannot be read: {error.strerror or error}") from None


def make_folder(folder: Path) -> None:
    """Make a folder that only its owner may enter. Raises Permanent when that is not possible."""
    try:
        folder.mkdir(mode=FOLDER, parents=True, exist_ok=True)
    except OSError as error:
        raise Permanent(f"{folder} cannot be made: {error.strerror or error}") from None
