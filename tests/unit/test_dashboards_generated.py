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
from typer.testing import CliRunner

from hubwatch_core.errors import Permanent
from hubwatch_core.named_sql import named_queries
from hubwatch_dashboards import generated
from hubwatch_dashboards.boards import BOARDS, built, rendered
from hubwatch_dashboards.cli import app
from hubwatch_dashboards.links import UID_PREFIX
from hubwatch_dashboards.lint import problems
from hubwatch_dashboards.severity import BAD_EVENTS, URGENT

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


@pytest.mark.parametrize("name", list(BOARDS))
def test_every_query_of_a_boards_sql_file_is_shown(name: str) -> None:
    shown = {target["rawSql"] for panel in built(name)["panels"] for target in panel["targets"]}
    queries = named_queries("hubwatch_dashboards", name.replace("-", "_"))
    assert {query.name for query in queries.values() if query.text not in shown} == set()


def test_every_query_of_the_frame_is_a_variable_or_mark_of_some_board() -> None:
    boards = [built(name) for name in BOARDS]
    asked = {str(each.get("query")) for board in boards for each in board["templating"]["list"]}
    asked |= {mark["target"]["rawSql"] for board in boards for mark in board["annotations"]["list"]}
    queries = named_queries("hubwatch_dashboards", "board_frame")
    assert {query.name for query in queries.values() if query.text not in asked} == set()


def test_whether_anybody_watches_comes_first_then_what_is_open_then_what_is_blind() -> None:
    panels = built("hub-overview")["panels"]
    assert (panels[0]["title"], panels[0]["gridPos"]["x"], panels[0]["gridPos"]["y"]) == ("Is it being watched?", 0, 0)
    tables = [panel["title"] for panel in panels if panel["type"] == "table"]
    assert tables[:4] == ["Is it being watched?", "Open alarms", "Blind right now", "Set aside: nobody is told"]


def _columns_of(panel: dict[str, Any]) -> list[str]:
    return re.findall(r'AS "([^"]+)"', panel["targets"][0]["rawSql"])


@pytest.mark.parametrize("name", list(BOARDS))
def test_alarms_are_over_the_whole_width_with_the_place_first_and_nothing_of_it_cut(name: str) -> None:
    for panel in built(name)["panels"]:
        if panel["title"].startswith("Open alarms"):
            assert panel["gridPos"]["w"] == 24
            columns = _columns_of(panel)
            assert columns[:6] == ["Priority", "Where", "What", "Since", "Last", "State"]
            own = {
                each["matcher"]["options"]: {one["id"]: one["value"] for one in each["properties"]}
                for each in panel["fieldConfig"]["overrides"]
            }
            assert (
                own["Where"]["custom.cellOptions"]["wrapText"] is own["Why"]["custom.cellOptions"]["wrapText"] is True
            )
            assert sum(own[column].get("custom.width", 0) for column in columns) < 1100  # of 1900 pixels at 1920
            assert own["Alarm"]["links"][0]["url"] == "${console}/alarms/${__value.raw}"


@pytest.mark.parametrize("name", list(BOARDS))
def test_moments_have_dates_or_are_ages(name: str) -> None:
    units = {
        each["value"]
        for panel in built(name)["panels"]
        for override in panel["fieldConfig"]["overrides"]
        for each in override["properties"]
        if each["id"] == "unit"
    }
    assert {unit for unit in units if "time" in unit.lower()} <= {"dateTimeFromNow", "dateTimeAsIso"}


@pytest.mark.parametrize("name", ["hub-overview", "portals"])
def test_axis_of_the_occupancy_is_not_labelled_counts(name: str) -> None:
    charts = [panel for panel in built(name)["panels"] if len(panel["targets"]) == 2]
    assert charts
    for panel in charts:
        (own,) = [each for each in panel["fieldConfig"]["overrides"] if each["matcher"]["options"] == "B"]
        properties = {each["id"]: each["value"] for each in own["properties"]}
        assert (properties["custom.axisPlacement"], properties["custom.axisLabel"]) == ("right", "occupied")
        assert panel["fieldConfig"]["defaults"]["custom"]["axisLabel"] == "counts a sample"


@pytest.mark.parametrize("name", list(BOARDS))
def test_detections_are_a_timeline_in_the_colours_of_priorities(name: str) -> None:
    for panel in built(name)["panels"]:
        if panel["title"] == "Detections":
            assert panel["type"] == "state-timeline"
            (words,) = panel["fieldConfig"]["defaults"]["mappings"]
            assert {value: each["text"] for value, each in words["options"].items()} == {
                "0": "–", "1": "1 critical", "2": "2 high", "3": "3 medium", "4": "4 low",
            }  # fmt: skip
            assert words["options"]["0"]["color"] == "transparent"


@pytest.mark.parametrize("name", list(BOARDS))
def test_board_leads_to_all_others_and_to_the_console(name: str) -> None:
    board = built(name)
    boards, console = board["links"]
    assert (boards["type"], boards["tags"], boards["includeVars"], boards["keepTime"]) == (
        "dashboards", ["hubwatch"], True, True,
    )  # fmt: skip
    assert board["tags"] == ["hubwatch"]
    assert (console["type"], console["url"]) == ("link", "${console}/")
    assert "console" in {each["name"] for each in board["templating"]["list"]}


def test_panels_lead_to_boards_that_there_are() -> None:
    led = {
        link["url"]
        for name in BOARDS
        for panel in built(name)["panels"]
        for link in panel["links"]
        if link["url"].startswith("/d/")
    }
    assert led
    assert {re.sub(r"^/d/hubwatch-([a-z-]+).*", r"\1", url) for url in led} <= set(BOARDS)
    kept = ("${hub:queryparam}", "${__url_time_range}", "${console:queryparam}", "${datasource:queryparam}")
    assert all(each in url for url in led for each in kept)
    (hub,) = re.findall(r'"(/d/[^"]*var-hub=[^"]*)"', rendered("regional"))
    assert all(each in hub for each in kept[1:])


def test_boards_call_different_things_differently() -> None:
    assert "portal" in {each["name"] for each in built("portals")["templating"]["list"]}
    assert "equipment" in {each["name"] for each in built("equipment")["templating"]["list"]}


def test_only_counts_begin_at_nothing_and_shares_are_not_stacked() -> None:
    charts = {
        (name, panel["title"]): panel["fieldConfig"]["defaults"]
        for name in BOARDS
        for panel in built(name)["panels"]
        if panel["type"] == "timeseries"
    }
    unbound = {title for (_, title), defaults in charts.items() if "min" not in defaults}
    assert unbound == {"Course", "Wind and rain"}
    share = charts["portals", "Occupied share of each hour"]
    assert (share["min"], share["max"], share["custom"].get("stacking")) == (0, 1, None)
    assert charts["equipment", "Course"]["custom"]["spanNulls"] == 120_000


@pytest.mark.parametrize("name", list(BOARDS))
def test_sentence_that_nothing_is_known_has_the_colour_of_an_alarm(name: str) -> None:
    for panel in built(name)["panels"]:
        if panel["type"] == "table" and "board_open_alarms" in panel["targets"][0]["rawSql"]:
            (where,) = [each for each in panel["fieldConfig"]["overrides"] if each["matcher"]["options"] == "Where"]
            properties = {each["id"]: each["value"] for each in where["properties"]}
            (regex,) = [each["options"] for each in properties["mappings"] if each["type"] == "regex"]
            assert re.match(regex["pattern"], "NOT KNOWN: it is not sure that data is stored")
            assert regex["result"]["color"] == URGENT


def test_panels_have_numbers_that_links_can_rely_on() -> None:
    panels = built("hub-overview")["panels"]
    assert [panel["id"] for panel in panels] == list(range(1, len(panels) + 1))


def test_writing_twice_changes_nothing(tmp_path: Path) -> None:
    assert [file.stem for file in generated.write(tmp_path)] == list(BOARDS)
    assert generated.write(tmp_path) == []
    assert generated.drift(tmp_path) == []


def test_rules_are_written_beside_the_boards_of_the_repository_or_where_they_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(app, ["build", "--folder", "mine"]).exit_code == 0
    assert [file.name for file in tmp_path.iterdir()] == ["mine"]
    assert CliRunner().invoke(app, ["build", "--folder", "mine", "--alerting", "alerts/rules.json"]).exit_code == 0
    assert [file.name for file in (tmp_path / "alerts").iterdir()] == ["rules.json"]
    assert CliRunner().invoke(app, ["build"]).exit_code == 0
    assert (tmp_path / "ops" / "grafana" / "provisioning" / "alerting" / "rules.json").is_file()


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
    assert built(name)["uid"].startswith(UID_PREFIX)


def test_missing_file_is_drift(tmp_path: Path) -> None:
    assert generated.drift(tmp_path) == [f"{tmp_path}/{name}.json: missing" for name in BOARDS]


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
    elif change == "unit":
        del panel["fieldConfig"]["defaults"]["unit"]
    else:
        panel[change] = value
    return list(problems(board))


HUB = "ARRAY[${hub:sqlstring}]::text[]"


@pytest.mark.parametrize(
    ("change", "value", "fault"),
    [
        ("description", "", "has no description"),
        ("targets", [], "has no query"),
        ("unit", None, "has no unit"),
        ("links", [], "leads nowhere"),
        ("links", [{"title": "Zone", "url": ""}], "leads nowhere"),
        ("title", "Open alarms", "2 panels are called 'Open alarms'"),
        ("gridPos", {"x": 20, "w": 5}, "reaches over the edge"),
        ("gridPos", {"x": 7}, "'Is it being watched?' and 'Alarms waiting' overlap"),
        ("sql", f"SELECT 1 FROM hubwatch.reading WHERE hub = ANY({HUB})", "asks more than the columns of one function"),
        ("sql", f"SELECT (SELECT 1) FROM hubwatch.board_blind({HUB})", "asks more than the columns of one function"),
        ("sql", f"SELECT 1 FROM hubwatch.board_blind({HUB}) JOIN x", "asks more than the columns of one function"),
        (
            "sql",
            f"SELECT 1 FROM hubwatch.board_blind({HUB}); DROP TABLE x",
            "asks more than the columns of one function",
        ),
        ("sql", "SELECT 1 FROM hubwatch.board_blind(NULL)", "ignores the chosen hub"),
        ("sql", f"SELECT 1 FROM hubwatch.board_x({HUB}, ${{zone:sqlstring}})", "fails when nothing is chosen"),
        ("sql", "SELECT 1 FROM hubwatch.board_x(${hub:csv})", "fails when nothing is chosen"),
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
        ("table", _calm_text_of_a_column, "says 'All is well' without an answer in 'Works'"),
        ("table", _no_mappings, "fills empty cells of 'every column'"),
        ("table", _no_mappings_of_a_column, "fills empty cells of 'Works'"),
        ("table", _no_thresholds, "colours what is normal"),
        ("table", _no_thresholds_of_a_column, "leaves the colours of 'Works' to Grafana"),
        ("stat", _no_mappings, "does not say NOT KNOWN in a colour"),
        ("stat", _no_time_of_the_answer, "does not show of when its number is"),
        ("timeseries", _no_legend, "is a chart without a legend"),
        ("state-timeline", _no_legend, "is a chart without a legend"),
        ("state-timeline", _no_thresholds, "colours what is normal"),
        ("state-timeline", _calm_text, "says 'All is well' without an answer, not NOT KNOWN"),
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
def test_events_that_are_normal_have_no_colour(name: str) -> None:
    for panel in built(name)["panels"]:
        for override in panel["fieldConfig"]["overrides"]:
            properties = {each["id"]: each["value"] for each in override["properties"]}
            plain = properties.get("custom.cellOptions", {"type": "auto"})["type"] == "auto"
            if plain or override["matcher"]["options"] == "Blind":
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


@pytest.mark.parametrize("name", list(BOARDS))
def test_board_is_one_grafana_can_load(name: str) -> None:
    """Fields Grafana needs; the values are those of its own exports (Grafana 11.6)."""
    board = json.loads(rendered(name))
    assert board["schemaVersion"] == 41
    assert board["uid"] == f"hubwatch-{name}"
    assert [each["name"] for each in board["templating"]["list"]][:2] == ["datasource", "hub"]
    for panel in board["panels"]:
        assert panel["type"] in {"table", "stat", "timeseries", "state-timeline"}
        assert panel["datasource"]["uid"] == "${datasource}"
