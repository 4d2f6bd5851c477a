"""Routes to systems that others run: PagerDuty (Events API v2) and Alertmanager (API v2), in the bodies they document.

One alarm is one incident there, under one key, from its opening to its closing; what comes twice changes nothing.
Sources: PagerDuty, "Send an event" (Events API v2); Prometheus Alertmanager, api/v2/openapi.yaml.
"""

from __future__ import annotations

import json
from typing import Any, ClassVar, Literal

from pydantic import Field

from hubwatch_alarms.facts import facts_of, iso
from hubwatch_alarms.message import AlarmMessage, cut, where
from hubwatch_alarms.notify.webhook import PostedRouteSection
from hubwatch_core import __version__
from hubwatch_core.alarm import SET_ASIDE, TOLD, Action
from hubwatch_core.clock import SECOND_US
from hubwatch_core.config import ConfigId, SecretFile
from hubwatch_core.plain_text import one_line
from hubwatch_core.words import AlarmState, Priority

FOLLOWED = (
    *TOLD, Action.REOPENED, Action.ESCALATED, Action.ACKNOWLEDGED, Action.SHELVED, Action.SUPPRESSED, Action.TAKEN_OUT,
    Action.CLOSED,
)  # fmt: skip
"""What changes whether somebody has to act: a system that follows an alarm hears of all of it."""
SEVERITIES = {1: "critical", 2: "error", 3: "warning", 4: "info"}
MAX_SUMMARY = 1024
"""Characters that PagerDuty takes of a summary."""
HOLD_US = 24 * 3600 * SECOND_US
"""How long Alertmanager keeps an alert of which it hears no more; if not told, it drops it after five minutes."""


class PagerDutyRouteSection(PostedRouteSection):
    """Settings of a PagerDuty route."""

    reads_answer: ClassVar[bool] = True

    name: ConfigId = Field(
        description="Name of the route in records, logs and metrics; unique.", examples=["pagerduty"]
    )
    kind: Literal["pagerduty"] = Field(description="pagerduty: one event a message (Events API v2).")
    url: str | None = Field(
        None,
        examples=["https://events.pagerduty.com/v2/enqueue"],
        description="Where to POST: https://events.pagerduty.com/v2/enqueue, or that of your region.",
    )
    secret_file: SecretFile | None = Field(None, description="File that holds the integration key.")
    on: tuple[Action, ...] = Field(FOLLOWED, min_length=1, description="What is told.")

    def request(self, message: AlarmMessage, key: str) -> tuple[bytes, dict[str, str]]:
        """Return the event and its headers; the integration key stands in the event."""
        return _json({"routing_key": key} | pagerduty_event(message)), _headers()

    def fault_in(self, answer: bytes) -> str | None:
        """Return what an answer refuses: a good one says `status` success."""
        try:
            said = json.loads(answer)
        except ValueError:
            return "the answer is not what PagerDuty answers"
        if isinstance(said, dict) and said.get("status") == "success":
            return None
        return f"answered: {cut(str(said.get('message') if isinstance(said, dict) else said), 200)}"


class AlertmanagerRouteSection(PostedRouteSection):
    """Settings of an Alertmanager route."""

    name: ConfigId = Field(
        description="Name of the route in records, logs and metrics; unique.", examples=["alertmanager"]
    )
    kind: Literal["alertmanager"] = Field(description="alertmanager: one alert a message (API v2).")
    url: str | None = Field(
        None,
        examples=["https://alertmanager.example.org/api/v2/alerts"],
        description="Where to POST: the address of /api/v2/alerts.",
    )
    secret_file: SecretFile | None = Field(
        None, description="File that holds the bearer token that the proxy before it demands."
    )
    on: tuple[Action, ...] = Field(FOLLOWED, min_length=1, description="What is told.")

    def request(self, message: AlarmMessage, key: str) -> tuple[bytes, dict[str, str]]:
        """Return the alert and its headers."""
        return _json([alertmanager_alert(message)]), _headers() | {"Authorization": f"Bearer {key}"}


def pagerduty_event(message: AlarmMessage) -> dict[str, Any]:
    """Return a message as an event: triggered while nobody has the alarm, then acknowledged, then resolved."""
    alarm = message.alarm
    state = {AlarmState.NORMAL: "resolve"} | dict.fromkeys((AlarmState.ACKNOWLEDGED, *SET_ASIDE), "acknowledge")
    return {
        "event_action": state.get(alarm.state, "trigger"),
        "dedup_key": f"hubwatch/{alarm.hub}/{alarm.id}",
        "client": "hubwatch",
        "payload": {
            "summary": cut(one_line(message.short), MAX_SUMMARY),
            "source": one_line(where(alarm)),
            "severity": SEVERITIES[alarm.priority],
            "timestamp": iso(alarm.opened),
            "component": alarm.sensor,
            "group": alarm.zone or alarm.hub,
            "class": alarm.type,
            "custom_details": facts_of(alarm, message.instruction.title) | {"do": message.do},
        },
    }


def alertmanager_alert(message: AlarmMessage) -> dict[str, Any]:
    """Return a message as an alert; it ends when the alarm closes, or when no more is heard of it for a day."""
    alarm = message.alarm
    now = message.at if message.now is None else message.now
    labels = {
        "alertname": alarm.type,
        "alarm": str(alarm.id),
        "hub": alarm.hub,
        "zone": alarm.zone or "",
        "sensor": alarm.sensor,
        "severity": Priority(alarm.priority).name.lower(),
        "exercise": "true" if message.exercise else "",
    }
    return {
        "labels": {name: one_line(value) for name, value in labels.items() if value},
        "annotations": {"summary": one_line(message.short), "description": message.text, "state": str(alarm.state)},
        "startsAt": iso(alarm.opened),
        "endsAt": iso(alarm.closed if alarm.closed is not None else now + HOLD_US),
    }


def _json(body: object) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def _headers() -> dict[str, str]:
    return {"Content-Type": "application/json", "User-Agent": f"hubwatch/{__version__}"}
