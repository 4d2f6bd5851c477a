"""The committed boards are what the code generates, the same bytes every time, and free of faults."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from hubwatch_core.errors import Permanent
from hubwatch_core.named_sql import named_queries
from hubwatch_dashboards import generated
from hubwatch_dashboards.boards import BOARDS, built, rendered
from hubwatch_dashboards.lint import PUBLIC, problems
from hubwatch_dashboards.severity import BAD_EVENTS

REPOSITORY = Path(__file__).parents[2]
COMMITTED = REPOSITORY / "dashboards" / "generated"

NORMAL_EVENTS = {
    *("door.opened", "door.closed", "door.rex"),
    *("access.granted", "access.presented", "perimeter.clear", "power.restored"),
}


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
            "SELECT 1 FROM hubwatch.reading WHERE hub = ANY(ARRAY[${hub:sqlstring}]::text[])",
            "reads hubwatch.reading, which is not",
        ),
        (
            "sql",
            "SELECT 1 FROM readings WHERE hub = ANY(ARRAY[${hub:sqlstring}]::text[])",
            "reads readings without its schema",
        ),
        ("sql", "SELECT 1 FROM hubwatch.readings", "ignores the chosen hub"),
        ("sql", "SELECT 1 FROM hubwatch.readings WHERE hub IN (${hub:sqlstring})", "fails when no hub is chosen"),
        ("sql", "SELECT 1 FROM hubwatch.readings WHERE hub = $hub OR ${hub:csv} = ''", "fails when no hub is chosen"),
        ("sql", "SELECT ARRAY[${hub:sqlstring}]::text[]; DROP TABLE x", "holds more than one statement"),
    ],
)
def test_fault_is_found(change: str, value: object, fault: str) -> None:
    assert any(fault in problem for problem in _faulty(change, value))


def _panel(board: dict[str, Any], kind: str) -> dict[str, Any]:
    panel: dict[str, Any] = next(each for each in board["panels"] if each["type"] == kind)
    return panel


def _overridden(panel: dict[str, Any], kind: str) -> dict[str, Any]:
    """Return the first property of that kind that a column has of its own."""
    overrides = panel["fieldConfig"]["overrides"]
    found: dict[str, Any] = next(each for one in overrides for each in one["properties"] if each["id"] == kind)
    return found


def _calm_text(board: dict[str, Any], kind: str) -> None:
    _panel(board, kind)["fieldConfig"]["defaults"]["noValue"] = "All is well"


def _calm_text_of_a_column(board: dict[str, Any], kind: str) -> None:
    _overridden(_panel(board, kind), "custom.width").update({"id": "noValue", "value": "All is well"})


def _no_mappings(board: dict[str, Any], kind: str) -> None:
    del _panel(board, kind)["fieldConfig"]["defaults"]["mappings"]


def _no_mappings_of_a_column(board: dict[str, Any], kind: str) -> None:
    _overridden(_panel(board, kind), "mappings")["value"] = []


def _no_thresholds(board: dict[str, Any], kind: str) -> None:
    del _panel(board, kind)["fieldConfig"]["defaults"]["thresholds"]


def _no_thresholds_of_a_column(board: dict[str, Any], kind: str) -> None:
    _overridden(_panel(board, kind), "thresholds").update({"id": "custom.width", "value": 9})


def _no_legend(board: dict[str, Any], kind: str) -> None:
    _panel(board, kind)["options"]["legend"]["showLegend"] = False


def _no_time_of_the_answer(board: dict[str, Any], kind: str) -> None:
    _panel(board, kind)["options"]["textMode"] = "auto"


def _other_kind(board: dict[str, Any], kind: str) -> None:
    _panel(board, kind)["type"] = "piechart"


@pytest.mark.parametrize(
    ("kind", "change", "fault"),
    [
        ("table", _calm_text, "says 'All is well' without an answer, not NOT KNOWN"),
        ("stat", _calm_text, "says 'All is well' without an answer, not NOT KNOWN"),
        ("timeseries", _calm_text, "says 'All is well' without an answer, not NOT KNOWN"),
        ("table", _calm_text_of_a_column, "says 'All is well' without an answer in 'Priority'"),
        ("table", _no_mappings, "fills empty cells of 'every column'"),
        ("table", _no_mappings_of_a_column, "fills empty cells of 'Priority'"),
        ("table", _no_thresholds, "colours what is normal"),
        ("table", _no_thresholds_of_a_column, "leaves the colours of 'Priority' to Grafana"),
        ("stat", _no_mappings, "does not say NOT KNOWN in a colour"),
        ("stat", _no_time_of_the_answer, "does not show of when its number is"),
        ("timeseries", _no_legend, "is a chart without a legend"),
        ("stat", _other_kind, "is a piechart, and nobody knows"),
    ],
)
def test_panel_that_says_what_no_query_returned_is_found(
    kind: str, change: Callable[[dict[str, Any], str], None], fault: str
) -> None:
    board = copy.deepcopy(built("hub-overview"))
    change(board, kind)
    assert any(fault in problem for problem in problems(board))


def _shown(value: object) -> Iterator[str]:
    """Yield every text that Grafana may put in place of a value, at any depth of a board."""
    if isinstance(value, dict):
        yield from (str(each) for key, each in value.items() if key in {"noValue", "text", "displayName"})
        for each in value.values():
            yield from _shown(each)
    elif isinstance(value, list):
        for each in value:
            yield from _shown(each)


@pytest.mark.parametrize("name", list(BOARDS))
def test_calm_stands_in_queries_only(name: str) -> None:
    calm = re.compile(r"\b(no|nothing|every\w*|all|ok|none|seen|well|fine|normal|0)\b", re.IGNORECASE)
    texts = list(_shown(built(name)["panels"]))
    assert "NOT KNOWN" in texts
    assert [text for text in texts if calm.search(text)] == []


@pytest.mark.parametrize("name", list(BOARDS))
def test_every_table_has_a_sentence_for_calm_and_one_for_no_hub_in_its_query(name: str) -> None:
    for panel in built(name)["panels"]:
        (sql, *_) = [target["rawSql"] for target in panel["targets"]]
        if panel["type"] == "table":
            assert "sentence" in sql, panel["title"]
        if panel["type"] != "stat":
            assert "'no hub yet'" in sql, panel["title"]


@pytest.mark.parametrize("name", list(BOARDS))
def test_events_that_are_normal_have_no_colour(name: str) -> None:
    for panel in built(name)["panels"]:
        for override in panel["fieldConfig"]["overrides"]:
            properties = {each["id"]: each["value"] for each in override["properties"]}
            if "custom.cellOptions" not in properties or override["matcher"]["options"] == "Blind":
                continue
            assert [step["color"] for step in properties["thresholds"]["steps"]] == ["transparent"]
            words = [word for each in properties["mappings"] if each["type"] == "value" for word in each["options"]]
            assert NORMAL_EVENTS.isdisjoint(words)


def test_every_event_of_doors_fences_and_devices_that_profiles_name_is_coloured_or_normal() -> None:
    profiles = (REPOSITORY / "agents").rglob("*.toml")
    pattern = re.compile(r'"((?:door|access|perimeter|device|power)\.[a-z_]+)"')
    named = {event for file in profiles for event in pattern.findall(file.read_text(encoding="utf-8"))}
    assert "perimeter.alarm" in named
    assert named - set(BAD_EVENTS) == NORMAL_EVENTS


@pytest.mark.parametrize("name", list(BOARDS))
def test_database_variable_takes_only_sources_called_hubwatch_and_that_of_the_provisioning(name: str) -> None:
    (variable,) = [each for each in built(name)["templating"]["list"] if each["type"] == "datasource"]
    pattern = re.fullmatch("/(.*)/i", variable["regex"])
    assert pattern is not None
    names = ["hubwatch", "Hubwatch test", "billing", "grafana-postgresql-datasource", "not hubwatch"]
    assert [name for name in names if re.search(pattern[1], name, re.IGNORECASE)] == ["hubwatch", "Hubwatch test"]
    file = REPOSITORY / "ops" / "grafana" / "provisioning" / "datasources" / "hubwatch.yaml"
    (source,) = yaml.safe_load(file.read_text(encoding="utf-8"))["datasources"]
    assert variable["current"] == {"text": source["name"], "value": source["uid"]}
    assert variable["allowCustomValue"] is False


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
