"""Named SQL: every name that code uses exists, every query is used, every file loads."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import pytest

import hubwatch_store
from hubwatch_store.database import queries

SQL = resources.files("hubwatch_store") / "sql"
PACKAGE = Path(hubwatch_store.__file__).parent
TOPICS = sorted(each.name.removesuffix(".sql") for each in SQL.iterdir())
TREES = [ast.parse(file.read_text(encoding="utf-8")) for file in sorted(PACKAGE.rglob("*.py"))]
RUNNERS = {"fetch", "write"}
"""Functions that take a connection, a topic and the name of a query."""


def text(node: ast.AST) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def topic_of(node: ast.AST) -> str | None:
    """Return the topic of a call `queries("topic")`."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "queries" and node.args:
        return text(node.args[0])
    return None


def used_in(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield each (topic, name) that a module, or a function in it, asks for by literals."""
    held = {
        target.id: topic
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and (topic := topic_of(node.value)) is not None
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and (name := text(node.slice)) is not None:
            topic = topic_of(node.value) or (held.get(node.value.id) if isinstance(node.value, ast.Name) else None)
            if topic is not None:
                yield topic, name
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in RUNNERS:
            match [text(each) for each in node.args[1:3]]:
                case [str(topic), str(name)]:
                    yield topic, name


def functions(tree: ast.AST) -> Iterator[ast.AST]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


USED = sorted({pair for tree in TREES for function in functions(tree) for pair in used_in(function)})


@pytest.mark.parametrize("topic", TOPICS)
def test_every_file_of_queries_loads(topic: str) -> None:
    assert all(queries(topic).values())


def test_every_query_that_code_names_exists() -> None:
    assert len(USED) > 60
    assert [(topic, name) for topic, name in USED if topic not in TOPICS or name not in queries(topic)] == []


def prefixes(tree: ast.AST) -> set[str]:
    """Return how names begin that a module puts together, such as `f"find_{kind}"`."""
    begun = (node.values[0] for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) and len(node.values) > 1)
    return {begin for each in begun if (begin := text(each)) is not None and begin.endswith("_")}


@pytest.mark.parametrize("topic", TOPICS)
def test_every_query_is_named_by_a_module_that_uses_its_file(topic: str) -> None:
    users = [tree for tree in TREES if topic in {text(node) for node in ast.walk(tree)}]
    named = {constant for tree in users for node in ast.walk(tree) if (constant := text(node)) is not None}
    begun = tuple(begin for tree in users for begin in prefixes(tree))
    assert [name for name in queries(topic) if name not in named and not name.startswith(begun)] == []


def test_a_topic_that_is_not_there_is_an_error() -> None:
    with pytest.raises(FileNotFoundError):
        queries("no_such_topic")


def test_every_migration_file_has_a_name_that_is_understood() -> None:
    from hubwatch_store.database import migrations

    files = {file.stem for file in (PACKAGE / "migrations").glob("*.sql")}
    assert {str(migration) for migration in migrations()} == files
