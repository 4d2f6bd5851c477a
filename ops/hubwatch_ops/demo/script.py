"""What happens at the simulated hub, and what hubwatch must detect.

Two agents guard it. `quay` reads portal rpm-1 and the fence module (fence-1 … fence-4); `gate` reads portal rpm-2, the
door module, the east fence module (fence-5), the scanner behind portal 1, the badge controller and an area monitor.
Times are seconds after the start of the script; a longer demo stretches the pauses, never the attacks.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from hubwatch_ops.demo.access_controller import Badge
from hubwatch_ops.demo.plant import BEAM_LINE, DOOR_LINES, FENCE_LINES, Plant
from hubwatch_ops.demo.portal import Vehicle

SHORTEST_S = 45
"""In a shorter demo an attack would begin within the time allowed to detect the one before."""
THIEF, STAFF, CLONED = 8165538, 7012244, 7012251
GRANT_S, OPEN_S = 0.8, 2.5
"""From a badge to the opening of its door, and how long that is open."""
CLONED_AFTER_S = GRANT_S + OPEN_S


def shielded(start: float) -> Vehicle:
    """Return a lorry that keeps away more of the background than its source adds at a k·sigma rule's threshold."""
    return Vehicle(start, 9.0, gamma_peak=48, shielding=0.3)


def norm(start: float) -> Vehicle:
    """Return a lorry whose load adds more than a quarter of the background, which a k·sigma rule alarms on."""
    return Vehicle(start, 7.0, load=0.37)


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
    await asyncio.sleep(4.0)
    await _scan(plant)


async def _scanned_lorry(plant: Plant) -> None:
    plant.rpm_1.drive_through(Vehicle(time.time(), 5.0))
    await asyncio.sleep(5.5)
    await _scan(plant)


async def _staff_enters(plant: Plant) -> None:
    await _enter(plant, 2, STAFF)


async def _hot_lorry(plant: Plant) -> None:
    # It is not scanned afterwards: it drives on.
    plant.rpm_1.drive_through(Vehicle(time.time(), 5.0, gamma_peak=160, neutron_peak=8))


async def _shielded_lorry(plant: Plant) -> None:
    plant.rpm_2.drive_through(shielded(time.time()))


async def _norm_lorry(plant: Plant) -> None:
    plant.rpm_2.drive_through(norm(time.time()))


async def _cloned_badge(plant: Plant) -> None:
    await _enter(plant, 2, CLONED)
    await _enter(plant, 3, CLONED)


async def _copied_readings(plant: Plant) -> None:
    plant.geiger.replay(age_s=10.0, seconds=9.0)


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
    await asyncio.sleep(7)
    plant.rpm_2.thaw()


async def _cut_link(plant: Plant) -> None:
    await plant.quay_link.cut()
    await asyncio.sleep(8)
    await plant.quay_link.heal()


async def _dead_device(plant: Plant) -> None:
    await plant.fence_east.stop()


async def _scan(plant: Plant) -> None:
    plant.scanner.set(BEAM_LINE, True)
    await asyncio.sleep(1.5)
    plant.scanner.set(BEAM_LINE, False)


async def _enter(plant: Plant, door: int, card: int) -> None:
    plant.controller.badge(Badge(door, card, granted=True))
    await asyncio.sleep(GRANT_S)
    await _open_door(plant, f"door-{door}", OPEN_S)


async def _open_door(plant: Plant, door: str, seconds: float) -> None:
    plant.doors.set(DOOR_LINES[door], True)
    await asyncio.sleep(seconds)
    plant.doors.set(DOOR_LINES[door], False)


STEPS = (
    ScriptStep(1.0, "normal: a dock worker badges in at door 2", _staff_enters),
    ScriptStep(3.0, "normal: a lorry without a source passes both portals and is scanned", _clean_lorry),
    ScriptStep(
        8.0,
        "ATTACK: eight unknown badges in four seconds at door 1",
        _brute_force,
        (Expected("access.brute_force", "door-1", 5.0),),
    ),
    ScriptStep(
        11.0,
        "normal: a lorry with a load of NORM passes portal 2; it is told, and no threat alarm",
        _norm_lorry,
        (Expected("radiation.norm", "rpm-2", 10.0),),
    ),
    ScriptStep(
        13.0,
        "ATTACK: a lorry with a radioactive source passes portal 1, and drives on past the scanner",
        _hot_lorry,
        (
            Expected("radiation.gamma", "rpm-1", 5.0),
            Expected("radiation.neutron", "rpm-1", 5.0),
            Expected("screening.skipped", "xray-1", 13.5),
        ),
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
    ScriptStep(
        24.0,
        "ATTACK: a badge at door 2, and its clone three seconds later at door 3, 130 m away",
        _cloned_badge,
        (Expected("access.impossible_travel", "door-3", 8.0),),
    ),
    ScriptStep(
        25.5,
        "FAILURE: the network link of agent quay is cut for eight seconds",
        _cut_link,
        (Expected("integrity.agent_offline", "quay", 5.0),),
    ),
    ScriptStep(
        28.0,
        "ATTACK: the readings of the area monitor are replaced by a recording of the ten seconds before",
        _copied_readings,
        (Expected("integrity.replayed", "area-1", 12.0),),
    ),
    ScriptStep(
        29.5,
        "ATTACK: a source that its lorry shields passes portal 2, whose own alarm stays quiet",
        _shielded_lorry,
        (Expected("radiation.gamma", "rpm-2", 11.0),),
    ),
    ScriptStep(36.0, "normal: a lorry without a source passes portal 1 and is scanned", _scanned_lorry),
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
