"""Files that a configuration names: whether they can be read, told before anything is connected to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from hubwatch_core.errors import Problem
from hubwatch_core.mistakes import key_of
from hubwatch_core.section import KeyPath, Section


def unreadable_files(settings: Section, where: str) -> list[Problem]:
    """Find every file that `settings` names under a key ending in `_file` and that cannot be read."""
    found = []
    for path, file in _named(settings, ()):
        try:
            file.open("rb").close()
        except (OSError, ValueError) as error:  # ValueError: a name with a null byte
            reason = error.strerror if isinstance(error, OSError) else error
            found.append(Problem(where, key_of(path), f"{file} cannot be read: {reason}"))
    return found


def _named(value: object, path: KeyPath) -> Iterator[tuple[KeyPath, Path]]:
    if isinstance(value, Section):
        for name, field in type(value).model_fields.items():
            yield from _named(getattr(value, name), (*path, field.alias or name))
    elif isinstance(value, Mapping):
        for name, each in value.items():
            yield from _named(each, (*path, str(name)))
    elif isinstance(value, tuple | list):
        for index, each in enumerate(value):
            yield from _named(each, (*path, index))
    elif isinstance(value, Path) and path and str(path[-1]).endswith("_file"):
        yield path, value
