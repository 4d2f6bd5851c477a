"""Finds, fills and checks profiles. A folder of an installation comes before the maps that are shipped."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, cast

from hubwatch_agents.profiles import parameters
from hubwatch_agents.profiles.profile import Profile
from hubwatch_agents.profiles.provenance import Parameter
from hubwatch_agents.protocols import PROTOCOLS
from hubwatch_core.config import Mistake, in_file_order, key_of, validate
from hubwatch_core.errors import ConfigError, Problem
from hubwatch_core.plain_text import one_line

PROFILES: dict[str, Any] = {each.name: each.profile for each in PROTOCOLS}
"""Protocol of a profile to its model."""
MAX_BYTES = 256 * 1024
"""Of a map; the longest that is shipped has a twentieth."""
MAX_DOTS = 200
"""In one line of a map."""
MAX_PROBLEMS = 100
"""Mistakes of a map that are listed."""
TOO_DEEP = "is nested too deep"
_PROFILES = Path(__file__).parents[1] / "profiles"


@dataclass(frozen=True)
class Map:
    """A profile as it is written: its file, its tree, and what it wants to know from the installation."""

    id: str
    where: str
    tree: dict[str, Any]
    declared: dict[str, Parameter]

    def fill(self, given: Mapping[str, Any], where: str, key: str) -> Profile:
        """Return the profile with the installation's parameters in place.

        Raises ConfigError: wrong parameters are told with `where` and `key` of the installation, mistakes of the map
        itself with the map's own file.
        """
        problems = [
            Problem(where, f"{key}.{name}", f"unknown; profile {self.id} has {', '.join(self.declared) or 'none'}")
            for name in given
            if name not in self.declared
        ]
        values: dict[str, Any] = {}
        for name, parameter in self.declared.items():
            values[name] = given.get(name, parameter.default)
            if values[name] is None and not parameter.optional:
                problems.append(Problem(where, f"{key}.{name}", f"is required by {self.id}: {parameter.description}"))
            elif values[name] is not None and (wrong := parameter.problem(values[name])):
                problems.append(Problem(where, f"{key}.{name}", wrong))
        if problems:
            raise ConfigError(problems)
        try:
            return _validate(self, values)
        except ConfigError as error:
            raise ConfigError(self._blame_parameters(error.problems, where, key)) from None

    def _blame_parameters(self, problems: Sequence[Problem], where: str, key: str) -> list[Problem]:
        """Return mistakes of a filled map as those of the parameters it was filled with, if it has none by itself."""
        try:
            self.example()
        except ConfigError:
            return list(problems)
        blamed = []
        for problem in problems:
            names = sorted(parameters.references(_at(self.tree, problem.key)))
            place = f"{key}.{names[0]}" if names else key
            blamed.append(Problem(where, place, f"makes {problem.key} of profile {self.id} wrong: {problem.message}"))
        return blamed

    def example(self) -> Profile:
        """Return the profile with its example parameters; raises ConfigError with every mistake of the map."""
        values = {
            name: parameter.example if parameter.example is not None else parameter.default
            for name, parameter in self.declared.items()
        }
        missing = [name for name in values if values[name] is None and not self.declared[name].optional]
        if missing:
            raise ConfigError([Problem(self.where, f"parameters.{name}", "needs an example") for name in missing])
        return _validate(self, values)


class Library:
    """All maps that can be used here."""

    def __init__(self, folders: Sequence[Path] = ()) -> None:
        self._files: dict[str, Traversable | Path] = {}
        for folder in [_shipped(), *reversed(folders)]:
            self._files.update({file.name.removesuffix(".toml"): file for file in _maps_in(folder)})

    def ids(self) -> list[str]:
        """Return the names of all maps, sorted."""
        return sorted(self._files)

    def map(self, profile_id: str) -> Map:
        """Read one map. Raises KeyError when there is none, ConfigError when its head cannot be read."""
        file = self._files[profile_id]
        where = str(file) if isinstance(file, Path) and not file.is_relative_to(_PROFILES) else f"maps/{file.name}"
        try:
            tree = _parse(_read(file))
        except OSError as error:
            raise ConfigError([Problem(where, "", f"cannot be read: {error.strerror or error}")]) from None
        except ValueError as error:  # of which TOMLDecodeError and UnicodeDecodeError are two
            raise ConfigError([Problem(where, "", f"is not valid TOML: {one_line(str(error))}")]) from None
        if tree.get("id") != profile_id:
            raise ConfigError([Problem(where, "id", f"must be {profile_id}, as the file is named")])
        return Map(profile_id, where, tree, _declared(tree, where))


def check(profile_map: Map) -> list[Problem]:
    """Find every mistake of a map: schema, references, parameters that nothing uses."""
    try:
        profile_map.example()
    except ConfigError as error:
        return list(error.problems)
    used = parameters.references({k: v for k, v in profile_map.tree.items() if k != "parameters"})
    return [
        Problem(profile_map.where, f"parameters.{name}", "is used nowhere") for name in profile_map.declared
        if name not in used
    ]  # fmt: skip


def _read(file: Traversable | Path) -> str:
    """Read a map. Raises OSError, and ValueError for one that is no ordinary file or longer than any map."""
    if not file.is_file():  # a pipe would be waited for
        raise ValueError("is no file")
    with file.open("rb") as opened:
        data = opened.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise ValueError(f"is longer than {MAX_BYTES} bytes")
    return data.decode("utf-8")


def _parse(text: str) -> dict[str, Any]:
    """Parse a map. Raises ValueError. Keys of thousands of parts, which none has, cost tomllib their square."""
    for number, line in enumerate(text.split("\n"), 1):
        if line.count(".") > MAX_DOTS and not line.lstrip().startswith("#"):
            raise ValueError(f"line {number} has more than {MAX_DOTS} dots")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError(TOO_DEEP) from None


def _at(tree: Any, key: str) -> Any:
    """Return what stands at a key as problems name it, `messages[0].topic`; None where nothing does."""
    found = tree
    for name, index in re.findall(r"([^.\[\]]+)|\[([0-9]{1,6})\]", key):
        if name and isinstance(found, dict) and name in found:
            found = found[name]
        elif index and isinstance(found, list) and int(index) < len(found):
            found = found[int(index)]
        else:
            return None
    return found


def _shipped() -> Traversable:
    return resources.files("hubwatch_agents.profiles") / "maps"


def _maps_in(folder: Traversable | Path) -> Iterable[Traversable | Path]:
    try:
        return [file for file in folder.iterdir() if file.name.endswith(".toml")]
    except OSError as error:
        raise ConfigError([Problem(str(folder), "", f"is no folder of profiles: {error.strerror or error}")]) from None


def _declared(tree: dict[str, Any], where: str) -> dict[str, Parameter]:
    declared: dict[str, Parameter] = {}
    problems: list[Problem] = []
    tables = tree.get("parameters", {})
    if not isinstance(tables, dict):
        raise ConfigError([Problem(where, "parameters", "must be a table")])
    for name, raw in tables.items():
        key = f"parameters.{name}"
        if not isinstance(raw, dict):
            problems.append(Problem(where, key, "must be a table"))
            continue
        part, found = validate(Parameter, raw, ("parameters", name))
        problems += _problems(found, where, tree)
        if part.valid is not None:
            declared[name] = part.valid
    if problems:
        raise ConfigError(problems)
    return declared


def _validate(profile_map: Map, values: Mapping[str, Any]) -> Profile:
    where, tree = profile_map.where, profile_map.tree
    protocol = tree.get("protocol")
    model = PROFILES.get(protocol) if isinstance(protocol, str) else None
    if model is None:
        raise ConfigError([Problem(where, "protocol", f"must be one of {', '.join(PROFILES)}")])
    try:
        filled = parameters.fill({key: value for key, value in tree.items() if key != "parameters"}, values)
    except KeyError as error:
        raise ConfigError([Problem(where, "", f"refers to ${error.args[0]}, not declared")]) from None
    except parameters.MalformedTemplate as error:
        raise ConfigError([Problem(where, "", str(error))]) from None
    except RecursionError:
        raise ConfigError([Problem(where, "", TOO_DEEP)]) from None
    part, mistakes = validate(model, {**filled, "parameters": tree.get("parameters", {})})
    if part.valid is None:
        raise ConfigError(_problems(mistakes, where, tree))
    return cast("Profile", part.valid)


def _problems(mistakes: Iterable[Mistake], where: str, tree: Mapping[str, Any]) -> list[Problem]:
    found = in_file_order([Problem(where, key_of(mistake.path), mistake.message) for mistake in mistakes], tree)
    if len(found) > MAX_PROBLEMS:
        told = f"{len(found)} mistakes, of which these are the first {MAX_PROBLEMS}"
        return [Problem(where, "", told), *found[:MAX_PROBLEMS]]
    return found
