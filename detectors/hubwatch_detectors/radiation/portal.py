"""Radiation portal: is there a source in this vehicle?

Method. Each vehicle is judged when it leaves, by the whole profile of its counts: a likelihood ratio in which shadow,
load, place, width and strength of a source are averaged out (`gamma.py`, `neutron.py`), with the threshold that
belongs to the allowed false alarms per occupancy (`thresholds.py`). A long smooth profile is reported as NORM. An
alarm comes at once where the sliding sum (gamma 1 s, neutron 2 s) is above what cargo can cause. The background is
learned only from good samples of the unoccupied portal (`panels.py`).

Without an occupancy signal the sliding sum alone decides. This is the rule of manufacturers' portals (sum of 5 × 200 ms
against B + N·sqrt(B): open Rapiscan driver of osh-oakridge-modules, TSA VM-250AGN manual; for neutrons the exact tail
probability: Bridgeport PMT-N2K). Neutrons get 2 s, because ship-effect spikes are non-Poisson at 0.1 s and Poisson
again at 2 s (APS DNP 2007).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from statistics import NormalDist

from hubwatch_core.clock import SECOND_US
from hubwatch_core.wire import Clear, Detection, Event
from hubwatch_core.words import Priority, SensorKind
from hubwatch_detectors.chunk import Chunk, ChunkReading, Column
from hubwatch_detectors.contract import NEVER, Detector, Finding, Origin, Scope, Site, Spec
from hubwatch_detectors.radiation import findings
from hubwatch_detectors.radiation.counting import LEAST_VARIANCE, Excess
from hubwatch_detectors.radiation.panels import take
from hubwatch_detectors.radiation.portal_config import RadiationPortalConfig
from hubwatch_detectors.radiation.portal_memory import RAYS, PortalAlarm, PortalMemory, Ray, ray_of
from hubwatch_detectors.radiation.profile import Profile, binned
from hubwatch_detectors.radiation.quiet_rows import QuietRay, is_quiet, take_quietly
from hubwatch_detectors.radiation.verdict import ProfileVerdict, judge_gamma, judge_neutron
from hubwatch_detectors.rates import Rate, no_rate, vehicles

__all__ = ["SPEC", "RadiationPortal", "RadiationPortalConfig"]

MOST_PANELS = 16
"""Channels of one kind beyond it are not taken; the portals known have up to 8."""
OCCUPIED_FROM = 0.5
USUAL_DISTANCE_M = 2.5
SPEEDS_M_S = (0.2, 40.0)
FIRST_LOOK_US = 60 * SECOND_US
"""A vehicle that stays is judged after 1, 2, 4, … minutes too."""
LOOK_SHARE = 0.1
"""Share of the allowed false alarms for each of these looks."""
SILENT_US = 600 * SECOND_US
USUAL = ((1e-3, 9.0), (0.1, 1.0))
"""Counts of up to three Poisson deviations above what is expected are never rarer than 1e-3 (the least of all means is
1.4e-3), of up to one never than 0.1 (0.16): chances, and variances of counts. What a learned background leads to expect
scatters wider.
"""
NEUTRON_MEMORY = 4.0
"""Neutron background is remembered longer: its counts are few, and rain does not move it."""


ColumnsByName = Mapping[str, Sequence[float]]


class RadiationPortal(Detector[PortalMemory]):
    """One portal. The samples of one moment form a row; a row is judged once a later moment has begun."""

    def __init__(self, config: RadiationPortalConfig, origin: Origin, site: Site) -> None:
        self.config, self.origin = config, origin
        self.memory = PortalMemory(Ray(), Ray())
        self._windows_us = (round(config.gamma_window_s * SECOND_US), round(config.neutron_window_s * SECOND_US))
        self._gate_chance = NormalDist().cdf(-config.gate_sigma)
        self._usual, self._usual_continuous = _usual(self._gate_chance), _usual(config.continuous_chance)
        self._distance_m = _distance(site, origin)
        self._quiet = {kind: self._quiet_ray(kind) for kind in RAYS}

    def update(self, chunk: Chunk) -> list[Finding]:
        """Judge each row that is complete, and take the portal's own alarm."""
        if not chunk.events:
            columns = [each for each in chunk.columns if _is_of_row(each.channel)]
            if columns and all(each.t == columns[0].t for each in columns[1:]):
                return self._rows(columns)
        found: list[Finding] = []
        for item in chunk.moments():
            if item.t > self.memory.row_t:
                found += self.advance(item.t)
                self.memory.row_t = item.t
            if isinstance(item, Event):
                found += self._own_alarm(item)
            else:
                self._into_row(item)
        return found

    def _rows(self, columns: Sequence[Column]) -> list[Finding]:
        """Take columns that were read together; unless all is quiet the last row waits for the rest of its moment."""
        times, found, row, asks = columns[0].t, list[Finding](), 0, True
        values = {each.channel: each.x for each in columns}
        while row < len(times):
            if times[row] > self.memory.row_t:
                found += self.advance(times[row])
            end = self._unoccupied(values, row) if asks else row
            if end > row:
                part = {name: x[row:end] for name, x in values.items()}
                by_kind = self._quiet_columns(times[row:end], part)
                if by_kind is not None:
                    found += self._quiet_rows(times[row:end], by_kind)
                    row = end
                    continue
                asks = False
            self._wait(times[row], {name: x[row] for name, x in values.items()})
            row += 1
        return found

    def _wait(self, t: int, row: Mapping[str, float]) -> None:
        """Let a row wait for the rest of its moment."""
        memory = self.memory
        memory.row_t = max(memory.row_t, t)
        for name, value in row.items():
            present = memory.row.get(name)
            if present is None or present[0] < t:
                memory.row[name] = (t, value)

    def _unoccupied(self, values: ColumnsByName, row: int) -> int:
        """Return up to where, from `row` on, nobody is in the portal."""
        occupied = values.get("occupied")
        if occupied is None or self.memory.occupied:
            return row
        return next((i for i in range(row, len(occupied)) if occupied[i] >= OCCUPIED_FROM), len(occupied))

    def _quiet_columns(self, times: Sequence[int], values: ColumnsByName) -> dict[str, ColumnsByName] | None:
        """Return the columns by ray, where nobody is in the portal, nothing is open, and the rows are whole and in
        order; else None.
        """
        memory, occupied = self.memory, values.get("occupied")
        if occupied is None or memory.occupied or memory.row or max(occupied) >= OCCUPIED_FROM:
            return None
        if times[0] <= max(memory.row_t, memory.occupied_seen) or len(set(times)) < len(times):
            return None
        by_kind: dict[str, ColumnsByName] = {
            kind: {name: x for name, x in values.items() if ray_of(name) == kind} for kind in RAYS
        }
        return by_kind if all(is_quiet(memory.ray(kind), times, by_kind[kind]) for kind in RAYS) else None

    def _quiet_rows(self, times: Sequence[int], by_kind: Mapping[str, ColumnsByName]) -> list[Finding]:
        """Judge rows of a quiet portal, of each ray as far as it stays quiet in one go."""
        memory, found = self.memory, list[Finding]()
        for kind, window_us in zip(RAYS, self._windows_us, strict=True):
            ray, columns, row = memory.ray(kind), by_kind[kind], 0
            while columns and row < len(times):
                row, now = take_quietly(ray, self._quiet[kind], memory.settled, times, columns, row)
                if now is None:
                    break
                memory.row_t = memory.occupied_seen = times[row]
                found += self._learn(
                    kind, {name: (times[row], columns[name][row]) for name in columns}, [*columns], now
                )
                row += 1
                if ray.shift is not None:
                    found += self._rest(kind, window_us, times[row:], [(name, x[row:]) for name, x in columns.items()])
                    break
        memory.row_t = memory.occupied_seen = times[-1]
        return found

    def _rest(
        self, kind: str, window_us: int, times: Sequence[int], columns: Sequence[tuple[str, Sequence[float]]]
    ) -> list[Finding]:
        """Judge the rows of one ray that are left when it is no longer quiet, one by one."""
        found: list[Finding] = []
        for i, t in enumerate(times):
            self.memory.row_t = self.memory.occupied_seen = t
            found += self._judge(kind, {name: (t, x[i]) for name, x in columns}, window_us)
        return found

    def due(self) -> int:
        """Return when the last row is complete, or a portal that was off its background is silent for long."""
        memory = self.memory
        if memory.row:
            return memory.row_t + 1
        is_off = memory.gamma.shift is not None or memory.neutron.shift is not None
        return memory.row_t + SILENT_US + 1 if is_off else NEVER

    def advance(self, now: int) -> list[Finding]:
        """Judge the last row when `now` is past it; end reports on the background of a portal that fell silent."""
        found = self._close_row() if now > self.memory.row_t else []
        if now > self.memory.row_t + SILENT_US:
            found += [
                self._end_shift(ray, self.memory.row_t + SILENT_US)
                for ray in (self.memory.gamma, self.memory.neutron)
                if ray.shift is not None
            ]
        return found

    def rewind(self) -> None:
        """Keep the backgrounds."""
        self.memory = PortalMemory(self.memory.gamma.learned(), self.memory.neutron.learned())

    def _quiet_ray(self, kind: str) -> QuietRay:
        """Return how a ray is followed while nothing happens."""
        gamma, config = kind == "gamma", self.config
        window_us, guard_us = self._windows_us[RAYS.index(kind)], round(config.guard_s * SECOND_US)
        memory = config.background_samples * (1.0 if gamma else NEUTRON_MEMORY)
        usual = 0.99 * config.gate_sigma**2 if gamma else 0.99 * self._usual
        floor = LEAST_VARIANCE if gamma else 0.0
        return QuietRay(window_us, guard_us, memory, config.min_background_samples, usual, floor, not gamma)

    def _into_row(self, item: ChunkReading) -> None:
        if _is_of_row(item.channel):
            present = self.memory.row.get(item.channel)
            if present is None or present[0] < item.t:
                self.memory.row[item.channel] = (item.t, item.value)

    def _close_row(self) -> list[Finding]:
        memory, row = self.memory, self.memory.row
        if not row:
            return []
        memory.row = {}
        found = self._occupancy(row.get("occupied"))
        speed = row.get("speed")
        if memory.occupied and speed is not None and SPEEDS_M_S[0] <= speed[1] <= SPEEDS_M_S[1]:
            memory.speed = speed[1]
        for kind, window_us in zip(RAYS, self._windows_us, strict=True):
            samples = {name: sample for name, sample in row.items() if ray_of(name) == kind}
            if samples:
                found += self._judge(kind, samples, window_us)
        return found

    def _occupancy(self, sample: tuple[int, float] | None) -> list[Finding]:
        memory = self.memory
        if sample is None or sample[0] <= memory.occupied_seen:
            return []
        t, was = sample[0], memory.occupied
        memory.occupied_seen, memory.occupied = t, sample[1] >= OCCUPIED_FROM
        if memory.occupied and not was:
            memory.since, memory.speed = t, 0.0
            for ray in (memory.gamma, memory.neutron):
                ray.profile, ray.looks = Profile(), 0
                ray.unlearn()
        elif was and not memory.occupied:
            memory.settled = t + round(self.config.guard_s * SECOND_US)
            return [finding for kind in RAYS for finding in self._leaves(kind, t)]
        return []

    def _judge(self, kind: str, samples: dict[str, tuple[int, float]], window_us: int) -> list[Finding]:
        ray, t = self.memory.ray(kind), self.memory.row_t
        taken = take(ray.panels, samples, window_us, MOST_PANELS)
        if not taken:
            return []
        now = ray.excess(self.config.min_background_samples)
        known = t - self.memory.occupied_seen <= self.config.occupancy_hold_s * SECOND_US
        if known and self.memory.occupied:
            ray.profile.add(t, {name: samples[name][1] for name in taken})
            return self._passing(kind, now)
        found = self._learn(kind, samples, taken, now)
        if now is None:
            return found
        if not known:
            found += self._raise_if_over(kind, now, self._is_rare(kind, now, 0.0))
        return found + self._settle(kind, now)

    def _passing(self, kind: str, now: Excess | None) -> list[Finding]:
        """Judge a moment of an occupancy."""
        ray, t, config = self.memory.ray(kind), self.memory.row_t, self.config
        if now is None:
            return []
        if self._is_by_hand(kind):
            found = self._raise_if_over(kind, now, self._is_over_hand_set(kind, now))
        else:
            found = self._raise_if_over(kind, now, self._is_rare(kind, now, config.norm_reach))
        if not found and ray.alarm is None and t - self.memory.since >= FIRST_LOOK_US << ray.looks:
            ray.looks += 1
            verdict = self._verdict(kind, t)
            allowed = LOOK_SHARE * config.false_alarms_per_occupancy
            if verdict is not None and verdict.log_chance <= math.log(allowed):
                found.append(self._by_profile(kind, verdict, t, end=None))
        return found

    def _leaves(self, kind: str, t: int) -> list[Finding]:
        """Judge the profile of the vehicle that has just left, at `t`."""
        ray, config = self.memory.ray(kind), self.config
        verdict = self._verdict(kind, t)
        ray.profile = Profile()
        alarm, ray.alarm = ray.alarm, None
        if alarm is not None:
            return [Clear(alarm.id, t, t, score=max(alarm.peak, round(verdict.score, 3) if verdict else 0.0))]
        if verdict is None:
            return []
        if verdict.log_chance <= math.log(config.false_alarms_per_occupancy):
            return [self._by_profile(kind, verdict, t, end=t)]
        if verdict.norm >= -math.log(config.false_norm_per_occupancy):
            return [self._by_profile("norm", verdict, t, end=t)]
        return []

    def _verdict(self, kind: str, t: int) -> ProfileVerdict | None:
        memory, ray = self.memory, self.memory.ray(kind)
        if self._is_by_hand(kind):
            return None
        age_s = (t - ray.learned_t) / SECOND_US if ray.learned_t else 0.0
        bins = binned(ray.profile, ray.panels, (memory.since, t), self.config.min_background_samples, max(age_s, 0.0))
        if bins is None:
            return None
        if kind == "neutron":
            return judge_neutron(bins)
        return judge_gamma(bins, self.config.norm_share, self._distance_m / memory.speed if memory.speed else None)

    def _by_profile(self, kind: str, verdict: ProfileVerdict, t: int, end: int | None) -> Detection:
        norm, config = kind == "norm", self.config
        allowed = config.false_norm_per_occupancy if norm else config.false_alarms_per_occupancy
        detection = self.origin.detection(
            f"radiation.{kind}",
            start=self.memory.since,
            end=end,
            detected=t,
            score=verdict.norm if norm else verdict.score,
            priority=Priority.LOW if norm else Priority.CRITICAL,
            why=findings.norm_why(verdict) if norm else findings.profile_why(kind, verdict, allowed),
            evidence={"occupied": True, "own_alarm": False}
            | findings.profile_evidence(verdict, allowed, self._distance_m, self.memory.speed),
        )
        if end is None:
            self.memory.ray(kind).alarm = PortalAlarm(detection.id, t, detection.score)
        return detection

    def _is_by_hand(self, kind: str) -> bool:
        return (self.config.gamma_sigma if kind == "gamma" else self.config.neutron_chance) is not None

    def _is_over_hand_set(self, kind: str, now: Excess) -> bool:
        config = self.config
        if kind == "gamma":
            return config.gamma_sigma is not None and now.sigma >= config.gamma_sigma
        return config.neutron_chance is not None and now.chance < config.neutron_chance

    def _is_rare(self, kind: str, now: Excess, reach: float) -> bool:
        """Return whether a window is above the threshold of every moment, with cargo of up to `reach` in the lane."""
        if kind == "neutron":
            return now.is_above(self._usual_continuous) and now.chance < self.config.continuous_chance
        return now.above(reach) >= self.config.continuous_sigma

    def _raise_if_over(self, kind: str, now: Excess, over: bool) -> list[Finding]:
        ray = self.memory.ray(kind)
        if ray.alarm is not None:
            ray.alarm.peak = max(ray.alarm.peak, round(findings.sigma(kind, now), 3))
        if ray.alarm is not None or not over:
            return []
        occupied = self.memory.occupied and self.memory.row_t - self.memory.occupied_seen <= self._hold_us
        first = min(panel.window[0][0] for panel in ray.panels.values() if panel.window)
        return [self._open(kind, self.memory.since if occupied else first, self.memory.row_t, now, own=False)]

    @property
    def _hold_us(self) -> float:
        return self.config.occupancy_hold_s * SECOND_US

    def _settle(self, kind: str, now: Excess) -> list[Finding]:
        """Outside an occupancy an alarm ends when there has been no excess for `clear_s`."""
        ray, t = self.memory.ray(kind), self.memory.row_t
        if ray.alarm is None:
            return []
        if self._off(kind, now):
            ray.alarm.over = t
        if t - ray.alarm.over < self.config.clear_s * SECOND_US:
            return []
        alarm, ray.alarm = ray.alarm, None
        return [Clear(alarm.id, alarm.over, t, score=alarm.peak)]

    def _learn(
        self, kind: str, samples: dict[str, tuple[int, float]], taken: list[str], now: Excess | None
    ) -> list[Finding]:
        ray, t = self.memory.ray(kind), self.memory.row_t
        if now is not None and self._off(kind, now):
            return self._is_off(kind, now)
        ray.off_since = None
        fresh = [(name, samples[name]) for name in taken if samples[name][0] >= self.memory.settled]
        rules = self._quiet[kind]
        ray.learn(fresh, t - rules.guard_us, rules.memory)
        if ray.shift is not None and t - ray.shift.over >= self.config.clear_s * SECOND_US:
            return [self._end_shift(ray, t)]
        return []

    def _is_off(self, kind: str, now: Excess) -> list[Finding]:
        """Learn nothing from a portal that is off its background; report it, and learn anew when that lasts."""
        ray, t = self.memory.ray(kind), self.memory.row_t
        ray.unlearn()
        ray.off_since = t if ray.off_since is None else ray.off_since
        if ray.shift is not None:
            ray.shift.over = t
            ray.shift.peak = max(ray.shift.peak, round(abs(now.sigma), 3))
        lasted = t - ray.off_since
        if ray.alarm is not None:
            return []
        if lasted >= self.config.relearn_s * SECOND_US:
            ray.forget()
            return [self._end_shift(ray, t)] if ray.shift is not None else []
        if ray.shift is None and lasted >= self.config.background_off_s * SECOND_US:
            return [self._report_shift(kind, now)]
        return []

    def _report_shift(self, kind: str, now: Excess) -> Detection:
        ray, t = self.memory.ray(kind), self.memory.row_t
        start = t if ray.off_since is None else ray.off_since
        detection = self.origin.detection(
            "radiation.background",
            subject=kind,
            start=start,
            detected=t,
            score=abs(now.sigma),
            priority=Priority.LOW,
            why=findings.shift_why(kind, now, (t - start) / SECOND_US),
            evidence=findings.plain_evidence(now, own=False, occupied=False, by_hand=False),
        )
        ray.shift = PortalAlarm(detection.id, t, detection.score)
        return detection

    def _end_shift(self, ray: Ray, t: int) -> Clear:
        shift, ray.shift = ray.shift, None
        assert shift is not None
        return Clear(shift.id, shift.over, t, score=shift.peak)

    def _off(self, kind: str, now: Excess) -> bool:
        """Return whether a window does not look like background."""
        if kind == "gamma":
            return abs(now.sigma) >= self.config.gate_sigma
        return now.is_above(self._usual) and now.chance < self._gate_chance

    def _own_alarm(self, event: Event) -> list[Finding]:
        kind = event.attrs.get("kind")
        if event.type != "portal.alarm" or kind not in RAYS or not self.config.own_alarms:
            return []
        ray = self.memory.ray(kind)
        if ray.alarm is not None:
            ray.alarm.over = max(ray.alarm.over, event.t)
            return []
        if event.t < self.memory.settled:
            return []
        start = self.memory.since if self.memory.occupied else event.t
        now = ray.excess(self.config.min_background_samples)
        return [self._open(kind, start, event.t, now, own=True)]

    def _open(self, kind: str, start: int, t: int, now: Excess | None, *, own: bool) -> Detection:
        by_hand = self._is_by_hand(kind) and self.memory.occupied and not own
        detection = self.origin.detection(
            f"radiation.{kind}",
            start=start,
            detected=t,
            score=findings.sigma(kind, now) if now else 0.0,
            priority=Priority.CRITICAL,
            why=findings.plain_why(kind, now, own=own),
            evidence=findings.plain_evidence(now, own=own, occupied=self.memory.occupied, by_hand=by_hand),
        )
        self.memory.ray(kind).alarm = PortalAlarm(detection.id, t, detection.score)
        return detection


@lru_cache(maxsize=256)
def _is_of_row(channel: str) -> bool:
    return channel in {"occupied", "speed"} or ray_of(channel) is not None


def _usual(chance: float) -> float:
    """Return up to how many variances above what is expected no counts are rarer than `chance`."""
    return next((variances for least, variances in USUAL if chance < least), -1.0)


def _distance(site: Site, origin: Origin) -> float:
    """Return the metres from the portal to the middle of its lane."""
    hub = site.of(origin.hub)
    places = hub.sensors if hub is not None else ()
    told = [place.distance_m for place in places if place.id == origin.sensor and place.distance_m is not None]
    return told[0] if told else USUAL_DISTANCE_M


SPEC = Spec(
    name="radiation_portal",
    version=2,
    scope=Scope.SENSOR,
    types=("radiation.gamma", "radiation.neutron", "radiation.norm", "radiation.background"),
    config=RadiationPortalConfig,
    make=RadiationPortal,
    kinds=frozenset({SensorKind.RADIATION_PORTAL}),
    rates=(
        Rate(
            "false_alarms_per_occupancy",
            ("radiation.gamma", "radiation.neutron"),
            SensorKind.RADIATION_PORTAL,
            "occupancy and ray",
            vehicles(2),
            by_hand=("gamma_sigma", "neutron_chance"),
            needs="vehicles_per_day",
        ),
        Rate(
            "false_norm_per_occupancy",
            ("radiation.norm",),
            SensorKind.RADIATION_PORTAL,
            "occupancy",
            vehicles(),
            needs="vehicles_per_day",
            is_bound=True,
        ),
    ),
    no_share={"radiation.background": no_rate("background_off_s")},
    source="Geelhood 2003 (PNNL-14363) for the shadow; likelihood ratio averaged over what is unknown",
    warm_up="ten samples of the empty portal; the background is best after half a minute",
)
