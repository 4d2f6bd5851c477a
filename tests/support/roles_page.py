"""The tables of docs/reference/roles.md, written from the code: `python tests/support/roles_page.py`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hubwatch_core.permission import INCLUDES, LEAST_ROLE, SECOND_FACTOR_ROLES, TWO_PERSONS, Role, UserAct

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "roles.md"
BEGIN = "<!-- begin generated: tests/support/roles_page.py -->\n"
END = "<!-- end generated -->\n"


def markdown() -> str:
    """Return the tables of roles and of acts."""
    return "\n".join([*_roles(), "", *_acts()]) + "\n"


def _roles() -> Iterator[str]:
    yield "| role | includes | second factor |"
    yield "|---|---|---|"
    for role in Role:
        others = ", ".join(each for each in Role if each in INCLUDES[role] and each != role) or "–"
        yield f"| {role} | {others} | {'must be set up' if role in SECOND_FACTOR_ROLES else 'is not asked for'} |"


def _acts() -> Iterator[str]:
    yield f"| act | {' | '.join(Role)} | second person |"
    yield "|---" * (len(Role) + 2) + "|"
    for act in UserAct:
        marks = ["yes" if LEAST_ROLE[act] in INCLUDES[role] else "" for role in Role]
        yield f"| `{act}` | {' | '.join(marks)} | {TWO_PERSONS.get(act, '')} |"


if __name__ == "__main__":
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    PAGE.write_text(before + BEGIN + markdown() + END + rest.split(END)[1], encoding="utf-8")
