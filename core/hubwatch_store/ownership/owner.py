"""One process for one work: takes the name, keeps it while it works, gives it back, and says who else wanted it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from prometheus_client import Counter

from hubwatch_core.concurrency import backoff_s, drain, raise_first, wait_for_event
from hubwatch_core.condition import Condition
from hubwatch_core.errors import HubwatchError, Permanent, Transient
from hubwatch_core.ids import new_ulid
from hubwatch_core.logs import get_logger
from hubwatch_core.plain_text import one_line
from hubwatch_core.process import Context
from hubwatch_store.database import DatabaseConnection, DatabaseSection, connect, hang_up, translated
from hubwatch_store.ownership import lease
from hubwatch_store.ownership.lease import Holder, WorkClaim
from hubwatch_store.ownership.machine import this_process

BEAT_S = 2.0
SILENT_S = 15.0
"""An owner that has shown no beat for this long is taken for dead: three beats, each as late as ANSWER_S allows."""
LOOK_S = 0.5
ANSWER_S = 5.0
"""How long the database may take for one answer before the session is thrown away."""
RELEASE_S = 0.3
"""The same at an ordered stop, which nothing may hold up: a row left behind is freed as that of a dead process."""
STOP_S = 10.0
"""How long work may take to stop once the name is lost. What it writes meanwhile the database refuses."""
FIRST_PAUSE_S = 0.2

T = TypeVar("T")
Work = Callable[[asyncio.Event], Coroutine[Any, Any, None]]

_log = get_logger("owner")


class NameTaken(Permanent):
    """Another process does this work; the text says which, and what to do."""


class Owner:
    """Holds one claim for this process."""

    def __init__(self, settings: DatabaseSection, claim: WorkClaim, context: Context) -> None:
        """Prepare, without connecting; the health check and the log lines are those of `<kind>-owner`."""
        self._settings, self._claim = settings, claim
        self._process = this_process()
        self._check = f"{claim.kind}-owner"
        self._health = context.health
        self._health.set(self._check, False, "the database was not asked yet")
        self.token = new_ulid()
        self.held = asyncio.Event()
        """Set while the work is ours, as far as is known."""
        self.lost = asyncio.Event()
        """Set once it was ours and is no longer."""
        self._refused = 0
        self._last_beat = 0.0
        self._condition = Condition(
            self._check, context.health, _log,
            lost="cannot show the database that this process works, trying again", back="database is back",
            facts={"work": str(claim)},
        )  # fmt: skip
        self._refusals = Counter(
            f"hubwatch_{claim.kind}_second_process_refused",
            "Processes that wanted the same work and were refused.",
            registry=context.registry,
        )

    async def wait_held(self, stop: asyncio.Event) -> bool:
        """Wait until the claim is held; False when stopped before."""
        await _first(self.held, stop)
        return not stop.is_set()

    async def run_with(self, work: Work, stop: asyncio.Event, *, has_state: bool) -> None:
        """Take the claim, do `work` while it is held, give it back; raises NameTaken, and what `work` raises.

        Work that `has_state` is stopped when its claim is lost, and begun anew once the claim is ours again: another
        process may have gone on from what is stored.
        """
        over = asyncio.Event()
        keeping = asyncio.create_task(self.run(over))
        working = asyncio.create_task(
            self._work_while_held(work, stop) if has_state else self._work_once_held(work, stop)
        )
        try:
            await asyncio.wait([keeping, working], return_when=asyncio.FIRST_COMPLETED)
            if not keeping.done():
                over.set()
                await asyncio.wait([keeping], timeout=RELEASE_S)
        finally:
            await drain([working])
            await drain([keeping])
        raise_first([keeping, working])

    async def _work_once_held(self, work: Work, stop: asyncio.Event) -> None:
        if await self.wait_held(stop):
            await work(stop)

    async def _work_while_held(self, work: Work, stop: asyncio.Event) -> None:
        while await self.wait_held(stop):
            self.lost.clear()
            work_over = asyncio.Event()
            working = asyncio.create_task(work(work_over))
            ending = asyncio.create_task(_first(self.lost, stop))
            try:
                await asyncio.wait([working, ending], return_when=asyncio.FIRST_COMPLETED)
                work_over.set()
                await asyncio.wait([working], timeout=None if stop.is_set() else STOP_S)
            finally:
                await drain([ending, working])
            raise_first([working])
            if not self.lost.is_set():
                return

    async def run(self, stop: asyncio.Event) -> None:
        """Take the claim and keep it until stopped, then give it back; raises NameTaken."""
        while not stop.is_set():
            try:
                await self._once(stop)
            except Transient as error:
                self._condition.lost(str(error))
                await wait_for_event(
                    stop, backoff_s(self._condition.failures, FIRST_PAUSE_S, self._settings.max_retry_s)
                )

    async def _once(self, stop: asyncio.Event) -> None:
        """Work with one session; raises Transient when it is lost, NameTaken when another process has the claim."""
        connection = await connect(self._settings, f"hubwatch {self._claim.kind} owner")
        try:
            while not stop.is_set():
                if await self._take(connection, stop):
                    await self._keep(connection, stop)
            await self._release(connection)
        except asyncio.CancelledError:
            await self._release(connection)
            raise
        finally:
            with contextlib.suppress(HubwatchError):
                await self._answer(connection, connection.close(), RELEASE_S)

    async def _take(self, connection: DatabaseConnection, stop: asyncio.Event) -> bool:
        """Return True once the claim is ours; waits for an owner that may be dead, and refuses us to one that lives."""
        seen: dict[str, tuple[int, float]] = {}
        while not stop.is_set():
            now = time.monotonic()
            silent = {token: beats for token, (beats, since) in seen.items() if now - since >= SILENT_S}
            claiming = lease.try_claim(connection, self._claim, self.token, self._process, silent)
            holders = await self._answer(connection, claiming)
            if not holders:
                return True
            living = [each for each in holders if each.token in seen and seen[each.token][0] != each.beats]
            if living:
                self._no_longer()
                await self._answer(connection, lease.tell_refused(connection, living, str(self._process)))
                raise NameTaken(self._refusal(living, [each for each in holders if each not in living]))
            if not seen:
                _log.info("another process had this work, waiting for a sign of it", work=str(self._claim),
                          holder="; ".join(map(str, holders)), most_s=SILENT_S)  # fmt: skip
            seen = {each.token: seen.get(each.token, (each.beats, now)) for each in holders}
            self._health.set(self._check, False, f"waiting whether it still runs: {'; '.join(map(str, holders))}")
            await wait_for_event(stop, LOOK_S)
        return False

    def _refusal(self, living: Sequence[Holder], unknown: Sequence[Holder]) -> str:
        who = "; ".join(
            [f"{each.claim} is run by {each}" for each in living]
            + [f"{each.claim} is run by {each} (or was: it gave no sign yet)" for each in unknown]
        )
        return (
            f"only one process may run {self._claim}, but {who}. Stop that one first, "
            "or give this one what it may have beside it: another name, and other hubs where it says hubs"
        )

    async def _keep(self, connection: DatabaseConnection, stop: asyncio.Event) -> None:
        """Show a beat now and then; returns when stopped or when the row is gone."""
        while True:
            said = await self._answer(connection, lease.beat(connection, self.token))
            if said is None:
                _log.warning("this process is no longer the owner of its work, asking anew", work=str(self._claim))
                self._no_longer()
                return
            self.held.set()
            self._tell(*said)
            if await wait_for_event(stop, BEAT_S):
                return

    def _tell(self, refused: int, last: str | None) -> None:
        """Say once in the log, and in health from then on, that another process wanted the same."""
        if refused > self._refused and last is not None:
            if not self._refused:
                _log.warning("a second process wanted the same work and was refused", work=str(self._claim),
                             second=one_line(last))  # fmt: skip
            self._refusals.inc(refused - self._refused)
        self._refused = refused
        detail = "" if last is None else f"; refused to {refused} other starts, the last by {one_line(last)}"
        self._condition.back(f"{self._claim}{detail}")

    def _no_longer(self) -> None:
        if self.held.is_set():
            self.held.clear()
            self.lost.set()

    async def _release(self, connection: DatabaseConnection) -> None:
        with contextlib.suppress(HubwatchError):
            await self._answer(connection, lease.release(connection, self.token), RELEASE_S)

    async def _answer(
        self, connection: DatabaseConnection, asking: Coroutine[Any, Any, T], within_s: float | None = None
    ) -> T:
        """Wait for an answer, not for ever: a session that does not answer is cut, which ends the wait."""
        within_s = ANSWER_S if within_s is None else within_s
        task = asyncio.create_task(asking)
        try:
            await asyncio.wait([task], timeout=within_s)
        finally:
            if not task.done():
                hang_up(connection)
                await asyncio.wait([task], timeout=1)
                task.cancel()
        if not task.done():
            raise Transient(f"the database did not answer within {within_s:g} s")
        with translated():
            return await task


async def _first(*events: asyncio.Event) -> None:
    waiting = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()
