"""Finds agents that say the client id of another: a NATS server ties none to a user, and ends the session that has it.

The server's monitoring address names who is behind each connection, also behind those that have just ended.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import aiohttp

from hubwatch_collector.broker_log import Refusal, agent_of
from hubwatch_core.concurrency import run_until
from hubwatch_core.condition import Condition
from hubwatch_core.errors import Transient
from hubwatch_core.logs import get_logger
from hubwatch_core.process import Context
from hubwatch_store.ingest import Mistrust

ASK_EVERY_S = 5.0
TELL_AGAIN_S = 60.0
"""A connection that stands is told of again, so that what is told does not end before it."""
ANSWERS_WITHIN_S = 10.0
"""All answers to one question, which may take several pages."""
PAGE = 1024
MOST_PAGES = 16
MOST_BYTES = 8 << 20
"""Of all answers to one question: room for each of so many connections to say 500 bytes of itself."""

_log = get_logger("client ids")


@dataclass(frozen=True, slots=True)
class _Foreign:
    """A connection whose agent says the client id of another."""

    number: tuple[int, str]
    """What the server calls it, and since when: numbers begin anew with the server."""
    refusal: Refusal
    ended_s: float | None
    """How long ago it ended; None while it stands."""


class ClientIds:
    """Asks one server again and again."""

    def __init__(self, monitor: str, hear: Callable[[Refusal], object], context: Context) -> None:
        """Call `hear` with whom there is to tell of."""
        self._monitor, self._hear = monitor, hear
        self._since = time.monotonic()
        self._told: dict[tuple[int, str], float] = {}
        """When each connection that the server named last was told of."""
        self._condition = Condition(
            "client-ids", context.health, _log, lost="who says the client id of another is not told",
            back="it is told again",
        )  # fmt: skip

    async def run(self, stop: asyncio.Event) -> None:
        """Ask until `stop` is set, and wait for no answer then."""
        await run_until(stop, self._ask_for_ever())

    async def _ask_for_ever(self) -> None:
        while True:
            try:
                found = await self.foreign()
            except Transient as error:
                self._condition.lost(str(error))
            else:
                self._condition.back("who says the client id of another is told")
                for refusal in found:
                    self._hear(refusal)
            await asyncio.sleep(ASK_EVERY_S)

    async def foreign(self) -> list[Refusal]:
        """Ask once; return whom there is to tell of. Raises Transient where the server does not answer as it should."""
        try:
            async with asyncio.timeout(ANSWERS_WITHIN_S):
                named = await self._named()
        except TimeoutError:
            raise Transient(f"{self._monitor} does not answer within {ANSWERS_WITHIN_S:g} s") from None
        now, former = time.monotonic(), self._told
        self._told = {each.number: former.get(each.number, now) for each in named}
        found = []
        for each in named:
            if each.ended_s is None:
                due = each.number not in former or now >= former[each.number] + TELL_AGAIN_S
            else:
                # The server keeps what has ended for as long as it has room: a start must not tell of it once more.
                due = each.number not in former and each.ended_s <= now - self._since
            if due:
                self._told[each.number] = now
                found.append(each.refusal)
        return found

    async def _named(self) -> list[_Foreign]:
        left = MOST_BYTES
        # Nothing is unpacked: few bytes could become very many before they are counted.
        plain: dict[str, Any] = {"auto_decompress": False, "headers": {"Accept-Encoding": "identity"}}
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), **plain) as http:
            text = await self._page(http, left, {"state": "closed", "sort": "stop", "limit": PAGE})
            named = self._read(text)[0]
            for page in range(MOST_PAGES):
                left -= len(text)
                text = await self._page(http, left, {"state": "open", "limit": PAGE, "offset": page * PAGE})
                foreign, connections = self._read(text)
                named += foreign
                if connections < PAGE:
                    return named
        raise Transient(f"{self._monitor} names more than {PAGE * MOST_PAGES} connections; what is beyond is not seen")

    async def _page(self, http: aiohttp.ClientSession, most_bytes: int, asked: dict[str, Any]) -> bytearray:
        try:
            url, params = f"{self._monitor}/connz", {"auth": "1", **asked}
            async with http.get(url, params=params, allow_redirects=False) as answer:
                text = bytearray()
                async for piece in answer.content.iter_any():
                    text += piece
                    if len(text) > most_bytes:
                        raise Transient(f"{self._monitor} answers with more than {MOST_BYTES >> 20} MiB")
        except (aiohttp.ClientError, OSError) as error:
            raise Transient(f"{self._monitor} does not answer: {type(error).__name__}") from None
        return text

    def _read(self, text: bytearray) -> tuple[list[_Foreign], int]:
        """Return the foreign connections of an answer, and how many it names in all."""
        try:
            answer = json.loads(text)
            connections, now = answer["connections"], answer["now"]
            return list(_foreign(connections, datetime.fromisoformat(now))), len(connections)
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            raise Transient(f"what answers at {self._monitor} is no monitoring of a NATS server") from None


def _foreign(connections: list[Any], now: datetime) -> Iterator[_Foreign]:
    """Yield which connections are foreign. Raises ValueError or TypeError where one is not described as NATS does."""
    for each in connections:
        user, client_id = each.get("authorized_user"), each.get("mqtt_client")
        if not isinstance(user, str) or not isinstance(client_id, str):
            continue  # it uses no MQTT
        name = user.removeprefix("CN=")
        agent = agent_of(name)
        if agent is not None and not is_own(client_id, *agent):
            number, start, stop = each.get("cid"), each.get("start"), each.get("stop")
            if not isinstance(number, int) or not isinstance(start, str):
                raise TypeError("no number or no start of a connection")
            # By the server's own clock, which need not be right.
            ended_s = None if stop is None else (now - datetime.fromisoformat(stop)) / timedelta(seconds=1)
            reason = f"{name} said the client id {client_id}, which is none of its own"
            yield _Foreign((number, start), Refusal(Mistrust.TOPIC, reason, agent), ended_s)


def is_own(client_id: str, hub: str, agent: str) -> bool:
    """Return whether a client id has the form that this agent gives its own, with a digest of its key or without."""
    return re.fullmatch(rf"hubwatch-{re.escape(hub)}-{re.escape(agent)}(-[0-9a-f]{{16}})?", client_id) is not None
