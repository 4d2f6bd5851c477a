"""The committed boards are what the code generates, the same bytes every time, and free of faults."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hubwatch_core.errors import Permanent
from hubwatch_core.named_sql import named_queries
from hubwatch_dashboards import generated
from hubwatch_dashboards.boards import BOARDS, built, rendered
from hubwatch_dashboards.lint import PUBLIC, problems

REPOSITORY = Path(__file__).parents[2]
COMMITTED = REPOSITORY / "dashboards" / "generated"


def test_committed_boards_are_up_to_date() -> None:
    assert generated.drift(COMMITTED) == []


@pytest.mark.parametrize("seed", ["0", "1"])
def test_same_bytes_in_another_process(seed: str) -> None:
    program = "import sys; from hubwatch_dashboards.boards import rendered; sys.stdout.write(rendered('hub-overview'))"
    done = subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
    )
    assert done.stdout == rendered("hub-overview")


@pytest.mark.parametrize("name", list(BOARDS))
def test_board_has_no_fault(name: str) -> None:
    assert list(problems(built(name))) == []


def test_every_query_of_the_sql_file_is_shown() -> None:
    shown = {target["rawSql"] for panel in built("hub-overview")["panels"] for target in panel["targets"]}
    hidden = {
        query.name for query in named_queries("hubwatch_dashboards", "hub_overview").values() if query.text not in shown
    }
    assert hidden == {"hubs"}  # which fills the variable


def test_open_alarms_come_first_and_blindness_beside_them() -> None:
    first, second, *_ = built("hub-overview")["panels"]
    assert (first["title"], first["gridPos"]["x"], first["gridPos"]["y"]) == ("Open alarms", 0, 0)
    assert (second["title"], second["gridPos"]["y"]) == ("Blind right now", 0)


def test_panels_have_numbers_that_links_can_rely_on() -> None:
    panels = built("hub-overview")["panels"]
    assert [panel["id"] for panel in panels] == list(range(1, len(panels) + 1))


def test_writing_twice_changes_nothing(tmp_path: Path) -> None:
    assert [file.name for file in generated.write(tmp_path)] == ["hub-overview.json"]
    assert generated.write(tmp_path) == []
    assert generated.drift(tmp_path) == []


def test_file_of_a_board_that_is_gone_is_drift_and_removed(tmp_path: Path) -> None:
    generated.write(tmp_path)
    (tmp_path / "old.json").write_text('{"uid": "hubwatch-old"}', encoding="utf-8")
    assert generated.drift(tmp_path) == [f"{tmp_path}/old.json: no board of this name"]
    generated.write(tmp_path)
    assert not (tmp_path / "old.json").exists()


@pytest.mark.parametrize("text", ["{}", "[]", "no JSON", '{"uid": "mine", "title": "My board"}', "[" * 100_000])
def test_file_that_is_no_board_of_ours_is_left_alone(text: str, tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text(text, encoding="utf-8")
    generated.write(tmp_path)
    assert (tmp_path / "mine.json").read_text(encoding="utf-8") == text
    assert generated.drift(tmp_path) == []


def test_folder_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Permanent, match=r"file.* cannot be written: (File exists|Not a directory)"):
        generated.write(tmp_path / "file")


@pytest.mark.parametrize("name", list(BOARDS))
def test_board_is_known_again_as_ours(name: str) -> None:
    assert built(name)["uid"].startswith(generated.UID_PREFIX)


def test_missing_file_is_drift(tmp_path: Path) -> None:
    assert generated.drift(tmp_path) == [f"{tmp_path}/hub-overview.json: missing"]


def test_edited_file_is_drift_and_shows_the_difference(tmp_path: Path) -> None:
    generated.write(tmp_path)
    file = tmp_path / "hub-overview.json"
    file.write_text(file.read_text(encoding="utf-8").replace("Open alarms", "All is well"), encoding="utf-8")
    (entry,) = generated.drift(tmp_path)
    assert "out of date" in entry
    assert 'title": "All is well"' in entry
    assert 'title": "Open alarms"' in entry


def _faulty(change: str, value: object) -> list[str]:
    board: dict[str, Any] = copy.deepcopy(built("hub-overview"))
    panel = board["panels"][1]
    if change == "sql":
        panel["targets"][0]["rawSql"] = value
    elif change == "gridPos":
        panel["gridPos"] |= value
    else:
        panel[change] = value
    return list(problems(board))


@pytest.mark.parametrize(
    ("change", "value", "fault"),
    [
        ("description", "", "has no description"),
        ("targets", [], "has no query"),
        ("title", "Open alarms", "2 panels are called 'Open alarms'"),
        ("gridPos", {"x": 20}, "reaches over the edge"),
        ("gridPos", {"x": 10}, "'Open alarms' and 'Blind right now' overlap"),
        (
            "sql",
            "SELECT 1 FROM hubwatch.reading WHERE hub IN (${hub:sqlstring})",
            "reads hubwatch.reading, which is not",
        ),
        ("sql", "SELECT 1 FROM readings WHERE hub IN (${hub:sqlstring})", "reads readings without its schema"),
        ("sql", "SELECT 1 FROM hubwatch.readings", "ignores the chosen hub"),
        ("sql", "SELECT '${hub:sqlstring}'; DROP TABLE x", "holds more than one statement"),
    ],
)
def test_fault_is_found(change: str, value: object, fault: str) -> None:
    assert any(fault in problem for problem in _faulty(change, value))


def test_public_names_are_those_the_reader_is_granted() -> None:
    grants = (REPOSITORY / "ops" / "grafana" / "reader.sql").read_text(encoding="utf-8")
    assert {name for name in PUBLIC if f"hubwatch.{name}" not in grants} == set()


def test_board_is_one_grafana_can_load() -> None:
    """Fields Grafana needs; the values are those of its own exports (Grafana 11.6)."""
    board = json.loads(rendered("hub-overview"))
    assert board["schemaVersion"] == 41
    assert board["uid"] == "hubwatch-hub-overview"
    assert [each["name"] for each in board["templating"]["list"]] == ["datasource", "hub"]
    for panel in board["panels"]:
        assert panel["type"] in {"table", "stat", "timeseries"}
        assert panel["datasource"]["uid"] == "${datasource}"
