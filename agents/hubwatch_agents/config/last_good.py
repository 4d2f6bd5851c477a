"""The last good configuration with the files it names: what an agent starts with where its own has gone bad.

The configuration is copied as it is. Beside it, in a folder `<name>.files`, stand copies of its profile folders and of
every file it names under a key ending in `_file`, each at the path it came from. Some are keys: only the agent's own
user may read the folder.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeVar, cast

from hubwatch_agents.config.load import check, load
from hubwatch_agents.devices import Configuration
from hubwatch_agents.settings import AgentSettings
from hubwatch_core.config import Section
from hubwatch_core.logs import get_logger

FILE = "_file"

_log = get_logger("config")
S = TypeVar("S")


def keep(path: Path, settings: AgentSettings, last_good: Path) -> None:
    """Copy a good configuration and what it names; each file whole or not at all, also when the power goes."""
    if last_good.resolve() == path.resolve():
        return
    try:
        last_good.parent.mkdir(parents=True, exist_ok=True)
        _copy_named(settings, _files(last_good))
        _copy(path, last_good)
    except OSError as error:
        _log.warning("last good configuration cannot be kept", file=str(last_good), reason=str(error))


def take(last_good: Path, path: Path, flags: Mapping[str, object]) -> Configuration:
    """Read what was kept of the file `path`. Its profiles are the copies; of other files, that may have been renewed
    since, the copy is taken only where the original cannot be read. Raises ConfigError where even that is bad.
    """
    files, settings = _files(last_good), load(last_good, flags, folder=path.parent)

    def there(file: Path) -> Path:
        copy = _place(file, files)
        return copy if copy.exists() and not os.access(file, os.R_OK) else file

    folders = tuple(_place(each, files) if _place(each, files).is_dir() else each for each in settings.profile_folders)
    changed = _with_files(settings, there).model_copy(update={"profile_folders": folders})
    return check(changed, str(last_good))


def _files(last_good: Path) -> Path:
    return last_good.with_name(f"{last_good.name}.files")


def _place(file: Path, files: Path) -> Path:
    whole = Path(os.path.normpath(file.absolute()))
    return files / whole.relative_to(whole.anchor)


def _copy_named(settings: AgentSettings, files: Path) -> None:
    named: list[Path] = []

    def note(file: Path) -> Path:
        named.append(file)
        return file

    _with_files(settings, note)
    for folder in settings.profile_folders:
        _place(folder, files).mkdir(parents=True, exist_ok=True, mode=0o700)
        named += [file for file in folder.iterdir() if file.name.endswith(".toml")]
    kept = {_place(file, files): file for file in named}
    for copy, file in kept.items():
        _copy(file, copy)
    _drop(files, kept)


def _drop(files: Path, kept: Iterable[Path]) -> None:
    """Remove copies of what is named no more: a profile that was taken away must not come back."""
    wanted = set(kept)
    for copy in files.rglob("*"):
        if copy.is_file() and copy not in wanted:
            copy.unlink()


def _copy(file: Path, copy: Path) -> None:
    copy.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = copy.with_name(f"{copy.name}.new")
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with open(fd, "wb") as opened:
        opened.write(file.read_bytes())
        opened.flush()
        os.fsync(opened.fileno())
    fresh.replace(copy)


def _with_files(value: S, change: Callable[[Path], Path]) -> S:
    """Return a section with every file it names changed, also inside its sections."""
    if isinstance(value, Section):
        update = {
            name: change(each) if isinstance(each, Path) and name.endswith(FILE) else _with_files(each, change)
            for name, each in value
        }
        return cast("S", value.model_copy(update=update))
    if isinstance(value, tuple):
        return cast("S", tuple(_with_files(each, change) for each in value))
    return value
