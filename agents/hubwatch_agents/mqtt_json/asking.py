"""Requests and their replies: each is marked, so that a late or a foreign reply is never taken for the right one."""

from __future__ import annotations

import asyncio
import itertools
import json
import secrets
from typing import Any, NamedTuple

from hubwatch_agents.drops import Cause, Drops
from hubwatch_agents.mqtt_json import documents, paths
from hubwatch_agents.mqtt_json.topics import matches
from hubwatch_agents.profiles.mqtt_schema import Plain, Request
from hubwatch_core.mqtt import Link, Message


class Reply(NamedTuple):
    """What came back, and when (µs)."""

    document: Any
    t: int


class Asker:
    """Makes requests over one broker. Tokens carry a mark of this run: replies to an earlier one are known as late."""

    def __init__(self, client_id: str, drops: Drops) -> None:
        self._client_id = client_id
        self._drops = drops
        self._run = secrets.token_hex(4)
        self._numbers = itertools.count(1)
        self._waiting: dict[str, asyncio.Future[Reply]] = {}
        self._replies: dict[tuple[str, str], str] = {}

    def expect(self, topic: str, echo: str, sensor: str) -> None:
        """Listen to replies on `topic` that give their token back at `echo`; `sensor` is whose they are."""
        self._replies.setdefault((topic, echo), sensor)

    @property
    def filters(self) -> set[str]:
        """Topics of replies."""
        return {topic for topic, _ in self._replies}

    async def ask(self, link: Link, request: Request, reply: str, number: Plain | None = None) -> Reply | None:
        """Ask, and give the reply; None when there is none in time. Raises Transient when the link is lost."""
        token = f"{self._client_id}-{self._run}-{next(self._numbers)}"
        words = {"<token>": token, "<client>": self._client_id, "<reply>": reply, "<number>": number}
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting[token] = future
        try:
            await link.publish(request.topic, json.dumps(_filled(request.payload, words)).encode(), qos=1)
            async with asyncio.timeout(request.timeout_ms / 1000):
                return await future
        except TimeoutError:
            return None
        finally:
            del self._waiting[token]

    def hear(self, message: Message) -> None:
        """Take a message that may be a reply."""
        for (topic, echo), sensor in self._replies.items():
            if not message.retain and matches(topic, message.topic):
                self._hear_reply(message, echo, sensor)

    def _hear_reply(self, message: Message, echo: str, sensor: str) -> None:
        try:
            document = documents.read(message.payload, "json")
        except ValueError as error:
            self._drops.drop(sensor, Cause.UNREADABLE, message.received, str(error))
            return
        token = paths.at(document, echo)
        waiting = self._waiting.get(token) if isinstance(token, str) else None
        if waiting is not None and not waiting.done():
            waiting.set_result(Reply(document, message.received))
        elif isinstance(token, str) and token.startswith(f"{self._client_id}-"):
            self._drops.drop(sensor, Cause.LATE_REPLY, message.received, f"reply to {token}, which is over")


def _filled(tree: Any, words: dict[str, Any]) -> Any:
    if isinstance(tree, dict):
        return {key: _filled(value, words) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_filled(value, words) for value in tree]
    return words.get(tree, tree) if isinstance(tree, str) else tree
