"""A file that holds a secret."""

from __future__ import annotations

from pathlib import Path

from hubwatch_core.errors import Permanent


def secret_in(file: Path) -> str:
    """Return the secret in a file, without the final line break; raises Permanent when there is none to be read."""
    try:
        text = file.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise Permanent(f"secret file {file} cannot be read: {error}") from None
    if not text:
        raise Permanent(f"secret file {file} is empty")
    return text
