"""Prose about the layout rots unless it is checked."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md")]
PAGES += sorted((ROOT / "docs").rglob("*.md"))

_LINK = re.compile(r"\]\((?!https?:)([^)#]+)")
_PATH = re.compile(r"`((?:core|agents|collector|detectors|alarms|dashboards|ops|tests|docs)/[\w./-]*)`")


def ids(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    broken = [link for link in _LINK.findall(page.read_text(encoding="utf-8")) if not (page.parent / link).exists()]
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_every_path_a_page_names_exists(page: Path) -> None:
    missing = [path for path in _PATH.findall(page.read_text(encoding="utf-8")) if not (ROOT / path).exists()]
    assert missing == []


def test_the_newcomer_map_names_paths_at_all() -> None:
    assert len(_PATH.findall((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))) >= 10


def test_every_dependency_has_a_reason_above_it() -> None:
    lines = (ROOT / "pyproject.toml").read_text(encoding="utf-8").splitlines()
    project = tomllib.loads("\n".join(lines))["project"]
    named = {*project["dependencies"], *(each for group in project["optional-dependencies"].values() for each in group)}
    own = {each for each in named if each.startswith("hubwatch[")}
    without = []
    for requirement in named - own:
        places = [i for i, line in enumerate(lines) if line.strip().startswith(f'"{requirement}"')]
        if not any(_explained(lines, place) for place in places):
            without.append(requirement)
    assert without == []


def _explained(lines: list[str], place: int) -> bool:
    """A comment stands above the line, or above the block of requirements it belongs to."""
    while lines[place - 1].strip().startswith('"'):
        place -= 1
    return lines[place - 1].strip().startswith("#")


@pytest.mark.parametrize("name", ["utils", "helpers", "common", "manager"])
def test_no_file_has_a_name_that_says_nothing(name: str) -> None:
    folders = ("core", "agents", "collector", "detectors", "alarms", "dashboards", "ops", "tests")
    assert [path for folder in folders for path in (ROOT / folder).rglob(f"{name}.py")] == []
