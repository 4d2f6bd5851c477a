"""The dead man: a beat to an address outside, whose silence is somebody else's alarm.

It beats only while every check of the process holds, and only if alarms and messages were looked after since the beat
before: a process that hangs, a database that is away, a route whose receiver takes nothing and an alarm that nobody was
told of all end it. That a beat itself fails is no check, or one lost beat would end all that follow.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from typing import Annotated

import aiohttp
from prometheus_client import CollectorRegistry, Counter
from pydantic import AfterValidator, Field

from hubwatch_alarms.notify.webhook import describe, judge, post_address
from hubwatch_core import __version__
from hubwatch_core.clock import now_us
from hubwatch_core.concurrency import wait_for_event
from hubwatch_core.condition import Condition
from hubwatch_core.config import Conflict, SecretFile, Section
from hubwatch_core.config.addresses import is_loopback
from hubwatch_core.config.secret_file import secret_in
from hubwatch_core.delivery import DeliveryResult
from hubwatch_core.errors import Permanent
from hubwatch_core.health import Health
from hubwatch_core.logs import get_logger
from hubwatch_core.secret_text import origin, split_url
from hubwatch_store.alarms import BeatOutcome, LastBeat

_log = get_logger("alarms")


class HeartbeatSection(Section):
    """The dead man: a beat to an address outside, whose silence is somebody else's alarm."""

    url: Annotated[str, AfterValidator(post_address)] | None = Field(
        None, examples=["https://beats.example.org/hub"], description="Where to POST; https, or http on loopback."
    )
    url_file: SecretFile | None = Field(
        None, description="File that holds the address, instead of url: where whoever knows it may beat."
    )
    every_s: Annotated[float, Field(ge=1, le=3600)] = Field(
        60.0, description="Seconds between beats; let the other side miss three before it tells anybody."
    )
    timeout_s: Annotated[float, Field(gt=0, le=60)] = Field(10.0, description="Seconds one beat may take in all.")

    def conflicts(self) -> Iterator[Conflict]:
        """It goes to one address, and not in the clear."""
        if (self.url is None) == (self.url_file is None):
            yield ("url",), "give one of url and url_file"
        elif self.url is not None and _in_the_clear(self.url):
            yield ("url",), f"{origin(self.url)} would be sent beats in the clear: use https"

    def read_url(self) -> str:
        """Return where to POST; raises Permanent when it cannot be read or is no address."""
        if self.url is not None:
            return self.url
        assert self.url_file is not None, "the settings demand one of the two"
        try:
            url = post_address(secret_in(self.url_file).strip())
        except ValueError as error:
            raise Permanent(f"heartbeat: what {self.url_file} holds {error}") from None
        if _in_the_clear(url):
            raise Permanent(f"heartbeat: {origin(url)} would be sent beats in the clear: use https")
        return url


class Work:
    """Counts the work of which a heart tells, so that it beats for what was done and not for being there."""

    def __init__(self) -> None:
        self.moved = 0
        """Rounds in which alarms were looked after, each a transaction of the database."""
        self.looked = 0
        """Looks after the messages that wait."""


class DeadMan:
    """Beats while the whole path is well."""

    def __init__(self, settings: HeartbeatSection, health: Health, work: Work, registry: CollectorRegistry) -> None:
        self._settings, self._health, self._work = settings, health, work
        self._before = (0, 0)
        self._taken: int | None = None
        self.last: LastBeat | None = None
        """What came of the last beat; None before the first."""
        settings.read_url()
        self._beats = Counter(
            "hubwatch_alarms_beats_total",
            "Beats of the dead man, by what came of it.",
            ["outcome"],
            registry=registry,
        )
        self._works = Condition("alarms.heartbeat", None, _log, lost="heartbeat fails", back="heartbeat works again")
        self._well = Condition("alarms.well", None, _log, lost="heartbeat held back", back="heartbeat goes on")

    async def run(self, stop: asyncio.Event) -> None:
        """Beat until stopped."""
        timeout = aiohttp.ClientTimeout(total=self._settings.timeout_s)
        connector, jar = aiohttp.TCPConnector(force_close=True), aiohttp.DummyCookieJar()
        async with aiohttp.ClientSession(timeout=timeout, connector=connector, cookie_jar=jar) as http:
            while not stop.is_set():
                await self.beat(http)
                await wait_for_event(stop, self._settings.every_s)

    async def beat(self, http: aiohttp.ClientSession) -> bool:
        """Beat once if all is well; return whether the other side took it."""
        reason = self.held_back()
        if reason is not None:
            self._beats.labels("held_back").inc()
            self._well.lost(reason)
            self._note("held_back", reason)
            return False
        self._well.back()
        done = (self._work.moved - self._before[0], self._work.looked - self._before[1])
        self._before = (self._work.moved, self._work.looked)
        body = json.dumps({"v": 1, "software": __version__, "rounds": done[0], "looks": done[1]}).encode()
        error = await self._post(http, body)
        self._beats.labels("taken" if error is None else "failed").inc()
        if error is None:
            self._works.back()
            self._note("taken", None)
        else:
            self._works.lost(error)
            self._note("failed", error)
        return error is None

    def _note(self, outcome: BeatOutcome, reason: str | None) -> None:
        now = now_us()
        if outcome == "taken":
            self._taken = now
        self.last = LastBeat(now, self._settings.every_s, outcome, reason, self._taken)

    def held_back(self) -> str | None:
        """Return why it must not beat now, None when all is well."""
        failed = [name for name, check in self._health.checks().items() if not check.ok]
        if failed:
            return f"these checks fail: {', '.join(failed)}"
        if self._work.moved == self._before[0]:
            return "no alarms were looked after since the beat before"
        return "no messages were looked after since the beat before" if self._work.looked == self._before[1] else None

    async def _post(self, http: aiohttp.ClientSession, body: bytes) -> str | None:
        headers = {"Content-Type": "application/json", "User-Agent": f"hubwatch/{__version__}"}
        try:
            url = self._settings.read_url()  # each time: it may have been changed
            async with http.post(url, data=body, headers=headers, allow_redirects=False) as response:
                outcome = judge(response.status, None, time.time())
                response.close()  # unread: an endless body must not hold us
        except Permanent as error:
            return str(error)
        except (TimeoutError, aiohttp.ClientError, OSError, UnicodeError) as error:
            return describe(error, self._settings.timeout_s)
        return None if outcome.result is DeliveryResult.DELIVERED else outcome.error


def _in_the_clear(url: str) -> bool:
    parts = split_url(url)
    return parts.scheme == "http" and not is_loopback(parts.hostname or "")
