"""One run of chaos: everything goes wrong for a while, then everything has to come right."""

from __future__ import annotations

import asyncio
import random
import shutil
import time
from pathlib import Path

from support.chaos_checker import Verdict, check
from support.chaos_scene import AGENTS, MISHAPS, Scene, running_scene

START_S = 60.0
DRAIN_S = 60.0
KEPT = Path(__file__).parents[2] / "build" / "chaos"


async def chaos(seed: int, seconds: float, outage_s: float = 0.0) -> Verdict:
    """Run with one seed; `outage_s` adds a database outage of that length at a random moment."""
    async with running_scene() as scene:
        try:
            verdict = await _through(scene, random.Random(seed), seconds, outage_s)
        except AssertionError:
            await asyncio.to_thread(_keep_logs, scene, seed)
            raise
        if not (verdict.clean and scene.agents_done()):
            await asyncio.to_thread(_keep_logs, scene, seed)
        return verdict


async def _through(scene: Scene, dice: random.Random, seconds: float, outage_s: float) -> Verdict:
    await _under_way(scene)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        mishap = dice.choice(MISHAPS)
        scene.events.append(mishap.__name__)
        await mishap(scene, dice)
        await asyncio.sleep(dice.uniform(0, 0.8))
    if outage_s:
        await asyncio.to_thread(scene.database.kill)
        await asyncio.sleep(outage_s)
        await asyncio.to_thread(scene.database.start)
    scene.stop_counting()
    return await _settled(scene)


async def _under_way(scene: Scene) -> None:
    """Wait until what both devices count is being stored."""
    deadline = time.monotonic() + START_S
    journals = [scene.journal(name) for name in AGENTS]
    while not all(journal.exists() for journal in journals) or not scene.stored():
        if time.monotonic() > deadline:
            raise AssertionError("nothing was stored before the first mishap")
        await asyncio.sleep(0.2)


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
        verdict = await asyncio.to_thread(check, scene.database.dsn, journals)
        if (scene.agents_done() and verdict.clean) or time.monotonic() > deadline:
            return verdict
        await asyncio.sleep(0.5)
