"""The profile schema as a page for people, written from the schema itself."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from enum import StrEnum
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from hubwatch_agents.protocols import PROTOCOLS
from hubwatch_core.config import Section

INTRODUCTION = """# Device profiles

A profile is a TOML file that says what stands where in a device and how it maps onto the words of hubwatch. It is data:
a new device needs no code. The shipped ones are listed by `hubwatch agent profiles list`; profiles of your own go into
a folder named by `profile_folders` and come first. `hubwatch agent profiles check` tells every mistake at once.

A value may refer to a parameter of the installation: `"$name"` takes its value, `"$base+201"` and `"$unit*10000+1000"`
are whole-number sums, `{name}` is replaced inside text. A table with `only_if = "$name"` is left out where an optional
parameter is not given; one with `repeat = { n = [1, 4] }` is made once for each value of `n`.

**Latched states.** Some devices keep an alarm bit set until somebody resets it at the device (or by a command), though
the gas or the intruder is long gone. A channel with `latched = true` is such a bit: while it is 1, something *was*
there and nobody has reset it; whether it is there *now* another channel says, where the device has one. Its readings
are what the device says, neither held nor cleared by us. The agent's inventory carries the flag (`latched` of a channel
in the birth), and `profiles show` prints it, so that whoever shows the alarm can say "stays until reset at the device".
An event made from such a bit says so by `attrs = { latched = true }`.

**Commands** are writes with fixed values that a person may give through the running agent
(`docs/howto/operate-devices.md`), or that acknowledge an event. All are off until an installation allows them by name.

This page is written from the schema by `hubwatch agent profiles schema`.
"""


def page() -> str:
    """Return the page as Markdown."""
    return "\n".join([INTRODUCTION, *(line for model in _models() for line in _table(model))]).rstrip() + "\n"


def _models() -> list[type[Section]]:
    """Return the three kinds of profile, and after each the tables inside it, every one once."""
    found: list[type[Section]] = []
    waiting: list[type[Section]] = [each.profile for each in PROTOCOLS]
    while waiting:
        model = waiting.pop(0)
        if model in found:
            continue
        found.append(model)
        inner = [each for field in model.model_fields.values() for each in _sections(field.annotation)]
        waiting = inner + waiting
    return found


def _sections(annotation: Any) -> Iterator[type[Section]]:
    if inspect.isclass(annotation) and issubclass(annotation, Section):
        yield annotation
    for argument in get_args(annotation):
        yield from _sections(argument)


def _table(model: type[Section]) -> Iterator[str]:
    yield f"## {model.__name__}"
    yield ""
    yield (inspect.getdoc(model) or "").split("\n\n", 1)[0].replace("\n", " ")
    yield ""
    yield "| key | takes | unset | |"
    yield "|---|---|---|---|"
    for name, field in model.model_fields.items():
        yield f"| `{name}` | {_takes(field.annotation)} | {_unset(field)} | {field.description or ''} |"
    yield ""


def _takes(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is None:
        return _NAMES.get(annotation) or _choices(annotation)
    if origin is Literal:
        return ", ".join(f"`{each}`" for each in arguments)
    if origin is Annotated:
        return _takes(arguments[0])
    if origin is tuple:
        kinds = [_takes(each) for each in arguments if each is not Ellipsis]
        return "list of " + kinds[0] if Ellipsis in arguments else f"pair of {kinds[0]}s"
    if origin is dict:
        return "table of " + _takes(arguments[1])
    return " or ".join(_takes(each) for each in arguments if each is not NoneType)


def _choices(annotation: Any) -> str:
    if inspect.isclass(annotation) and issubclass(annotation, StrEnum):
        return ", ".join(f"`{each}`" for each in annotation)
    return f"[{annotation.__name__}](#{annotation.__name__.lower()})"


_NAMES = {int: "whole number", float: "number", str: "text", bool: "true or false", Any: "anything"}


def _unset(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    default = field.default
    if (
        default is PydanticUndefined
        or isinstance(default, Section)
        or default is None
        or not str(default).strip("(){}")
    ):
        return ""
    return f"`{default}`"
