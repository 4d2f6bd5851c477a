"""The provisioning files load, fit one another and the boards, and hold no secret."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

from hubwatch_dashboards.alert_rules import RECEIVER, RULES, provisioned, rules
from hubwatch_dashboards.postgres_query import DATASOURCE
from hubwatch_dashboards.pushed_alerts import CONTACT_UID

PROVISIONING = Path(__file__).parents[2] / "ops" / "grafana" / "provisioning"


def _load(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((PROVISIONING / name).read_text(encoding="utf-8"))
    return loaded


def test_datasource_is_of_the_kind_the_boards_choose_from() -> None:
    (source,) = _load("datasources/hubwatch.yaml")["datasources"]
    assert source["type"] == DATASOURCE.type_val


def test_datasource_groups_times_without_timescaledb_so_that_plain_postgresql_will_do() -> None:
    (source,) = _load("datasources/hubwatch.yaml")["datasources"]
    assert source["jsonData"]["timescaledb"] is False


def test_password_comes_from_the_environment() -> None:
    (source,) = _load("datasources/hubwatch.yaml")["datasources"]
    assert source["secureJsonData"] == {"password": "$HUBWATCH_DB_PASSWORD"}


def test_boards_cannot_be_changed_by_hand_because_they_are_generated() -> None:
    (provider,) = _load("dashboards/hubwatch.yaml")["providers"]
    assert provider["allowUiUpdates"] is False
    assert provider["folderUid"] == "hubwatch"


def test_contact_point_is_the_one_that_the_rules_tell_and_has_its_address_from_the_environment() -> None:
    (point,) = _load("alerting/contact.yaml")["contactPoints"]
    (receiver,) = point["receivers"]
    assert (point["name"], receiver["uid"]) == (RECEIVER, CONTACT_UID)
    assert receiver["settings"]["addresses"] == "$HUBWATCH_ALERTS_TO"


def test_rules_of_the_file_are_those_that_are_pushed_with_no_variable_of_the_environment_in_them() -> None:
    committed = json.loads((PROVISIONING / "alerting" / "rules.json").read_text(encoding="utf-8"))
    assert committed == provisioned()
    assert not re.search(r"(?<!\$)\$(?!\$)", json.dumps(committed).replace("$$", ""))
    assert [rule["uid"] for rule in committed["groups"][0]["rules"]] == [rule["uid"] for rule in rules()]


def test_no_answer_makes_every_rule_fire_but_the_dead_man_which_falls_silent() -> None:
    states = {rule["title"]: (rule["noDataState"], rule["execErrState"]) for rule in rules()}
    assert states.pop(RULES["dead_man"].title) == ("OK", "OK")
    assert set(states.values()) == {("Alerting", "Alerting")}


def test_grafana_looks_at_the_dead_man_more_often_than_it_must_come() -> None:
    told = {rule["title"]: rule["notification_settings"] for rule in rules()}
    dead_man = told.pop(RULES["dead_man"].title)
    assert (dead_man["repeat_interval"], dead_man["group_interval"]) == ("5m", "1m")
    assert "hub" in dead_man["group_by"]
    assert all("group_interval" not in each for each in told.values())


def test_rule_that_fires_without_an_answer_says_so() -> None:
    texts = [rule["annotations"]["summary"] for rule in rules() if rule["noDataState"] == "Alerting"]
    assert texts
    assert [text for text in texts if "the database did not answer" not in text] == []
