"""The alert rules that Grafana itself judges: whether anybody watches at all, told on a way that is not ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hubwatch_core.named_sql import named_queries
from hubwatch_dashboards.links import UID_PREFIX
from hubwatch_dashboards.postgres_query import DATASOURCE
from hubwatch_dashboards.pushed_boards import FOLDER_TITLE, FOLDER_UID
from hubwatch_dashboards.pushed_source import SOURCE

SQL = named_queries("hubwatch_dashboards", "alert_rules")
GROUP = "hubwatch"
RECEIVER = "hubwatch"
"""Name of the contact point that is told."""
INTERVAL_S = 60
FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: what it is called, how long it must hold, and what no answer means."""

    title: str
    lasting: str = "1m"
    unanswered: str = "Alerting"
    """A rule that cannot be judged says so as if it held: calm is said by data only."""
    repeat: str = "4h"
    rhythm: str | None = None
    """How often Grafana looks whether to repeat; None for what the server's notification policy says."""


RULES: Mapping[str, Rule] = {
    "data_stopped": Rule("Data stopped"),
    "ledger_unexplained": Rule("Frames unexplained"),
    "detectors_behind": Rule("Detectors behind"),
    "nobody_told": Rule("Nobody is told of alarms"),
    # Without an answer it must fall silent: that is how its reader learns of it.
    # By itself Grafana looks every five minutes, a moment too early for what is due then: it would come every ten.
    "dead_man": Rule("Dead man: this message must keep coming", "0s", "OK", "5m", "1m"),
}
"""A rule's uid without prefix, which is the name of its query too."""


def rules() -> list[dict[str, Any]]:
    """Return every rule as Grafana's API takes it."""
    return [_rule(name, rule) for name, rule in RULES.items()]


def provisioned() -> dict[str, Any]:
    """Return the same as a file that Grafana reads when it starts."""
    filed = [
        {key: _literal(value) for key, value in rule.items() if key not in {"folderUID", "ruleGroup"}}
        for rule in rules()
    ]
    group = {"orgId": 1, "name": GROUP, "folder": FOLDER_TITLE, "interval": f"{INTERVAL_S}s", "rules": filed}
    return {"apiVersion": FORMAT_VERSION, "groups": [group]}


def _literal(value: Any) -> Any:
    """Return a value as a file has it: Grafana puts variables of its environment in for a single dollar sign."""
    if isinstance(value, dict):
        return {key: _literal(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_literal(each) for each in value]
    return value.replace("$", "$$") if isinstance(value, str) else value


def _rule(name: str, rule: Rule) -> dict[str, Any]:
    query = SQL[name]
    return {
        "uid": UID_PREFIX + name.replace("_", "-"),
        "title": rule.title,
        "folderUID": FOLDER_UID,
        "ruleGroup": GROUP,
        "condition": "B",
        "data": [_query(query.text), _above_nothing()],
        "for": rule.lasting,
        "noDataState": rule.unanswered,
        "execErrState": rule.unanswered,
        "isPaused": False,
        "annotations": {"summary": query.description},
        "labels": {"service": "hubwatch"},
        "notification_settings": {
            "receiver": RECEIVER,
            "group_by": ["alertname", "grafana_folder", "hub"],
            "repeat_interval": rule.repeat,
        }
        | ({} if rule.rhythm is None else {"group_interval": rule.rhythm}),
    }


def _query(sql: str) -> dict[str, Any]:
    return {
        "refId": "A",
        "relativeTimeRange": {"from": 600, "to": 0},
        "datasourceUid": SOURCE,
        "model": {
            "refId": "A",
            "datasource": {"type": DATASOURCE.type_val, "uid": SOURCE},
            "editorMode": "code",
            "format": "table",
            "rawQuery": True,
            "rawSql": sql,
        },
    }


def _above_nothing() -> dict[str, Any]:
    return {
        "refId": "B",
        "relativeTimeRange": {"from": 600, "to": 0},
        "datasourceUid": "__expr__",
        "model": {
            "refId": "B",
            "datasource": {"type": "__expr__", "uid": "__expr__"},
            "type": "threshold",
            "expression": "A",
            "conditions": [{"evaluator": {"type": "gt", "params": [0]}}],
        },
    }
