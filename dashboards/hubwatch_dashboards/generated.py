"""The generated files: written, and compared with what the code would write."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator
from pathlib import Path

from hubwatch_core.errors import Permanent
from hubwatch_dashboards.alert_rules import provisioned
from hubwatch_dashboards.boards import BOARDS, rendered
from hubwatch_dashboards.links import UID_PREFIX

SHOWN_LINES = 8
"""So much of a difference is shown for each file: enough to see what it is about."""


def write(folder: Path, alerting: Path | None = None) -> list[Path]:
    """Write every board into the folder, and the alert rules; remove our boards that are gone. Return what changed.

    Raises Permanent when the folder cannot be written to.
    """
    try:
        return _write(folder, alerting)
    except OSError as error:
        raise Permanent(f"{error.filename or folder} cannot be written: {error.strerror or error}") from None


def _write(folder: Path, alerting: Path | None = None) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    if alerting is not None:
        alerting.parent.mkdir(parents=True, exist_ok=True)
    changed = _strangers(folder)
    for file in changed:
        file.unlink()
    for file, text in _texts(folder, alerting):
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")
            changed.append(file)
    return changed


def drift(folder: Path, alerting: Path | None = None) -> list[str]:
    """Return one entry for every file that differs from what the code generates; empty when all are up to date."""
    found = [f"{file}: no board of this name" for file in _strangers(folder)]
    for file, wanted in _texts(folder, alerting):
        if not file.exists():
            found.append(f"{file}: missing")
        elif (text := file.read_text(encoding="utf-8")) != wanted:
            lines = difflib.unified_diff(text.splitlines(), wanted.splitlines(), lineterm="", n=0)
            found.append("\n    ".join([f"{file}: out of date", *list(lines)[2 : 2 + SHOWN_LINES]]))
    return found


def _texts(folder: Path, alerting: Path | None) -> Iterator[tuple[Path, str]]:
    for name in BOARDS:
        yield folder / f"{name}.json", rendered(name)
    if alerting is not None:
        yield alerting, json.dumps(provisioned(), sort_keys=True, indent=2, ensure_ascii=False) + "\n"


def _strangers(folder: Path) -> list[Path]:
    """Find our own boards whose builder is gone. A file of anybody else's is not ours to remove."""
    return sorted(file for file in folder.glob("*.json") if file.stem not in BOARDS and _is_ours(file))


def _is_ours(file: Path) -> bool:
    try:
        board = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(board, dict) and str(board.get("uid", "")).startswith(UID_PREFIX)
