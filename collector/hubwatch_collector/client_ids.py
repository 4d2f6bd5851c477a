"""Finds agents that say the client id of another: a NATS server ties none to a user, and ends the session that has it.

The server's monitoring address names who is behind each connection, also behind those that have just ended.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from typing import Any

import aiohttp

from hubwatch_collector.broker_log import Refusal, agent_of
from hubwatch_core.errors import Transient
from hubwatch_store.ingest import Mistrust

ASK_EVERY_S = 5.0
TELL_AGAIN_S = 60.0
"""A connection that stands is told of again, so that what is told does not end before it."""
ANSWER_WITHIN_S = 10.0
PAGE = 1024
MOST_PAGES = 16
MOST_ANSWER_BYTES = 8 << 20


class ClientIds:
    """Asks one server, where its address is known."""

    def __init__(self, monitor: str | None) -> None:
        self._monitor = monitor
        self._ask_at = 0.0
        self._told: dict[object, float] = {}
        """When each connection that the server named last was told of."""

    async def foreign(self) -> list[Refusal]:
        """Return whom there is to tell of. Raises Transient while the server does not answer."""
        now = time.monotonic()
        if self._monitor is None or now < self._ask_at:
            return []
        self._ask_at = now + ASK_EVERY_S
        limit = aiohttp.ClientTimeout(total=ANSWER_WITHIN_S)
        async with aiohttp.ClientSession(timeout=limit, cookie_jar=aiohttp.DummyCookieJar()) as http:
            ended = await self._page(http, {"state": "closed", "sort": "stop", "limit": PAGE})
            named = list(_foreign(ended, standing=False))
            for page in range(MOST_PAGES):
                opened = await self._page(http, {"state": "open", "limit": PAGE, "offset": page * PAGE})
                named += _foreign(opened, standing=True)
                if len(opened) < PAGE:
                    break
        former = self._told
        self._told = {number: former.get(number, now) for number, _, _ in named}
        found = []
        for number, refusal, standing in named:
            if number not in former or (standing and now >= former[number] + TELL_AGAIN_S):
                self._told[number] = now
                found.append(refusal)
        return found

    async def _page(self, http: aiohttp.ClientSession, asked: dict[str, Any]) -> list[Any]:
        try:
            url, params = f"{self._monitor}/connz", {"auth": "1", **asked}
            async with http.get(url, params=params, allow_redirects=False) as answer:
                text = bytearray()
                async for piece in answer.content.iter_any():
                    text += piece
                    if len(text) > MOST_ANSWER_BYTES:
                        raise Transient(f"{self._monitor} answers with more than {MOST_ANSWER_BYTES >> 20} MiB")
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise Transient(f"{self._monitor} does not answer: {type(error).__name__}") from None
        try:
            connections = json.loads(text)["connections"]
        except (ValueError, KeyError, TypeError):
            connections = None
        if not isinstance(connections, list) or not all(isinstance(each, dict) for each in connections):
            raise Transient(f"what answers at {self._monitor} is no monitoring of a NATS server")
        return connections


def _foreign(connections: list[Any], *, standing: bool) -> Iterator[tuple[object, Refusal, bool]]:
    """Yield what the server calls a connection, what there is to tell of it, and whether it stands."""
    for each in connections:
        user, client_id = each.get("authorized_user"), each.get("mqtt_client")
        if not isinstance(user, str) or not isinstance(client_id, str):
            continue  # it uses no MQTT
        name = user.removeprefix("CN=")
        agent = agent_of(name)
        if agent is not None and not is_own(client_id, *agent):
            reason = f"{name} said the client id {client_id}, which is none of its own"
            yield (each.get("cid"), each.get("start")), Refusal(Mistrust.TOPIC, reason, agent), standing


def is_own(client_id: str, hub: str, agent: str) -> bool:
    """Return whether a client id has the form that this agent gives its own, with a digest of its key or without."""
    return re.fullmatch(rf"hubwatch-{re.escape(hub)}-{re.escape(agent)}(-[0-9a-f]{{16}})?", client_id) is not None
