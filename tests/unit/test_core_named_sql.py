"""Named SQL files: read whole or refused, never silently short of a query."""

from __future__ import annotations

from pathlib import Path

import pytest

from hubwatch_core.named_sql import Query, named_queries


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the name of an importable package with an empty folder `sql`."""
    (tmp_path / tmp_path.name / "sql").mkdir(parents=True)
    (tmp_path / tmp_path.name / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path.name


def _write(tmp_path: Path, text: str) -> None:
    (tmp_path / tmp_path.name / "sql" / "topic.sql").write_text(text, encoding="utf-8")


def test_each_header_begins_a_query(tmp_path: Path, package: str) -> None:
    _write(tmp_path, "-- a reason, before all\n\n-- one: The first.\nSELECT 1\n\n-- two: The second.\nSELECT 2\n")
    assert named_queries(package, "topic") == {
        "one": Query("one", "The first.", "SELECT 1"),
        "two": Query("two", "The second.", "SELECT 2"),
    }


def test_comments_inside_a_query_stay_in_it(tmp_path: Path, package: str) -> None:
    _write(tmp_path, "-- one: The first.\nSELECT 1\n-- Because: it must be.\n  -- two: indented\nFROM x\n")
    (found,) = named_queries(package, "topic").values()
    assert found.text.endswith("-- Because: it must be.\n  -- two: indented\nFROM x")


def test_a_name_given_twice_is_refused_and_said(tmp_path: Path, package: str) -> None:
    _write(tmp_path, "-- one: The first.\nSELECT 1\n-- one: Again.\nSELECT 2\n")
    with pytest.raises(ValueError, match=r"sql/topic.sql names one twice"):
        named_queries(package, "topic")


@pytest.mark.parametrize("text", ["", "SELECT 1\n", "--one: no blank\nSELECT 1\n", "-- One: capital\nSELECT 1\n"])
def test_a_file_without_a_header_is_refused(text: str, tmp_path: Path, package: str) -> None:
    _write(tmp_path, text)
    with pytest.raises(ValueError, match="holds no query"):
        named_queries(package, "topic")


def test_a_file_that_is_not_there_is_an_error(package: str) -> None:
    with pytest.raises(FileNotFoundError):
        named_queries(package, "topic")


def test_what_is_given_cannot_be_changed() -> None:
    found = named_queries("hubwatch_dashboards", "hub_overview")
    with pytest.raises(TypeError):
        found["hubs"] = found["blind"]  # type: ignore[index]
