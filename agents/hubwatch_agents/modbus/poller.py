"""Polls everything behind one connection: one queue, one request at a time, and for ever."""

from __future__ import annotations

import asyncio
import random
import time

from hubwatch_agents.connections import ModbusConnection, RtuOverTcpWay, RtuWay
from hubwatch_agents.modbus.breaker import LONGEST_PAUSE_S
from hubwatch_agents.modbus.client import Reader
from hubwatch_agents.modbus.cycle import Busy, Cycle, Seen, Stranger
from hubwatch_agents.modbus.decode import Decoder
from hubwatch_agents.modbus.faults import Fault, GatewaySilent, LinkLost, NoAnswer, WrongReply
from hubwatch_agents.modbus.freshness import watch
from hubwatch_agents.modbus.jobs import Job, Unit
from hubwatch_agents.modbus.orders import Order, Orders
from hubwatch_agents.modbus.schedule import Schedule, next_turn
from hubwatch_agents.profiles.modbus_schema import Command
from hubwatch_agents.readings import Sink
from hubwatch_agents.tasks import end, raise_first
from hubwatch_core.clock import now_us
from hubwatch_core.logs import get_logger

FIRST_PAUSE_S = 0.25
BUSY_PAUSE_S = 0.1
BUSY_TRIES = 3
"""A busy device is asked again after 0.1, 0.2 and 0.4 s; only then its values are bad."""
SILENCES_TO_RECONNECT = 3
"""So many requests without any answer from anyone: the connection itself may be half dead."""
GATEWAY_ERRORS_TO_RECONNECT = 5
"""So often in a row a gateway has said that a unit is silent: some say so for hours, until somebody connects anew."""
STRANGER_PAUSE_S = 30.0
NAP_S = 0.5
"""Longest sleep without looking whether to stop."""
LAST_ANSWER_S = 0.5
"""A poller that is told to stop waits so long for the answer that is under way; a slow device may take ten seconds."""


class Poller:
    """The one user of one connection."""

    def __init__(self, way: ModbusConnection, jobs: list[Job], client: Reader, sink: Sink) -> None:
        self._way = way
        self.jobs = jobs
        self._client = client
        self._sink = sink
        self._log = get_logger("modbus").bind(connection=way.name)
        # Aligned to the wall clock at the start, and from then on never moved by it.
        self._base = time.time() - time.monotonic()
        self._cycle = Cycle(client, self.clock)
        self.orders = Orders(self._cycle, client)
        self._schedule: Schedule[Job] = Schedule()
        self._probing: list[Job] = []
        self._tries = 0
        self._silences = 0
        self._away = False
        self._renewed = float("-inf")
        self._asking: Unit | None = None
        self._refusing: set[tuple[int, str]] = set()
        self.reads = 0
        self.connects = 0

    def clock(self) -> float:
        """Give the seconds that turns are counted in: monotonic, in step with the wall clock at the start."""
        return time.monotonic() + self._base

    @property
    def units(self) -> list[Unit]:
        """Every unit behind this connection."""
        return list({id(job.unit): job.unit for job in self.jobs}.values())

    async def run(self, stop: asyncio.Event) -> None:
        """Poll until `stop` is set; no outage, however long, ends it."""
        now = self.clock()
        for job in self.jobs:
            job.told_s = now
            self._schedule.put(next_turn(now, job.period_s), job)
        polling = asyncio.create_task(self._poll(stop), name=f"poll-{self._way.name}")
        watching = asyncio.create_task(watch(self.jobs, self.clock, self._unheard), name=f"watch-{self._way.name}")
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait([polling, watching, stopping], return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait([polling], timeout=LAST_ANSWER_S)
        finally:
            stopping.cancel()
            await end(polling, watching)
            self.orders.drop("the agent stops reading this connection")
            self._client.close()
        raise_first([polling, watching])

    async def _poll(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            if self._client.connected or await self._connect(stop):
                await self._turn()
                self._asking = None

    async def _connect(self, stop: asyncio.Event) -> bool:
        try:
            await self._client.connect()
        except LinkLost as fault:
            self._tries += 1
            self._down(fault.reason)
            ceiling = min(self._way.reconnect_max_s, FIRST_PAUSE_S * 2 ** min(self._tries, 16))
            await _pause(stop, random.uniform(ceiling / 2, ceiling))  # noqa: S311 - no secret depends on it
            return False
        self._up()
        await asyncio.sleep(self._connect_pause_s())
        return True

    def _connect_pause_s(self) -> float:
        return max(self._way.connect_pause_ms / 1000, *(unit.connect_pause_s for unit in self.units))

    async def _turn(self) -> None:
        """Do the next thing that is due, or sleep a little."""
        now = self.clock()
        if (order := self.orders.take()) is not None:
            await self._order(order, now)
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

    async def _order(self, order: Order, started: float) -> None:
        self._asking = order.unit
        fault = await self.orders.carry_out(order)
        if isinstance(fault, LinkLost):
            self._lost(fault.reason)
        elif isinstance(fault, NoAnswer | WrongReply):
            await self._after_silence()
        self._blame(order.unit, started)

    async def _do(self, job: Job, started: float) -> None:
        self._asking = job.unit
        try:
            seen = await self._cycle.read(job)
        except Busy:
            self._busy(job)
            return
        except Stranger as stranger:
            self._bad(job, stranger.reason)
            self._answered(job.unit)
            self._schedule.put(self.clock() + STRANGER_PAUSE_S, job)
            return
        except LinkLost as fault:
            self._schedule.put(next_turn(self.clock(), job.period_s), job)
            self._lost(fault.reason)
            return
        except (NoAnswer, WrongReply) as fault:
            await self._silent(job, fault)
        else:
            self._deliver(job, seen)
            if seen.lost is not None:
                self._lost(seen.lost.reason)
                return
            if due := [(each, command) for each in job.decoders for command in each.commands_due()]:
                await self._acknowledge(job.unit, due)
        self._blame(job.unit, started)

    def _deliver(self, job: Job, seen: Seen) -> None:
        self.reads += 1
        self._silences = 0
        self._answered(job.unit)
        job.busy_tries = 0
        now = self.clock()
        job.told_s, job.trouble = now, ""
        for decoder in job.decoders:
            readings, happenings = decoder.decode(seen.image, seen.t)
            for reading in readings:
                self._sink.reading(reading)
            for happening in happenings:
                self._sink.happening(happening)
        self._schedule.put(next_turn(now, job.period_s), job)

    async def _acknowledge(self, unit: Unit, due: list[tuple[Decoder, Command]]) -> None:
        """Write what events ask for; a device that refuses is told of once, asked again and read on."""
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

    def _busy(self, job: Job) -> None:
        job.busy_tries += 1
        if job.busy_tries <= BUSY_TRIES:
            self._schedule.put(self.clock() + BUSY_PAUSE_S * 2 ** (job.busy_tries - 1), job)
            return
        job.busy_tries = 0
        self._bad(job, "the device says that it is busy")
        self._schedule.put(next_turn(self.clock(), job.period_s), job)

    async def _silent(self, job: Job, fault: Fault) -> None:
        unit = job.unit
        self._bad(job, fault.reason)
        unit.identified = False  # whoever answers next may be another device
        if unit.breaker.silent(self.clock()):
            log = self._log.bind(unit=unit.number, sensors=unit.sensors)
            log.warning("device silent, asking now and then", reason=fault.reason)
        if unit.breaker.open:
            self._probing.append(job)
        else:
            self._schedule.put(next_turn(self.clock(), job.period_s), job)
        await self._after_silence()
        unit.gateway_errors = unit.gateway_errors + 1 if isinstance(fault, GatewaySilent) else 0
        if unit.gateway_errors >= GATEWAY_ERRORS_TO_RECONNECT:
            unit.gateway_errors = 0
            self._client.close()

    async def _after_silence(self) -> None:
        """Let late bytes pass; and when nobody at all answers, doubt the connection."""
        self._silences += 1
        if self._silences >= SILENCES_TO_RECONNECT and not isinstance(self._way, RtuWay):
            self._silences = 0
            self._client.close()
        elif isinstance(self._way, RtuWay | RtuOverTcpWay):
            await asyncio.sleep(self._way.flush_ms / 1000)

    def _answered(self, unit: Unit) -> None:
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
        elif not self._client.connected:
            self._bad(job, "no connection yet")
        else:
            self._bad(job, "not read in time: the line waits for another device")
            job.trouble = ""

    def _bad(self, job: Job, reason: str) -> None:
        job.told_s, job.trouble = self.clock(), reason
        t = now_us()
        for decoder in job.decoders:
            for reading in decoder.failed(t, reason):
                self._sink.reading(reading)

    def _lost(self, reason: str) -> None:
        self._client.close()
        self._down(reason)

    def _down(self, reason: str) -> None:
        """Everything behind the connection is bad from now on, said again at every try."""
        self.orders.drop(reason)
        for job in self.jobs:
            self._bad(job, reason)
            job.unit.identified = False
        if not self._away:
            self._away = True
            self._log.warning("connection lost, will go on trying", reason=reason)

    def _up(self) -> None:
        if self._away:
            self._log.info("connection back")
        elif self.connects == 0:
            self._log.info("connected")
        self._away, self._tries = False, 0
        if self.connects:
            self._renew()
        self.connects += 1

    def _renew(self) -> None:
        """Give silent units a chance on a new connection; not on every one, where nobody answers on any."""
        now = self.clock()
        if now - self._renewed >= LONGEST_PAUSE_S:
            self._renewed = now
            for unit in self.units:
                unit.breaker.renew()


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
