"""Files that a configuration names: whether they can be read, told before anything is connected to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from pydantic import SecretStr

from hubwatch_core.errors import Permanent, Problem
from hubwatch_core.mistakes import key_of
from hubwatch_core.secret_file import secret_in
from hubwatch_core.section import KeyPath, Section, types_in

SUFFIX = "_file"


class _Named(NamedTuple):
    path: KeyPath
    file: Path
    is_secret: bool


def unreadable_files(settings: Section, where: str) -> list[Problem]:
    """Find every file that `settings` names under a key ending in `_file` and that cannot be read, or, where it takes
    the place of a secret, holds none.
    """
    found = []
    for path, file, is_secret in _named(settings, ()):
        reason = _fault(file, is_secret)
        if reason is not None:
            found.append(Problem(where, key_of(path), reason))
    return found


def _fault(file: Path, is_secret: bool) -> str | None:
    try:
        file.open("rb").close()
        if is_secret:
            secret_in(file)
    except Permanent as error:
        return str(error)
    except (OSError, ValueError) as error:  # ValueError: a name with a null byte
        return f"{file} cannot be read: {error.strerror if isinstance(error, OSError) else error}"
    return None


def _named(value: object, path: KeyPath) -> Iterator[_Named]:
    if isinstance(value, Section):
        for name, field in type(value).model_fields.items():
            key, inner = (*path, field.alias or name), getattr(value, name)
            if isinstance(inner, Path) and name.endswith(SUFFIX):
                yield _Named(key, inner, _is_secret(type(value), name.removesuffix(SUFFIX)))
            else:
                yield from _named(inner, key)
    elif isinstance(value, Mapping):
        for name, each in value.items():
            yield from _named(each, (*path, str(name)))
    elif isinstance(value, tuple | list):
        for index, each in enumerate(value):
            yield from _named(each, (*path, index))


def _is_secret(model: type[Section], name: str) -> bool:
    field = model.model_fields.get(name)
    return field is not None and SecretStr in types_in(field.annotation)
