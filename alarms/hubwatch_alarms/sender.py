"""Brings messages to people: one worker a route, so that a dead route delays no other.

A message that its route cannot deliver goes out on every other route, too, when nobody was told of its alarm.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from hubwatch_alarms.instructions import Instructions
from hubwatch_alarms.message import UTC, AlarmMessage, OtherAlarm
from hubwatch_alarms.metrics import AlarmMetrics
from hubwatch_alarms.notify.route import Route
from hubwatch_alarms.oncall.link import LinkSection
from hubwatch_alarms.settings import DeliverySection
from hubwatch_core.alarm import WAITING
from hubwatch_core.clock import SECOND_US, now_us
from hubwatch_core.concurrency import backoff_s
from hubwatch_core.condition import Condition
from hubwatch_core.delivery import DeliveryOutcome, DeliveryResult
from hubwatch_core.errors import Permanent
from hubwatch_core.health import Health
from hubwatch_core.logs import get_logger
from hubwatch_store.alarms import Carried, Claimed, notifications
from hubwatch_store.database import Pool

LEASE_MARGIN_S = 5.0
"""How much longer than an attempt can take its sender is waited for; covers writing down what came of it."""

ATTEMPT_MARGIN_S = 1.0
"""How much longer than its own limit a route is waited for."""

FIRST_PAUSE_S = 1.0
MAX_PAUSE_S = 60.0
FIRST_REFUSED_PAUSE_S = 15.0
MAX_REFUSED_PAUSE_S = 300.0
"""A refusal is put right by people: a try every five minutes is soon enough then, and bothers nobody until then."""
REVIVE_AFTER_S = 15 * 60.0
"""An open alarm that nobody has taken or been told of is not forgotten: this long after its message was given up, it is
tried again."""
MAX_RETRY_AFTER_S = 15 * 60.0
"""No answer of another machine may silence a route for longer than this, whatever its Retry-After says."""

_log = get_logger("alarms")


@dataclass(frozen=True, slots=True)
class Outbox:
    """What every sender of a process shares."""

    pool: Pool
    instructions: Instructions
    metrics: AlarmMetrics
    delivery: DeliverySection
    owner: str | None = None
    """The token of the process that may send; without it nobody is asked."""
    ways: Mapping[str, str | None] = field(default_factory=dict)
    """Every way to a person, `route/person`, and where that person is on the route."""
    clock: Callable[[str], ZoneInfo] = lambda _: UTC
    """Whose clock people read, by hub."""
    links: LinkSection | None = None
    """Makes the links with which people acknowledge."""


class Sender:
    """Sends the messages of one route, the most urgent first; logs once when the route fails and once when it works."""

    def __init__(self, name: str, route: Route, outbox: Outbox, health: Health | None = None) -> None:
        self._name = name
        self._route = route
        self._ways = [way for way in outbox.ways if way.partition("/")[0] == name]
        self._outbox = outbox
        self._works = Condition(
            f"alarms.receiver.{name}",
            health,
            _log,
            lost="route fails, retrying",
            back="route works again",
            facts={"route": name},
        )

    async def send_next(self) -> bool:
        """Make one attempt with the most urgent due message; False when none is due. Raises Transient, Permanent."""
        message = await notifications.claim(
            self._outbox.pool,
            self._name,
            lease_s=self._route.max_s + LEASE_MARGIN_S,
            give_up_after_s=self._outbox.delivery.give_up_after_s,
            owner=self._outbox.owner,
            ways=self._ways,
            group_s=self._outbox.delivery.collected_s,
        )
        if message is None:
            return False
        outcome = await self._attempt(message)
        self._outbox.metrics.attempts.labels(self._name, outcome.result).inc()
        await self._record_outcome(message, outcome)
        return True

    async def _attempt(self, message: Claimed) -> DeliveryOutcome:
        """Write the message and deliver it within the route's own time, whatever it waits for.

        One that cannot be written holds up no other: it is refused on this route and goes the other ways.
        """
        try:
            composed = self._compose(message)
            async with asyncio.timeout(self._route.max_s + ATTEMPT_MARGIN_S):
                return await self._route.deliver(composed)
        except TimeoutError:
            return DeliveryOutcome(DeliveryResult.TRANSIENT, error=f"no answer within {self._route.max_s:g} s")
        except Exception as error:  # noqa: BLE001 - of the error only its kind: its text may hold an address or a key
            kind = type(error).__name__
            _log.error("message cannot be written", route=self._name, message=message.id, error=kind)
            return DeliveryOutcome(DeliveryResult.REFUSED, error=f"the message cannot be written: {kind}")

    def _compose(self, message: Claimed) -> AlarmMessage:
        entry = message.entry
        person = message.route.partition("/")[2] or None
        return AlarmMessage(
            id=message.id,
            event=entry.action,
            at=entry.at,
            by=entry.by,
            note=entry.note,
            alarm=message.alarm,
            instruction=self._outbox.instructions.of(message.alarm.type, message.alarm.hub),
            person=person,
            to=self._outbox.ways.get(message.route),
            zone=self._outbox.clock(message.alarm.hub),
            now=now_us(),
            link=self._link(message, person),
            first_at=message.first_at,
            others=tuple(self._other(each, message.alarm.hub) for each in message.carried),
            carries=tuple(each.id for each in message.carried),
            attempt=max(attempt for _, attempt in message.attempts),
        )

    def _other(self, told: Carried, hub: str) -> OtherAlarm:
        title = self._outbox.instructions.of(told.type, hub).title
        return OtherAlarm(told.alarm, told.priority, title, told.zone, told.sensor)

    def _link(self, message: Claimed, person: str | None) -> str | None:
        """Return the link with which a person acknowledges, where nobody has the alarm."""
        links = self._outbox.links
        if links is None or person is None or message.alarm.state not in WAITING:
            return None
        try:
            return links.link(message.id, message.attempt, message.alarm.id, person, now_us() / SECOND_US)
        except Permanent as error:  # the key is just being replaced: without a link is better than not at all
            _log.warning("message goes without a link", reason=str(error), message=message.id)
            return None

    async def _record_outcome(self, message: Claimed, outcome: DeliveryOutcome) -> None:
        match outcome.result:
            case DeliveryResult.DELIVERED:
                await notifications.finish(self._outbox.pool, message, outcome, state="delivered")
                self._outbox.metrics.delivery.labels(self._name).observe(message.age_s)
                self._works.back()
            case DeliveryResult.REFUSED:
                self._outbox.metrics.refused.labels(self._name).inc()
                await self._try_later(message, outcome, refused_pause_s(message.attempt))
            case DeliveryResult.TRANSIENT:
                await self._try_later(message, outcome, first_pause_s(message.attempt))

    async def _try_later(self, message: Claimed, outcome: DeliveryOutcome, pace_s: float) -> None:
        self._works.lost(outcome.error or "no reason given")
        pause = pause_s(pace_s, outcome.retry_after_s)
        limit_s = self._outbox.delivery.give_up_after_s
        if message.age_s + pause < limit_s:
            hold = outcome.retry_after_s is not None
            await notifications.postpone(self._outbox.pool, message, outcome, pause_s=pause, hold_route=hold)
            return
        reason = give_up_reason(limit_s)
        await notifications.abandon(self._outbox.pool, message, outcome, reason)
        self._outbox.metrics.given_up.labels(self._name).inc()
        self._log_undelivered("message given up, not delivered", message, reason)

    def _log_undelivered(self, what: str, message: Claimed, reason: str | None) -> None:
        _log.error(what, route=self._name, alarm=message.alarm.id, message=message.id, reason=reason)


async def give_up_overdue(outbox: Outbox) -> int:
    """Give up what has waited too long, also on routes that are no longer configured; says so for each message."""
    reason = give_up_reason(outbox.delivery.give_up_after_s)
    gone = await notifications.give_up_overdue(outbox.pool, outbox.delivery.give_up_after_s, reason)
    for message in gone:
        outbox.metrics.given_up.labels(message.route).inc()
        _log.error(
            "message given up, not delivered",
            route=message.route,
            alarm=message.alarm,
            message=message.id,
            attempts=message.attempts,
            reason=reason,
        )
    return len(gone)


async def use_other_routes(outbox: Outbox, routes: Sequence[str]) -> int:
    """Queue what a route could not deliver on the others, once it has failed for `other_routes_after_s`; say so.

    `routes` are those that lead somewhere by themselves; where there is none, everybody is told on every way.

    What was given up is taken up again after a time, while its alarm is open and nobody knows of it.
    """
    after_s = outbox.delivery.other_routes_after_s
    ways = list(outbox.ways)
    found = await notifications.queue_on_other_routes(
        outbox.pool, routes or ways, after_s, owner=outbox.owner, known=ways
    )
    for each in found:
        outbox.metrics.rerouted.labels(each.route).inc()
        _log.warning("nobody was told of an alarm on its route, telling on another", route=each.route, alarm=each.alarm)
    await notifications.revive(outbox.pool, [*routes, *ways], REVIVE_AFTER_S)
    return len(found)


def give_up_reason(limit_s: float) -> str:
    """Return why a message is given up."""
    return f"not delivered within {limit_s:g} s"


def first_pause_s(attempt: int) -> float:
    """Return the pause after failed attempt number `attempt` (from 1): doubling from 1 s to at most 60 s."""
    return backoff_s(attempt, FIRST_PAUSE_S, MAX_PAUSE_S)


def refused_pause_s(attempt: int) -> float:
    """Return the pause after refused attempt number `attempt` (from 1): doubling from 15 s to at most 5 minutes."""
    return backoff_s(attempt, FIRST_REFUSED_PAUSE_S, MAX_REFUSED_PAUSE_S)


def pause_s(pace_s: float, retry_after_s: float | None = None) -> float:
    """Return the pause before the next attempt: what the other side asked for with Retry-After is the least, up to 15
    minutes.
    """
    return max(pace_s, min(retry_after_s or 0.0, MAX_RETRY_AFTER_S))
