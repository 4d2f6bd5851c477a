"""Profiles of any keys and values, and files of any tokens: each has problems or none, and never a traceback."""

from __future__ import annotations

import tomllib
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import strategies as st

from hubwatch_agents.config.library import Library, check
from hubwatch_core.errors import ConfigError
from support.fuzzing import fuzzed

NAMES = ("uhppoted-door", "sarad-regserver-mqtt", "generic.sparkplug-environment", "honeywell-midas", "espgeiger")
SHIPPED = [Library().map(name).tree for name in NAMES]


def keys_of(tree: Any) -> set[str]:
    if isinstance(tree, dict):
        return set(tree) | {key for value in tree.values() for key in keys_of(value)}
    return {key for value in tree for key in keys_of(value)} if isinstance(tree, list) else set()


KEYS = sorted(keys_of(SHIPPED) - {""})
scalars = st.one_of(
    st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(), st.text(max_size=5),
    st.sampled_from(["$x", "{x}", "$x+1", "$x*" + "9" * 30, "mqtt", "modbus", "iso", "%Y%Y", "%", "a/+b", "", "²"]),
)  # fmt: skip
trees = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)
changed = st.tuples(st.sampled_from(SHIPPED), st.dictionaries(st.sampled_from(KEYS), trees, min_size=1, max_size=3))


def written(value: Any) -> str:
    """Return a value as TOML."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{" + ", ".join(f"{quoted(key)} = {written(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(written, value)) + "]"
    return quoted(value) if isinstance(value, str) else repr(value)


def quoted(text: str) -> str:
    return '"' + "".join(f"\\U{ord(c):08X}" if not 0xD800 <= ord(c) <= 0xDFFF else "?" for c in text) + '"'


def problems_of(text: str | bytes) -> list[str]:
    """Return what the library says about a map; whatever it holds, that is all that comes of it."""
    with TemporaryDirectory() as folder:
        data = text if isinstance(text, bytes) else text.encode()
        Path(folder, "it.toml").write_bytes(data)
        try:
            return [str(each) for each in check(Library([Path(folder)]).map("it"))]
        except ConfigError as error:
            return [str(each) for each in error.problems]


@fuzzed(changed)
def test_map_with_any_value_anywhere_has_problems_or_none_and_never_a_traceback(
    change: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    tree, other = change
    text = "\n".join(f"{quoted(key)} = {written(value)}" for key, value in {**tree, "id": "it", **other}.items())
    tomllib.loads(text)
    for each in problems_of(text):
        assert each


TOML = ["[", "]", "[[", "]]", "a", ".", "=", '"', "'''", "{", "}", "1", "\n", "inf", "0x", "2026-01-01", "#", ","]
files = st.lists(st.sampled_from(TOML), max_size=40).map(lambda parts: "".join(parts).encode())


@fuzzed(st.binary(max_size=60) | files)
def test_file_of_any_tokens_has_problems_and_never_a_traceback(data: bytes) -> None:
    assert problems_of(data)
