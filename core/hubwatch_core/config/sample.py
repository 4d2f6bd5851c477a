"""Samples of configuration files, written from the models: a field's description is the one place that explains it.

Every key is shown once with its default, or with an example where it has none. What is commented out may be left out.
Secrets are not shown: they never stand in a file.
"""

from __future__ import annotations

import inspect
import json
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from hubwatch_core.config.section import Section, types_in
from hubwatch_core.config.validate import section_types

WIDTH = 118


def sample(model: type[Section], head: str, given: Mapping[str, Any] | None = None) -> str:
    """Return a configuration of `model` with every key explained; `head` says what file it is.

    What is `given` is in force in it.
    """
    given = given or {}
    lines = [*_comment(head), "", *_Writer().keys(model, given, off=False)]
    tables = _Tables()
    lines += tables.inside(model, (), given, off=False)
    return "\n".join(lines).rstrip("\n") + "\n"


class _Writer:
    """Writes keys and their explanations."""

    def keys(self, model: type[Section], given: Mapping[str, Any], *, off: bool, explain: bool = True) -> Iterator[str]:
        """Yield the keys of a table that are no tables themselves.

        Those not given stand there where they are explained, and in a table of which nothing is given.
        """
        for name, field in model.model_fields.items():
            key = field.alias or name
            if section_types(field.annotation) or SecretStr in types_in(field.annotation):
                continue
            is_given = key in given or (field.is_required() and not given)
            if explain:
                yield from _comment(_explained(field))
            elif not is_given and (given or not off):
                continue
            value = given[key] if key in given else _shown(key, field)
            yield f"{'' if is_given and not off else '# '}{key} = {_toml(value)}"


class _Tables:
    """Writes tables, each kind of table explained where it stands first."""

    def __init__(self) -> None:
        self._explained: set[type[Section]] = set()

    def inside(
        self, model: type[Section], path: tuple[str, ...], given: Mapping[str, Any], *, off: bool
    ) -> Iterator[str]:
        """Yield the tables inside a table."""
        for name, field in model.model_fields.items():
            kinds = section_types(field.annotation)
            if not kinds:
                continue
            here = (*path, field.alias or name)
            if any(get_origin(each) in (tuple, list, dict) for each in types_in(field.annotation)):
                yield from self._array(kinds, here, field, given.get(name), off=off)
            else:
                value = given.get(name) or (field.examples[0] if field.examples else {})
                absent = off or (field.default is None and not field.is_required() and name not in given)
                text = field.description or _summary(kinds[0])
                yield from self._table(kinds[0], here, value, off=absent, text=text)

    def _table(
        self,
        model: type[Section],
        path: tuple[str, ...],
        given: Mapping[str, Any],
        *,
        off: bool,
        text: str,
        array: bool = False,
    ) -> Iterator[str]:
        name = ".".join(path)
        yield ""
        yield from _comment(text)
        yield ("# " if off else "") + (f"[[{name}]]" if array else f"[{name}]")
        explain = not array or model not in self._explained
        self._explained.add(model)
        yield from _Writer().keys(model, given, off=off, explain=explain)
        if explain or any(
            key in given for key in model.model_fields if section_types(model.model_fields[key].annotation)
        ):
            yield from self.inside(model, path, given, off=off)

    def _array(
        self,
        kinds: Sequence[type[Section]],
        path: tuple[str, ...],
        field: FieldInfo,
        given: Any,
        *,
        off: bool,
    ) -> Iterator[str]:
        entries: Sequence[Mapping[str, Any]] = given or field.examples or ()
        text = field.description or ""
        shown: set[type[Section]] = set()
        for entry in entries:
            kind = next((each for each in kinds if _fits(each, entry)), kinds[0])
            first = kind not in shown and kind not in self._explained
            shown.add(kind)
            own = _summary(kind) if first and len(kinds) > 1 else ""
            yield from self._table(kind, path, entry, off=off, text=f"{text} {own}".strip(), array=True)
            text = ""
        for kind in kinds:
            if kind not in shown:
                own = _summary(kind) if len(kinds) > 1 else ""
                yield from self._table(kind, path, {}, off=True, text=f"{text} {own}".strip(), array=True)
                text = ""


def _fits(kind: type[Section], entry: Mapping[str, Any]) -> bool:
    """Return whether every key of an entry that can only be one of some is one of those."""
    return all(
        entry[name] in get_args(field.annotation)
        for name, field in kind.model_fields.items()
        if name in entry and get_origin(field.annotation) is Literal
    )


def _explained(field: FieldInfo) -> str:
    choices = [each for kind in types_in(field.annotation) if get_origin(kind) is Literal for each in get_args(kind)]
    told = f" One of {', '.join(_toml(each) for each in choices)}." if len(choices) > 1 else ""
    return f"{field.description or ''}{told}"


def _shown(name: str, field: FieldInfo) -> Any:
    """Return the value to show: an example where there is one, else the default."""
    if field.examples:
        return field.examples[0]
    default = None if field.is_required() or field.default_factory else field.default
    return _made_up(name, field) if default is None else default


def _made_up(name: str, field: FieldInfo) -> Any:
    kinds = list(types_in(field.annotation))
    choices = [each for kind in kinds if get_origin(kind) is Literal for each in get_args(kind)]
    if choices:
        return choices[0]
    if Path in kinds:
        return f"/etc/hubwatch/{name.removesuffix('_file')}"
    if str in kinds:
        return [name] if tuple in [get_origin(each) for each in kinds] else name
    if dict in [get_origin(each) for each in kinds]:
        return {}
    return 1 if int in kinds else 1.0


def _summary(model: type[Section]) -> str:
    return (inspect.getdoc(model) or "").split("\n\n", 1)[0].replace("\n", " ")


def _comment(text: str) -> list[str]:
    return [f"# {line}" for part in text.splitlines() for line in textwrap.wrap(part, WIDTH)]


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Enum):
        return _toml(value.value)
    if isinstance(value, str | Path):
        return json.dumps(str(value), ensure_ascii=False)
    if isinstance(value, Mapping):
        inner = ", ".join(f"{key} = {_toml(each)}" for key, each in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return repr(value)
