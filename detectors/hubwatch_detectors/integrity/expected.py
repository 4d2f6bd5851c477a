"""What should have happened and did not.

- A lane step: what was noticed at one step of a lane is not noticed at the next within its time. A lorry at the barrier
  without an occupancy of the portal behind it is the same. Where vehicles follow closely, their usual delay says whose
  sign it is (`step_delay.py`). Steps that only a share of the vehicles pass are not judged, and scanners are left to
  `screening`: one thing that did not happen is one finding.
- A grant without an opening: people change their minds now and then, so a door is judged by its own history of them; so
  many in a row that chance does not explain them mean a dead contact, or a door that is opened another way.
- An occupancy without a shadow: the vehicles of a portal's history kept some background away, and this one keeps none.
  One in twenty of them may have kept none either: it was no vehicle, and that was missed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import NamedTuple

import msgspec
from pydantic import Field

from hubwatch_core.clock import SECOND_US
from hubwatch_core.wire import Detection, Event, Sensor
from hubwatch_core.words import ChannelKind, Priority, SensorKind
from hubwatch_detectors.chunk import Chunk, ChunkReading
from hubwatch_detectors.contract import ALWAYS, NEVER, Detector, DetectorConfig, Finding, Origin, Scope, Site, Spec
from hubwatch_detectors.rates import no_rate
from hubwatch_detectors.step_delay import StepDelay

MOST_WAITING = 64
MEMORY = 200
"""Samples that a portal's background looks back over."""
MOST_SENSORS = 2000
MOST_SHADOWS = 50
MISSED_SHARE = 20
"""One in so many of the shadows known may be of an empty occupancy. Our choice."""
NO_SHADOW = 2.0
"""Deviations of counting up to which there is no shadow."""
SET_FROM = 0.5
GRANT = "grant!"
"""Key of the newest grant among the channels: no channel can be called so."""

NO_PASSAGE = ("device.", "command.")
"""Events of these families are not of a vehicle."""


class ExpectedConfig(DetectorConfig):
    """When something counts as not having happened."""

    debounce_s: float = Field(5.0, ge=0, description="Signs of one vehicle at one step, closer than this, are one.")
    grace_s: float = Field(10.0, ge=0, description="Seconds beyond a step's own time; reports come by other ways.")
    grant_s: float = Field(15.0, gt=0, description="Seconds after a grant in which the door is opened.")
    chance: float = Field(1e-6, gt=0, lt=0.1, description="Probability of a row of unused grants that is found.")
    min_grants: int = Field(20, ge=5, description="Grants of history before a door is judged.")
    min_shadows: int = Field(20, ge=5, le=MOST_SHADOWS, description="Vehicles of history before shadows are judged.")
    shadow_sigma: float = Field(4.0, gt=1, description="Deviations of counting that a judged shadow must have.")


class Awaited(msgspec.Struct):
    """What is expected at a sensor; times in µs."""

    since: int
    due: int
    lane: str
    before: str


class Step(msgspec.Struct):
    """A sensor of a lane or a door."""

    noticed: int = 0
    last: dict[str, int] = {}
    """The newest reading of each channel, and the newest grant."""
    states: dict[str, bool] = {}
    waiting: list[Awaited] = []
    delay: StepDelay = msgspec.field(default_factory=StepDelay)
    granted: int | None = None
    grants: int = 0
    unused: int = 0
    row: int = 0
    row_since: int = 0
    found: bool = False
    """Whether this row was found already."""
    scans: bool = False
    """Whether it is a scanner, of which `screening` tells."""


class PortalShadows(msgspec.Struct):
    """A portal's counts, outside an occupancy and in it."""

    occupied: int | None = None
    background: float = 0.0
    samples: int = 0
    inside: float = 0.0
    inside_samples: int = 0
    shadows: list[float] = []
    """Share of the background that each vehicle kept away."""


class ExpectedMemory(msgspec.Struct):
    """The lanes, doors and portals of a hub."""

    steps: dict[str, Step] = {}
    portals: dict[str, PortalShadows] = {}


class WatchedSensor(NamedTuple):
    """What follows from the inventory of a sensor: its channels, and those of them that count gamma in a portal."""

    sensor: Sensor
    channels: dict[str, ChannelKind]
    panels: tuple[str, ...]
    is_portal: bool
    scans: bool

    @classmethod
    def of(cls, sensor: Sensor) -> WatchedSensor:
        """Return it of a sensor."""
        channels = {each.name: each.kind for each in sensor.channels}
        is_portal = sensor.kind is SensorKind.RADIATION_PORTAL
        panels = [
            name for name, kind in channels.items() if name.startswith("gamma.") and kind is not ChannelKind.STATE
        ]
        return cls(sensor, channels, tuple(sorted(panels)) if is_portal else (), is_portal,
                   sensor.kind is SensorKind.SCREENING)  # fmt: skip


class NotHappened(Detector[ExpectedMemory]):
    """What should happen at one hub."""

    def __init__(self, config: ExpectedConfig, origin: Origin, site: Site) -> None:
        self.config, self.origin, self.memory = config, origin, ExpectedMemory()
        self._due = ALWAYS
        self._debounce_us = round(config.debounce_s * SECOND_US)
        self._grant_us, self._grace_us = round(config.grant_s * SECOND_US), round(config.grace_s * SECOND_US)
        here = site.of(origin.hub)
        self._next: dict[str, list[tuple[str, str, int]]] = {}
        """By sensor: lane, next sensor, and the time to it (µs)."""
        self._steps: set[str] = set()
        self._watched: dict[str, WatchedSensor] = {}
        for lane in here.lanes if here is not None else ():
            for before, after in zip(lane.steps, lane.steps[1:], strict=False):
                self._steps |= {before.sensor, after.sensor}
                if after.within_s is not None and after.share == 1 and before.share == 1:
                    step = (lane.id, after.sensor, round(after.within_s * SECOND_US))
                    self._next.setdefault(before.sensor, []).append(step)

    def looks_at(self, sensor: Sensor) -> bool:
        """Return whether a sensor is a step of a lane, a door, or a portal."""
        return sensor.sensor in self._steps or sensor.kind in {SensorKind.ACCESS, SensorKind.RADIATION_PORTAL}

    def stands_apart(self, sensor: Sensor) -> bool:
        """Return whether a sensor is of no lane: doors and portals have only their own habits."""
        return sensor.sensor not in self._steps

    def restore(self, state: bytes) -> None:
        """Take up a saved state."""
        super().restore(state)
        self._due = ALWAYS

    def due(self) -> int:
        """Return when the next thing is missed, unless it comes."""
        return self._due

    def update(self, chunk: Chunk) -> list[Finding]:
        """Follow lanes, doors and portals."""
        sensor, found = chunk.sensor, list[Finding]()
        watched = self._watched_of(sensor)
        step = self._step(sensor.sensor) if watched is not None else None
        if step is None or watched is None:
            return found
        step.scans, channels = watched.scans, watched.channels
        if self._nothing_happens(step, chunk, channels):
            self._go_on(watched, step, chunk)
            return found
        for item in chunk.moments():
            found += self._expire(sensor.sensor, step, item.t - 1)
            if isinstance(item, Event):
                self._event(sensor, step, item)
            elif item.channel in channels and item.t > step.last.get(item.channel, 0):
                step.last[item.channel] = item.t
                found += self._reading(sensor, step, item, channels[item.channel])
        return found

    def advance(self, now: int) -> list[Finding]:
        """Find what did not come in its time."""
        steps = self.memory.steps.items()
        found = [finding for name, step in steps for finding in self._expire(name, step, now)]
        self._due = min((self._misses(step) for _, step in steps), default=NEVER)
        return found

    def _misses(self, step: Step) -> int:
        """Return when a step misses something next."""
        waiting = step.waiting[0].due + 1 if step.waiting else NEVER
        return waiting if step.granted is None else min(waiting, step.granted + self._grant_us + 1)

    def _watched_of(self, sensor: Sensor) -> WatchedSensor | None:
        """Return what follows from the inventory, worked out once; None of a sensor that is not looked at."""
        known = self._watched.get(sensor.sensor)
        if known is None or known.sensor is not sensor:
            if not self.looks_at(sensor):
                return None
            if known is None and len(self._watched) >= MOST_SENSORS:
                self._watched.clear()
            known = self._watched[sensor.sensor] = WatchedSensor.of(sensor)
        return known

    def _nothing_happens(self, step: Step, chunk: Chunk, channels: Mapping[str, ChannelKind]) -> bool:
        """Return whether no state changes and nothing is waited for, so that only counts may matter."""
        if chunk.events or step.waiting or step.granted is not None:
            return False
        times = chunk.columns[0].t
        for name, t, x in chunk.columns:
            if (t is not times and t != times) or t[0] <= step.last.get(name, 0):
                return False
            if channels.get(name) is ChannelKind.STATE:
                was = step.states.get(name)
                if was is None or ((min(x) if was else max(x)) >= SET_FROM) is not was:
                    return False
        return chunk.steps(times).least > 0

    def _go_on(self, watched: WatchedSensor, step: Step, chunk: Chunk) -> None:
        """Take readings of which only the counts of a portal matter."""
        last, channels, panels = step.last, watched.channels, dict[str, list[float]]()
        for name, t, x in chunk.columns:
            if name in channels:
                last[name] = t[-1]
                if name in watched.panels:
                    panels[name] = x
        if not watched.is_portal:
            return
        portal = self.memory.portals.get(watched.sensor.sensor)
        if portal is None:
            portal = self.memory.portals[watched.sensor.sensor] = PortalShadows()
        if panels:
            rows = zip(*[panels[name] for name in watched.panels if name in panels], strict=True)
            _count(portal, list(chain.from_iterable(rows)))

    def _expire(self, name: str, step: Step, now: int) -> list[Finding]:
        """Judge what should have come to a sensor up to `now`."""
        found: list[Finding] = []
        while step.waiting and now > step.waiting[0].due:
            missing = step.waiting.pop(0)
            step.delay.miss(missing.since, missing.due)
            found += [] if step.scans else [self._not_noticed(name, missing)]
        if step.granted is not None and now > step.granted + self._grant_us:
            found += self._unused(name, step, step.granted)
        return found

    def rewind(self) -> None:
        """Keep the habits of lanes, doors and portals."""
        steps = {
            name: Step(
                grants=step.grants, unused=step.unused, delay=msgspec.structs.replace(step.delay, doubted_until=0)
            )
            for name, step in self.memory.steps.items()
        }
        portals = {name: PortalShadows(shadows=portal.shadows) for name, portal in self.memory.portals.items()}
        self.memory = ExpectedMemory(steps, portals)

    def _step(self, name: str) -> Step | None:
        step = self.memory.steps.get(name)
        if step is None and len(self.memory.steps) < MOST_SENSORS:
            step = self.memory.steps[name] = Step()
        return step

    def _event(self, sensor: Sensor, step: Step, event: Event) -> None:
        if event.type == "access.granted" and event.t > step.last.get(GRANT, 0):
            step.granted = step.last[GRANT] = event.t
            self._due = min(self._due, event.t + self._grant_us + 1)
        elif event.type == "door.opened":
            _opened(step)
        if sensor.sensor in self._steps and not event.type.startswith(NO_PASSAGE):
            self._notice(sensor.sensor, step, event.t)

    def _reading(self, sensor: Sensor, step: Step, reading: ChunkReading, kind: ChannelKind) -> list[Finding]:
        if kind is ChannelKind.STATE:
            return self._state(sensor, step, reading)
        if sensor.kind is SensorKind.RADIATION_PORTAL and reading.channel.startswith("gamma."):
            _count(self.memory.portals.setdefault(sensor.sensor, PortalShadows()), (reading.value,))
        return []

    def _state(self, sensor: Sensor, step: Step, reading: ChunkReading) -> list[Finding]:
        is_set = reading.value >= SET_FROM
        was = step.states.get(reading.channel)
        step.states[reading.channel] = is_set
        found: list[Finding] = []
        if is_set == was or was is None:
            return found
        if is_set and sensor.sensor in self._steps:
            self._notice(sensor.sensor, step, reading.t)
        if is_set and reading.channel == "position":
            _opened(step)
        if reading.channel == "occupied" and sensor.kind is SensorKind.RADIATION_PORTAL:
            found += self._occupancy(sensor.sensor, reading.t, begins=is_set)
        return found

    def _notice(self, name: str, step: Step, t: int) -> None:
        """A vehicle is noticed: what was expected here has come, and the next step is expected now."""
        if t <= step.noticed + self._debounce_us:
            step.noticed = max(step.noticed, t)
            return
        step.noticed = t
        if step.waiting:
            del step.waiting[step.delay.take([each.since for each in step.waiting], t)]
        else:
            step.delay.surplus(t)
        for lane, after, within in self._next.get(name, ()):
            expected = self._step(after)
            if expected is not None and expected.noticed < t and len(expected.waiting) < MOST_WAITING:
                expected.waiting.append(Awaited(t, t + within + self._grace_us, lane, name))
                self._due = min(self._due, t + within + self._grace_us + 1)

    def _not_noticed(self, name: str, waiting: Awaited) -> Detection:
        seconds = (waiting.due - self._grace_us - waiting.since) / SECOND_US
        return self.origin.detection(
            "integrity.not_happened",
            sensor=name,
            subject=f"lane:{waiting.lane}",
            start=waiting.since,
            end=waiting.due,
            detected=waiting.due,
            score=1.0,
            priority=Priority.HIGH,
            why=f"what passed {waiting.before} in lane {waiting.lane} did not come to {name} within {seconds:.0f} s",
            evidence={"what": "lane step", "before": waiting.before, "within_s": seconds},
        )

    def _unused(self, name: str, step: Step, granted: int) -> list[Finding]:
        """A grant was not followed by an opening: judge the row of them."""
        step.granted = None
        step.row_since = step.row_since if step.row else granted
        step.row += 1
        share = (step.unused + 1) / (step.grants + 10)
        log10_chance = step.row * math.log10(share)
        if step.found or step.grants < self.config.min_grants or log10_chance > math.log10(self.config.chance):
            return []
        step.found = True
        at = granted + self._grant_us
        return [
            self.origin.detection(
                "integrity.not_happened",
                sensor=name,
                start=step.row_since,
                end=at,
                detected=at,
                score=-log10_chance,
                priority=Priority.MEDIUM,
                why=f"{step.row} grants in a row and the door was not opened; by its history ({step.unused} of "
                f"{step.grants} grants unused) that has a probability of 1e{log10_chance:.0f}",
                evidence={"what": "grant without opening", "grants": step.row, "unused_share": round(share, 4)},
            )
        ]

    def _occupancy(self, name: str, t: int, *, begins: bool) -> list[Finding]:
        portal = self.memory.portals.setdefault(name, PortalShadows())
        if begins:
            portal.occupied, portal.inside, portal.inside_samples = t, 0.0, 0
            return []
        since, portal.occupied = portal.occupied, None
        usual = portal.background * portal.inside_samples
        if since is None or portal.samples < 100 or usual <= 0:
            return []
        shadow, deviation = 1 - portal.inside / usual, 1 / math.sqrt(usual)
        known, least = portal.shadows, _least(portal.shadows)
        judged = len(known) >= self.config.min_shadows and least >= self.config.shadow_sigma * deviation
        if judged and abs(shadow) < min(least / 2, NO_SHADOW * deviation):
            return [self._no_shadow(name, since, t, shadow, deviation, known)]
        if shadow > -NO_SHADOW * deviation:
            portal.shadows = [*known, shadow][-MOST_SHADOWS:]
        return []

    def _no_shadow(
        self, name: str, since: int, t: int, shadow: float, deviation: float, known: list[float]
    ) -> Detection:
        return self.origin.detection(
            "integrity.not_happened",
            sensor=name,
            subject="shadow",
            start=since,
            end=t,
            detected=t,
            score=(_least(known) - shadow) / deviation,
            priority=Priority.MEDIUM,
            why=f"the portal was occupied and the background did not fall: {100 * shadow:.1f} %, where 95 % of the "
            f"last {len(known)} vehicles kept away {100 * _least(known):.0f} % or more",
            evidence={"what": "occupancy without shadow", "shadow": round(shadow, 4), "deviation": round(deviation, 4),
                      "shadows": [round(each, 3) for each in known]},
        )  # fmt: skip


def _least(known: list[float]) -> float:
    """Return the smallest shadow that is a vehicle's."""
    return sorted(known)[len(known) // MISSED_SHARE] if known else 0.0


def _count(portal: PortalShadows, values: Sequence[float]) -> None:
    if portal.occupied is not None:
        inside = portal.inside
        for value in values:
            inside += value
        portal.inside, portal.inside_samples = inside, portal.inside_samples + len(values)
        return
    samples, background = portal.samples, portal.background
    if samples >= MEMORY:
        share, samples = 1 / MEMORY, samples + len(values)
        for value in values:
            background += (value - background) * share
    else:
        for value in values:
            samples += 1
            background += (value - background) * (1 / (samples if samples < MEMORY else MEMORY))
    portal.samples, portal.background = samples, background


def _opened(step: Step) -> None:
    """A door was opened: the grant before, if there was one, was used."""
    if step.granted is not None:
        step.grants += 1
        if step.row and not step.found:
            step.grants, step.unused = step.grants + step.row, step.unused + step.row
    step.granted, step.row, step.found = None, 0, False


SPEC = Spec(
    name="expected",
    version=2,
    scope=Scope.HUB,
    types=("integrity.not_happened",),
    config=ExpectedConfig,
    make=NotHappened,
    no_share={"integrity.not_happened": no_rate("steps of lanes", "chance", "shadow_sigma")},
    source="rules for lanes, by usual delays; binomial chance by a door's own history; counting statistics of shadows",
    warm_up="none for lanes, 20 vehicles for their delays; min_grants grants, min_shadows vehicles",
)
