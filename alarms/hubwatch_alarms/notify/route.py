"""What every route has: its settings, and the one method that delivers."""

from __future__ import annotations

from abc import abstractmethod
from types import TracebackType
from typing import Annotated, Protocol, Self

from pydantic import Field

from hubwatch_alarms.message import AlarmMessage
from hubwatch_core.alarm import Action
from hubwatch_core.config import ConfigId, Section
from hubwatch_core.delivery import DeliveryOutcome


class RouteSection(Section):
    """Which alarms go this way; each kind of route adds how to get there."""

    name: ConfigId = Field(description="Name of the route in records, logs and metrics; unique.")
    min_priority: Annotated[int, Field(ge=1, le=4)] = Field(
        4, description="Least urgent priority that goes this way; 1 is the most urgent, 4 lets everything through."
    )
    types: tuple[ConfigId, ...] = Field(
        (), description='Detection types that go this way ("radiation" means all that begin so); none means all.'
    )
    on: tuple[Action, ...] = Field(
        (Action.OPENED, Action.RAISED, Action.RECURRED, Action.SHELF_EXPIRED, Action.RELEASED, Action.REALARMED),
        min_length=1,
        description="What is told: opened, raised, recurred, shelf_expired, released, realarmed, returned, closed, …",
    )

    @abstractmethod
    def open(self) -> Route:
        """Make the route of these settings; raises Permanent when a file or variable it names cannot be used."""

    def wants(self, action: Action, type_: str, priority: int) -> bool:
        """Return whether this route carries what happened to an alarm of this type and priority."""
        return action in self.on and priority <= self.min_priority and self._carries(type_)

    def _carries(self, type_: str) -> bool:
        return not self.types or any(type_ == wanted or type_.startswith(f"{wanted}.") for wanted in self.types)


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
