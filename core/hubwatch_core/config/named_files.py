"""Files that a configuration names: whether they can be read, told before anything is connected to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from hubwatch_core.config.keys import key_of
from hubwatch_core.config.secret_file import SECRET, demand_private, secret_in
from hubwatch_core.config.section import KeyPath, Partial, Section, types_in
from hubwatch_core.config.sections import ServerTlsSection, TlsSection
from hubwatch_core.config.tls import unusable_key
from hubwatch_core.errors import Permanent, Problem

SUFFIX = "_file"


class _Named(NamedTuple):
    path: KeyPath
    file: Path
    is_secret: bool
    """It takes the place of a secret: its text is one."""
    is_private: bool
    """Others must not read it."""


def unreadable_files(settings: Section | Partial[Any], where: str) -> list[Problem]:
    """Find every file that `settings` names under a key ending in `_file` and that cannot be read, or, where it holds
    a secret, may be read by others or holds none.
    """
    found = []
    for path, file, is_secret, is_private in _named(settings, ()):
        reason = _fault(file, is_secret, is_private)
        if reason is not None:
            found.append(Problem(where, key_of(path), reason))
    return found


def unusable_contents(settings: Section | Partial[Any], where: str) -> list[Problem]:
    """Find every file of which the content is of no use: a certificate that is no PEM, another's key, a weak token."""
    found = []
    for path, section in _sections_in(settings, ()):
        if isinstance(section, TlsSection | ServerTlsSection):
            unusable = unusable_key(section)
            if unusable is not None:
                key, text = unusable
                found.append(Problem(where, key_of((*path, key)), text))
        found += [Problem(where, key_of((*path, *key)), text) for key, text in section.conflicts_of_files()]
    return found


def _sections_in(value: object, path: KeyPath) -> Iterator[tuple[KeyPath, Section]]:
    if isinstance(value, Partial):
        value = value.values if value.valid is None else value.valid
    if isinstance(value, Section):
        yield path, value
    inner = value.items() if isinstance(value, Mapping) else value if isinstance(value, Section) else ()
    entries = enumerate(value) if isinstance(value, tuple | list) else inner
    for name, each in entries:
        if isinstance(each, Section | Partial | Mapping | tuple | list):
            yield from _sections_in(each, (*path, name))


def _fault(file: Path, is_secret: bool, is_private: bool) -> str | None:
    try:
        file.open("rb").close()
        if is_secret:
            secret_in(file)
        elif is_private:
            demand_private(file)
    except Permanent as error:
        return str(error)
    except (OSError, ValueError) as error:  # ValueError: a name with a null byte
        return f"{file} cannot be read: {error.strerror if isinstance(error, OSError) else error}"
    return None


def _named(value: object, path: KeyPath) -> Iterator[_Named]:
    if isinstance(value, Partial):
        yield from _in_section(value.model, value.values if value.valid is None else dict(value.valid), path)
    elif isinstance(value, Section):
        yield from _in_section(type(value), dict(value), path)
    elif isinstance(value, Mapping):
        for name, each in value.items():
            yield from _named(each, (*path, str(name)))
    elif isinstance(value, tuple | list):
        for index, each in enumerate(value):
            yield from _named(each, (*path, index))


def _in_section(model: type[Section], values: Mapping[str, Any], path: KeyPath) -> Iterator[_Named]:
    for name, value in values.items():
        is_file = name.endswith(SUFFIX) and name in model.model_fields
        if is_file and isinstance(value, str | Path) and Path in types_in(model.model_fields[name].annotation):
            is_secret = _is_secret(model, name.removesuffix(SUFFIX))
            yield _Named((*path, name), Path(value), is_secret, is_marked(model.model_fields[name]))
        else:
            yield from _named(value, (*path, name))


def is_marked(field: FieldInfo) -> bool:
    """Return whether the file of a key is marked as one that holds a secret."""
    return SECRET in field.metadata or SECRET in types_in(field.annotation)


def _is_secret(model: type[Section], name: str) -> bool:
    field = model.model_fields.get(name)
    return field is not None and SecretStr in types_in(field.annotation)
