"""Frames that are stored and have not come from the broker: they are brought from the database and judged.

A broker gives collectors and detectors a copy each. Killed before it has saved what waits, it loses the detectors' copy
of what the collectors have stored and confirmed; no agent sends that again. The ledger says which frames these are.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import timedelta
from time import monotonic

from ulid import ULID

from hubwatch_core.clock import SECOND_US, to_datetime, to_us
from hubwatch_core.concurrency import wait_for_event
from hubwatch_core.errors import Permanent
from hubwatch_core.health import Health
from hubwatch_core.hub_clock import HubClock
from hubwatch_core.logs import get_logger
from hubwatch_core.message import Message
from hubwatch_core.outage import Outage
from hubwatch_core.wire import Detection
from hubwatch_core.words import Priority
from hubwatch_detectors.contract import Finding
from hubwatch_detectors.engine import Engine
from hubwatch_detectors.identity import detection_id
from hubwatch_detectors.metrics import DetectorMetrics
from hubwatch_detectors.settings import DetectorsSettings
from hubwatch_store.database import Pool
from hubwatch_store.ingest import (
    KEEP_RECENT,
    EpochName,
    FrameKey,
    SeenFrameNumbers,
    StoredFrame,
    folded_unseen,
    messages_of,
    unseen,
)

CHECK = "detectors-stored-frames"
NOT_JUDGED = "integrity.not_judged"
DETECTOR = "stored-frames"
LOOK_S = 5.0
LOOK_AGAIN_S = 1.0
"""Where something stored was not seen."""
SETTLE_S = 10.0
"""A frame may be stored so long before it comes from the broker too, and no longer, unless more waits there."""
BEHIND_S = 30.0
"""Frames may wait so long before health fails."""
BRING_ANYWAY_S = 600.0
"""After so long frames are brought even while more waits at the broker: they are not kept for ever."""
JUDGED_WITHIN_S = 30.0
"""What was brought and is not among what was seen by then was left out."""
FOLDED_EVERY_S = 600.0
"""How often it is looked for frames that are no longer kept."""
MOST = 1000
"""Frames brought at a time."""
MOST_LOST = 100
"""Frames of an epoch that nobody judges, after which no more of it are tried."""
FORGET_S = KEEP_RECENT.total_seconds()

_log = get_logger("detectors")


class StoredFrames:
    """Looks every few seconds which stored frames were not seen, and brings them when the broker has no more."""

    def __init__(
        self,
        engine: Engine,
        settings: DetectorsSettings,
        pool: Pool,
        clock: HubClock,
        metrics: DetectorMetrics,
        health: Health,
        *,
        remembers: bool,
    ) -> None:
        """Look; what was stored before this start counts only where the engine `remembers` what it had judged then."""
        self._engine, self._hubs, self._pool, self._clock = engine, settings.hubs, pool, clock
        self._metrics, self._health = metrics, health
        limits = settings.database
        self._outage = Outage(
            "detectors-ledger", health, limits.max_retry_s, step_s=limits.step_s,
            lost="ledger not read, whether all frames were judged is not known", back="ledger read again",
        )  # fmt: skip
        self._began = 0 if remembers else clock.now()
        self._caught_up: float | None = None
        self._brought: list[Message] = []
        self._given: dict[FrameKey, StoredFrame] = {}
        """What was brought and is not known to be judged yet."""
        self._taken_at = 0.0
        """When the last of it was taken."""
        self._lost: dict[FrameKey, float] = {}
        """What nobody judges, and since when that is known."""
        self._left_out: dict[EpochName, float] = {}
        """Epochs of which too much was lost."""
        self._told: dict[EpochName, float] = {}
        self._findings: list[Finding] = []
        self._folded_at = 0.0

    def received(self, *, all_of_it: bool) -> None:
        """Note whether all that waited at the broker has been taken."""
        if not all_of_it:
            self._caught_up = None
        elif self._caught_up is None:
            self._caught_up = monotonic()

    def linked(self) -> None:
        """Note that a connection begins or ends: what was brought and not judged is brought again."""
        self._caught_up = None
        self._brought, self._given = [], {}

    def taken(self, most: int) -> list[Message]:
        """Return frames that were brought; nobody waits for their acknowledgement."""
        taken, self._brought = self._brought[:most], self._brought[most:]
        if taken:
            self._taken_at = monotonic()
        return taken

    def findings(self) -> list[Finding]:
        """Return what is to be told of frames that nobody judges, of an epoch once an hour."""
        found, self._findings = self._findings, []
        return found

    async def run(self, stop: asyncio.Event) -> None:
        """Look until `stop` is set. A database that is away, or refuses to answer, is reported, and asked again."""
        while not stop.is_set():
            try:
                calm = await self._outage.step(self._look, stop)
            except Permanent as error:  # such as a right that `hubwatch db roles` has not given yet
                self._outage.lost(str(error))
                calm = True
            if calm is not None:
                await wait_for_event(stop, LOOK_S if calm else LOOK_AGAIN_S)

    async def _look(self) -> bool:
        """Look once; return whether all that is stored was seen."""
        if self._brought:
            return False
        seen = [SeenFrameNumbers(*where, account.highest, account.missing()) for where, account in self._engine.seen()]
        if monotonic() - self._folded_at >= FOLDED_EVERY_S or not self._folded_at:
            for each in await folded_unseen(self._pool, seen):
                self._tell((each.hub, each.agent, each.epoch), each.first, each.last, each.frames)
            self._folded_at = monotonic()
        now = self._clock.now()
        frames = await unseen(
            self._pool, self._hubs, seen, since=to_datetime(max(self._began, now - round(FORGET_S * SECOND_US))),
            settled=timedelta(seconds=SETTLE_S), tried=[*self._given, *self._lost], left_out=self._left_out, most=MOST,
        )  # fmt: skip
        self._follow_what_was_given()
        if not frames:
            self._say_calm()
            return not self._given
        oldest_s = (now - to_us(frames[0].at)) / SECOND_US
        settled = self._caught_up is not None and monotonic() - self._caught_up >= SETTLE_S
        missed = [each for each in frames if (each.hub, each.agent) not in self._engine.awaited]
        if missed and (settled or oldest_s >= BRING_ANYWAY_S):
            await self._bring(missed)
        else:
            more = " or more" if len(frames) == MOST else ""
            text = f"{len(frames)}{more} stored frames wait to be judged, for {oldest_s:.0f} s"
            self._health.set(CHECK, oldest_s < BEHIND_S, text)
        return False

    def _say_calm(self) -> None:
        if self._given:
            self._health.set(CHECK, False, f"{len(self._given)} stored frames were brought and are not judged yet")
        elif self._lost or self._left_out:
            text = f"{len(self._lost)} stored frames of the last hour are judged by nobody"
            more = f", and more of {len(self._left_out)} epochs" if self._left_out else ""
            self._health.set(CHECK, False, text + more)
        else:
            self._health.set(CHECK, True, "every stored frame was judged")

    def _follow_what_was_given(self) -> None:
        """Forget what has been judged since, and what was lost long ago; take for lost what was left out."""
        now = monotonic()
        accounts = dict(self._engine.seen())
        late = []
        for key, frame in list(self._given.items()):
            account = accounts.get(key[:3])
            if account is not None and account.holds(frame.seq):
                del self._given[key]
            elif now - self._taken_at >= JUDGED_WITHIN_S:
                del self._given[key]
                late.append(frame)
        self._lose(late)
        self._lost = {key: since for key, since in self._lost.items() if now - since < FORGET_S}
        self._left_out = {epoch: since for epoch, since in self._left_out.items() if now - since < FORGET_S}
        self._told = {epoch: since for epoch, since in self._told.items() if now - since < FORGET_S}

    async def _bring(self, frames: list[StoredFrame]) -> None:
        """Bring frames that the broker no longer has."""
        agents = len({(each.hub, each.agent) for each in frames})
        text = f"{len(frames)} stored frames of {agents} agents did not come from the broker"
        self._health.set(CHECK, False, f"{text}; they are judged from the database")
        messages, looked_for = await messages_of(self._pool, frames)
        _log.warning("stored frames did not come from the broker, judging them from the database",
                     frames=len(frames), agents=agents, kept=len(messages))  # fmt: skip
        looked_for.sort(key=lambda each: each.key)
        kept = [each for each in looked_for if each.key in messages]
        self._given |= {each.key: each for each in kept}
        self._taken_at = monotonic()
        self._brought = [messages[each.key] for each in kept]
        self._metrics.brought.inc(len(kept))
        self._lose([each for each in looked_for if each.key not in messages])

    def _lose(self, frames: Sequence[StoredFrame]) -> None:
        """Note frames that nobody judges, and tell of them."""
        now = monotonic()
        self._metrics.not_judged.inc(len(frames))
        self._lost |= {each.key: now for each in frames}
        for epoch, of_epoch in _by_epoch(frames).items():
            numbers = [each.seq for each in of_epoch]
            self._tell(epoch, min(numbers), max(numbers), len(numbers))
        lost = Counter(key[:3] for key in self._lost)
        for epoch in [epoch for epoch, count in lost.items() if count >= MOST_LOST]:
            self._left_out[epoch] = now
            self._lost = {key: since for key, since in self._lost.items() if key[:3] != epoch}

    def _tell(self, where: EpochName, first: int, last: int, frames: int) -> None:
        if where in self._told:
            return
        self._told[where] = monotonic()
        hub, agent, epoch = where
        _log.error("stored frames are judged by nobody", hub=hub, agent=agent, epoch=epoch, first_seq=first,
                   last_seq=last, frames=frames)  # fmt: skip
        why = (
            f"{frames} frames of agent {agent} (among numbers {first} to {last}) are stored, and no detector has "
            "judged them: they did not come from the broker and are not kept as they came, or were left out"
        )
        now = self._clock.now()
        # The same each time the same frames are found, also by the next start.
        id_ = detection_id(
            NOT_JUDGED, hub, agent, f"{epoch} {last}", ULID.from_str(epoch).milliseconds * 1000, late=False
        )
        self._findings.append(
            Detection(
                id_, NOT_JUDGED, hub, agent, None, now, now, now, float(frames), Priority.HIGH, DETECTOR, 1, False, why,
                {"epoch": epoch, "first_seq": first, "last_seq": last, "frames": frames},
            )
        )  # fmt: skip


def _by_epoch(frames: Iterable[StoredFrame]) -> dict[EpochName, list[StoredFrame]]:
    found: dict[EpochName, list[StoredFrame]] = {}
    for each in frames:
        found.setdefault((each.hub, each.agent, each.epoch), []).append(each)
    return found
