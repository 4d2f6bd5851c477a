"""One run of chaos: everything goes wrong for a while, something for longer, then everything has to come right."""

from __future__ import annotations

import asyncio
import random
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from support.chaos_checker import Verdict, check
from support.chaos_faults import Fault
from support.chaos_scene import AGENTS, MISHAPS, Scene, running_scene
from support.chaos_watch import Watch, assert_well, watching
from support.eventually import eventually

START_S = 60.0
DRAIN_S = 60.0
CALM_S = 60.0
"""Within this after a fault has ended, all parts work and say so."""
NOTICED_S = 30.0
"""For so long a hub that does not work may say that all is well."""
HOLD_S = 40.0
KEPT = Path(__file__).parents[2] / "build" / "chaos"


@dataclass(frozen=True)
class Outcome:
    """What a run came to: what the devices' journals and the database say, and what was seen from outside."""

    verdict: Verdict
    fault: str
    unnoticed: int
    untold: int
    stuck: int
    detail: str

    @property
    def clean(self) -> bool:
        """Whether nothing was lost, hidden or left standing."""
        return self.verdict.clean and (self.unnoticed, self.untold, self.stuck) == (0, 0, 0)


async def chaos(seed: int, seconds: float, outage_s: float = 0.0, fault: Fault | None = None) -> Outcome:
    """Run with one seed; `outage_s` adds a database outage at a random moment, `fault` is one that lasts."""
    needs = {"standby": fault.standby, "fake_clock": fault.fake_clock} if fault is not None else {}
    async with running_scene(**needs) as scene:
        try:
            outcome = await _through(scene, random.Random(seed), seconds, outage_s, fault)
        except BaseException:
            await asyncio.to_thread(_keep_logs, scene, seed)
            raise
        if not (outcome.clean and scene.agents_done()):
            await asyncio.to_thread(_keep_logs, scene, seed)
        return outcome


async def _through(scene: Scene, dice: random.Random, seconds: float, outage_s: float, fault: Fault | None) -> Outcome:
    await _under_way(scene)
    async with watching(scene) as watch:
        await _mishaps(scene, dice, seconds)
        if outage_s:
            await asyncio.to_thread(scene.database.kill)
            await asyncio.sleep(outage_s)
            await asyncio.to_thread(scene.database.start)
        missed = False
        if fault is not None:
            await _calm(watch)
            missed = await _held(scene, watch, fault)
        stuck = await _calm(watch)
        scene.stop_counting()
        verdict = await _settled(scene)
        untold = await _untold(watch)
    return Outcome(
        verdict,
        fault.name if fault is not None else "none",
        unnoticed=int(missed) + scene.unrefused,
        untold=len(untold),
        stuck=len(stuck),
        detail="; ".join([*stuck, *sorted(untold)[:3], verdict.detail]),
    )


async def _mishaps(scene: Scene, dice: random.Random, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        mishap = dice.choice(MISHAPS)
        scene.events.append(mishap.__name__)
        await mishap(scene, dice)
        await asyncio.sleep(dice.uniform(0, 0.8))


async def _held(scene: Scene, watch: Watch, fault: Fault) -> bool:
    """Hold a fault; return whether the hub said meanwhile, and was believed, that all is well though it was not."""
    scene.events.append(fault.name)
    began = time.monotonic()
    await fault.begin(scene)
    await asyncio.sleep(HOLD_S)
    await fault.end(scene)
    return watch.unnoticed(began, time.monotonic(), NOTICED_S)


async def _under_way(scene: Scene) -> None:
    """Start the agents once every part is there, and wait until what both devices count is being stored.

    Detectors judge what came since they first subscribed: a door that was forced before is none of theirs.
    """
    await eventually(lambda: _all_well(scene), START_S)
    for name in AGENTS:
        scene.start_agent(name)
    deadline = time.monotonic() + START_S
    journals = [scene.journal(name) for name in AGENTS]
    while not all(journal.exists() for journal in journals) or not scene.stored():
        if time.monotonic() > deadline:
            raise AssertionError("nothing was stored before the first mishap")
        await asyncio.sleep(0.2)


async def _all_well(scene: Scene) -> bool:
    try:
        await assert_well(scene)
    except (aiohttp.ClientError, TimeoutError) as error:
        raise AssertionError(f"health does not answer: {type(error).__name__}") from error
    return True


async def _calm(watch: Watch) -> list[str]:
    """Wait until the hub works and says so; return what does not when it takes too long."""
    deadline = time.monotonic() + CALM_S
    while not watch.looks or watch.stuck():
        if time.monotonic() > deadline:
            return watch.stuck()
        await asyncio.sleep(0.2)
    return []


async def _untold(watch: Watch) -> set[str]:
    """Wait until the receiver knows of every door; return those it does not know when it takes too long."""
    with suppress(AssertionError):
        await eventually(lambda: not watch.untold(), DRAIN_S)
    return watch.untold()


def _keep_logs(scene: Scene, seed: int) -> None:
    """Keep what everybody said in a run that did not come right."""
    folder = KEPT / f"seed-{seed}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for file in [*scene.folder.glob("*.log"), *scene.folder.glob("*.journal"), scene.broker.log]:
        shutil.copy(file, folder)
    states = {name: process.poll() for name, process in scene.agents.items()}
    (folder / "events").write_text("\n".join([*scene.events, f"agents ended: {states}"]))


async def _settled(scene: Scene) -> Verdict:
    """Wait until all is delivered and stored, and give the verdict; the last one when it does not come right."""
    deadline = time.monotonic() + DRAIN_S
    journals = [scene.journal(name) for name in AGENTS]
    while True:
        verdict = await asyncio.to_thread(check, scene.dsn, journals)
        if (scene.agents_done() and verdict.clean) or time.monotonic() > deadline:
            return verdict
        await asyncio.sleep(0.5)
