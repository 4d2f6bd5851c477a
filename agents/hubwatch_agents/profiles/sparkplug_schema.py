"""Profiles of Sparkplug B devices: which metric is which channel."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from hubwatch_agents.profiles.measure import Measure
from hubwatch_agents.profiles.provenance import Provenance
from hubwatch_core.config import ConfigId, Section


class MetricChannel(Measure):
    """A channel that is a metric."""

    metric: str = Field(min_length=1, description="Name of the metric as it stands in the birth certificate.")
    values: dict[str, int | float] = Field({}, description="Text metrics: text to number.")


class MetricEvent(Section):
    """An event made from a metric that changes; the birth is the baseline."""

    event: ConfigId = Field(description="Type of the event.")
    metric: str = Field(min_length=1, description="Name of the metric.")
    on: Literal["rise", "fall", "change"] = Field(description="rise: 0 to not 0; fall: back to 0; change: any.")
    attrs: dict[str, str | int | float | bool] = Field({}, description="Attributes that are always the same.")


class SparkplugProfile(Provenance):
    """The profile of a device behind a Sparkplug B edge node."""

    protocol: Literal["sparkplug"] = Field(description="What the device speaks.")
    period_ms: Annotated[int, Field(ge=10)] | None = Field(None, description="How often it publishes; unset: unknown.")
    group: str = Field(min_length=1, description="Sparkplug group id.")
    node: str = Field(min_length=1, description="Edge node id.")
    device: str | None = Field(None, description="Device id; none: the edge node itself.")
    channels: tuple[MetricChannel, ...] = Field(min_length=1, description="What is measured.")
    events: tuple[MetricEvent, ...] = Field((), description="What happens.")
