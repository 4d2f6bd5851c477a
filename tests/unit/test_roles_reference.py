"""docs/reference/roles.md against the code."""

from __future__ import annotations

from hubwatch_core.permission import Role, UserAct
from support.roles_page import BEGIN, END, PAGE, markdown


def test_tables_on_the_page_are_what_the_code_says() -> None:
    assert PAGE.read_text(encoding="utf-8").split(BEGIN)[1].split(END)[0] == markdown()


def test_tables_name_every_role_and_every_act() -> None:
    assert all(f"| {role} |" in markdown() for role in Role)
    assert all(f"`{act}`" in markdown() for act in UserAct)
