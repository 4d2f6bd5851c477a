"""Validates a tree section by section, so that every mistake is found in one go.

Each section is validated by itself, the innermost first; one that is wrong does not keep the others from being checked.
Checks between sections see those that are right. Only a check between the keys of one section waits until each of them
is right.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Annotated, Any, Literal, NamedTuple, TypeVar, Union, get_args, get_origin

from pydantic import TypeAdapter, ValidationError

from hubwatch_core.config.section import Conflict, Conflicts, KeyPath, Partial, Section, types_in
from hubwatch_core.ids import ID_PATTERN

FIELD_ID_PATTERN = ID_PATTERN.replace(r"\Z", "$")  # the validator's own regular expressions know no \Z
ID_IN_WORDS = "must be 1–63 of a–z, 0–9, dot, underscore, hyphen, beginning with a letter or digit"

_PLAIN_WORDS = {
    "extra_forbidden": "unknown key",
    "missing": "is required",
    "union_tag_not_found": "is required",
    "model_type": "must be a table",
    "model_attributes_type": "must be a table",
    "dict_type": "must be a table",
    "tuple_type": "must be an array",
    "list_type": "must be an array",
}
"""What pydantic's error types mean to somebody who writes TOML, where its own text speaks of Python."""

S = TypeVar("S", bound=Section)


class Mistake(NamedTuple):
    """One mistake and the key it stands at."""

    path: KeyPath
    message: str


def validate(
    model: type[S], tree: Mapping[str, Any], path: KeyPath = (), wrong: frozenset[str] = frozenset()
) -> tuple[Partial[S], list[Mistake]]:
    """Validate a table: what is right of it, and every mistake.

    Values may be partial sections already. Of keys that are `wrong` everything is said.
    """
    mistakes: list[Mistake] = []
    given: dict[str, Any] = {}
    old_names, gone = model.old_names(), model.gone_keys()
    for name, value in tree.items():
        if name in old_names:
            mistakes.append(Mistake((*path, name), f"is now called {old_names[name]}"))
            wrong |= {name, old_names[name]}
        elif name in gone:
            mistakes.append(Mistake((*path, name), f"is gone: {gone[name]}"))
            wrong |= {name}
        else:
            given[name] = _value(_annotation(model, name), value, (*path, name), mistakes)
    incomplete = wrong | {name for name, value in given.items() if not _is_right(value)}
    valid: S | None = None
    errors: Sequence[Any] = ()
    try:
        valid = model.model_validate({name: _plain(value) for name, value in given.items() if name not in incomplete})
    except ValidationError as error:
        errors = [each for each in error.errors(include_url=False) if not _follows(each, incomplete)]
    mistakes += _once([_mistake(each, tree, path) for each in errors if not _conflicts(each)])
    mistakes += [mistake for each in errors for mistake in _between(each, tree, path)]
    wrong |= {str(each["loc"][0]) for each in errors if each["loc"]}
    values = {name: value for name, value in given.items() if name not in wrong}
    part = Partial(model, None if incomplete else valid, values, wrong)
    if incomplete or wrong:  # else the model has checked it itself
        mistakes += [Mistake((*path, *key), text) for key, text in model.conflicts_between(part)]
    return part, mistakes


def message_of(detail: Mapping[str, Any]) -> str:
    """Return an error of the validator in words for somebody who writes TOML."""
    context = detail.get("ctx", {})
    if context.get("pattern") == FIELD_ID_PATTERN:
        return ID_IN_WORDS
    if detail["type"] == "union_tag_invalid":
        return f"'{context['tag']}' is none of {context['expected_tags']}"
    message: str = _PLAIN_WORDS.get(detail["type"], detail["msg"])
    return message.removeprefix("Value error, ")


def section_types(annotation: Any) -> list[type[Section]]:
    """Return every section that an annotation is built of."""
    return [each for each in types_in(annotation) if isinstance(each, type) and issubclass(each, Section)]


def _value(kind: Any, value: Any, path: KeyPath, mistakes: list[Mistake]) -> Any:
    """Return a value with every section in it validated; what is no section stays as it is."""
    bare, tag = _unwrapped(kind)
    model = _section_type(bare, tag, value)
    if model is not None:
        part, found = validate(model, value, path)
        mistakes += found
        return part
    item = {tuple: 0, list: 0, dict: 1}.get(get_origin(bare))
    if item is None or not section_types(bare):
        return value
    inner = get_args(bare)[item]
    if item == 0 and isinstance(value, list | tuple):
        return [_entry(inner, each, (*path, index), mistakes) for index, each in enumerate(value)]
    if item == 1 and isinstance(value, Mapping):
        return {name: _entry(inner, each, (*path, str(name)), mistakes) for name, each in value.items()}
    return value


def _entry(kind: Any, value: Any, path: KeyPath, mistakes: list[Mistake]) -> Any:
    checked = _value(kind, value, path, mistakes)
    if isinstance(checked, Partial | Section):
        return checked
    try:
        return _adapter(kind).validate_python(checked)
    except ValidationError as error:  # no table, or one that does not say of which kind it is
        mistakes += [_mistake(detail, value, path) for detail in error.errors(include_url=False)]
        return Partial(Section, None)


def _follows(detail: Any, incomplete: frozenset[str]) -> bool:
    """Return whether an error of a section may be there only because keys were left out that have mistakes inside."""
    location = detail["loc"]
    return bool(incomplete) and (not location or location[0] in incomplete)


def _mistake(detail: Any, tree: Any, path: KeyPath) -> Mistake:
    """Return what one error of the validator says."""
    at = (*path, *_in_file(detail["loc"], tree, detail["type"] == "missing"))
    context = detail.get("ctx", {})
    if "discriminator" in context:
        at = (*at, context["discriminator"].strip("'"))
    return Mistake(at, message_of(detail))


def _between(detail: Any, tree: Any, path: KeyPath) -> Iterator[Mistake]:
    """Yield the mistakes between keys that one error of the validator stands for."""
    at = (*path, *_in_file(detail["loc"], tree, missing=False))
    for key, message in _conflicts(detail):
        yield Mistake((*at, *key), message)


def _conflicts(detail: Any) -> Sequence[Conflict]:
    error = detail.get("ctx", {}).get("error")
    return error.found if isinstance(error, Conflicts) else ()


def _in_file(location: Sequence[str | int], tree: Any, missing: bool) -> KeyPath:
    """Return the part of a validator's location that is a path of the file: not the names of kinds that it adds."""
    path: KeyPath = ()
    for index, part in enumerate(location):
        if _has(tree, part):
            tree = tree[part]
        elif not (missing and index == len(location) - 1):
            continue
        path = (*path, part)
    return path


def _has(tree: Any, part: str | int) -> bool:
    if isinstance(tree, Mapping):
        return part in tree
    return isinstance(tree, list | tuple) and isinstance(part, int) and part < len(tree)


def _once(mistakes: Sequence[Mistake]) -> list[Mistake]:
    """Leave out further mistakes at a key, or inside it: a value that may be of several kinds has one of each."""
    kept: list[Mistake] = []
    for each in mistakes:
        if not any(each.path[: len(other.path)] == other.path for other in kept):
            kept.append(each)
    return kept


def _is_right(value: Any) -> bool:
    if isinstance(value, Partial):
        return value.valid is not None
    if isinstance(value, Mapping):
        return all(map(_is_right, value.values()))
    return not isinstance(value, list) or all(map(_is_right, value))


def _plain(value: Any) -> Any:
    """Return a value with the whole sections in place of the partial ones."""
    if isinstance(value, Partial):
        return value.valid
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list) else value


def _annotation(model: type[Section], key: str) -> Any:
    fields = model.model_fields
    found = fields.get(key) or next((each for each in fields.values() if each.alias == key), None)
    return None if found is None else Annotated[found.annotation, found]


def _unwrapped(kind: Any) -> tuple[Any, str | None]:
    """Take the wrapping off a type: what it is annotated with, and `| None`; return the name of its discriminator."""
    tag = None
    while True:
        if get_origin(kind) is Annotated:
            kind, *metadata = get_args(kind)
            tag = next((each.discriminator for each in metadata if getattr(each, "discriminator", None)), tag)
            continue
        others = [each for each in get_args(kind) if each is not types.NoneType]
        if get_origin(kind) not in (Union, types.UnionType) or len(others) != 1:
            return kind, tag
        kind = others[0]


def _section_type(kind: Any, tag: str | None, value: Any) -> type[Section] | None:
    """Return the section that a table is to be, None where it is none or does not say of which kind."""
    if not isinstance(value, Mapping):
        return None
    if tag is not None:
        chosen = (each for each in get_args(kind) if value.get(tag) in _tags(each, tag))
        kind = _unwrapped(next(chosen, None))[0]
    return kind if isinstance(kind, type) and issubclass(kind, Section) else None


def _tags(kind: Any, tag: str) -> tuple[Any, ...]:
    annotation = _unwrapped(kind)[0].model_fields[tag].annotation
    return get_args(annotation) if get_origin(annotation) is Literal else ()


@lru_cache(maxsize=64)
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
