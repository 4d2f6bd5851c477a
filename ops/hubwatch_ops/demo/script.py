"""What happens at the simulated hub, and what hubwatch must detect.

Two agents guard it. `quay` reads portal rpm-1 and the fence module (fence-1 … fence-4); `gate` reads portal rpm-2, the
door module, the east fence module (fence-5), the badge controller and an area monitor. Times are seconds after the
start of the script; a longer demo stretches the pauses, never the attacks.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from hubwatch_ops.demo.access_controller import Badge
from hubwatch_ops.demo.plant import DOOR_LINES, FENCE_LINES, Plant
from hubwatch_ops.demo.portal import Vehicle

SHORTEST_S = 45
"""In a shorter demo an attack would begin within the time allowed to detect the one before."""
THIEF, STAFF = 8165538, 7012244


@dataclass(frozen=True, slots=True)
class Expected:
    """A detection that must be made: its type, its sensor, and within how many seconds of the start of the attack."""

    type: str
    sensor: str
    within_s: float


@dataclass(frozen=True, slots=True)
class ScriptStep:
    """One event: when, its text, and what must be detected. Steps without expected detections are normal operation."""

    at: float
    says: str
    act: Callable[[Plant], Awaitable[None]]
    expects: tuple[Expected, ...] = ()


@dataclass
class Played:
    """A step that has begun, at `began` (s, UTC)."""

    step: ScriptStep
    began: float


async def _clean_lorry(plant: Plant) -> None:
    plant.rpm_1.drive_through(Vehicle(time.time(), 5.0))
    await asyncio.sleep(1.5)
    plant.rpm_2.drive_through(Vehicle(time.time(), 5.0))


async def _staff_enters(plant: Plant) -> None:
    plant.controller.badge(Badge(2, STAFF, granted=True))
    await asyncio.sleep(0.8)
    await _open_door(plant, "door-2", 2.5)


async def _hot_lorry(plant: Plant) -> None:
    plant.rpm_1.drive_through(Vehicle(time.time(), 5.0, gamma_peak=160, neutron_peak=8))


async def _fence_crossing(plant: Plant) -> None:
    # Over the outer fence, then 6 m to the inner one: 1.5 m/s is a walk.
    for line in (FENCE_LINES["fence-1"], FENCE_LINES["fence-2"]):
        plant.fence.set(line, True)
        await asyncio.sleep(1.2)
        plant.fence.set(line, False)
        await asyncio.sleep(2.8)


async def _brute_force(plant: Plant) -> None:
    for attempt in range(8):
        plant.controller.badge(Badge(1, THIEF + attempt, granted=False))
        await asyncio.sleep(0.5)


async def _forced_door(plant: Plant) -> None:
    await _open_door(plant, "door-1", 3.0)


async def _frozen_portal(plant: Plant) -> None:
    plant.rpm_2.freeze()
    await asyncio.sleep(12)
    plant.rpm_2.thaw()


async def _cut_link(plant: Plant) -> None:
    await plant.quay_link.cut()
    await asyncio.sleep(8)
    await plant.quay_link.heal()


async def _dead_device(plant: Plant) -> None:
    await plant.fence_east.stop()


async def _open_door(plant: Plant, door: str, seconds: float) -> None:
    plant.doors.set(DOOR_LINES[door], True)
    await asyncio.sleep(seconds)
    plant.doors.set(DOOR_LINES[door], False)


STEPS = (
    ScriptStep(1.0, "normal: a dock worker badges in at door 2", _staff_enters),
    ScriptStep(5.0, "normal: a lorry without a source passes both portals", _clean_lorry),
    ScriptStep(
        8.0,
        "ATTACK: eight unknown badges in four seconds at door 1",
        _brute_force,
        (Expected("access.brute_force", "door-1", 5.0),),
    ),
    ScriptStep(
        13.0,
        "ATTACK: a lorry with a radioactive source passes portal 1",
        _hot_lorry,
        (Expected("radiation.gamma", "rpm-1", 5.0), Expected("radiation.neutron", "rpm-1", 5.0)),
    ),
    ScriptStep(14.5, "ATTACK: door 1 is forced", _forced_door, (Expected("access.forced", "door-1", 3.0),)),
    ScriptStep(
        17.0,
        "ATTACK: somebody climbs the fence, section 1, then section 2",
        _fence_crossing,
        (
            Expected("perimeter.intrusion", "fence-1", 2.0),
            Expected("perimeter.intrusion", "fence-2", 6.0),
            Expected("perimeter.crossing", "fence-2", 6.0),
        ),
    ),
    ScriptStep(
        21.5,
        "FAILURE: portal 2 freezes; it responds, but its values no longer change",
        _frozen_portal,
        (Expected("integrity.value_frozen", "rpm-2", 11.0),),
    ),
    ScriptStep(24.5, "normal: a dock worker badges in at door 2", _staff_enters),
    ScriptStep(
        25.5,
        "FAILURE: the network link of agent quay is cut for eight seconds",
        _cut_link,
        (Expected("integrity.agent_offline", "quay", 5.0),),
    ),
    ScriptStep(36.0, "normal: a lorry without a source passes both portals", _clean_lorry),
    ScriptStep(
        37.0,
        "FAILURE: the I/O module of fence section 5 stops responding",
        _dead_device,
        (Expected("integrity.sensor_silent", "fence-5", 7.5),),
    ),
)
"""The script. Between the steps the hub is in normal operation, and there must be no alarm."""


@dataclass
class Script:
    """Plays the steps on a plant; `played` lists the steps so far."""

    plant: Plant
    seconds: float
    steps: tuple[ScriptStep, ...] = STEPS
    played: list[Played] = field(default_factory=list)

    async def play(self) -> None:
        """Play every step at its time, then wait for the end."""
        started = time.monotonic()
        stretch = self.seconds / SHORTEST_S
        async with asyncio.TaskGroup() as group:
            for step in self.steps:
                await asyncio.sleep(started + step.at * stretch - time.monotonic())
                self.played.append(Played(step, time.time()))
                group.create_task(self._act(step))
            await asyncio.sleep(max(0.0, started + self.seconds - time.monotonic()))

    @property
    def attacks(self) -> list[Played]:
        """The steps so far in which something must be detected."""
        return [played for played in self.played if played.step.expects]

    async def _act(self, step: ScriptStep) -> None:
        await step.act(self.plant)
