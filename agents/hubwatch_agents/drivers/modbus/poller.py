"""Polls everything behind one connection: one queue, one request at a time, and for ever."""

from __future__ import annotations

import asyncio
import time

from hubwatch_agents.connections import ModbusConnection, RtuConnection, RtuOverTcpConnection
from hubwatch_agents.drivers.modbus.breaker import LONGEST_PAUSE_S
from hubwatch_agents.drivers.modbus.client import ModbusReader
from hubwatch_agents.drivers.modbus.commands import WriteQueue, WriteRequest
from hubwatch_agents.drivers.modbus.cycle import Busy, Cycle, CycleResult, IdentityMismatch
from hubwatch_agents.drivers.modbus.decode import Decoder
from hubwatch_agents.drivers.modbus.faults import Fault, GatewaySilent, LinkLost, NoAnswer, WrongReply
from hubwatch_agents.drivers.modbus.jobs import Job, Unit
from hubwatch_agents.drivers.modbus.link import Link
from hubwatch_agents.drivers.modbus.schedule import Schedule, next_turn, watch_silence
from hubwatch_agents.drivers.modbus.unexpected import UnexpectedErrors
from hubwatch_agents.profiles.modbus_schema import Command
from hubwatch_agents.readings import Sink
from hubwatch_core.clock import now_us
from hubwatch_core.concurrency import backoff_s, drain, raise_first
from hubwatch_core.logs import get_logger

BUSY_PAUSE_S = 0.1
BUSY_TRIES = 3
"""A busy device is asked again after 0.1, 0.2 and 0.4 s; only then its values are bad."""
SILENCES_TO_RECONNECT = 3
"""So many requests without any answer from anyone: the connection itself may be half dead."""
GATEWAY_ERRORS_TO_RECONNECT = 5
"""So often in a row a gateway has said that a unit is silent: some say so for hours, until somebody connects anew."""
STRANGER_PAUSE_S = 30.0
MAX_ERROR_PAUSE_S = 60.0
"""Longest pause before a job is tried again that ended in an error nobody foresaw."""
NAP_S = 0.5
"""Longest sleep without looking whether to stop."""
LAST_ANSWER_S = 0.5
"""A poller that is told to stop waits so long for the answer that is under way; a slow device may take ten seconds."""


class Poller:
    """The one user of one connection."""

    def __init__(self, connection: ModbusConnection, jobs: list[Job], client: ModbusReader, sink: Sink) -> None:
        self._connection = connection
        self.jobs = jobs
        self._client = client
        self._sink = sink
        self._log = get_logger("modbus").bind(connection=connection.name)
        # Aligned to the wall clock at the start, and from then on never moved by it.
        self._base = time.time() - time.monotonic()
        pause_s = max(connection.connect_pause_ms / 1000, *(unit.connect_pause_s for unit in self.units), 0.0)
        self._link = Link(connection, client, self._log, pause_s)
        self._cycle = Cycle(client, self.clock, pause_s)
        self.commands = WriteQueue(self._cycle, lambda: self._link.usable)
        self._schedule: Schedule[Job] = Schedule()
        self._probing: list[Job] = []
        self._silences = 0
        self._renewed = float("-inf")
        self._connects = 0
        self._asking: Unit | None = None
        self._refusing: set[tuple[int, str]] = set()
        self.errors = UnexpectedErrors(self._log)
        self.reads = 0

    def clock(self) -> float:
        """Return the seconds that turns are counted in: monotonic, in step with the wall clock at the start."""
        return time.monotonic() + self._base

    @property
    def units(self) -> list[Unit]:
        """Every unit behind this connection."""
        return list({id(job.unit): job.unit for job in self.jobs}.values())

    async def run(self, stop: asyncio.Event) -> None:
        """Poll until `stop` is set; no outage, however long, ends it."""
        now = self.clock()
        for job in self.jobs:
            job.reported_s = now
            self._schedule.put(next_turn(now, job.period_s), job)
        polling = asyncio.create_task(self._poll(stop), name=f"poll-{self._connection.name}")
        watching = asyncio.create_task(
            watch_silence(self.jobs, self.clock, self._unheard), name=f"watch-{self._connection.name}"
        )
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait([polling, watching, stopping], return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait([polling], timeout=LAST_ANSWER_S)
        finally:
            stopping.cancel()
            await drain([polling, watching])
            self.commands.drop("the agent stops reading this connection")
            self._link.close()
        raise_first([polling, watching])

    async def _poll(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            idle_s = self._idle_s()
            if self._link.release(idle_s):
                await asyncio.sleep(min(idle_s, NAP_S))
                continue
            try:
                if self._link.connected or await self._connect(stop):
                    await self._turn()
            except Exception as error:  # noqa: BLE001 - whatever it is, the other devices are read on
                self.errors.record("poller", error)
                await asyncio.sleep(NAP_S)
            self._asking = None

    async def _connect(self, stop: asyncio.Event) -> bool:
        try:
            if not await self._link.connect(stop):
                return False
        except LinkLost as fault:
            self._lost(fault.reason)
            return False
        if self._connects:
            self._renew()
        self._connects += 1
        return True

    def _idle_s(self) -> float:
        """Return for how long there is nothing to do."""
        now = self.clock()
        idle_s = self._schedule.due_s() - now
        return 0.0 if len(self.commands) or self._probe(now, idle_s) is not None else idle_s

    async def _turn(self) -> None:
        """Do the next thing that is due, or sleep a little."""
        now = self.clock()
        if (request := self.commands.take()) is not None:
            await self._command(request, now)
            return
        idle_s = self._schedule.due_s() - now
        if self._probing and (probe := self._probe(now, idle_s)) is not None:
            self._probing.remove(probe)
            probe.probes += 1
            await self._do(probe, now)
        elif idle_s > 0:
            await asyncio.sleep(min(idle_s, NAP_S))
        else:
            due, job = self._schedule.pop()
            if job.unit.breaker.open:
                self._set_aside(job)
                return
            job.overruns += int((now - due) // job.period_s)
            await self._do(job, now)

    def _probe(self, now: float, idle_s: float) -> Job | None:
        return next((job for job in self._probing if job.unit.breaker.may_probe(now, idle_s)), None)

    def _set_aside(self, job: Job) -> None:
        """Take a job of a silent unit out of turn; it comes back with the unit's first answer."""
        self._bad(job, "the device is silent")
        self._probing.append(job)

    async def _command(self, request: WriteRequest, started: float) -> None:
        self._asking = request.unit
        fault = await self.commands.execute(request)
        if isinstance(fault, LinkLost):
            self._lost(fault.reason)
        elif isinstance(fault, NoAnswer | WrongReply):
            await self._after_silence()
        self._blame(request.unit, started)

    async def _do(self, job: Job, started: float) -> None:
        """Read a job and say when it is due again; a job of a silent unit waits among those that are probed."""
        self._asking = job.unit
        try:
            due = await self._read(job)
            job.failures = 0
        except Exception as error:  # noqa: BLE001 - one device's error costs no other device a reading
            job.failures += 1
            self._bad(job, self.errors.record(f"reading unit {job.unit.number}", error))
            due = self.clock() + backoff_s(job.failures, job.period_s, max(job.period_s, MAX_ERROR_PAUSE_S))
        if due is None:
            self._probing.append(job)
        else:
            self._schedule.put(due, job)
        self._blame(job.unit, started)

    async def _read(self, job: Job) -> float | None:
        """Read a job and hand over what came. Return when it is due again, None to have it probed."""
        try:
            seen = await self._cycle.read(job)
        except Busy:
            return self._busy(job)
        except IdentityMismatch as stranger:
            self._bad(job, stranger.reason)
            self._answered(job.unit)
            return self.clock() + STRANGER_PAUSE_S
        except LinkLost as fault:
            self._lost(fault.reason)
            return next_turn(self.clock(), job.period_s)
        except (NoAnswer, WrongReply) as fault:
            return await self._silent(job, fault)
        self._deliver(job, seen)
        if seen.lost is not None:
            self._lost(seen.lost.reason)
        elif due := [(each, command) for each in job.decoders for command in each.commands_due()]:
            await self._acknowledge(job.unit, due)
        return next_turn(self.clock(), job.period_s)

    def _deliver(self, job: Job, seen: CycleResult) -> None:
        self.reads += 1
        self._answered(job.unit)
        job.busy_tries = 0
        job.reported_s, job.trouble = self.clock(), ""
        for decoder in job.decoders:
            try:
                readings, events = decoder.decode(seen.image, seen.t)
            except Exception as error:  # noqa: BLE001 - one sensor's error costs no other sensor of the unit a reading
                readings, events = decoder.failed(seen.t, self.errors.record(decoder.sensor, error)), []
            for reading in readings:
                self._sink.emit(reading)
            for event in events:
                self._sink.emit(event)

    async def _acknowledge(self, unit: Unit, due: list[tuple[Decoder, Command]]) -> None:
        """Write what events ask for; a device that refuses is logged once, asked again and read on."""
        for decoder, command in due:
            try:
                await self._cycle.write(command, unit)
            except Fault as fault:
                if (unit.number, command.name) not in self._refusing:
                    self._refusing.add((unit.number, command.name))
                    self._log.warning("acknowledgement failed", command=command.name, reason=fault.reason)
            else:
                self._refusing.discard((unit.number, command.name))
                decoder.acknowledged(command)

    def _busy(self, job: Job) -> float:
        self._link.works()
        self._silences = 0
        job.busy_tries += 1
        if job.busy_tries <= BUSY_TRIES:
            return self.clock() + BUSY_PAUSE_S * 2.0 ** (job.busy_tries - 1)
        job.busy_tries = 0
        self._bad(job, "the device says that it is busy")
        return next_turn(self.clock(), job.period_s)

    async def _silent(self, job: Job, fault: Fault) -> float | None:
        unit = job.unit
        self._link.works()
        self._bad(job, fault.reason)
        unit.identified = False  # whoever answers next may be another device
        if unit.breaker.silent(self.clock()):
            log = self._log.bind(unit=unit.number, sensors=unit.sensors)
            log.warning("device silent, asking now and then", reason=fault.reason)
        await self._after_silence()
        unit.gateway_errors = unit.gateway_errors + 1 if isinstance(fault, GatewaySilent) else 0
        if unit.gateway_errors >= GATEWAY_ERRORS_TO_RECONNECT:
            unit.gateway_errors = 0
            self._link.close()
        return None if unit.breaker.open else next_turn(self.clock(), job.period_s)

    async def _after_silence(self) -> None:
        """Let late bytes pass; and when nobody at all answers, doubt the connection."""
        self._silences += 1
        if self._silences >= SILENCES_TO_RECONNECT and not isinstance(self._connection, RtuConnection):
            self._silences = 0
            self._link.close()
        elif isinstance(self._connection, RtuConnection | RtuOverTcpConnection):
            await asyncio.sleep(self._connection.flush_ms / 1000)

    def _answered(self, unit: Unit) -> None:
        self._link.works()
        self._silences = 0
        unit.gateway_errors = 0
        if unit.breaker.answered():
            self._log.info("device answers again", unit=unit.number, sensors=unit.sensors)
            back = [job for job in self._probing if job.unit is unit]
            for job in back:
                self._probing.remove(job)
                self._schedule.put(next_turn(self.clock(), job.period_s), job)

    def _blame(self, unit: Unit, started: float) -> None:
        """Note how long others have waited for this unit."""
        now = self.clock()
        waited = min(now - self._schedule.due_s(), now - started)
        unit.worst_delay_s = max(unit.worst_delay_s, waited)

    def _unheard(self, job: Job) -> None:
        """Say that nothing has come of a job for too long, while the line may still be waiting for an answer."""
        if job.trouble:
            self._bad(job, job.trouble)
        elif job.unit is self._asking:
            self._bad(job, "no answer yet")
        elif not self._link.usable:
            self._bad(job, "no connection yet")
        else:
            self._bad(job, "not read in time: the line waits for another device")
            job.trouble = ""

    def _bad(self, job: Job, reason: str) -> None:
        job.reported_s, job.trouble = self.clock(), reason
        t = now_us()
        for decoder in job.decoders:
            for reading in decoder.failed(t, reason):
                self._sink.emit(reading)

    def _lost(self, reason: str) -> None:
        """Everything behind the connection is bad from now on, said again at every try."""
        self._link.lost(reason)
        self.commands.drop(reason)
        for job in self.jobs:
            self._bad(job, reason)
            job.unit.identified = False

    def _renew(self) -> None:
        """Give silent units a chance on a new connection; not on every one, where nobody answers on any."""
        now = self.clock()
        if now - self._renewed >= LONGEST_PAUSE_S:
            self._renewed = now
            for unit in self.units:
                unit.breaker.renew()
