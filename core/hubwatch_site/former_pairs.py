"""Reads `neighbours` of a configuration from before there were sites, so that they can become fences."""

from __future__ import annotations

import tomllib
from pathlib import Path

from pydantic import ConfigDict, Field

from hubwatch_core.config import ConfigId, Section, in_file_order, key_of, validate
from hubwatch_core.errors import ConfigError, Problem
from hubwatch_site.fences import Neighbour
from hubwatch_site.file import text_of


class _Pair(Section):
    hub: ConfigId
    from_: ConfigId = Field(alias="from")
    to: ConfigId
    distance_m: float = Field(gt=0, le=10_000)


class _Pairs(Section):
    model_config = ConfigDict(extra="ignore")

    neighbours: tuple[_Pair, ...] = ()


class _Configuration(_Pairs):
    detectors: _Pairs = _Pairs()
    """Where the file is that of `hubwatch up`."""


def former_pairs(file: Path) -> tuple[Neighbour, ...]:
    """Return the pairs that a configuration names. Raises ConfigError with every mistake, also where there are none."""
    try:
        tree = tomllib.loads(text_of(file))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError([Problem(str(file), "", f"is not valid TOML: {error}")]) from None
    part, mistakes = validate(_Configuration, tree)
    problems = [Problem(str(file), key_of(each.path), each.message) for each in mistakes]
    if problems or part.valid is None:
        raise ConfigError(in_file_order(problems, tree))
    found = (*part.valid.neighbours, *part.valid.detectors.neighbours)
    if not found:
        raise ConfigError([Problem(str(file), "neighbours", "there are none in this file")])
    return tuple(Neighbour(each.hub, each.from_, each.to, each.distance_m) for each in found)
