"""The provisioning files load, fit one another and the boards, and hold no secret."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from hubwatch_dashboards.postgres_query import DATASOURCE

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
