"""Two alarm processes on one database, whose connections a test cuts where it likes and whose time it sets forward."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psycopg
from prometheus_client import CollectorRegistry

from hubwatch_alarms.instructions import Instructions
from hubwatch_alarms.message import AlarmMessage
from hubwatch_alarms.metrics import AlarmMetrics
from hubwatch_alarms.mover import Mover
from hubwatch_alarms.notify.log import LogRouteSection
from hubwatch_alarms.oncall.escalation import Escalations
from hubwatch_alarms.oncall.escalation_settings import EscalationSection, StepSection
from hubwatch_alarms.oncall.settings import PersonSection, WaySection
from hubwatch_alarms.priorities import Priorities
from hubwatch_alarms.sender import Outbox, Sender
from hubwatch_alarms.settings import DeliverySection
from hubwatch_core.alarm import TOLD, Action
from hubwatch_core.delivery import DeliveryOutcome
from hubwatch_core.errors import Transient
from hubwatch_store.database import DatabaseConnection, DatabaseSection, Pool
from hubwatch_store.database.session import hang_up
from support.alarms_database import Hands

DUTY = LogRouteSection(name="duty", kind="log", on=(*TOLD, Action.ESCALATED, Action.ACKNOWLEDGED, Action.CLOSED))
PEOPLE = tuple(PersonSection(name=name, ways=(WaySection(route="mail"),)) for name in ("kim", "ada"))
STEP_S, REPEAT_S, ESCALATED_PRIORITY = 300, 900, 2
DUTY_TELLS = EscalationSection(
    name="duty",
    min_priority=ESCALATED_PRIORITY,
    repeat_last_s=REPEAT_S,
    steps=(StepSection(people=("kim",)), StepSection(after_s=STEP_S, people=("ada",))),
)
ROUTES = ("duty", "mail")
WAYS: dict[str, str | None] = {"mail/kim": None, "mail/ada": None}
LEASE_S = 3600.0
PATIENT_S = 60
"""A slow machine is no outage: what is cut here the test cuts."""
DELIVERY = DeliverySection(give_up_after_s=7 * 86_400.0)
PLAIN, DELAYED, LATCHING = "perimeter.intrusion", "access.held", "process.series"
TABLE = f"""
[types."{DELAYED}"]
on_delay_s = 60
off_delay_s = 60
[types."{LATCHING}"]
latching = true
"""

_TIMES = {
    "alarms": ("opened", "last_active", "returned", "acknowledged", "closed", "shelved_until", "returns_at", "realarm"),
    "alarm_journal": ("at",),
    "alarm_escalation": ("began", "last_told", "due"),
    "notification_outbox": ("queued", "due", "finished", "revived"),
    "notifications": ("at",),
    "incidents": ("opened", "closed"),
    "alarm_delayed": ("since", "due", "decided"),
    "alarm_suppression": ("starts", "ends", "made", "lifted"),
}


class Cut:
    """Cuts a connection at its n-th exchange with the server: before it, or when the server has done what was asked."""

    def __init__(self, exchange: int, *, done: bool) -> None:
        self._left, self._done = exchange, done

    def watch(self, connection: DatabaseConnection) -> None:
        exchange = connection.wait

        async def wait(gen: Any, *args: Any, **more: Any) -> Any:
            self._left -= 1
            if self._left == 0 and not self._done:
                self._cut(connection)
            result = await exchange(gen, *args, **more)
            if self._left == 0:
                self._cut(connection)
            return result

        vars(connection)["wait"] = wait

    def _cut(self, connection: DatabaseConnection) -> None:
        hang_up(connection)
        connection.pgconn.finish()
        raise psycopg.OperationalError("the connection was cut")


class CutPool(Pool):
    """A pool whose connections are cut once `cut` is set."""

    cut: Cut | None = None

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[DatabaseConnection]:
        async with super().connection() as connection:
            if self.cut is not None:
                self.cut.watch(connection)
            try:
                yield connection
            finally:
                vars(connection).pop("wait", None)


@dataclass
class Attempt:
    """A message on its way: the sender waits for what the channel answers."""

    message: AlarmMessage
    way: str
    task: asyncio.Task[bool]
    answer: asyncio.Future[DeliveryOutcome]


@dataclass
class Channel:
    """A channel that answers when the test says so."""

    name: str
    on_the_way: list[Attempt]
    max_s: float = LEASE_S

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    async def deliver(self, message: AlarmMessage) -> DeliveryOutcome:
        task = asyncio.current_task()
        assert task is not None
        answer: asyncio.Future[DeliveryOutcome] = asyncio.get_running_loop().create_future()
        way = self.name if message.person is None else f"{self.name}/{message.person}"
        self.on_the_way.append(Attempt(message, way, task, answer))
        return await answer


@dataclass
class AlarmProcess:
    """What one process has of its own: connections, a mover and a sender for each route."""

    dsn: str
    mover_class: type[Mover] = Mover
    escalations_class: type[Escalations] = Escalations
    priorities: Priorities = field(default_factory=Priorities.load)
    on_the_way: list[Attempt] = field(default_factory=list)

    def __post_init__(self) -> None:
        settings = DatabaseSection(dsn=self.dsn, connect_timeout_s=PATIENT_S, max_connections=3)
        self.pool = CutPool(settings, "hubwatch alarms")
        self.instructions = Instructions.load()
        self.begin_anew()

    def begin_anew(self) -> None:
        """Forget what a process that dies forgets."""
        escalations = self.escalations_class([DUTY_TELLS], PEOPLE)
        self.mover = self.mover_class(
            self.pool, [DUTY], self.instructions, escalations=escalations, priorities=self.priorities
        )
        metrics = AlarmMetrics(CollectorRegistry())
        self.outbox = Outbox(self.pool, self.instructions, metrics, DELIVERY, ways=WAYS)
        self.senders = {name: Sender(name, Channel(name, self.on_the_way), self.outbox) for name in ROUTES}

    async def round(self) -> None:
        await self.mover.round()

    async def cut_during(self, work: Any, cut: Cut) -> bool:
        """Do some work over connections that are cut; return whether it was done before it came to that."""
        self.pool.cut = cut
        try:
            await work
        except (Transient, psycopg.OperationalError):
            self.begin_anew()
            return False
        finally:
            self.pool.cut = None
        return True

    async def begin_sending(self, route: str) -> bool:
        """Take the next message of a route to its channel; return whether there was one."""
        known = len(self.on_the_way)
        task = asyncio.create_task(self.senders[route].send_next())
        while not task.done() and len(self.on_the_way) == known:
            await asyncio.sleep(0)
            await asyncio.wait([task], timeout=0.001)
        if task.done():
            task.result()
        return len(self.on_the_way) > known

    async def die_with(self, attempt: Attempt) -> None:
        """Die while a message is on its way."""
        self.on_the_way.remove(attempt)
        attempt.task.cancel()
        await asyncio.wait([attempt.task])

    async def answered(self, attempt: Attempt, outcome: DeliveryOutcome, cut: Cut | None = None) -> bool:
        """Let the channel answer; return whether the process could write down what."""
        self.on_the_way.remove(attempt)
        attempt.answer.set_result(outcome)
        if cut is not None:
            return await self.cut_during(attempt.task, cut)
        await attempt.task
        return True


@asynccontextmanager
async def two_processes(
    dsn: str,
    mover_class: type[Mover] = Mover,
    escalations_class: type[Escalations] = Escalations,
) -> AsyncIterator[list[AlarmProcess]]:
    """Return two of them, each with connections of its own."""
    with tempfile.NamedTemporaryFile("w", suffix=".toml", encoding="utf-8") as table:
        table.write(TABLE)
        table.flush()
        priorities = Priorities.load(Path(table.name))
    async with AsyncExitStack() as stack:
        made = [AlarmProcess(dsn, mover_class, escalations_class, priorities) for _ in range(2)]
        for each in made:
            stack.push_async_callback(each.pool.close)
        yield made


def pass_time(hands: Hands, seconds: int) -> None:
    """Let all that stands in the database of alarms be so much older."""
    with hands.connection.transaction():
        hands.connection.execute("SET LOCAL session_replication_role = replica")
        for table, columns in _TIMES.items():
            changes = ", ".join(f"{name} = {name} - make_interval(secs => {int(seconds)})" for name in columns)
            hands.connection.execute(f"UPDATE hubwatch.{table} SET {changes}".encode())


def forget_all(hands: Hands) -> None:
    """Empty the tables of alarms."""
    with hands.connection.transaction():
        hands.connection.execute("SET LOCAL session_replication_role = replica")
        hands.connection.execute(
            "TRUNCATE hubwatch.detection, hubwatch.detection_ends, hubwatch.alarms, hubwatch.alarm_inbox, "
            "hubwatch.incidents, hubwatch.notification_outbox, hubwatch.alarm_delayed, hubwatch.alarm_suppression "
            "RESTART IDENTITY CASCADE"
        )
