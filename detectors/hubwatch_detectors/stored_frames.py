"""Frames that are stored and have not come from the broker: they are brought from the database and judged.

A broker gives collectors and detectors a copy each. Killed before it has saved what waits, it loses the detectors' copy
of what the collectors have stored and confirmed; no agent sends that again. The ledger says which frames these are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from time import monotonic

from hubwatch_core.clock import SECOND_US, to_datetime, to_us
from hubwatch_core.concurrency import wait_for_event
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
from hubwatch_store.ingest import KEEP_RECENT, FrameKey, SeenFrameNumbers, StoredFrame, messages_of, unseen

CHECK = "detectors-stored-frames"
NOT_JUDGED = "integrity.not_judged"
DETECTOR = "stored-frames"
LOOK_S = 5.0
LOOK_AGAIN_S = 1.0
"""Where something stored was not seen."""
BEHIND_S = 30.0
"""Frames may wait so long before health fails."""
SETTLE_S = 10.0
"""A frame may be stored so long before it comes from the broker too, and no longer, unless more waits there."""
MOST = 1000
"""Frames brought at a time."""
MOST_TRIED = 10_000
"""Frames remembered that were brought and not judged, as those of an agent that was taken away, or not found."""

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
        self._missing: list[StoredFrame] = []
        self._tried: dict[FrameKey, datetime] = {}

    def received(self, *, all_of_it: bool) -> None:
        """Note whether all that waited at the broker has been taken."""
        if not all_of_it:
            self._caught_up = None
        elif self._caught_up is None:
            self._caught_up = monotonic()

    def taken(self, most: int) -> list[Message]:
        """Return frames that were brought; nobody waits for their acknowledgement."""
        taken, self._brought = self._brought[:most], self._brought[most:]
        return taken

    def findings(self) -> list[Finding]:
        """Return a finding for each epoch of which frames are stored and kept nowhere as they came."""
        missing, self._missing = self._missing, []
        of_epoch: dict[tuple[str, str, str], list[StoredFrame]] = {}
        for each in missing:
            of_epoch.setdefault((each.hub, each.agent, each.epoch), []).append(each)
        return [_not_judged(frames, self._clock.now()) for frames in of_epoch.values()]

    async def run(self, stop: asyncio.Event) -> None:
        """Look until `stop` is set. A database that is away is reported, and asked again."""
        while not stop.is_set():
            calm = await self._outage.step(self._look, stop)
            if calm is not None:
                await wait_for_event(stop, LOOK_S if calm else LOOK_AGAIN_S)

    async def _look(self) -> bool:
        """Look once; return whether all that is stored was seen."""
        if self._brought:
            return False
        now = self._clock.now()
        since = to_datetime(max(self._began, now - KEEP_RECENT // timedelta(microseconds=1)))
        self._tried = {key: at for key, at in self._tried.items() if at >= since}
        seen = [SeenFrameNumbers(*where, account.highest, account.holes) for where, account in self._engine.seen()]
        settled = timedelta(seconds=SETTLE_S)
        frames = await unseen(
            self._pool, self._hubs, seen, since=since, settled=settled, tried=self._tried, most=MOST
        )  # fmt: skip
        if not frames:
            self._health.set(CHECK, True, "every stored frame was judged")
            return True
        if self._caught_up is not None and monotonic() - self._caught_up >= SETTLE_S:
            await self._bring([each for each in frames if (each.hub, each.agent) not in self._engine.awaited])
        else:
            self._say_behind(len(frames), (now - to_us(frames[0].at)) / SECOND_US)
        return False

    def _say_behind(self, frames: int, oldest_s: float) -> None:
        text = f"{frames}{' or more' if frames == MOST else ''} stored frames wait to be judged, for {oldest_s:.0f} s"
        self._health.set(CHECK, oldest_s < BEHIND_S, text)

    async def _bring(self, frames: list[StoredFrame]) -> None:
        """Bring frames that the broker no longer has."""
        agents = len({(each.hub, each.agent) for each in frames})
        text = f"{len(frames)} stored frames of {agents} agents did not come from the broker"
        if len(self._tried) + len(frames) > MOST_TRIED:
            self._health.set(CHECK, False, f"{text}, nor were {len(self._tried)} before them judged; no more are tried")
            return
        self._health.set(CHECK, False, f"{text}; they are judged from the database")
        messages = await messages_of(self._pool, frames)
        _log.warning("stored frames did not come from the broker, judging them from the database",
                     frames=len(frames), agents=agents, kept=len(messages))  # fmt: skip
        self._tried |= {each.key: each.at for each in frames}
        self._missing += [each for each in frames if each.key not in messages]
        frames.sort(key=lambda each: each.key)
        self._brought = [messages[each.key] for each in frames if each.key in messages]
        self._metrics.brought.inc(len(self._brought))
        self._metrics.not_judged.inc(len(frames) - len(self._brought))


def _not_judged(frames: Sequence[StoredFrame], now: int) -> Detection:
    first, last = min(each.seq for each in frames), max(each.seq for each in frames)
    start, end = to_us(min(each.at for each in frames)), to_us(max(each.at for each in frames))
    hub, agent, epoch, *_ = frames[0]
    _log.error("stored frames are judged by nobody", hub=hub, agent=agent, epoch=epoch, first_seq=first, last_seq=last,
               frames=len(frames))  # fmt: skip
    why = (
        f"{len(frames)} frames of agent {agent} (numbers {first} to {last}) are stored, did not come from the broker "
        "and are not kept as they came: no detector has judged them"
    )
    evidence = {"epoch": epoch, "first_seq": first, "last_seq": last, "frames": len(frames)}
    id_ = detection_id(NOT_JUDGED, hub, agent, f"{epoch} {first}", start, late=False)
    return Detection(
        id_, NOT_JUDGED, hub, agent, None, start, max(start, end), max(now, end), float(len(frames)), Priority.HIGH,
        DETECTOR, 1, False, why, evidence,
    )  # fmt: skip
