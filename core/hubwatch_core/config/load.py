"""Configuration: a TOML file, over it `HUBWATCH_*` environment variables, over them flags.

Nothing is connected to or written before a configuration has been checked whole. Unknown keys are refused, and every
mistake is reported at once, each with the file (or variable) and the path of the key. Secrets come from a file or the
environment, never from the TOML.
"""

from __future__ import annotations

import os
import tomllib
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin

from pydantic import SecretStr

from hubwatch_core.config.keys import in_file_order, key_of
from hubwatch_core.config.named_files import unreadable_files, unusable_contents
from hubwatch_core.config.section import Partial, Section, types_in
from hubwatch_core.config.validate import Mistake, validate
from hubwatch_core.errors import ConfigError, Problem
from hubwatch_core.secret_text import addresses_with_passwords

ENV_PREFIX = "HUBWATCH_"
ENV_SEPARATOR = "__"

_REFUSED_ADDRESS = "an address must not carry a password: there is a key for a file that holds it"

S = TypeVar("S", bound=Section)


def load(
    model: type[S],
    path: Path | None = None,
    *,
    env: Mapping[str, str] | None = None,
    flags: Mapping[str, object] | None = None,
    further: Callable[[Partial[S]], Iterable[Problem]] | None = None,
    check_files: bool = False,
) -> S:
    """Read and check a configuration.

    `flags` maps dotted keys (`mqtt.host`) to values; None means not given. `further` finds what else is wrong of what
    is right so far; `check_files` demands that every file it names can be read. Raises ConfigError with every mistake,
    in the order of the file.
    """
    tree, origin = _read(path), {}
    problems = [_misplaced(key, model, str(path)) for key in dict.fromkeys(_secrets_in(tree, model))]
    for name, key, value in _env_values(model, os.environ if env is None else env):
        _set(tree, key, value)
        origin[key] = name
    for key, flag in (flags or {}).items():
        if flag is not None:
            _set(tree, key, flag)
            origin[key] = "--" + key.rsplit(".", 1)[-1].replace("_", "-")
    open_passwords = [
        Problem(origin.get(key) or _where(path), key, _REFUSED_ADDRESS) for key in addresses_with_passwords(tree)
    ]
    part, mistakes = validate(model, tree)
    problems += [_problem(each, path, origin) for each in mistakes]
    problems += _not_told(open_passwords, problems)
    if check_files:
        problems += _not_told(unreadable_files(part, _where(path)), problems)
        problems += _not_told(unusable_contents(part, _where(path)), problems)
    if further is not None:
        problems += _not_told(further(part), problems)
    if problems or part.valid is None:
        raise ConfigError(in_file_order(problems, tree))
    return part.valid


def _not_told(found: Iterable[Problem], before: Iterable[Problem]) -> list[Problem]:
    """Return the problems at keys of which nothing is said yet."""
    keys = {problem.key for problem in before}
    return [problem for problem in found if not problem.key or problem.key not in keys]


def _read(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError([Problem(str(path), "", f"cannot be read: {error.strerror or error}")]) from None
    except UnicodeDecodeError:
        raise ConfigError([Problem(str(path), "", "is not UTF-8 text")]) from None
    except (ValueError, RecursionError) as error:  # besides syntax: integers of 5000 digits, endless nesting
        raise ConfigError([Problem(str(path), "", f"is not valid TOML: {error}")]) from None


def _sections(annotation: Any) -> Iterator[type[Section]]:
    """Yield the section types of an annotation that is one, or one or None: a table, not an array of tables."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    elif get_origin(annotation) in (Union, types.UnionType):
        for argument in get_args(annotation):
            yield from _sections(argument)


def _secrets_in(tree: Mapping[str, Any], model: type[Section], prefix: str = "") -> Iterator[str]:
    """Yield the path of every secret of `model` that stands in `tree`."""
    for name, field in model.model_fields.items():
        value, key = tree.get(field.alias or name), f"{prefix}{field.alias or name}"
        kinds = list(types_in(field.annotation))
        if value is not None and SecretStr in kinds:
            yield key
        for section in kinds:
            if isinstance(section, type) and issubclass(section, Section):
                for path, table in _tables(value, key):
                    yield from _secrets_in(table, section, f"{path}.")


def _tables(value: object, key: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield what may be a table of settings in a value: itself, the tables of an array, the tables of a table."""
    if isinstance(value, Mapping):
        yield key, value
        for name, inner in value.items():
            if isinstance(inner, Mapping):
                yield f"{key}.{name}", inner
    elif isinstance(value, list):
        yield from ((f"{key}[{i}]", inner) for i, inner in enumerate(value) if isinstance(inner, Mapping))


def _misplaced(key: str, model: type[Section], file: str) -> Problem:
    advice = f"name a file with {key.rsplit('.', 1)[-1]}_file"
    variable = _env_name(key)
    if any(_env_values(model, {variable: ""})):  # none reaches into an array
        advice += f" or set {variable}"
    return Problem(file, key, f"a secret must not stand in the TOML: {advice}")


def _env_name(key: str) -> str:
    return ENV_PREFIX + key.upper().replace(".", ENV_SEPARATOR)


def _env_values(model: type[Section], env: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """Yield (variable, key, value) for the variables that speak of a section or key of `model`.

    Variables of other components' sections are not ours to judge; an unknown key inside a section of ours is.
    """
    for name in sorted(env):
        if not name.startswith(ENV_PREFIX):
            continue
        key = name.removeprefix(ENV_PREFIX).lower().replace(ENV_SEPARATOR, ".")
        top, _, rest = key.partition(".")
        field = model.model_fields.get(model.old_names().get(top, top))
        if field is not None and bool(rest) == any(_sections(field.annotation)):
            yield name, key, env[name]


def _set(tree: dict[str, Any], key: str, value: object) -> None:
    *parents, last = key.split(".")
    for part in parents:
        child = tree.setdefault(part, {})
        if not isinstance(child, dict):
            return  # a table is expected here; validation reports what stands in its place
        tree = child
    tree[last] = value


def _problem(mistake: Mistake, path: Path | None, origin: Mapping[str, str]) -> Problem:
    key = key_of(mistake.path)
    where = origin.get(key) or _where(path)
    return Problem(where, key, mistake.message)


def _where(path: Path | None) -> str:
    return str(path) if path else "configuration"
