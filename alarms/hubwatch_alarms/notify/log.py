"""The log route: one log line a message, for sites whose logs already reach people."""

from __future__ import annotations

from types import TracebackType
from typing import Literal, Self

from pydantic import Field

from hubwatch_alarms.message import AlarmMessage
from hubwatch_alarms.notify.route import RouteSection
from hubwatch_core.delivery import DeliveryOutcome, DeliveryResult
from hubwatch_core.logs import get_logger

_log = get_logger(__name__)


class LogRouteSection(RouteSection):
    """Settings of a log route."""

    kind: Literal["log"] = Field(description="log: one log line a message.")

    def open(self) -> LogRoute:
        """Make the route."""
        return LogRoute(self)


class LogRoute:
    """Writes each message as one log line: warning for priority 1 and 2, info for the rest."""

    def __init__(self, settings: LogRouteSection) -> None:
        self._name = settings.name

    @property
    def max_s(self) -> float:
        """Seconds one attempt takes at most: a log line takes none."""
        return 1.0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    async def deliver(self, message: AlarmMessage) -> DeliveryOutcome:
        """Write the line; it is delivered once the logger has taken it."""
        write = _log.warning if message.alarm.priority <= 2 else _log.info
        write(
            "alarm notification",
            route=self._name,
            message=message.id,
            alarm=message.alarm.id,
            what=str(message.event),
            text=message.text,
        )
        return DeliveryOutcome(DeliveryResult.DELIVERED)
