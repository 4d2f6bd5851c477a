"""What every route has: its settings, and the one method that delivers."""

from __future__ import annotations

from abc import abstractmethod
from types import TracebackType
from typing import ClassVar, Protocol, Self

from pydantic import Field

from hubwatch_alarms.message import AlarmMessage
from hubwatch_alarms.oncall.matching import ANYWHERE, Circumstances, MatchingSection
from hubwatch_core.alarm import TOLD, Action
from hubwatch_core.config import ConfigId
from hubwatch_core.delivery import DeliveryOutcome


class RouteSection(MatchingSection):
    """Which alarms go this way; each kind of route adds how to get there."""

    takes_address: ClassVar[bool] = False
    """Whether a way to a person over this route says where they are on it."""

    name: ConfigId = Field(description="Name of the route in records, logs and metrics; unique.")
    on: tuple[Action, ...] = Field(
        TOLD,
        min_length=1,
        description="What is told: opened, raised, recurred, shelf_expired, released, realarmed, returned, closed, …",
    )

    @abstractmethod
    def open(self) -> Route:
        """Make the route of these settings; raises Permanent when a file or variable it names cannot be used."""

    @property
    def needs_person(self) -> bool:
        """Return whether it leads nowhere by itself, only to the people who have it among their ways."""
        return False

    def fault_of(self, address: str) -> str | None:
        """Return why something is no address on this route, None when it is one."""
        return None

    def wants(self, action: Action, type_: str, priority: int, where: Circumstances = ANYWHERE) -> bool:
        """Return whether this route carries what happened to an alarm of this type and priority."""
        return not self.needs_person and action in self.on and self.is_for(type_, priority, where)


class Route(Protocol):
    """An open way to deliver messages; used as an async context manager by the one worker that serves it."""

    @property
    def max_s(self) -> float:
        """Seconds one attempt takes at most; after some more, whoever made it is taken for dead."""
        ...

    async def __aenter__(self) -> Self:
        """Get ready; must not fail because the other side is away."""
        ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of what was opened."""
        ...

    async def deliver(self, message: AlarmMessage) -> DeliveryOutcome:
        """Make one attempt, within the route's own time limit; says in the outcome what to do next, never raises."""
        ...
