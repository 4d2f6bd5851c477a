"""Fetches events that were missed: slowly, one after the other, beside the live ones and never in their way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from hubwatch_agents.drops import Cause, Drops
from hubwatch_agents.marks import Marks
from hubwatch_agents.mqtt_json import documents, paths
from hubwatch_agents.mqtt_json.asking import Asker
from hubwatch_agents.mqtt_json.gaps import Gaps, Range, Seen
from hubwatch_agents.mqtt_json.heard import Found, Heard
from hubwatch_agents.mqtt_json.mapper import Mapper
from hubwatch_agents.profiles.mqtt_schema import Plain, Recovery
from hubwatch_agents.readings import Happening
from hubwatch_core.clock import now_us
from hubwatch_core.logs import get_logger
from hubwatch_core.mqtt import Link

EVENTS_LOST = "device.events_lost"
TRIES = 3
"""So often is an event asked for before it is asked why there is no reply."""
LONGEST_PAUSE_S = 60.0


class Recoverer:
    """One counter and the sensors whose events it numbers."""

    def __init__(
        self, rule: Recovery, mappers: list[Mapper], asker: Asker, marks: Marks, drops: Drops,
        give: Callable[[Iterable[Found]], None],
    ) -> None:  # fmt: skip
        self.rule = rule
        self._mappers = mappers
        self._asker = asker
        self._marks = marks
        self._drops = drops
        self._give = give
        self._log = get_logger("recovery").bind(counter=rule.name)
        self._gaps = Gaps(rule.most)
        self._wake = asyncio.Event()
        self._silences = 0
        asker.expect(rule.reply, rule.request.echo, mappers[0].sensor)

    def restore(self) -> None:
        """Take up what was known before a restart."""
        self._gaps = _restored(self._marks.get(self._mark), self.rule.most)

    def hear(self, heard: Heard) -> None:
        """Take a live message; the mappers have taken it already."""
        if heard.retained:
            return
        try:
            message = documents.read(heard.payload, "json")
        except ValueError:
            return  # counted by whoever maps it
        for item in paths.objects(message, self.rule.each):
            if paths.holds(item, self.rule.when):
                self._see(item, heard.t)

    async def run(self, link: Link) -> None:
        """Fetch what is missing, for ever. Raises Transient when the link is lost."""
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

    async def _catch_up(self, link: Link) -> bool:
        """Ask for the newest event, for nobody tells what came while we were away; tells whether there was a reply."""
        item = await self._ask(link, self.rule.newest)
        if item is None:
            self._silences += 1
            return False
        self._silences = 0
        first = self._gaps.last is None
        if self._see(item, now_us()) in (Seen.NEW, Seen.RESET) and not first:
            self._deliver(item)
        return True

    async def _fetch(self, link: Link, number: int) -> None:
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

    async def _silent(self, link: Link, number: int) -> None:
        """Give an event up only where the device answers to something else: one that is away keeps what it has."""
        self._silences += 1
        if self._silences < TRIES:
            return
        if self.rule.newest is None or await self._ask(link, self.rule.newest) is not None:
            self._silences = 0
            self._give_up([(number, number)], f"no reply, asked {TRIES} times")

    async def _ask(self, link: Link, number: Plain | None) -> Any:
        """Give the event in the reply, MISSING when it holds none, None when there is no reply."""
        reply = await self._asker.ask(link, self.rule.request, self.rule.reply, number)
        if reply is None:
            return None
        return next(iter(paths.objects(reply.document, self.rule.event)), paths.MISSING)

    def _see(self, item: Any, t: int) -> Seen | None:
        """Take the number of an event; None when it has none."""
        number = self._number(item)
        if number is None:
            return None
        moment = paths.device_time(item, self.rule.device_time) if self.rule.device_time is not None else None
        before = self._gaps.last
        seen, lost = self._gaps.see(number, moment)
        if seen is Seen.RESET:
            self._log.warning("the counter has begun anew", before=before, now=number)
        self._lost(lost, t, "more were missed than are fetched" if seen is Seen.NEW else "the counter has begun anew")
        self._keep()
        return seen

    def _number(self, item: Any) -> int | None:
        if item is paths.MISSING or not paths.holds(item, self.rule.when):
            return None
        number = paths.pick(item, self.rule.number)
        return number if isinstance(number, int) and not isinstance(number, bool) and number >= 0 else None

    def _deliver(self, item: Any) -> None:
        for mapper in self._mappers:
            self._give(mapper.recovered(self.rule.topic, item, now_us()))

    def _give_up(self, ranges: list[Range], reason: str) -> None:
        for first, last in ranges:
            for number in range(first, last + 1):
                self._gaps.found(number)
        self._lost(ranges, now_us(), reason)

    def _lost(self, ranges: list[Range], t: int, reason: str) -> None:
        for first, last in ranges:
            count = last - first + 1
            self._drops.drop(self._mappers[0].sensor, Cause.NOT_RECOVERED, t, reason, count)
            attrs = {"first": first, "last": last, "events": count, "reason": reason}
            self._give(Happening(mapper.sensor, t, EVENTS_LOST, attrs=attrs) for mapper in self._mappers)

    def _keep(self) -> None:
        gaps = self._gaps
        self._marks.put(self._mark, {"last": gaps.last, "moment": gaps.moment, "missing": gaps.missing})
        if gaps.missing:
            self._wake.set()

    @property
    def _mark(self) -> str:
        return f"events {self.rule.name}"

    def _pause_s(self) -> float:
        pause_s = self.rule.pause_ms / 1000
        return min(LONGEST_PAUSE_S, max(pause_s, 0.5) * 2**self._silences) if self._silences else pause_s


def recoverers(
    mappers: Iterable[Mapper], asker: Asker, marks: Marks, drops: Drops, give: Callable[[Iterable[Found]], None]
) -> list[Recoverer]:
    """Give one for each counter of these sensors; sensors that name the same counter share it."""
    counters: dict[str, list[Mapper]] = {}
    for mapper in mappers:
        if mapper.profile.recovery is not None:
            counters.setdefault(mapper.profile.recovery.name, []).append(mapper)
    return [
        Recoverer(rule, sharing, asker, marks, drops, give)
        for sharing in counters.values()
        if (rule := sharing[0].profile.recovery) is not None
    ]


def _restored(value: Any, most: int) -> Gaps:
    """Give what was kept; anything else than what we write is taken for nothing."""
    gaps = Gaps(most)
    if isinstance(value, dict) and isinstance(value.get("last"), int):
        gaps.last = value["last"]
        gaps.moment = value["moment"] if isinstance(value.get("moment"), int) else None
        gaps.missing = [
            (first, last)
            for first, last in value.get("missing", [])
            if isinstance(first, int) and isinstance(last, int) and first <= last
        ]
    return gaps
