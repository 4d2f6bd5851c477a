"""The agent as a sensor of its own: heartbeat, state of its configuration, metrics."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping

from hubwatch_agents.devices import Configuration
from hubwatch_agents.drivers.supervisor import DriverSupervisor
from hubwatch_agents.readings import SensorEvent
from hubwatch_agents.self_report.clock_watch import ClockWatch
from hubwatch_agents.self_report.heartbeat import AgentStatus, Heartbeat
from hubwatch_agents.self_report.metrics import AgentMetrics
from hubwatch_agents.uplink.uplink import Uplink
from hubwatch_core.clock import now_us
from hubwatch_core.concurrency import wait_for_event
from hubwatch_core.process import Context

CONFIGURED = "agent.config"
"""The configuration file is not in force as a whole, or is again; `detail` says why."""


class Reporter:
    """Reports on one agent."""

    def __init__(
        self,
        configuration: Configuration,
        uplink: Uplink,
        drivers: DriverSupervisor,
        clock: ClockWatch,
        context: Context,
    ) -> None:
        self._settings = configuration.settings
        self._uplink = uplink
        self._drivers = drivers
        self._clock = clock
        self._health = context.health
        self._heartbeat = Heartbeat(configuration.settings.agent)
        self._config_in_force = True
        self._kept_bytes = 0
        AgentMetrics(context.registry, self._figures)

    def configure(self, configuration: Configuration) -> None:
        """Report as often as a new configuration says."""
        if configuration.settings.clock != self._settings.clock:
            self._clock.configure(configuration.settings.clock)
        self._settings = configuration.settings

    def configured(self, in_force: bool, detail: str) -> None:
        """Tell what became of the configuration file: in health, in the heartbeat, and as an event."""
        self._health.set("config", in_force, detail)
        if not (in_force and self._config_in_force):
            attrs = {"in_force": in_force, "detail": detail[:500]}
            self._uplink.emit(SensorEvent(self._settings.agent, now_us(), CONFIGURED, attrs=attrs))
        self._config_in_force = in_force

    async def run(self, stop: asyncio.Event) -> None:
        """Send heartbeats until `stop` is set."""
        while not stop.is_set():
            await self._clock.ask()
            self._uplink.store.declare()
            for reading in self._heartbeat.readings(now_us(), self._status()):
                self._uplink.emit(reading)
            await wait_for_event(stop, self._settings.heartbeat_s)

    def _status(self) -> AgentStatus:
        store, clock = self._uplink.store, self._clock.check
        rate = (store.kept_bytes - self._kept_bytes) / self._settings.heartbeat_s
        self._kept_bytes = store.kept_bytes
        return AgentStatus(
            self._uplink.frames_waiting, store.spool.used_bytes, store.hours_left(rate), clock.offset_ms, clock.kernel,
            self._config_in_force, store.kept_readings, store.lost_readings, store.evicted_readings,
            self._drivers.delays_s(),
        )  # fmt: skip

    def _figures(self) -> Mapping[str, float]:
        figures = Counter(self._uplink.figures())
        figures.update(self._drivers.figures())  # both count messages that could not be used
        return figures
