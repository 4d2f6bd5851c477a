"""Takes requests of operators, one after the other decided, carried out and told: who, what, and what became of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, Protocol

from prometheus_client import CollectorRegistry, Counter

from hubwatch_agents.commands.catalog import DeviceCommand, find, refusal
from hubwatch_agents.commands.protocol import (
    CommandOutcome,
    CommandRequest,
    CommandResult,
    MalformedRequest,
    decode_request,
)
from hubwatch_agents.readings import SensorEvent
from hubwatch_core.clock import now_us
from hubwatch_core.http import RateLimit
from hubwatch_core.logs import get_logger
from hubwatch_core.words import CommandEvent

if TYPE_CHECKING:
    from hubwatch_agents.devices import Configuration

AT_ONCE = 10
EVERY_S = 6.0
"""A person gives a handful of commands in a row; more is a script that has gone wrong, or worse."""

EVENTS = {
    CommandResult.DONE: CommandEvent.EXECUTED,
    CommandResult.REFUSED: CommandEvent.REFUSED,
    CommandResult.FAILED: CommandEvent.FAILED,
    CommandResult.UNKNOWN: CommandEvent.UNKNOWN,
}

_log = get_logger("commands")


class Caller(NamedTuple):
    """Who is at the other end of the socket, as the kernel says."""

    uid: int
    name: str


class AgentApi(Protocol):
    """What commands need of the agent."""

    @property
    def configuration(self) -> Configuration:
        """The configuration in force."""
        ...

    def emit(self, item: SensorEvent) -> None:
        """Take one event; its frame is cut at once."""
        ...

    async def command(self, entry: DeviceCommand) -> CommandOutcome:
        """Give a command to its device, once."""
        ...


class Control:
    """Decides and carries out."""

    def __init__(
        self, edge: AgentApi, registry: CollectorRegistry, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._edge = edge
        self._clock = clock
        self._limit = RateLimit(1 / EVERY_S, AT_ONCE)
        self._unheard: dict[int, int] = {}
        self._results = Counter(
            "hubwatch_agents_commands", "Requests of operators by what became of them", ["result"], registry=registry
        )
        self._flood = Counter(
            "hubwatch_agents_commands_unheard",
            "Requests and connections beyond what is heard",
            registry=registry,
        )

    async def hear(self, heard: bytes | MalformedRequest, caller: Caller) -> CommandOutcome:
        """Take one request as it came from the socket; whatever it is, it becomes an event and a log line."""
        if not self._limit.allow(str(caller.uid), self._clock()):
            return self._too_many(caller)
        try:
            request = decode_request(heard)
        except MalformedRequest as malformed:
            return self._tell(caller, CommandOutcome(CommandResult.REFUSED, f"not heard: {malformed.reason}"))
        checked = self._edge.configuration
        entry = find(checked.devices, request.sensor, request.command)
        why = refusal(entry, checked.settings.commands, request, caller.name)
        if why is not None or entry is None:
            return self._tell(caller, CommandOutcome(CommandResult.REFUSED, why or "no such command"), request, entry)
        outcome = CommandOutcome(
            CommandResult.UNKNOWN, "unknown whether it took effect: the agent was stopped meanwhile"
        )
        try:
            outcome = await self._edge.command(entry)
        finally:
            self._tell(caller, outcome, request, entry)
        return outcome

    def dropped(self) -> None:
        """Count a connection that was dropped before anybody was heard."""
        self._flood.inc()

    def _too_many(self, caller: Caller) -> CommandOutcome:
        """Refuse, and tell only of the first: events are the last thing a spool gives up."""
        outcome = CommandOutcome(
            CommandResult.REFUSED, f"too many requests: one every {EVERY_S:g} s, {AT_ONCE} at once"
        )
        before = self._unheard.get(caller.uid, 0)
        self._flood.inc()
        if not before:
            self._tell(caller, outcome)
        self._unheard[caller.uid] = before + 1
        return outcome

    def _tell(
        self,
        caller: Caller,
        outcome: CommandOutcome,
        request: CommandRequest | None = None,
        entry: DeviceCommand | None = None,
    ) -> CommandOutcome:
        own = self._edge.configuration.settings.agent
        attrs: dict[str, object] = {"by": caller.name, "uid": caller.uid}
        if request is not None:
            attrs |= {"sensor": request.sensor, "command": request.command}
            attrs |= {"note": request.note} if request.note else {}
        if entry is not None:
            attrs["role"] = entry.command.role
        attrs |= {"outcome": str(outcome.result), "why": outcome.text[:500]}
        # The first beyond the allowance has had an event of its own.
        if (unheard := self._unheard.pop(caller.uid, 1) - 1) > 0:
            attrs["unheard_before"] = unheard
        self._results.labels(str(outcome.result)).inc()
        self._edge.emit(
            SensorEvent(entry.sensor if entry is not None else own, now_us(), EVENTS[outcome.result], None, attrs)
        )
        (_log.info if outcome.result is CommandResult.DONE else _log.warning)("operator command", **attrs)
        return outcome
