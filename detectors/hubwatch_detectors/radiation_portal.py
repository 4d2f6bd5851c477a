"""Radiation portal: more gamma or neutron counts during an occupancy than the running background explains.

Method. Counts of all panels in a sliding window (gamma 1 s, neutron 2 s) are held against the background, which is
learned only from good samples of the unoccupied portal. Gamma alarms at `gamma_sigma` standard deviations of the
background, the rule of vendors' portals (sliding sum of 5 × 200 ms against B + N·sqrt(B); open Rapiscan driver of
osh-oakridge-modules, TSA VM-250AGN manual). Neutron counts are few, so there the exact tail probability decides
(Bridgeport PMT-N2K: P(n > N | mu) below 1e-4 … 1e-6). Neutrons get 2 s, because ship-effect spikes are non-Poisson at
0.1 s and Poisson again at 2 s (APS DNP 2007).

A vehicle shields the background ("baseline depression", Geelhood 2003, PNNL-14363; about 15 %, Ludlum 4525 manual
p. 16). Judged against the unshielded background the false-alarm rate is then lower than stated, and so is the
sensitivity. Measured rates and delays: `docs/reference/detectors.md`.
"""

from __future__ import annotations

from statistics import NormalDist

import msgspec
from pydantic import Field

from hubwatch_core.clock import SECOND_US
from hubwatch_core.wire import Clear, Detection, Event
from hubwatch_core.words import Priority, SensorKind
from hubwatch_detectors.chunk import Chunk, Reading
from hubwatch_detectors.contract import Detector, DetectorConfig, Finding, Origin, Scope, Site, Spec
from hubwatch_detectors.counting import Excess
from hubwatch_detectors.panels import Panel, excess, take

MOST_PANELS = 16
"""Channels of one kind beyond it are not taken; the portals known have up to 8."""
RAREST = 1e-300
OCCUPIED_FROM = 0.5
RAYS = ("gamma", "neutron")


class RadiationPortalConfig(DetectorConfig):
    """Thresholds and windows of the portal detector."""

    gamma_sigma: float = Field(5.0, gt=0, le=50, description="Gamma alarms at this many sqrt(B) in an occupancy.")
    neutron_chance: float = Field(
        1e-6, gt=0, lt=0.1, description="Neutrons alarm when background gives as many with less than this probability."
    )
    continuous_sigma: float = Field(
        6.0, gt=0, le=50, description="Gamma threshold without an occupancy signal, when every moment is judged."
    )
    continuous_chance: float = Field(1e-9, gt=0, lt=0.1, description="Neutron threshold without an occupancy signal.")
    gamma_window_s: float = Field(1.0, gt=0, le=10, description="Seconds of the sliding gamma sum.")
    neutron_window_s: float = Field(2.0, gt=0, le=30, description="Seconds of the sliding neutron sum.")
    background_samples: int = Field(300, ge=20, le=100_000, description="Samples the running background looks back.")
    background_least: int = Field(10, ge=5, le=1000, description="Background samples before anything is judged.")
    guard_s: float = Field(
        1.0, ge=0, le=60, description="Seconds before and after an occupancy that the background does not learn from."
    )
    gate_sigma: float = Field(3.5, gt=0, le=50, description="Samples this far off the background are not learned.")
    relearn_s: float = Field(
        300.0, gt=0, description="Seconds off the background, without an alarm, after which it is learned anew."
    )
    occupancy_hold_s: float = Field(
        30.0, gt=0, description="Seconds without an occupancy reading after which every moment is judged."
    )
    clear_s: float = Field(3.0, gt=0, description="Seconds without excess that end an alarm outside an occupancy.")
    own_alarms: bool = Field(True, description="Whether the portal's own alarm counts as a finding.")


class Alarm(msgspec.Struct):
    """An alarm that is open: the id of its detection, and when the counts were last in excess."""

    id: str
    over: int


class Ray(msgspec.Struct):
    """Gamma or neutron: its panels, its open alarm, and since when the unoccupied portal has been off."""

    panels: dict[str, Panel] = {}
    alarm: Alarm | None = None
    off_since: int | None = None


class PortalMemory(msgspec.Struct):
    """What one portal remembers. Times are µs; a row is the samples of one moment, (time, value) by channel."""

    gamma: Ray
    neutron: Ray
    row_t: int = 0
    row: dict[str, tuple[int, float]] = {}
    occupied: bool = False
    occupied_seen: int = 0
    since: int = 0
    settled: int = 0
    """The end of the guard time after the last occupancy."""


class RadiationPortal(Detector[PortalMemory]):
    """One portal. The samples of one moment form a row; a row is judged once a later moment has begun."""

    def __init__(self, config: RadiationPortalConfig, origin: Origin, _site: Site) -> None:
        self.config, self.origin = config, origin
        self.memory = PortalMemory(Ray(), Ray())
        self._windows_us = (round(config.gamma_window_s * SECOND_US), round(config.neutron_window_s * SECOND_US))
        self._gate_chance = NormalDist().cdf(-config.gate_sigma)

    def update(self, chunk: Chunk) -> list[Finding]:
        """Judge each row that is complete, and take the portal's own alarm."""
        found: list[Finding] = []
        for item in chunk.moments():
            if item.t > self.memory.row_t:
                found += self._close_row()
                self.memory.row_t = item.t
            if isinstance(item, Event):
                found += self._own_alarm(item)
            else:
                self._into_row(item)
        return found

    def advance(self, now: int) -> list[Finding]:
        """Judge the last row when `now` is past it."""
        return self._close_row() if now > self.memory.row_t else []

    def rewind(self) -> None:
        """Keep the backgrounds."""
        self.memory = PortalMemory(_background(self.memory.gamma), _background(self.memory.neutron))

    def _into_row(self, item: Reading) -> None:
        head, _, _ = item.channel.partition(".")
        if head in RAYS or item.channel == "occupied":
            present = self.memory.row.get(item.channel)
            if present is None or present[0] < item.t:
                self.memory.row[item.channel] = (item.t, item.value)

    def _close_row(self) -> list[Finding]:
        memory, row = self.memory, self.memory.row
        if not row:
            return []
        memory.row = {}
        found = self._occupancy(row.get("occupied"))
        for ray, window_us in zip(RAYS, self._windows_us, strict=True):
            samples = {name: sample for name, sample in row.items() if name.partition(".")[0] == ray}
            if samples:
                found += self._judge(ray, samples, window_us)
        return found

    def _occupancy(self, sample: tuple[int, float] | None) -> list[Finding]:
        memory = self.memory
        if sample is None or sample[0] <= memory.occupied_seen:
            return []
        t, was = sample[0], memory.occupied
        memory.occupied_seen, memory.occupied = t, sample[1] >= OCCUPIED_FROM
        if memory.occupied and not was:
            memory.since = t
            for ray in RAYS:
                self._unlearn(self._ray(ray))
        elif was and not memory.occupied:
            memory.settled = t + round(self.config.guard_s * SECOND_US)
            return [finding for ray in RAYS for finding in self._clear(self._ray(ray), t, t)]
        return []

    def _judge(self, kind: str, samples: dict[str, tuple[int, float]], window_us: int) -> list[Finding]:
        ray, t = self._ray(kind), self.memory.row_t
        taken = take(ray.panels, samples, window_us, MOST_PANELS)
        if not taken:
            return []
        now = excess(ray.panels.values(), self.config.background_least)
        known = t - self.memory.occupied_seen <= self.config.occupancy_hold_s * SECOND_US
        if not (known and self.memory.occupied):
            self._learn(kind, samples, taken, now)
        if now is None:
            return []
        if known and not self.memory.occupied:
            return self._settle(kind, now)
        found = self._raise_if_over(kind, now, in_occupancy=known)
        return found if found or known else self._settle(kind, now)

    def _raise_if_over(self, kind: str, now: Excess, *, in_occupancy: bool) -> list[Finding]:
        ray, config = self._ray(kind), self.config
        if kind == "gamma":
            over = now.sigma >= (config.gamma_sigma if in_occupancy else config.continuous_sigma)
        else:
            over = now.chance < (config.neutron_chance if in_occupancy else config.continuous_chance)
        if ray.alarm is not None or not over:
            return []
        start = (
            self.memory.since
            if in_occupancy
            else min(panel.window[0][0] for panel in ray.panels.values() if panel.window)
        )
        return [self._open(kind, start, self.memory.row_t, now, own=False)]

    def _settle(self, kind: str, now: Excess) -> list[Finding]:
        """Outside an occupancy an alarm ends when there has been no excess for `clear_s`."""
        ray, t = self._ray(kind), self.memory.row_t
        if ray.alarm is None:
            return []
        if self._off(kind, now):
            ray.alarm.over = t
        if t - ray.alarm.over < self.config.clear_s * SECOND_US:
            return []
        return self._clear(ray, ray.alarm.over, t)

    def _learn(self, kind: str, samples: dict[str, tuple[int, float]], taken: list[str], now: Excess | None) -> None:
        ray, t = self._ray(kind), self.memory.row_t
        if now is not None and self._off(kind, now):
            self._unlearn(ray)
            ray.off_since = t if ray.off_since is None else ray.off_since
            if ray.alarm is None and t - ray.off_since >= self.config.relearn_s * SECOND_US:
                ray.off_since = None
                for panel in ray.panels.values():
                    panel.mean = panel.learned = 0.0
            return
        ray.off_since = None
        ripe = t - round(self.config.guard_s * SECOND_US)
        for name in taken:
            if samples[name][0] >= self.memory.settled:
                ray.panels[name].waiting.append(samples[name])
            ray.panels[name].learn(ripe, self.config.background_samples)

    def _off(self, kind: str, now: Excess) -> bool:
        """Tell whether a window does not look like background."""
        return abs(now.sigma) >= self.config.gate_sigma if kind == "gamma" else now.chance < self._gate_chance

    def _own_alarm(self, event: Event) -> list[Finding]:
        kind = event.attrs.get("kind")
        if event.type != "portal.alarm" or kind not in RAYS or not self.config.own_alarms:
            return []
        ray = self._ray(kind)
        if ray.alarm is not None:
            ray.alarm.over = max(ray.alarm.over, event.t)
            return []
        if event.t < self.memory.settled:
            return []
        start = self.memory.since if self.memory.occupied else event.t
        now = excess(ray.panels.values(), self.config.background_least)
        return [self._open(kind, start, event.t, now, own=True)]

    def _open(self, kind: str, start: int, t: int, now: Excess | None, *, own: bool) -> Detection:
        detection = self.origin.detection(
            f"radiation.{kind}",
            start=start,
            detected=t,
            score=_sigma(kind, now) if now else 0.0,
            priority=Priority.CRITICAL,
            why=_why(kind, now, own=own),
            evidence=_evidence(now, own=own, occupied=self.memory.occupied),
        )
        self._ray(kind).alarm = Alarm(detection.id, t)
        return detection

    def _clear(self, ray: Ray, end: int, t: int) -> list[Finding]:
        alarm, ray.alarm = ray.alarm, None
        return [Clear(alarm.id, end, t)] if alarm else []

    def _unlearn(self, ray: Ray) -> None:
        for panel in ray.panels.values():
            panel.waiting = []

    def _ray(self, kind: str) -> Ray:
        return self.memory.gamma if kind == "gamma" else self.memory.neutron


def _background(ray: Ray) -> Ray:
    return Ray({name: Panel(mean=panel.mean, learned=panel.learned) for name, panel in ray.panels.items()})


def _sigma(kind: str, now: Excess) -> float:
    """Give the excess in standard deviations; for neutrons the normal deviate of the same probability."""
    return now.sigma if kind == "gamma" else -NormalDist().inv_cdf(min(max(now.chance, RAREST), 0.5))


def _why(kind: str, now: Excess | None, *, own: bool) -> str:
    if now is None:
        return f"the portal itself alarms on {kind}; no background is learned yet"
    seen = f"{now.counts:.0f} {kind} counts where background gives {now.expected:.1f}"
    measure = f"{now.sigma:.1f} sigma" if kind == "gamma" else f"probability {now.chance:.1e}"
    return f"the portal itself alarms on {kind}: {seen}" if own else f"{seen} ({measure})"


def _evidence(now: Excess | None, *, own: bool, occupied: bool) -> dict[str, object]:
    facts: dict[str, object] = {"occupied": occupied, "own_alarm": own}
    if now is not None:
        facts |= {
            "counts": now.counts,
            "expected": round(now.expected, 3),
            "sigma": round(now.sigma, 3),
            "chance": now.chance,
            "samples": now.samples,
            "background_samples": now.learned,
        }
    return facts


SPEC = Spec(
    name="radiation_portal",
    version=1,
    scope=Scope.SENSOR,
    types=("radiation.gamma", "radiation.neutron"),
    config=RadiationPortalConfig,
    make=RadiationPortal,
    kinds=frozenset({SensorKind.RADIATION_PORTAL}),
)
