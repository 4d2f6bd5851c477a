"""Fetches events that were missed: slowly, one after the other, beside the live ones and never in their way.

What lies between the number heard last and the next one has been missed; each is asked for by its number.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any, NamedTuple

from hubwatch_agents.drivers.checkpoints import Checkpoints
from hubwatch_agents.drivers.drops import Cause, DropCounters
from hubwatch_agents.drivers.mqtt import paths
from hubwatch_agents.drivers.mqtt.mapping import Mapper
from hubwatch_agents.drivers.mqtt.message import InboundMessage
from hubwatch_agents.drivers.mqtt.requests import NotAsked, RequestClient
from hubwatch_agents.profiles.mqtt_schema import Plain, Recovery
from hubwatch_agents.readings import Observation, SensorEvent
from hubwatch_core.clock import now_us
from hubwatch_core.concurrency import backoff_s
from hubwatch_core.errors import HubwatchError
from hubwatch_core.logs import get_logger
from hubwatch_core.mqtt import MqttLink

EVENTS_LOST = "device.events_lost"
TRIES = 3
"""So often is an event asked for before it is asked why there is no reply."""
MAX_PAUSE_S = 60.0
MAX_EVENTS = 1000
"""Events in one message that are looked at for gaps."""
MAX_NUMBER = 1 << 62
"""No counter comes so far; a larger number is none."""
MAX_RANGES = 1000
"""Gaps kept of one counter: a device whose numbers jump must not fill the memory, nor the file of checkpoints."""

Range = tuple[int, int]
"""First and last number, both missing."""


class SeenNumbers(Enum):
    """What a number shows."""

    NEW = "new"
    KNOWN = "known"
    RESET = "reset"


class GapStep(NamedTuple):
    """What a number has shown, and the ranges that are given up for it."""

    seen: SeenNumbers
    lost: list[Range]


class Gaps:
    """The state of one counter."""

    def __init__(self, most: int, last: int | None = None, moment: int | None = None) -> None:
        self._most = most
        self.last = last
        self.moment = moment
        """The device's own time of the newest event, where it tells one (µs)."""
        self.missing: list[Range] = []

    def see(self, number: int, moment: int | None) -> GapStep:
        """Take the number of an event; the very first is only the baseline."""
        if self.last is None or number > self.last:
            return GapStep(SeenNumbers.NEW, self._advance(number, moment))
        if self.found(number) or not self._began_anew(number, moment):
            return GapStep(SeenNumbers.KNOWN, [])
        lost, self.missing = self.missing, []
        # Where its clock proves that it began anew, what it has counted since is missing.
        self.last = 0 if moment is not None and self.moment is not None else None
        return GapStep(SeenNumbers.RESET, lost + self._advance(number, moment))

    def found(self, number: int) -> bool:
        """Strike a number off what is missing; tells whether it was."""
        i = bisect_right(self.missing, number, key=lambda each: each[0]) - 1
        if i < 0 or number > self.missing[i][1]:
            return False
        first, last = self.missing[i]
        parts = [(first, number - 1), (number + 1, last)]
        self.missing[i : i + 1] = [(low, high) for low, high in parts if low <= high]
        return True

    def next(self) -> int | None:
        """Return the oldest number that is missing."""
        return self.missing[0][0] if self.missing else None

    def _advance(self, number: int, moment: int | None) -> list[Range]:
        if self.last is not None and number > self.last + 1:
            self.missing.append((self.last + 1, number - 1))
        self.last = number
        self.moment = moment if moment is not None else self.moment
        return self._bounded()

    def _bounded(self) -> list[Range]:
        """Give up the oldest of what is more than may be fetched."""
        lost: list[Range] = []
        surplus = sum(last - first + 1 for first, last in self.missing) - self._most
        while surplus > 0 or len(self.missing) > MAX_RANGES:
            first, last = self.missing.pop(0)
            cut = min(last, first + surplus - 1) if surplus > 0 else last
            lost.append((first, cut))
            surplus -= cut - first + 1
            if cut < last:
                self.missing.insert(0, (cut + 1, last))
        return lost

    def _began_anew(self, number: int, moment: int | None) -> bool:
        """A lower number with a later time is of a counter that began anew; with no time, any lower one is."""
        if moment is None or self.moment is None:
            return self.last is not None and number < self.last
        return moment > self.moment


class Recoverer:
    """One counter and the sensors whose events it numbers."""

    def __init__(
        self, rule: Recovery, mappers: list[Mapper], client: RequestClient, checkpoints: Checkpoints,
        drops: DropCounters, emit: Callable[[Iterable[Observation]], None],
    ) -> None:  # fmt: skip
        self.rule = rule
        self.mappers = mappers
        self._client = client
        self._checkpoints = checkpoints
        self._drops = drops
        self._emit = emit
        self._log = get_logger("recovery").bind(counter=rule.name)
        self._gaps = Gaps(rule.max_events)
        self._wake = asyncio.Event()
        self._silences = 0
        client.expect(rule.reply, rule.request.echo, mappers[0].sensor)

    def restore(self) -> None:
        """Take up what was known before a restart."""
        self._gaps = _restored(self._checkpoints.get(self._name), self.rule.max_events)

    def on_message(self, message: InboundMessage) -> None:
        """Take a live message; the mappers have taken it already."""
        if message.retained:
            return
        try:
            document = message.document()
        except ValueError:
            return  # counted by whoever maps it
        items = paths.objects(document, self.rule.each)
        if len(items) > MAX_EVENTS:
            reason = f"{len(items)} events in one message are more than {MAX_EVENTS}; none is counted"
            self._drops.drop(self.mappers[0].sensor, Cause.TOO_MUCH, message.t, reason)
            return
        for item in items:
            if paths.holds(item, self.rule.when):
                self._see(item, message.t)

    async def run(self, link: MqttLink) -> None:
        """Fetch what is missing, for ever. Raises Transient when the link is lost.

        After an unexpected error it begins again with a growing pause; live messages do not wait for it.
        """
        failures = 0
        while True:
            try:
                await self._fetch_for_ever(link)
            except HubwatchError:
                raise
            except Exception as error:  # noqa: BLE001 - the wall around a counter: it costs no other
                failures += 1
                self._drops.fail(self.mappers[0].sensor, f"recovery of {self.rule.name}", error, now_us())
                await asyncio.sleep(backoff_s(failures, 1.0, MAX_PAUSE_S))

    async def _fetch_for_ever(self, link: MqttLink) -> None:
        behind = self.rule.newest is not None
        while True:
            if behind:
                behind = not await self._catch_up(link)
            number = self._gaps.next()
            if number is not None:
                await self._fetch(link, number)
            elif not behind:
                self._wake.clear()
                await self._wake.wait()
                continue
            await asyncio.sleep(self._pause_s())

    async def _catch_up(self, link: MqttLink) -> bool:
        """Ask for the newest event, for nobody tells what came while we were away; tells whether there was a reply."""
        item = await self._ask(link, self.rule.newest)
        if item is None:
            self._silences += 1
            return False
        self._silences = 0
        first = self._gaps.last is None
        if self._see(item, now_us()) in (SeenNumbers.NEW, SeenNumbers.RESET) and not first:
            self._deliver(item)
        return True

    async def _fetch(self, link: MqttLink, number: int) -> None:
        item = await self._ask(link, number)
        if item is None:
            await self._silent(link, number)
        elif self._number(item) != number:
            self._give_up([(number, number)], "the device has it no more")
        elif self._gaps.found(number):  # it may have come by itself meanwhile
            self._deliver(item)
        if item is not None:
            self._silences = 0
        self._keep()

    async def _silent(self, link: MqttLink, number: int) -> None:
        """Give an event up only where the device answers to something else: one that is away keeps what it has."""
        self._silences += 1
        if self._silences < TRIES:
            return
        if self.rule.newest is None or await self._ask(link, self.rule.newest) is not None:
            self._silences = 0
            self._give_up([(number, number)], f"no reply, asked {TRIES} times")

    async def _ask(self, link: MqttLink, number: Plain | None) -> Any:
        """Return the event in the reply, MISSING when it holds none, None when there is no reply."""
        try:
            reply = await self._client.ask(link, self.rule.request, self.rule.reply, number)
        except NotAsked as error:
            self._log.warning("not asked for missed events", reason=str(error))
            return None
        if reply is None:
            return None
        return next(iter(paths.objects(reply.document, self.rule.event)), paths.MISSING)

    def _see(self, item: Any, t: int) -> SeenNumbers | None:
        """Take the number of an event; None when it has none."""
        number = self._number(item)
        if number is None:
            return None
        moment = self._moment(item)
        before = self._gaps.last
        seen, lost = self._gaps.see(number, moment)
        if seen is SeenNumbers.RESET:
            self._log.warning("the counter has begun anew", before=before, now=number)
        self._lost(
            lost, t, "more were missed than are fetched" if seen is SeenNumbers.NEW else "the counter has begun anew"
        )
        self._keep()
        return seen

    def _number(self, item: Any) -> int | None:
        if item is paths.MISSING or not paths.holds(item, self.rule.when):
            return None
        number = paths.pick(item, self.rule.number)
        return number if isinstance(number, int) and not isinstance(number, bool) and 0 <= number < MAX_NUMBER else None

    def _moment(self, item: Any) -> int | None:
        if self.rule.device_time is None:
            return None
        try:
            return paths.device_time(item, self.rule.device_time)
        except paths.UnreadableTime:
            return None  # counted by whoever maps it

    def _deliver(self, item: Any) -> None:
        for mapper in self.mappers:
            self._emit(mapper.on_recovered(self.rule.topic, item, now_us()))

    def _give_up(self, ranges: list[Range], reason: str) -> None:
        for first, last in ranges:
            for number in range(first, last + 1):
                self._gaps.found(number)
        self._lost(ranges, now_us(), reason)

    def _lost(self, ranges: list[Range], t: int, reason: str) -> None:
        for first, last in ranges:
            count = last - first + 1
            self._drops.drop(self.mappers[0].sensor, Cause.NOT_RECOVERED, t, reason, count)
            attrs = {"first": first, "last": last, "events": count, "reason": reason}
            self._emit(SensorEvent(mapper.sensor, t, EVENTS_LOST, attrs=attrs) for mapper in self.mappers)

    def _keep(self) -> None:
        gaps = self._gaps
        self._checkpoints.put(self._name, {"last": gaps.last, "moment": gaps.moment, "missing": list(gaps.missing)})
        if gaps.missing:
            self._wake.set()

    @property
    def _name(self) -> str:
        return f"events {self.rule.name}"

    def _pause_s(self) -> float:
        pause_s = self.rule.pause_ms / 1000
        return min(MAX_PAUSE_S, max(pause_s, 0.5) * 2**self._silences) if self._silences else pause_s


def recoverers(
    mappers: Iterable[Mapper],
    client: RequestClient,
    checkpoints: Checkpoints,
    drops: DropCounters,
    emit: Callable[[Iterable[Observation]], None],
) -> list[Recoverer]:
    """Return one for each counter of these sensors; sensors that name the same counter share it."""
    counters: dict[str, list[Mapper]] = {}
    for mapper in mappers:
        if mapper.profile.recovery is not None:
            counters.setdefault(mapper.profile.recovery.name, []).append(mapper)
    return [
        Recoverer(rule, sharing, client, checkpoints, drops, emit)
        for sharing in counters.values()
        if (rule := sharing[0].profile.recovery) is not None
    ]


def _restored(value: Any, most: int) -> Gaps:
    """Return what was kept; anything else than what we write is taken for nothing."""
    gaps = Gaps(most)
    if isinstance(value, dict) and _is_number(value.get("last")):
        gaps.last = value["last"]
        gaps.moment = value["moment"] if _is_number(value.get("moment")) else None
        missing = value.get("missing")
        ranges = [tuple(each) for each in missing if _is_range(each)] if isinstance(missing, list) else []
        gaps.missing = sorted((first, last) for first, last in ranges)[-MAX_RANGES:]
    return gaps


def _is_range(value: Any) -> bool:
    pair = isinstance(value, list | tuple) and len(value) == 2
    return pair and all(_is_number(each) for each in value) and value[0] <= value[1]


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
