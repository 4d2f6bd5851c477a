"""The CAP route: alarms as OASIS Common Alerting Protocol 1.2, signed and posted as webhooks are.

An alarm is one Alert, whose identifier follows from its number; what happens later is an Update, its closing a Cancel,
and both refer to the Alert. Source: OASIS Standard CAP-v1.2, 1 July 2010, §3.2.
"""

from __future__ import annotations

from typing import Annotated, Literal
from xml.etree import ElementTree

from pydantic import AfterValidator, Field

from hubwatch_alarms.message import AlarmMessage, where
from hubwatch_alarms.notify.services import FOLLOWED
from hubwatch_alarms.notify.webhook import PostedRouteSection, signed
from hubwatch_core.alarm import Action, mark
from hubwatch_core.clock import SECOND_US, to_datetime
from hubwatch_core.config import ConfigId
from hubwatch_core.plain_text import one_line
from hubwatch_core.words import AlarmState

NAMESPACE = "urn:oasis:names:tc:emergency:cap:1.2"
SEVERITIES = {1: "Extreme", 2: "Severe", 3: "Moderate", 4: "Minor"}
CATEGORIES = {"radiation": "CBRNE", "chemical": "CBRNE", "power": "Infra"}
"""By the first word of the alarm's type; everything else is Security."""


def _sender(text: str) -> str:
    if not text or any(c in " ,<&" or not c.isprintable() for c in text):
        raise ValueError("must be a name without spaces, commas, < and &, such as a domain")
    return text


class CapRouteSection(PostedRouteSection):
    """Settings of a CAP route."""

    name: ConfigId = Field(description="Name of the route in records, logs and metrics; unique.", examples=["cap"])
    kind: Literal["cap"] = Field(description="cap: one CAP 1.2 message by signed HTTP POST.")
    sender: Annotated[str, AfterValidator(_sender)] = Field(
        description="Who we are to those who receive it.", examples=["hubwatch.port.example"]
    )
    restriction: str = Field("For the security staff of the hub only", description="Who may see it, in words.")
    on: tuple[Action, ...] = Field(FOLLOWED, min_length=1, description="What is told.")

    def request(self, message: AlarmMessage, key: str) -> tuple[bytes, dict[str, str]]:
        """Return the CAP message and its headers."""
        body = cap_message(message, self.sender, self.restriction)
        return signed(message, body, "application/cap+xml", key)


def cap_message(message: AlarmMessage, sender: str, restriction: str) -> bytes:
    """Return a message as CAP 1.2."""
    alarm = message.alarm
    first = (f"hubwatch.alarm.{alarm.id}", message.at if message.first_at is None else message.first_at)
    begins = message.event is Action.OPENED or (message.event is Action.RELEASED and message.at == first[1])
    root = ElementTree.Element("alert", xmlns=NAMESPACE)
    _add(root, "identifier", first[0] if begins else f"hubwatch.message.{message.id}")
    _add(root, "sender", sender)
    _add(root, "sent", cap_time(first[1] if begins else message.at))
    _add(root, "status", "Exercise" if message.exercise else "Actual")
    _add(root, "msgType", "Alert" if begins else "Cancel" if alarm.state is AlarmState.NORMAL else "Update")
    _add(root, "scope", "Restricted")
    _add(root, "restriction", restriction)
    if not begins:
        _add(root, "references", f"{sender},{first[0]},{cap_time(first[1])}")
    if alarm.incident is not None:
        _add(root, "incidents", f"hubwatch.incident.{alarm.incident}")
    _info(root, message)
    text: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return text


def cap_time(t_us: int) -> str:
    """Return a moment as CAP writes it: to the second, UTC as -00:00, because Z is not allowed (§3.3.2)."""
    return f"{to_datetime(t_us - t_us % SECOND_US):%Y-%m-%dT%H:%M:%S}-00:00"


def _info(root: ElementTree.Element, message: AlarmMessage) -> None:
    alarm = message.alarm
    info = ElementTree.SubElement(root, "info")
    _add(info, "language", "en")
    _add(info, "category", CATEGORIES.get(alarm.type.partition(".")[0], "Security"))
    _add(info, "event", f"{mark(alarm)}{message.instruction.title}")
    _add(info, "urgency", "Immediate" if alarm.active else "Past")
    _add(info, "severity", SEVERITIES[alarm.priority])
    _add(info, "certainty", "Likely")
    _add(info, "onset", cap_time(alarm.opened))
    _add(info, "headline", message.short)
    _add(info, "description", message.text, keep_lines=True)
    _add(info, "instruction", message.do)
    _add(ElementTree.SubElement(info, "area"), "areaDesc", where(alarm))


def _add(parent: ElementTree.Element, name: str, text: str, *, keep_lines: bool = False) -> None:
    """Add an element; what XML has no character for is left out, as it is no printable one."""
    lines = text.splitlines() if keep_lines else [text]
    ElementTree.SubElement(parent, name).text = "\n".join(one_line(line) for line in lines)
