"""Brings messages to people: one worker a route, so that a dead route delays no other."""

from __future__ import annotations

import random
from dataclasses import dataclass

from hubwatch_alarms.config import DeliverySection
from hubwatch_alarms.instructions import Instructions
from hubwatch_alarms.message import Message
from hubwatch_alarms.metrics import Metrics
from hubwatch_alarms.notify.backoff import pause_s
from hubwatch_alarms.notify.outcome import Outcome, Result
from hubwatch_alarms.notify.route import Route
from hubwatch_core.logs import get_logger
from hubwatch_store import notifications
from hubwatch_store.notifications import Attempt, Claimed
from hubwatch_store.pool import Pool

LEASE_MARGIN_S = 5.0
"""How much longer than an attempt can take its sender is waited for; covers writing down what came of it."""

_log = get_logger("alarms")


@dataclass(frozen=True, slots=True)
class Desk:
    """What every sender of a process shares."""

    pool: Pool
    instructions: Instructions
    metrics: Metrics
    delivery: DeliverySection


class Sender:
    """Sends the messages of one route, the most urgent first; logs once when the route fails and once when it works."""

    def __init__(self, name: str, route: Route, desk: Desk) -> None:
        self._name = name
        self._route = route
        self._desk = desk
        self._failing = False

    async def send_next(self) -> bool:
        """Make one attempt with the most urgent due message; False when none is due. Raises Transient, Permanent."""
        message = await notifications.claim(
            self._desk.pool,
            self._name,
            lease_s=self._route.longest_s + LEASE_MARGIN_S,
            give_up_after_s=self._desk.delivery.give_up_after_s,
        )
        if message is None:
            return False
        outcome = await self._route.deliver(self._compose(message))
        self._desk.metrics.attempts.labels(self._name, outcome.result).inc()
        await self._settle(message, outcome)
        return True

    def _compose(self, message: Claimed) -> Message:
        entry = message.entry
        return Message(
            id=message.id,
            event=entry.action,
            at=entry.at,
            by=entry.by,
            note=entry.note,
            alarm=message.alarm,
            instruction=self._desk.instructions.of(message.alarm.type),
        )

    async def _settle(self, message: Claimed, outcome: Outcome) -> None:
        attempt = Attempt(outcome.result, outcome.status, outcome.error)
        match outcome.result:
            case Result.DELIVERED:
                await notifications.settle(self._desk.pool, message, attempt, state="delivered")
                self._desk.metrics.delivery.labels(self._name).observe(message.age_s)
                self._works()
            case Result.PERMANENT:
                await notifications.settle(self._desk.pool, message, attempt, state="refused")
                self._desk.metrics.refused.labels(self._name).inc()
                self._lost_for_good("message refused, nobody was told on this route", message, outcome.error)
            case Result.TRANSIENT:
                await self._try_later(message, outcome, attempt)

    async def _try_later(self, message: Claimed, outcome: Outcome, attempt: Attempt) -> None:
        self._fails(outcome.error)
        chance = random.random()  # noqa: S311 - spreads load, guards nothing
        pause = pause_s(message.attempt, chance, outcome.retry_after_s)
        limit_s = self._desk.delivery.give_up_after_s
        if message.age_s + pause < limit_s:
            hold = outcome.retry_after_s is not None
            await notifications.postpone(self._desk.pool, message, attempt, pause_s=pause, hold_route=hold)
            return
        reason = give_up_reason(limit_s)
        await notifications.abandon(self._desk.pool, message, attempt, reason)
        self._desk.metrics.given_up.labels(self._name).inc()
        self._lost_for_good("message given up, nobody was told on this route", message, reason)

    def _lost_for_good(self, what: str, message: Claimed, reason: str | None) -> None:
        _log.error(what, route=self._name, alarm=message.alarm.id, message=message.id, reason=reason)

    def _fails(self, reason: str | None) -> None:
        if not self._failing:
            _log.warning("route fails, trying again", route=self._name, reason=reason)
        self._failing = True

    def _works(self) -> None:
        if self._failing:
            _log.info("route works again", route=self._name)
        self._failing = False


async def give_up_overdue(desk: Desk) -> int:
    """Give up what has waited too long, also on routes that are no longer configured; says so for each message."""
    reason = give_up_reason(desk.delivery.give_up_after_s)
    gone = await notifications.give_up_overdue(desk.pool, desk.delivery.give_up_after_s, reason)
    for message in gone:
        desk.metrics.given_up.labels(message.route).inc()
        _log.error(
            "message given up, nobody was told on this route",
            route=message.route,
            alarm=message.alarm,
            message=message.id,
            attempts=message.attempts,
            reason=reason,
        )
    return len(gone)


def give_up_reason(limit_s: float) -> str:
    """Say why a message is given up."""
    return f"not delivered within {limit_s:g} s"
