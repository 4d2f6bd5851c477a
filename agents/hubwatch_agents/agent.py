"""The agent: drivers, cutter, store, publisher and heartbeat as one."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from prometheus_client import Gauge

import hubwatch_core
from hubwatch_agents import drivers, heartbeat, privacy
from hubwatch_agents.checked import Checked
from hubwatch_agents.clocks import ClockCheck
from hubwatch_agents.commands.catalog import Entry
from hubwatch_agents.commands.outcome import Outcome, Result
from hubwatch_agents.config import Settings
from hubwatch_agents.devices import Device, inventory
from hubwatch_agents.drops import Drops
from hubwatch_agents.frames import Cutter, Draft
from hubwatch_agents.heartbeat import Heartbeat, Pulse
from hubwatch_agents.marks import Marks
from hubwatch_agents.publisher import Publisher
from hubwatch_agents.readings import Happening, Reading
from hubwatch_agents.reports import Reports, bands_of
from hubwatch_agents.store import Store
from hubwatch_core import wire
from hubwatch_core.clock import now_us
from hubwatch_core.errors import Permanent
from hubwatch_core.logs import get_logger
from hubwatch_core.service import Context

IDLE_FRAME_S = 10.0
"""An agent with nothing to say still sends a frame this often (architecture, wire format)."""
STOP_DRIVER_S = 5.0
CONFIGURED = "agent.config"
"""The configuration file is not in force as a whole, or is again; `detail` says why."""
CLOCK_STEPPED = "agent.clock_stepped"
"""The clock was set: what was read before has times of the old clock, which nobody changes afterwards."""
MARKS = "marks.json"
"""File beside the spool's own; the spool leaves it alone."""


class Agent:
    """Everything one agent does."""

    def __init__(self, checked: Checked, context: Context) -> None:
        """Open the spool and prepare the drivers. Raises Permanent where files cannot be used."""
        settings = checked.settings
        self._settings = settings
        self._devices = checked.devices
        self._reports = Reports(bands_of(checked.devices))
        self._log = get_logger("agent")
        self.cutter = Cutter()
        try:
            self.store = Store(settings, context.health)
        except OSError as error:
            raise Permanent(f"spool {settings.spool.directory} cannot be used: {error}") from None
        self._drops = Drops(context.registry)
        self._marks = Marks(settings.spool.directory / MARKS)
        self._publisher = Publisher(settings, self.store.spool, self.birth, context.health)
        self._running: dict[str, Running] = {}
        self._planned = self._plan(checked)
        self._replan = asyncio.Event()
        self._heartbeat = Heartbeat(settings.agent)
        self._clock = ClockCheck(settings.clock)
        self._health = context.health
        self._config_in_force = True
        self._clock_doubt(self._clock.at_once())
        self._urgent = asyncio.Event()
        self._bytes_seen = 0
        self._metrics(context)

    # -- what drivers hand over ------------------------------------------------------------------------------------

    def reading(self, reading: Reading) -> None:
        """Take one reading into the next frame, unless its channel is reported by exception and nothing moved."""
        if self._reports.wanted(reading):
            self.cutter.reading(reading)

    def happening(self, happening: Happening) -> None:
        """Take one happening; its frame is cut in this turn of the event loop."""
        self.cutter.happening(happening)
        self._urgent.set()

    # -- what operators ask for ------------------------------------------------------------------------------------

    @property
    def checked(self) -> Checked:
        """The configuration in force."""
        return Checked(self._settings, tuple(self._devices))

    async def command(self, entry: Entry) -> Outcome:
        """Give a command to a device through the driver of its connection, once."""
        running = self._running.get(entry.device.connection.name)
        if running is None:
            return Outcome(Result.FAILED, "not sent: nobody reads the connection")
        return await running.driver.command(entry.device, entry.command)

    # -- parts -----------------------------------------------------------------------------------------------------

    async def publish(self, stop: asyncio.Event) -> None:
        """Keep the uplink, cut frames; after `stop`, cut and send what is left."""
        inner = asyncio.Event()
        tasks = [
            asyncio.create_task(self._cut_readings_for_ever(), name="cut-readings"),
            asyncio.create_task(self._cut_events_for_ever(), name="cut-events"),
        ]
        uplink = asyncio.create_task(self._publisher.run(inner), name="publisher")
        waiting = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait([*tasks, uplink, waiting], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (*tasks, waiting):
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            self._cut_events()
            self._cut_readings()
            inner.set()
            await uplink
            self.store.close()
        for result in ended:
            if isinstance(result, Exception):
                raise result

    async def beat(self, stop: asyncio.Event) -> None:
        """Tell of the agent itself until `stop` is set."""
        while not stop.is_set():
            self._clock_doubt(await self._clock.check())
            self.store.declare()
            for reading in self._heartbeat.readings(now_us(), self._pulse()):
                self.reading(reading)
            await _sleep(stop, self._settings.heartbeat_s)

    def reconfigure(self, checked: Checked) -> None:
        """Take up other devices, connections, periods: only drivers whose own part has changed are started anew.

        Raises Permanent where files cannot be used; then everything stays as it was.
        """
        planned = self._plan(checked)
        if checked.settings.clock != self._settings.clock:
            self._clock = ClockCheck(checked.settings.clock)
            self._clock_doubt(self._clock.at_once())
        self._settings, self._devices = checked.settings, checked.devices
        self._reports = Reports(bands_of(checked.devices))
        self._planned = planned
        self._replan.set()
        self._publisher.announce()

    def configured(self, in_force: bool, detail: str) -> None:
        """Tell what became of the configuration file: in health, in the heartbeat, and as an event."""
        self._health.set("config", in_force, detail)
        if not (in_force and self._config_in_force):
            attrs = {"in_force": in_force, "detail": detail[:500]}
            self.happening(Happening(self._settings.agent, now_us(), CONFIGURED, attrs=attrs))
        self._config_in_force = in_force

    async def drive(self, stop: asyncio.Event) -> None:
        """Run every driver until `stop` is set; a driver whose plan changes is stopped and made anew."""
        stopping = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set():
                await self._apply()
                replanning = asyncio.create_task(self._replan.wait())
                tasks = [each.task for each in self._running.values() if each.task is not None]
                await asyncio.wait([stopping, replanning, *tasks], return_when=asyncio.FIRST_COMPLETED)
                replanning.cancel()
                if any(task.done() for task in tasks):
                    break
        finally:
            stopping.cancel()
            await asyncio.gather(*(each.end() for each in self._running.values()))
        for each in self._running.values():
            each.raise_failure()

    async def _apply(self) -> None:
        """Make what runs what is planned."""
        self._replan.clear()
        for name, running in list(self._running.items()):
            planned = self._planned.get(name)
            if planned is None or planned.key != running.key:
                await running.end()
                running.raise_failure()
                del self._running[name]
        for name, planned in self._planned.items():
            if name not in self._running:
                planned.begin()
                self._running[name] = planned

    def _plan(self, checked: Checked) -> dict[str, Running]:
        """Make the drivers of a configuration; those that are at work already and unchanged are kept."""
        settings = checked.settings
        tools = drivers.Tools(
            self, privacy.of(settings.privacy), f"hubwatch-{settings.hub}-{settings.agent}", self._drops, self._marks
        )
        planned: dict[str, Running] = {}
        for connection in settings.connections:
            behind = tuple(device for device in checked.devices if device.connection.name == connection.name)
            key = (settings.privacy, connection, behind)
            at_work = self._running.get(connection.name)
            if at_work is not None and at_work.key == key:
                planned[connection.name] = at_work
            elif behind:
                planned[connection.name] = Running(key, drivers.make(connection, behind, tools))
        return planned

    # -- cutting ---------------------------------------------------------------------------------------------------

    async def _cut_readings_for_ever(self) -> None:
        loop = asyncio.get_running_loop()
        last = loop.time()
        while True:
            interval_s = self._settings.publish_interval_ms / 1000
            await asyncio.sleep(interval_s - loop.time() % interval_s)
            if self._cut_readings() or self._idle(loop.time() - last):
                last = loop.time()

    def _idle(self, quiet_s: float) -> bool:
        if quiet_s < IDLE_FRAME_S - self._settings.publish_interval_ms / 1000:
            return False
        self._keep([Draft([], [], 0, late=False)])
        return True

    async def _cut_events_for_ever(self) -> None:
        while True:
            await self._urgent.wait()
            self._urgent.clear()
            self._cut_events()

    def _cut_readings(self) -> bool:
        if (step_ms := self._clock.step_ms()) is not None:
            self._clock_doubt(self._clock.at_once())
            self.happening(Happening(self._settings.agent, now_us(), CLOCK_STEPPED, attrs={"by_ms": round(step_ms)}))
        return self._keep(self.cutter.cut_readings())

    def _cut_events(self) -> bool:
        return self._keep(self.cutter.cut_events())

    def _keep(self, drafts: list[Draft]) -> bool:
        for draft in drafts:
            self._publisher.offer(self.store.keep(draft))
        return bool(drafts)

    # -- what the agent says of itself -----------------------------------------------------------------------------

    def birth(self) -> bytes:
        """Give the inventory as it is published."""
        settings = self._settings
        own = heartbeat.sensor(settings.agent, settings.zone, settings.heartbeat_s, self._delaying())
        return wire.encode(
            wire.Birth(
                v=1,
                hub=settings.hub,
                agent=settings.agent,
                epoch=self.store.spool.epoch,
                sent=now_us(),
                software=f"hubwatch {hubwatch_core.__version__}",
                config=digest(settings, self._devices),
                inventory=[own, *inventory(self._devices)],
            )
        )

    def _delaying(self) -> list[str]:
        """Name the sensors whose devices share a connection on which one waits for the other."""
        return sorted({device.sensor for device in self._devices if device.profile.protocol == "modbus"})

    def _pulse(self) -> Pulse:
        spool, store = self.store.spool, self.store
        rate = (store.kept_bytes - self._bytes_seen) / self._settings.heartbeat_s
        self._bytes_seen = store.kept_bytes
        delays = {sensor: delay for each in self._running.values() for sensor, delay in each.driver.delays_s().items()}
        return Pulse(
            spool.waiting - self._publisher.unsettled, spool.used_bytes, store.hours_left(rate), self._clock.offset_ms,
            self._clock.kernel, self._config_in_force, store.kept_readings, store.lost_readings,
            spool.evicted_readings, delays,
        )  # fmt: skip

    def _clock_doubt(self, doubt: str | None) -> None:
        before, self.cutter.clock_doubt = self.cutter.clock_doubt, doubt
        self._health.set("clock", doubt is None, doubt or "nothing shows that it is wrong")
        if doubt is not None and before is None:
            self._log.error("the clock is in doubt, every reading is marked uncertain", reason=doubt)
        elif doubt is None and before is not None:
            self._log.info("the clock is in doubt no more")

    def _metrics(self, context: Context) -> None:
        figures = {
            "frames_waiting": lambda: self.store.spool.waiting - self._publisher.unsettled,
            "spool_bytes": lambda: self.store.spool.used_bytes,
            "readings_total": lambda: self.store.kept_readings,
            "frames_sent_total": lambda: self._publisher.sent,
            "frames_late_total": lambda: self._publisher.sent_late,
            "readings_lost_total": lambda: self.store.lost_readings,
            "readings_evicted_total": lambda: self.store.spool.evicted_readings,
        }
        for name, figure in figures.items():
            gauge = Gauge(f"hubwatch_agents_{name}", name.replace("_", " "), registry=context.registry)
            gauge.set_function(figure)


@dataclass
class Running:
    """One driver, at work or about to be."""

    key: tuple[object, ...]
    driver: drivers.Driver
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Set it to work."""
        self.task = asyncio.create_task(self.driver.run(self.stop))

    async def end(self) -> None:
        """Stop it, by force when it does not stop by itself."""
        self.stop.set()
        if self.task is None:
            return
        done, _ = await asyncio.wait([self.task], timeout=STOP_DRIVER_S)
        if not done:
            self.task.cancel()
            await asyncio.wait([self.task])

    def raise_failure(self) -> None:
        """Raise what ended it, when that was no stop."""
        if self.task is not None and self.task.done() and not self.task.cancelled():
            self.task.result()


def digest(settings: Settings, devices: Sequence[Device]) -> str:
    """Give the digest of everything that decides how this agent reads: its settings and the maps in use."""
    whole = {
        "settings": settings.model_dump(mode="json"),
        "profiles": {device.sensor: device.profile.model_dump(mode="json") for device in devices},
    }
    return "sha256:" + hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()


async def _sleep(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
