"""Sections: what every part of a configuration is made of, and how one is read that has mistakes in it."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Self, get_args

from pydantic import BaseModel, ConfigDict, ModelWrapValidatorHandler, create_model, model_validator

KeyPath = tuple[str | int, ...]
"""Where a key stands: names of tables and keys, indices of arrays."""

Conflict = tuple[KeyPath, str]
"""A key, as seen from its section, and why it does not go together with another."""


class Conflicts(ValueError):
    """Keys of a section that are right by themselves and wrong together."""

    def __init__(self, found: list[Conflict]) -> None:
        self.found = found
        super().__init__("; ".join(message for _, message in found))


class Draft(dict[str, Any]):
    """A table of which keys were taken out, as what they said was wrong and is told already."""

    def __init__(self, kept: Mapping[str, Any], lacking: frozenset[str], quiet: bool) -> None:
        super().__init__(kept)
        self.lacking = lacking
        self.quiet = quiet
        """True when the table's conflicts are told already."""


class Section(BaseModel):
    """Base of every configuration section: frozen, unknown keys refused, no NaN or infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)

    lacking: ClassVar[frozenset[str]] = frozenset()
    quiet: ClassVar[bool] = False

    def conflicts(self) -> Iterator[Conflict]:
        """Yield every key that does not go together with another; checks of one key alone belong to its field."""
        yield from ()

    @model_validator(mode="wrap")
    @classmethod
    def _whole(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        if isinstance(data, Draft):
            section: Self = _relaxed(cls, data.lacking, data.quiet).model_validate(dict(data))
            return section
        section = handler(data)
        found = [] if section.quiet else list(_known_conflicts(section))
        if found:
            raise Conflicts(found)
        return section


def types_in(annotation: Any) -> Iterator[Any]:
    """Yield every type an annotation is built of, also inside arrays and tables of tables."""
    yield annotation
    for argument in get_args(annotation):
        yield from types_in(argument)


@functools.lru_cache(maxsize=64)  # a thousand entries with one mistake are one model, and making it takes milliseconds
def _relaxed(model: type[Section], lacking: frozenset[str], quiet: bool) -> Any:
    """Make the model without the keys that a draft lacks: what is required of them is None."""
    fields = {name: field for name, field in model.model_fields.items() if (field.alias or name) in lacking}
    optional: dict[str, Any] = {name: (Any, None) for name, field in fields.items() if field.is_required()}
    relaxed: Any = create_model(model.__name__, __base__=model, **optional)
    relaxed.lacking, relaxed.quiet = frozenset(fields), quiet
    return relaxed


def _known_conflicts(section: Section) -> Iterator[Conflict]:
    """Yield the conflicts that can be told without the keys that were taken out."""
    if not section.lacking:
        yield from section.conflicts()
        return
    bare = section.model_copy()
    for name in section.lacking:
        bare.__dict__.pop(name, None)
    try:
        yield from bare.conflicts()
    except AttributeError:  # it asks for a key that was taken out
        return
