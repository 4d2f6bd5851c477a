"""Finds, fills and checks profiles. A folder of an installation comes before the maps that are shipped."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any

from pydantic import Discriminator, TypeAdapter, ValidationError

from hubwatch_agents.profiles import parameters
from hubwatch_agents.profiles.modbus_schema import ModbusProfile
from hubwatch_agents.profiles.mqtt_schema import MqttProfile
from hubwatch_agents.profiles.provenance import Parameter
from hubwatch_agents.profiles.sparkplug_schema import SparkplugProfile
from hubwatch_core.errors import ConfigError, Problem

Profile = ModbusProfile | MqttProfile | SparkplugProfile

PROTOCOLS = {"modbus": ModbusProfile, "mqtt": MqttProfile, "sparkplug": SparkplugProfile}
_HERE = Path(__file__).parent
_checker: TypeAdapter[Profile] = TypeAdapter(Annotated[Profile, Discriminator("protocol")])


@dataclass(frozen=True)
class Map:
    """A profile as it is written: its file, its tree, and what it wants to know from the installation."""

    id: str
    where: str
    tree: dict[str, Any]
    declared: dict[str, Parameter]

    def fill(self, given: Mapping[str, Any], where: str, key: str) -> Profile:
        """Give the profile with the installation's parameters in place.

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
        return _validate(self, values)

    def example(self) -> Profile:
        """Give the profile with its example parameters; raises ConfigError with every mistake of the map."""
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
        """Give the names of all maps, sorted."""
        return sorted(self._files)

    def map(self, profile_id: str) -> Map:
        """Read one map. Raises KeyError when there is none, ConfigError when its head cannot be read."""
        file = self._files[profile_id]
        where = str(file) if isinstance(file, Path) and not file.is_relative_to(_HERE) else f"maps/{file.name}"
        try:
            tree = tomllib.loads(file.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise ConfigError([Problem(where, "", f"is not valid TOML: {error}")]) from None
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


def _shipped() -> Traversable:
    return resources.files("hubwatch_agents.profiles") / "maps"


def _maps_in(folder: Traversable | Path) -> Iterable[Traversable | Path]:
    if not folder.is_dir():
        raise ConfigError([Problem(str(folder), "", "is no folder of profiles")])
    return [file for file in folder.iterdir() if file.name.endswith(".toml")]


def _declared(tree: dict[str, Any], where: str) -> dict[str, Parameter]:
    declared: dict[str, Parameter] = {}
    problems: list[Problem] = []
    for name, raw in dict(tree.get("parameters", {})).items():
        try:
            declared[name] = Parameter.model_validate(raw)
        except ValidationError as error:
            problems += _problems(error, where, f"parameters.{name}")
    if problems:
        raise ConfigError(problems)
    return declared


def _validate(profile_map: Map, values: Mapping[str, Any]) -> Profile:
    body = {key: value for key, value in profile_map.tree.items() if key != "parameters"}
    try:
        filled = parameters.fill(body, values)
    except KeyError as error:
        raise ConfigError([Problem(profile_map.where, "", f"refers to ${error.args[0]}, not declared")]) from None
    try:
        return _checker.validate_python({**filled, "parameters": profile_map.tree.get("parameters", {})})
    except ValidationError as error:
        raise ConfigError(_problems(error, profile_map.where, "")) from None


def _problems(error: ValidationError, where: str, prefix: str) -> list[Problem]:
    found = []
    for detail in error.errors(include_url=False):
        key = prefix
        for part in detail["loc"]:
            if part not in PROTOCOLS:
                key += f"[{part}]" if isinstance(part, int) else f".{part}" if key else str(part)
        message = {"extra_forbidden": "unknown key", "missing": "is required"}.get(detail["type"], detail["msg"])
        found.append(Problem(where, key, message.removeprefix("Value error, ")))
    return found
