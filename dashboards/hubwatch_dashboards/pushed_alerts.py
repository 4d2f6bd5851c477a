"""The contact point and the alert rules in a Grafana."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from hubwatch_core.errors import BadCall, Permanent
from hubwatch_core.secret_text import carries_password, origin, split_url
from hubwatch_dashboards.alert_rules import GROUP, INTERVAL_S, RECEIVER, rules
from hubwatch_dashboards.grafana_server import found
from hubwatch_dashboards.pushed import Pushed, digest
from hubwatch_dashboards.pushed_boards import FOLDER_UID

CONTACT_UID = "hubwatch-contact"
SINCE = (10, 4)
"""The first version of Grafana whose rules say themselves whom they tell."""
_MAIL = re.compile(r"[^@\s;,:/]+@[^@\s;,:/]+")
_MARK = "hubwatch_pushed"
"""Under this annotation of a rule stands by what we know what we sent."""
_IN_RULE = (
    "uid",
    "title",
    "condition",
    "for",
    "noDataState",
    "execErrState",
    "isPaused",
    "labels",
    "notification_settings",
)
_IN_MODEL = ("rawSql", "format", "type", "expression", "conditions")
_CONTACT = ("name", "type", "settings", "disableResolveMessage")
_ELSEWHERE = {"file": "it is provisioned from files (ops/grafana/README.md)"}


def check_version(grafana: Any) -> None:
    """Raise Permanent when a Grafana is older than what the rules need. One that hides its version is believed."""
    answer = found(lambda: grafana.client.GET("/health")) or {}
    version = re.match(r"v?(\d+)\.(\d+)", str(answer.get("version", "")))
    if version is not None and (int(version[1]), int(version[2])) < SINCE:
        raise Permanent(
            f"the alert rules need Grafana {SINCE[0]}.{SINCE[1]} or newer, this one is {version[0]}: push without"
            " --alerts-to, or upgrade it; nothing was sent"
        )


def contact(grafana: Any, address: str) -> Pushed:
    """Return the contact point for an address. Raises BadCall when it is neither of mail nor of a web service."""
    kind, settings = _receiver(address)
    wanted = {"name": RECEIVER, "type": kind, "settings": settings, "disableResolveMessage": False}
    wanted_shown = wanted | {"settings": _shown(settings, address)}
    points = grafana.alertingprovisioning.get_contactpoints()
    answer = next((each for each in points if each["uid"] == CONTACT_UID), None)
    others = [each["uid"] for each in points if each["name"] == RECEIVER and each["uid"] != CONTACT_UID]
    there, by_hand, fixed = None, "", ""
    if answer is not None:
        there = {key: answer.get(key, False) for key in _CONTACT}
        there["settings"] = _shown({key: each for key, each in answer["settings"].items() if key in settings}, address)
        provenance = answer.get("provenance", "")
        # What came by the API cannot be changed on Grafana's pages.
        by_hand, fixed = "" if provenance == "api" else "not sent by this command", _ELSEWHERE.get(provenance, "")
    elif others:
        by_hand = f"somebody made one of this name, uid {others[0]!r}, which would be told too"

    def send(_force: bool) -> str:
        sent = {"uid": CONTACT_UID, **wanted}
        if answer is None:
            grafana.alertingprovisioning.create_contactpoint(sent)
        else:
            grafana.alertingprovisioning.update_contactpoint(CONTACT_UID, sent)
        return ""

    return Pushed("contact point", there, wanted_shown, send, by_hand=by_hand, fixed=fixed)


def _shown(settings: Mapping[str, Any], address: str) -> dict[str, Any]:
    """Return settings as far as they may be shown: the address of a web service may be a secret."""
    if "url" not in settings:
        return dict(settings)
    which = "as given" if settings["url"] == address else "not as given"
    return {**settings, "url": f"{origin(str(settings['url']))}/… ({which})"}


def _receiver(address: str) -> tuple[str, dict[str, Any]]:
    if _MAIL.fullmatch(address):
        return "email", {"addresses": address, "singleEmail": True}
    try:
        parts = split_url(address)
    except ValueError as error:
        raise BadCall(f"--alerts-to {error}") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or carries_password(address):
        raise BadCall("--alerts-to takes an address of mail, or of a web service without a password: https://…")
    return "webhook", {"url": address, "httpMethod": "POST"}


def rule_group(grafana: Any) -> Pushed:
    """Return the group of alert rules."""
    sent = [_marked(rule) for rule in rules()]
    wanted = {"interval": INTERVAL_S, "rules": [_normal(rule) for rule in sent]}
    answer = found(lambda: grafana.alertingprovisioning.get_rule_group(FOLDER_UID, GROUP))
    there, by_hand, fixed = None, "", ""
    if answer is not None and answer.get("rules"):
        there = {"interval": answer["interval"], "rules": [_normal(rule) for rule in answer["rules"]]}
        changed = [rule["title"] for rule in answer["rules"] if not _as_sent(rule)]
        by_hand = ", ".join(f"rule {title!r} is not what was sent" for title in changed)
        fixed = next((_ELSEWHERE[o] for rule in answer["rules"] if (o := rule.get("provenance", "")) in _ELSEWHERE), "")

    def send(_force: bool) -> str:
        group = {"title": GROUP, "folderUid": FOLDER_UID, "interval": INTERVAL_S, "rules": sent}
        grafana.alertingprovisioning.update_rule_group(FOLDER_UID, GROUP, group)
        return ""

    return Pushed("alert rules", there, wanted, send, by_hand=by_hand, fixed=fixed)


def _marked(rule: Mapping[str, Any]) -> dict[str, Any]:
    return {**rule, "annotations": {**rule["annotations"], _MARK: digest(_normal(rule))}}


def _as_sent(rule: Mapping[str, Any]) -> bool:
    return (rule.get("annotations") or {}).get(_MARK) == digest(_normal(rule))


def _normal(rule: Mapping[str, Any]) -> dict[str, Any]:
    """Return of a rule what we set: Grafana adds more to it by itself."""
    notes = {key: value for key, value in (rule.get("annotations") or {}).items() if key != _MARK}
    queries = [
        {"refId": part["refId"], "datasourceUid": part["datasourceUid"]}
        | {key: part["model"][key] for key in _IN_MODEL if key in part["model"]}
        for part in rule["data"]
    ]
    return {key: rule.get(key) for key in _IN_RULE} | {"annotations": notes, "data": queries}
