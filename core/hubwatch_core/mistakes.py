"""Finds every mistake of a configuration, also those that another one hides.

What is wrong is taken out, and the rest is checked again, until nothing new is found.
"""

from __future__ import annotations

import re
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypeVar, Union, get_args, get_origin

from pydantic import ValidationError

from hubwatch_core.errors import Problem
from hubwatch_core.ids import ID_PATTERN
from hubwatch_core.section import Conflicts, Draft, KeyPath, Section

ROUNDS = 50
"""Each round finds a mistake or is the last; a bound nevertheless, should a validator not keep to that."""

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

_PARTS = re.compile(r"\[(\d+)\]|([^.\[\]]+)")

S = TypeVar("S", bound=Section)


class Mistake(NamedTuple):
    """One mistake and the key it stands at, by the indices of the file."""

    path: KeyPath
    message: str


class _Verdict(NamedTuple):
    mistakes: list[Mistake]
    taken: KeyPath | None = None
    quiet: KeyPath | None = None


@dataclass
class _Out:
    """What was taken out of a tree so far, by the paths of the tree as it was."""

    taken: set[KeyPath] = field(default_factory=set)
    quiet: set[KeyPath] = field(default_factory=set)

    def add(self, verdicts: Sequence[_Verdict]) -> bool:
        """Add what was found in a round; False when it was nothing new."""
        before = len(self.taken) + len(self.quiet)
        self.taken |= {each.taken for each in verdicts if each.taken is not None}
        self.quiet |= {each.quiet for each in verdicts if each.quiet is not None}
        return len(self.taken) + len(self.quiet) > before


@dataclass
class Found(Generic[S]):
    """What is wrong, and what is left of the settings without it: None when nothing could be made of it."""

    tree: Mapping[str, Any]
    settings: S | None = None
    mistakes: list[Mistake] = field(default_factory=list)
    out: _Out = field(default_factory=_Out)

    def in_file(self, problem: Problem) -> Problem:
        """Give a problem of the settings with the indices of the file: entries may have been taken out of arrays."""
        if not any(isinstance(path[-1], int) for path in self.out.taken):
            return problem
        parts = [int(index) if index else name for index, name in _PARTS.findall(problem.key)]
        return replace(problem, key=key_of(_path(parts, None, self.tree, self.out)))


def find(model: type[S], tree: Mapping[str, Any]) -> Found[S]:
    """Validate a tree and find every mistake. Where there are some, the settings lack what was wrong: it is at its
    default, or None where it is required.
    """
    found = Found[S](tree)
    out = found.out
    for _ in range(ROUNDS):
        try:
            found.settings = model.model_validate(_without(tree, (), out))
            break
        except ValidationError as error:
            verdicts = [_judge(dict(detail), model, tree, out) for detail in error.errors(include_url=False)]
            found.mistakes += [mistake for verdict in verdicts for mistake in verdict.mistakes]
            if not out.add(verdicts):
                break
    found.mistakes = told_once(found.mistakes)
    return found


def told_once(mistakes: Sequence[Mistake]) -> list[Mistake]:
    """Leave out what follows from a mistake told before: the same key, or one inside it, again."""
    kept: list[Mistake] = []
    told: set[KeyPath] = set()
    for mistake in mistakes:
        if not any(mistake.path[:length] in told for length in range(1, len(mistake.path) + 1)):
            kept.append(mistake)
            told.add(mistake.path)
    return kept


def key_of(path: KeyPath) -> str:
    """Write a path as people do: `routes[1].name`."""
    key = ""
    for part in path:
        key += f"[{part}]" if isinstance(part, int) else f".{part}" if key else part
    return key


def in_file_order(problems: Sequence[Problem], tree: Mapping[str, Any]) -> list[Problem]:
    """Order problems as their keys stand in the file, without doubles; a missing key comes last in its table."""
    return sorted(dict.fromkeys(problems), key=lambda problem: _position(problem.key, tree))


def _position(key: str, tree: object) -> tuple[int, ...]:
    position: list[int] = []
    for index, name in _PARTS.findall(key):
        if isinstance(tree, Mapping) and name in tree:
            position.append(list(tree).index(name))
            tree = tree[name]
        elif isinstance(tree, list) and index and int(index) < len(tree):
            position.append(int(index))
            tree = tree[int(index)]
        else:
            position.append(len(tree) if isinstance(tree, Mapping | list) else 0)
            break
    return tuple(position)


def _without(value: Any, path: KeyPath, out: _Out) -> Any:
    """Copy a tree without what was taken out of it."""
    if isinstance(value, list):
        return [_without(each, (*path, i), out) for i, each in enumerate(value) if (*path, i) not in out.taken]
    if not isinstance(value, Mapping):
        return value
    kept = {name: _without(each, (*path, name), out) for name, each in value.items() if (*path, name) not in out.taken}
    lacking = frozenset(str(each[-1]) for each in out.taken if each and each[:-1] == path)
    return Draft(kept, lacking, path in out.quiet) if lacking or path in out.quiet else kept


def _judge(detail: Mapping[str, Any], model: type[Section], tree: Mapping[str, Any], out: _Out) -> _Verdict:
    """Tell what one error of the validator says, and what must be taken out to get past it."""
    path, context = _path(detail["loc"], model, tree, out), detail.get("ctx", {})
    if isinstance(context.get("error"), Conflicts):
        found = [Mistake(_path(key, None, tree, out, path), message) for key, message in context["error"].found]
        return _Verdict(found, quiet=path)
    at = (*path, context["discriminator"].strip("'")) if "discriminator" in context else path
    return _Verdict([Mistake(at, _message(detail))], taken=path or None)


def _message(detail: Mapping[str, Any]) -> str:
    context = detail.get("ctx", {})
    if context.get("pattern") == FIELD_ID_PATTERN:
        return ID_IN_WORDS
    if detail["type"] == "union_tag_invalid":
        return f"'{context['tag']}' is none of {context['expected_tags']}"
    message: str = _PLAIN_WORDS.get(detail["type"], detail["msg"])
    return message.removeprefix("Value error, ")


def _path(parts: Sequence[str | int], kind: Any, tree: Mapping[str, Any], out: _Out, start: KeyPath = ()) -> KeyPath:
    """Turn the validator's location into the path of the file: without the names of kinds that it puts between, and
    with the indices of arrays as they were before anything was taken out.
    """
    path, node = start, _at(tree, start)
    for part in parts:
        kind, is_key = _step(kind, part)
        if not is_key:
            continue
        there = part
        if isinstance(node, list) and isinstance(part, int):
            left = [i for i in range(len(node)) if (*path, i) not in out.taken]
            there = left[part] if part < len(left) else part
        path, node = (*path, there), _at(node, (there,))
    return path


def _at(node: Any, path: KeyPath) -> Any:
    for part in path:
        if isinstance(node, list) and isinstance(part, int) and part < len(node):
            node = node[part]
        else:
            node = node.get(part) if isinstance(node, Mapping) else None
    return node


_LEAF = object()
"""The kind of what has no keys: what the validator's location says beyond it is no path."""


def _step(kind: Any, part: str | int) -> tuple[Any, bool]:
    """Go one part of a location down into a type: give the type found there, and whether the part is a key."""
    kind, tagged = _plain(kind)
    arguments = get_args(kind)
    if kind is None:  # unknown: every part is taken for a key
        return None, True
    if tagged:
        return next((each for each in arguments if _has_tag(each, tagged, part)), _LEAF), False
    if isinstance(kind, type) and issubclass(kind, Section):
        return _field(kind, part), True
    item = {tuple: 0, list: 0, dict: 1}.get(get_origin(kind) or kind)
    return (_LEAF, False) if item is None or not arguments else (arguments[item], True)


def _field(model: type[Section], key: str | int) -> Any:
    for name, field_ in model.model_fields.items():
        if key == (field_.alias or name):
            return Annotated[field_.annotation, field_]
    return _LEAF


def _plain(kind: Any) -> tuple[Any, str | None]:
    """Take the wrapping off a type: what it is annotated with, and `| None`; give the name of its discriminator."""
    tagged = None
    while True:
        if get_origin(kind) is Annotated:
            kind, *metadata = get_args(kind)
            tagged = next((each.discriminator for each in metadata if getattr(each, "discriminator", None)), tagged)
            continue
        others = [each for each in get_args(kind) if each is not types.NoneType]
        if get_origin(kind) not in (Union, types.UnionType) or len(others) != 1:
            return kind, tagged
        kind = others[0]


def _has_tag(kind: Any, discriminator: str, tag: str | int) -> bool:
    model, _ = _plain(kind)
    annotation = model.model_fields[discriminator].annotation
    return get_origin(annotation) is Literal and tag in get_args(annotation)
