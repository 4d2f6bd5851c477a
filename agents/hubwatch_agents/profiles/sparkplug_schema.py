"""Profiles of Sparkplug B devices: which metric is which channel."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from hubwatch_agents.profiles.measure import Measure
from hubwatch_agents.profiles.provenance import Provenance
from hubwatch_core.config import ConfigId, Section
from hubwatch_core.config.topics import TopicLevel

_METRIC = (
    "Name of the metric as it stands in the birth certificate; of a member of a Template: the Template's name, a slash "
    "and the member's name."
)
_BUFFERED = (
    "The device keeps values back and sends several at once: the time of each is the device's own, and late when it is "
    "old."
)


class MetricChannel(Measure):
    """A channel that is a metric."""

    metric: str = Field(min_length=1, description=_METRIC)
    values: dict[str, int | float] = Field({}, description="Text metrics: text to number.")
    buffered: bool = Field(False, description=_BUFFERED)

    def place(self) -> str:
        """Return the metric it is."""
        return self.metric


class MetricEvent(Section):
    """An event made from a metric that changes; the birth is the baseline."""

    event: ConfigId = Field(description="Type of the event.")
    metric: str = Field(min_length=1, description=_METRIC)
    on: Literal["rise", "fall", "change"] = Field(description="rise: 0 to not 0; fall: back to 0; change: any.")
    attrs: dict[str, str | int | float | bool] = Field({}, description="Attributes that are always the same.")
    buffered: bool = Field(False, description=_BUFFERED)


class SparkplugProfile(Provenance):
    """The profile of a device behind a Sparkplug B edge node."""

    protocol: Literal["sparkplug"] = Field(description="What the device speaks.")
    period_ms: Annotated[int, Field(ge=10)] | None = Field(None, description="How often it publishes; unset: unknown.")
    group: TopicLevel = Field(description="Sparkplug group id.")
    node: TopicLevel = Field(description="Edge node id.")
    device: TopicLevel | None = Field(None, description="Device id; none: the edge node itself.")
    channels: tuple[MetricChannel, ...] = Field(min_length=1, description="What is measured.")
    events: tuple[MetricEvent, ...] = Field((), description="What happens.")

    def event_places(self) -> Iterator[tuple[str, str, str]]:
        """Return each event with what makes it and the metric it is made from."""
        for event in self.events:
            yield event.event, event.on, event.metric
