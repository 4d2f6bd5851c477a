"""Sections: what every part of a configuration is made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, ClassVar, Generic, Self, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, model_validator

KeyPath = tuple[str | int, ...]
"""Where a key stands: names of tables and keys, indices of arrays."""

Conflict = tuple[KeyPath, str]
"""A key, as seen from its section, and why it does not go together with another."""


class Conflicts(ValueError):
    """Keys of a section that are right by themselves and wrong together."""

    def __init__(self, found: list[Conflict]) -> None:
        self.found = found
        super().__init__("; ".join(message for _, message in found))


class Section(BaseModel):
    """Base of every configuration section: frozen, unknown keys refused, no NaN or infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)

    renamed: ClassVar[Mapping[str, str]] = {}
    """Old names of keys and what they are called now: an old one is refused with the new one in the message."""

    gone: ClassVar[Mapping[str, str]] = {}
    """Keys that there were once, and what to do instead: such a one is refused with this in the message."""

    @classmethod
    def old_names(cls) -> dict[str, str]:
        """Return the old names of keys, those of the sections it is built on included."""
        return _joined(cls, "renamed")

    @classmethod
    def gone_keys(cls) -> dict[str, str]:
        """Return the keys that are gone, those of the sections it is built on included."""
        return _joined(cls, "gone")

    def conflicts(self) -> Iterator[Conflict]:
        """Yield every key that does not go together with another; checks of one key alone belong to its field.

        Asked when every key of the section is right.
        """
        yield from ()

    def conflicts_of_files(self) -> Iterator[Conflict]:
        """Yield every key of whose file the content is of no use; asked when the files are to be checked, too."""
        yield from ()

    @classmethod
    def conflicts_between(cls, parts: Partial[Any]) -> Iterator[Conflict]:
        """Yield the sections inside this one that do not go together; asked also when others of them are wrong."""
        yield from ()

    @model_validator(mode="before")
    @classmethod
    def _up_to_date(cls, data: Any) -> Any:
        names = cls.old_names() if isinstance(data, Mapping) else {}
        old: list[Conflict] = [((name,), f"is now called {names[name]}") for name in names if name in data]
        if old:
            raise Conflicts(old)
        return data

    @model_validator(mode="after")
    def _whole(self) -> Self:
        found = [*self.conflicts(), *self.conflicts_between(Partial(type(self), self))]
        if found:
            raise Conflicts(found)
        return self


S = TypeVar("S", bound=Section)


@dataclass(frozen=True)
class Partial(Generic[S]):
    """A section as far as it is right: cross-checks look at this, so that one mistake does not hide another."""

    model: type[S]
    valid: S | None
    """The section, None where something in it, or inside one of its own sections, is wrong."""
    values: Mapping[str, Any] = field(default_factory=dict)
    """Keys that are right by themselves, as written; sections inside are partial ones."""
    wrong: frozenset[str] = frozenset()
    """Keys that are not, whatever is inside them."""

    def get(self, name: str) -> Any:
        """Return what a key says: its default where it is not given, None where it is wrong."""
        if self.valid is not None:
            return getattr(self.valid, name)
        if name in self.wrong:
            return None
        if name in self.values:
            value = self.values[name]
            return value.valid if isinstance(value, Partial) else value
        field_ = self.model.model_fields.get(name)
        return None if field_ is None else field_.get_default(call_default_factory=True)

    def part(self, name: str) -> Partial[Any]:
        """Return the section at a key as far as it is right."""
        value = self.values.get(name) if self.valid is None else None
        if isinstance(value, Partial) and value.valid is None:
            return value
        section = self.get(name)
        return Partial(Section, None) if section is None else Partial(type(section), section, dict(section))

    def entries(self, name: str) -> Sequence[tuple[int, Any]]:
        """Return the right entries of an array of tables, each with its index in the file."""
        return [(index, each.valid) for index, each in self.every(name) if each.valid is not None]

    def every(self, name: str) -> Sequence[tuple[int, Partial[Any]]]:
        """Return the entries of an array of tables, wrong ones as far as they are right."""
        value = self.values.get(name, ()) if self.valid is None else getattr(self.valid, name)
        found = [each if isinstance(each, Partial) else Partial(type(each), each) for each in value]
        return list(enumerate(found))


@cache
def _joined(model: type[Section], table: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for base in reversed(model.__mro__):
        found.update(vars(base).get(table, {}))
    return found


def types_in(annotation: Any) -> Iterator[Any]:
    """Yield every type an annotation is built of, also inside arrays and tables of tables."""
    yield annotation
    for argument in get_args(annotation):
        yield from types_in(argument)
