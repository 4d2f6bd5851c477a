"""What is subscribed to at a broker, and to whom a message goes: each message once, however many filters match it.

A broker may send one copy of a message for each of our filters that matches it (MQTT 5.0, 3.3.4).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from hashlib import blake2b
from typing import Generic, TypeVar

from hubwatch_core.clock import SECOND_US
from hubwatch_core.logs import get_logger
from hubwatch_core.mqtt import (
    Message,
    MqttLink,
    MqttRefused,
    TopicMap,
    covers,
    filter_problem,
    has_wildcard,
    meeting,
    uncovered,
)

H = TypeVar("H")
COPY_WITHIN_US = SECOND_US
"""The copies of one message follow each other at once; a device that says the same again takes longer."""
REMEMBERED = 1000
"""Messages kept to know a copy by."""


class Subscriptions(Generic[H]):
    """The topic filters of one connection, each with its handlers and the sensors that need it."""

    def __init__(self, name: str) -> None:
        self._log = get_logger(name)
        self._handlers: TopicMap[H] = TopicMap()
        self._sensors: dict[str, set[str]] = {}
        self._refused: dict[str, str] = {}
        """Filters that the broker does not take, with the reason."""
        self._taken: list[str] = []
        self._copies = Copies()
        self._numbers: dict[str, int] = {}
        """Identifiers of subscriptions that match topics which others match, too; the same on every link."""

    def add(self, topic: str, sensor: str, handler: H) -> None:
        """Let `handler` get what is said on topics that a filter matches; `sensor` is bad where that is refused."""
        self._sensors.setdefault(topic, set()).add(sensor)
        self._handlers.add(topic, handler)

    async def open(self, link: MqttLink) -> Mapping[str, str]:
        """Subscribe on a new link. Return the sensors of which a filter is refused, each with the reason.

        A filter that another one covers is left out, for what both match would come twice. Those that only meet get
        identifiers, so that the broker says for which of them a message came.
        """
        self._taken = []
        self._refused = {}
        for topic in self._sensors:
            problem = filter_problem(topic)
            if problem is not None:
                self._refuse(topic, f"topic filter {topic!r}: {problem}; mend the profile or its parameters")
        await self._subscribe_missing(link)
        return self._reasons()

    async def retry(self, link: MqttLink) -> Mapping[str, str]:
        """Ask again for what has been refused. Return the sensors that still lack something, with the reason."""
        again = [topic for topic in self._refused if filter_problem(topic) is None]
        for topic in again:
            del self._refused[topic]
        if again:
            await self._subscribe_missing(link, frozenset(again))
        return self._reasons()

    def handlers(self, message: Message, t: int) -> list[H]:
        """Return who gets a message that came at `t` (µs), each once; nobody when it is a copy of one before."""
        found = list(dict.fromkeys(self._handlers.matching(message.topic)))
        return [] if found and self._copies.is_copy(message, t) else found

    async def _subscribe_missing(self, link: MqttLink, refused_before: frozenset[str] = frozenset()) -> None:
        """Subscribe until every filter is covered by one that is taken, or refused itself."""
        while True:
            taken, wide = set(self._taken), [each for each in self._taken if has_wildcard(each)]
            missing = [
                topic
                for topic in self._sensors
                if topic not in self._refused and topic not in taken and not any(covers(each, topic) for each in wide)
            ]
            if not missing:
                break
            wanted = uncovered(missing)
            shared = meeting([*wide, *wanted]).intersection(wanted)
            for topic in sorted(shared):
                await self._subscribe(link, [topic], refused_before, self._number(topic))
            alone = [each for each in wanted if each not in shared]
            if alone:
                await self._subscribe(link, alone, refused_before)
        numbers = {topic: self._numbers.get(topic) for topic in self._taken}
        self._copies = Copies(numbers if link.identifies_subscriptions else dict.fromkeys(self._taken))

    def _number(self, topic: str) -> int:
        return self._numbers.setdefault(topic, len(self._numbers) + 1)

    async def _subscribe(
        self, link: MqttLink, topics: list[str], refused_before: frozenset[str], identifier: int | None = None
    ) -> None:
        """Subscribe to all; where the broker refuses, to halves, until the filter it does not take stands alone."""
        try:
            await link.subscribe(*topics, identifier=identifier)
        except MqttRefused as error:
            if len(topics) == 1:
                self._refuse(topics[0], str(error), told=topics[0] in refused_before)
                return
            half = len(topics) // 2
            for part in (topics[:half], topics[half:]):
                await self._subscribe(link, part, refused_before)
            return
        self._taken += topics
        for topic in refused_before.intersection(topics):
            self._log.info("subscription is taken now", topic=topic)

    def _refuse(self, topic: str, reason: str, *, told: bool = False) -> None:
        self._refused[topic] = reason
        if not told:
            self._log.error("subscription refused", topic=topic, reason=reason, sensors=sorted(self._sensors[topic]))

    def _reasons(self) -> dict[str, str]:
        return {sensor: reason for topic, reason in self._refused.items() for sensor in self._sensors[topic]}


class Copies:
    """Knows the copies of a message where several of our filters match its topic.

    By the identifiers of subscriptions where the broker tells them: the copy for the lowest one counts. Else by the
    content: as many of the same as there are filters that match, within a second, are one.
    """

    def __init__(self, numbers: Mapping[str, int | None] | None = None) -> None:
        self._filters: TopicMap[int | None] = TopicMap()
        for topic, number in (numbers or {}).items():
            self._filters.add(topic, number)
        self._due: OrderedDict[bytes, tuple[int, int]] = OrderedDict()
        """Marks of messages, with when they came and how many copies may still come."""

    def is_copy(self, message: Message, t: int) -> bool:
        """Return whether a message that came at `t` (µs) is a copy of one that came before."""
        matching = list(self._filters.matching(message.topic))
        if len(matching) <= 1:
            return False
        numbers = [number for number in matching if number is not None]
        if message.subscriptions and len(numbers) == len(matching):
            return min(numbers) not in message.subscriptions
        more = len(matching) - 1
        mark = _mark(message)
        came, due = self._due.pop(mark, (0, 0))
        if due > 0 and t - came <= COPY_WITHIN_US:
            self._due[mark] = (came, due - 1)
            return True
        self._due[mark] = (t, more)
        if len(self._due) > REMEMBERED:
            self._due.popitem(last=False)
        return False


def _mark(message: Message) -> bytes:
    head = f"{message.retain}{message.topic}\0".encode("utf-8", "surrogatepass")
    return blake2b(head + message.payload, digest_size=16).digest()
