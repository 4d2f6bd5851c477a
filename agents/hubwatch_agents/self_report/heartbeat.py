"""What the agent tells of itself: processor, memory, spool, clock, and which device has kept the others waiting."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import psutil

from hubwatch_agents.readings import Reading
from hubwatch_agents.self_report.clock import Kernel
from hubwatch_core import wire
from hubwatch_core.words import ChannelKind, Quality, SensorKind

MIB = 1024 * 1024
DELAY = "delay."
"""Before the name of a sensor: the longest others have waited for it since the last heartbeat, in ms."""

CHANNELS = (
    ("cpu", "%", ChannelKind.GAUGE),
    ("rss", "MiB", ChannelKind.GAUGE),
    ("spool_frames", "1", ChannelKind.GAUGE),
    ("spool_bytes", "byte", ChannelKind.GAUGE),
    ("spool_hours", "h", ChannelKind.GAUGE),
    ("clock_offset", "ms", ChannelKind.GAUGE),
    ("clock_synchronised", "1", ChannelKind.STATE),
    ("clock_error", "ms", ChannelKind.GAUGE),
    ("config_in_force", "1", ChannelKind.STATE),
    ("readings", "1", ChannelKind.COUNTER),
    ("lost_readings", "1", ChannelKind.COUNTER),
    ("evicted_readings", "1", ChannelKind.COUNTER),
)


class AgentStatus(NamedTuple):
    """The figures of one heartbeat; None where there is none."""

    spool_frames: int
    spool_bytes: int
    spool_hours: float | None
    clock_offset_ms: float | None
    clock: Kernel
    config_in_force: bool
    readings: int
    lost_readings: int
    evicted_readings: int
    delays_s: Mapping[str, float]


class Heartbeat:
    """Turns figures into readings of the sensor that is the agent itself; it has the agent's name."""

    def __init__(self, agent: str) -> None:
        self._agent = agent
        self._process = psutil.Process()
        self._process.cpu_percent()

    def readings(self, t: int, pulse: AgentStatus) -> Iterator[Reading]:
        """Return one heartbeat at `t` (µs)."""
        own = {
            "cpu": self._process.cpu_percent(),
            "rss": self._process.memory_info().rss / MIB,
            "config_in_force": float(pulse.config_in_force),
            "spool_frames": pulse.spool_frames,
            "spool_bytes": pulse.spool_bytes,
            "readings": pulse.readings,
            "lost_readings": pulse.lost_readings,
            "evicted_readings": pulse.evicted_readings,
        }
        for name, value in own.items():
            yield Reading(self._agent, name, t, value)
        yield self._maybe(t, "spool_hours", pulse.spool_hours, "nothing is written")
        yield self._maybe(t, "clock_offset", pulse.clock_offset_ms, "no time server answers")
        yield self._maybe(t, "clock_synchronised", pulse.clock.synchronised, "the kernel does not say")
        yield self._maybe(t, "clock_error", pulse.clock.error_ms, "the kernel does not say")
        for sensor, delay_s in pulse.delays_s.items():
            yield Reading(self._agent, delay_channel(sensor), t, round(delay_s * 1000, 3))

    def _maybe(self, t: int, name: str, value: float | None, why_not: str) -> Reading:
        if value is None:
            return Reading(self._agent, name, t, None, Quality.BAD, why_not)
        return Reading(self._agent, name, t, round(float(value), 3))


def delay_channel(sensor: str) -> str:
    """Return the channel that tells how long others have waited for a sensor; at most 63 characters."""
    return (DELAY + sensor)[:63]


def sensor(agent: str, zone: str, heartbeat_s: float, delayed: list[str]) -> wire.Sensor:
    """Return the agent as its own birth lists it; `delayed` names the sensors that can keep others waiting."""
    period_us = int(heartbeat_s * 1_000_000)
    named = [*CHANNELS, *((delay_channel(each), "ms", ChannelKind.GAUGE) for each in delayed)]
    return wire.Sensor(
        sensor=agent,
        kind=SensorKind.PROCESS,
        zone=zone,
        profile="agent",
        max_age_s=3 * heartbeat_s,
        channels=[wire.Channel(name=name, unit=unit, kind=kind, period_us=period_us) for name, unit, kind in named],
    )
