"""A file that holds a secret: who may read it, and what it holds.

The rule is PostgreSQL's for its keys: a file belongs to one user and nobody else may read it (0600), or it belongs to
root and a group may read it (0640). The second is what systemd's credentials, Kubernetes' secrets with `fsGroup` and
`root:hubwatch` in /etc look like. See decision 0075.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, BinaryIO

from pydantic import SecretStr

from hubwatch_core.errors import Permanent

MAX_BYTES = 1 << 20
"""Far more than any key or password: a wrong path to a device or a log must not fill the memory."""

_OTHERS = stat.S_IRWXO
_GROUP_BEYOND_READING = stat.S_IWGRP | stat.S_IXGRP


@dataclass(frozen=True)
class SecretMark:
    """Marks the type of a key whose file holds a secret."""


SECRET = SecretMark()

SecretFile = Annotated[Path, SECRET]
"""Type of a configuration's key that names a file with a secret; who may read it is checked wherever it is read."""


def read_secret(value: SecretStr | None, file: Path | None) -> str | None:
    """Return a secret from its value or its file (trailing newline removed), None when there is neither.

    Raises Permanent when the file cannot be read or is empty.
    """
    if value is not None:
        return value.get_secret_value()
    return None if file is None else secret_in(file)


def secret_in(file: Path) -> str:
    """Return the secret in a file, without the final line break.

    Raises Permanent when there is none to be read, or others may read it.
    """
    try:
        with _opened(file) as source:
            text = source.read(MAX_BYTES + 1).decode("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise Permanent(f"secret file {file} cannot be read: {_reason(error)}") from None
    if not text:
        raise Permanent(f"secret file {file} is empty")
    if len(text) > MAX_BYTES:
        raise Permanent(f"secret file {file} is longer than any secret (1 MiB)")
    return text


def demand_private(file: Path) -> None:
    """Raise Permanent when others may read `file`, OSError when it cannot be opened."""
    with _opened(file):
        pass


@contextmanager
def _opened(file: Path) -> Iterator[BinaryIO]:
    """Open a file and judge what was opened, not what the name stands for a moment later."""
    with file.open("rb") as source:
        status = os.fstat(source.fileno())
        fault = _exposed(status)
        if fault is not None:
            mode = f"{stat.S_IMODE(status.st_mode):04o}"
            raise Permanent(f"secret file {file} {fault} (mode {mode}): chmod 600 {file}")
        yield source


def _exposed(status: os.stat_result) -> str | None:
    if status.st_mode & _OTHERS:
        return "may be read or changed by every user of this machine"
    if status.st_mode & _GROUP_BEYOND_READING:
        return "may be changed by its group"
    if status.st_mode & stat.S_IRGRP and status.st_uid != 0:
        return "may be read by its group, which only a file of root's may"
    return None


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else "it is not UTF-8 text"
