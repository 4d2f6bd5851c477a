"""How soon people are told while another route hangs, and whether what nobody answers goes up to the last step."""

from __future__ import annotations

import asyncio
from itertools import count
from pathlib import Path

from benchmarks.alarms_hub import HUB, configured
from benchmarks.result import Progress
from hubwatch_core.clock import SECOND_US, now_us
from hubwatch_core.wire import Detection
from support.alarms_database import Hands, hands_on
from support.alarms_receiver import Receiver, hang, receiving
from support.alarms_running import alarms_in_loop
from support.alarms_until import until

TOLD = 200
"""Alarms one after the other, each of a condition of its own."""
PACE_S = 0.1
UNANSWERED = 40
"""Alarms of priority 1 that nobody acknowledges."""
STEPS_S = (0, 1, 3)
HANGS_S = 60.0


async def telling(dsn: str, folder: Path, progress: Progress) -> dict[str, float]:
    """Measure both, one after the other, over one process of alarms."""
    async with receiving() as duty, receiving(*(hang(HANGS_S) for _ in range(TOLD))) as dead, receiving() as last:
        steps = [{"after_s": after_s, "routes": ["last" if after_s == STEPS_S[-1] else "duty"]} for after_s in STEPS_S]
        escalation = {"name": "duty", "min_priority": 1, "repeat_last_s": 3600, "steps": steps}
        routes = {"duty": duty.url, "dead": dead.url, "last": last.url}
        settings = configured(dsn, folder, routes, escalations=(escalation,))
        # Only the last step tells over it.
        others = [route.model_copy(update={"hubs": ("nowhere",)}) if route.name == "last" else route
                  for route in settings.routes]  # fmt: skip
        settings = settings.model_copy(update={"routes": tuple(others)})
        with hands_on(dsn) as hands:
            async with alarms_in_loop(settings):
                waits_ms = await _waits_ms(hands, duty, dead)
                progress(f"{TOLD} alarms told while another route hangs, the slowest in {waits_ms[-1]:.0f} ms")
                reached = await _reached(hands, last)
                progress(f"{reached} of {UNANSWERED} unanswered alarms reached the last step")
    return {
        "webhook_p50_ms": waits_ms[len(waits_ms) // 2],
        "webhook_p99_ms": waits_ms[int(len(waits_ms) * 0.99)],
        "escalated_unanswered": reached / UNANSWERED,
    }


async def _waits_ms(hands: Hands, duty: Receiver, dead: Receiver) -> list[float]:
    """Return how long each detection took from its storing to the webhook, sorted."""
    began: dict[str, float] = {}
    loop = asyncio.get_running_loop()
    for number in range(TOLD):
        began[f"told-{number}"] = loop.time()
        hands.detect(_detection(f"told-{number}", 2))
        await asyncio.sleep(PACE_S)
    await until(lambda: len(duty.received) >= TOLD, 120)
    assert dead.received, "the other route was not tried"
    return sorted((each.at - began[each.message["alarm"]["sensor"]]) * 1000 for each in duty.received)


async def _reached(hands: Hands, last: Receiver) -> int:
    for number in range(UNANSWERED):
        hands.detect(_detection(f"grave-{number}", 1))
    for waited in count():
        if len(_told(last)) >= UNANSWERED or waited > 60 / 0.25:
            break
        await asyncio.sleep(0.25)
    return len(_told(last))


def _told(last: Receiver) -> set[int]:
    return {each.message["alarm"]["id"] for each in last.received}


def _detection(name: str, priority: int) -> Detection:
    now = now_us()
    return Detection(
        id=name, type="perimeter.crossing" if priority == 1 else "perimeter.intrusion", hub=HUB, sensor=name,
        subject=None, start=now - SECOND_US, end=None, detected=now, score=6.5, priority=priority, detector="bench",
        version=1, late=False, why="the fence moved for 2.1 s",
    )  # fmt: skip
