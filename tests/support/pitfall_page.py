"""The page of pitfalls: known faults of devices, what hubwatch does about each, and the fault devices that prove it."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from typing import Any

from support.agents_fault_cases import FOLDER

HEAD = """# Pitfalls of devices

Known faults of devices and of the clients that read them, collected from issue trackers and manuals, and what hubwatch
does about each. The simulated devices under `tests/cases/agents_faults/` prove it: the tests run each of them against
the real driver over real connections.

| pitfall | reported by | what hubwatch does | proven by |
|---|---|---|---|
"""


@dataclass
class Pitfall:
    """One thing that goes wrong."""

    title: str
    source: str
    answer: str
    cases: list[str] = field(default_factory=list)


def cases() -> dict[str, dict[str, Any]]:
    """Return every fault device by its path below the folder of cases, without the ending."""
    return {
        f"{path.parent.name}/{path.stem}": tomllib.loads(path.read_text(encoding="utf-8"))
        for kind in ("modbus", "mqtt", "sparkplug")
        for path in sorted((FOLDER / kind).glob("*.toml"))
    }


def pitfalls() -> dict[str, Pitfall]:
    """Return every pitfall with the cases that name it; a case that names an unknown one is a KeyError."""
    rows = tomllib.loads((FOLDER / "pitfalls.toml").read_text(encoding="utf-8"))
    found = {key: Pitfall(**row) for key, row in rows.items()}
    for name, case in cases().items():
        if "pitfall" in case:
            found[case["pitfall"]].cases.append(name)
    return found


def page() -> str:
    """Write the page."""
    rows = (
        f"| {each.title} | {each.source} | {each.answer} | {', '.join(f'`{case}`' for case in each.cases)} |\n"
        for each in pitfalls().values()
    )
    return HEAD + "".join(rows)


if __name__ == "__main__":
    print(page(), end="")  # noqa: T201 - `PYTHONPATH=tests python -m support.pitfall_page > docs/reference/pitfalls.md`
