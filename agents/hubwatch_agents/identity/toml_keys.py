"""Sets keys in a person's TOML file, and leaves everything else in it as it stands: comments, order, blank lines."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping

from hubwatch_core.errors import Permanent

Value = str | int


def with_keys(text: str, tables: Mapping[str, Mapping[str, Value]]) -> str:
    """Return the file with the keys of each table set, those of "" above all tables.

    Raises Permanent where it is written in a way that this cannot change: inline tables, dotted keys.
    """
    lines = text.splitlines()
    for table, values in tables.items():
        lines = _set(lines, table, values)
    made = "\n".join(lines) + "\n"
    try:
        tree = tomllib.loads(made)
    except tomllib.TOMLDecodeError:
        raise Permanent("the file's tables are written in a way that cannot be changed here") from None
    for table, values in tables.items():
        for key, value in values.items():
            if _at(tree, table).get(key) != value:
                raise Permanent(f"[{table}] is written in a way that cannot be changed here")
    return made


def _set(lines: list[str], table: str, values: Mapping[str, Value]) -> list[str]:
    header = f"[{table}]"
    begin = next((at for at, line in enumerate(lines) if line.split("#")[0].strip() == header), None)
    if not table:
        begin = -1
    if begin is None:
        return [*lines, *([""] if lines and lines[-1] else []), header, *(_line(*each) for each in values.items())]
    end = next((at for at in range(begin + 1, len(lines)) if lines[at].lstrip().startswith("[")), len(lines))
    body = lines[begin + 1 : end]
    for key, value in values.items():
        places = [at for at, line in enumerate(body) if re.match(rf"(# )?{re.escape(key)} *=", line)]
        given = [at for at in places if not body[at].startswith("#")]
        if places:
            body[(given or places)[0]] = _line(key, value)
        else:
            body.insert(_behind_a_word(body), _line(key, value))
    return [*lines[: begin + 1], *body, *lines[end:]]


def _behind_a_word(body: list[str]) -> int:
    """Return the place behind the last key that is a word: there no array is open, and no comment's key is cut off."""
    return max((at + 1 for at, line in enumerate(body) if re.fullmatch(r'\w+ *= *"[^"]*"', line)), default=0)


def _line(key: str, value: Value) -> str:
    return f"{key} = {json.dumps(value, ensure_ascii=False)}"


def _at(tree: Mapping[str, object], table: str) -> Mapping[str, object]:
    for part in table.split(".") if table else ():
        inner = tree.get(part)
        if not isinstance(inner, Mapping):
            return {}
        tree = inner
    return tree
