"""The MQTT route, for sirens and lights: how each alarm stands, on a topic of its own.

`hubwatch/1/{hub}/alarms/{number}` keeps the last word on an open alarm (retained), so a siren that has just been
switched on knows of it; when the alarm closes the topic is emptied after a last message. An alarm that nobody has
subscribed to is not delivered: the broker says so, in MQTT 5.
"""

from __future__ import annotations

import asyncio
import json
from types import TracebackType
from typing import Annotated, Literal, Self

from pydantic import Field

from hubwatch_alarms.facts import facts_of
from hubwatch_alarms.message import AlarmMessage
from hubwatch_alarms.notify.route import RouteSection
from hubwatch_alarms.notify.services import FOLLOWED
from hubwatch_core.alarm import Action
from hubwatch_core.config import ConfigId, MqttSection
from hubwatch_core.delivery import DeliveryOutcome, DeliveryResult
from hubwatch_core.errors import Permanent, Transient
from hubwatch_core.mqtt import MqttLink, MqttRefused, MqttSession
from hubwatch_core.plain_text import one_line
from hubwatch_core.topics import alarm_topic
from hubwatch_core.words import AlarmState

SOUNDS = frozenset({AlarmState.UNACKNOWLEDGED})
"""The condition is there and nobody has it."""


class MqttRouteSection(RouteSection):
    """Settings of an MQTT route, for sirens and lights."""

    name: ConfigId = Field(description="Name of the route in records, logs and metrics; unique.", examples=["siren"])
    kind: Literal["mqtt"] = Field(description="mqtt: how an alarm stands, on hubwatch/1/HUB/alarms/NUMBER.")
    client_id: ConfigId = Field("hubwatch-alarms", description="Our name at the broker; each client needs its own.")
    timeout_s: Annotated[float, Field(gt=0, le=60)] = Field(10.0, description="Seconds one attempt may take in all.")
    on: tuple[Action, ...] = Field((*FOLLOWED, Action.RETURNED), min_length=1, description="What is told.")
    mqtt: MqttSection = Field(default_factory=MqttSection, description="How to reach the broker.")

    def open(self) -> MqttRoute:
        """Make the route."""
        return MqttRoute(self)


class MqttRoute:
    """Delivers by MQTT over a session that comes back by itself."""

    def __init__(self, settings: MqttRouteSection) -> None:
        self._settings = settings
        self._session = MqttSession(
            settings.mqtt, client_id=settings.client_id, name=f"alarms.mqtt.{settings.name}", refusal_ends=False
        )
        self._link: MqttLink | None = None
        self._running: asyncio.Task[None] | None = None

    @property
    def max_s(self) -> float:
        """Seconds one attempt takes at most."""
        return self._settings.timeout_s

    async def __aenter__(self) -> Self:
        self._running = asyncio.create_task(self._session.run(self._hold), name=f"alarms.mqtt.{self._settings.name}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])

    async def deliver(self, message: AlarmMessage) -> DeliveryOutcome:
        """Publish how the alarm stands; delivered once the broker has it and somebody has subscribed."""
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                return await self._publish(message)
        except TimeoutError:
            error = f"no answer within {self._settings.timeout_s:g} s"
        except MqttRefused as refusal:
            return DeliveryOutcome(DeliveryResult.REFUSED, error=one_line(str(refusal))[:500])
        except Transient as loss:
            error = one_line(str(loss))[:500]
        return DeliveryOutcome(DeliveryResult.TRANSIENT, error=error)

    async def _publish(self, message: AlarmMessage) -> DeliveryOutcome:
        alarm, link = message.alarm, self._link
        if link is None:
            return DeliveryOutcome(DeliveryResult.TRANSIENT, error=self._why_away())
        topic, closed = alarm_topic(alarm.hub, alarm.id), alarm.state is AlarmState.NORMAL
        heard = await link.publish(topic, payload_of(message), retain=not closed)
        if closed:
            await link.publish(topic, b"", retain=True)
        if not heard:
            return DeliveryOutcome(DeliveryResult.TRANSIENT, error=f"nobody has subscribed to {topic}")
        return DeliveryOutcome(DeliveryResult.DELIVERED)

    def _why_away(self) -> str:
        """Say why there is no connection: the session's reason, or what ended it for good."""
        task = self._running
        ended = task.exception() if task is not None and task.done() and not task.cancelled() else None
        reason = str(ended) if isinstance(ended, Permanent) else self._session.reason
        return one_line(reason or "not connected yet")[:500]

    async def _hold(self, link: MqttLink) -> None:
        """Keep a link until it is lost."""
        self._link = link
        try:
            await asyncio.Event().wait()
        finally:
            self._link = None


def payload_of(message: AlarmMessage) -> bytes:
    """Return what a siren needs: whether to sound, how urgent it is, and the alarm; `id` tells repeats."""
    alarm = message.alarm
    body = {
        "v": 1,
        "id": message.id,
        "event": message.event,
        "sound": alarm.state in SOUNDS,
        "exercise": message.exercise,
        "short": message.short,
        "alarm": facts_of(alarm, message.instruction.title),
    }
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
