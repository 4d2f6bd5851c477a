"""The store is entered through its packages: others import what their `__init__` names, and nothing else."""

from __future__ import annotations

import ast
import importlib
import pkgutil
from pathlib import Path

import pytest

import hubwatch_store

ROOT = Path(__file__).parents[2]
OUTSIDE = ("collector", "detectors", "alarms", "ops", "dashboards", "agents")
PACKAGES = sorted(each.name for each in pkgutil.iter_modules(hubwatch_store.__path__) if each.ispkg)


def imports_of(file: Path) -> list[tuple[str, str]]:
    """Return (module, name) of each import from the store."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    found = [
        (node.module, alias.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("hubwatch_store")
        for alias in node.names
    ]
    plain = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    return found + [(name, "") for name in plain if name.startswith("hubwatch_store.")]


def is_public(module: str, name: str) -> bool:
    if module == "hubwatch_store":
        return name in PACKAGES
    package = module.removeprefix("hubwatch_store.")
    return package in PACKAGES and name in importlib.import_module(module).__all__


def test_product_code_imports_only_what_the_packages_name() -> None:
    used = {
        (str(file.relative_to(ROOT)), *each)
        for component in OUTSIDE
        for file in (ROOT / component).rglob("*.py")
        for each in imports_of(file)
    }
    assert len(used) > 30
    assert sorted(each for each in used if not is_public(*each[1:])) == []


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_is_there(package: str) -> None:
    module = importlib.import_module(f"hubwatch_store.{package}")
    assert module.__all__ == sorted(module.__all__, key=lambda name: (not name.isupper(), not name[0].isupper(), name))
    assert [name for name in module.__all__ if not hasattr(module, name)] == []
