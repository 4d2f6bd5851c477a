"""What to do first, by type of detection: the packaged texts, and over them those of the hub."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import msgspec

from hubwatch_core.errors import ConfigError, Problem


@dataclass(frozen=True, slots=True)
class Instruction:
    """The title of an alarm and what to do first."""

    title: str
    do: str


LONGEST_TITLE = 200
LONGEST_DO = 4000


class _Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    title: str
    do: str

    def __post_init__(self) -> None:
        # The title stands in incidents, where the database takes no NUL, and in lists, a line each.
        if not self.title.isprintable() or not 0 < len(self.title) <= LONGEST_TITLE:
            raise ValueError(f"title must be one line of 1 to {LONGEST_TITLE} printable characters")
        if not self.do.replace("\n", "").isprintable() or not 0 < len(self.do) <= LONGEST_DO:
            raise ValueError(f"do must be lines of printable text, of 1 to {LONGEST_DO} characters in all")


class Instructions:
    """Finds the instruction of a detection type: its own, its family's, or the default; of each, that of the hub first.

    An entry `HUB/TYPE` is of one hub.
    """

    def __init__(self, texts: Mapping[str, Instruction]) -> None:
        self._texts = dict(texts)

    @classmethod
    def load(cls, own: Path | None = None) -> Instructions:
        """Read the packaged texts, and over them the hub's `own`; raises ConfigError when that file cannot be used."""
        packaged = resources.files("hubwatch_alarms").joinpath("instructions.toml").read_text(encoding="utf-8")
        texts = _parse(packaged)
        if own is not None:
            texts |= _read(own)
        return cls(texts)

    def of(self, type_: str, hub: str | None = None) -> Instruction:
        """Return the instruction of a type at a hub, from the most to the least special name that has one."""
        name = type_
        while name:
            found = self._texts.get(f"{hub}/{name}") or self._texts.get(name)
            if found is not None:
                return found
            name = name.rpartition(".")[0]
        return self._texts.get(f"{hub}/default", self._texts["default"])


def _read(path: Path) -> dict[str, Instruction]:
    try:
        return _parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError([Problem(str(path), "", f"cannot be read: {error.strerror or error}")]) from None
    except (ValueError, RecursionError, msgspec.ValidationError) as error:  # beside syntax: endless nesting or digits
        raise ConfigError([Problem(str(path), "", str(error))]) from None


def _parse(text: str) -> dict[str, Instruction]:
    entries = msgspec.convert(tomllib.loads(text), dict[str, _Entry])
    return {type_: Instruction(entry.title, entry.do) for type_, entry in entries.items()}
