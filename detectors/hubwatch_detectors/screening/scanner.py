"""Screening: alarms of X-ray and trace detectors, vehicles that were not scanned, and scanners one cannot rely on.

- Alarm: the device says so; one detection for as long as it goes on.
- Skipped: a vehicle passed the step before in its lane and did not come to the scanner (`lanes.py`). Judged only when
  the scanner is heard after the time is over, so that a scanner nobody hears skips nobody.
- Degraded: not ready for long, a fault, beam with the interlock open, beam on for too long, a scan of nothing in a lane
  whose every vehicle is scanned, or no alarm in so many scans that its own history makes that unlikely.
"""

from __future__ import annotations

import math

import msgspec
from pydantic import Field

from hubwatch_core.clock import SECOND_US
from hubwatch_core.wire import Clear, Detection, Event, Sensor
from hubwatch_core.words import Priority, SensorKind
from hubwatch_detectors.chunk import Chunk, ChunkReading
from hubwatch_detectors.contract import ALWAYS, NEVER, Detector, DetectorConfig, Finding, Origin, Scope, Site, Spec
from hubwatch_detectors.rates import DEVICES_OWN, Rate, RateForm, Traffic, every
from hubwatch_detectors.screening.lanes import ExpectedVehicles, ScannerStep, scanner_steps

MAX_SENSORS = 2048
ON_FROM = 0.5
STATES = frozenset({"ready", "beam", "interlock_open"})
LONGEST_TEXT = 80
PASSING = frozenset({"access.granted", "door.opened"})
"""Events of a step before a scanner that are a vehicle."""
SAME_US = 5 * SECOND_US
"""Signs of a passage so close together are the same vehicle's: a grant and the barrier it opens. Our choice."""
MIN_ALARMS = 8
"""Alarms of a scanner before its quiet says anything."""


class ScreeningConfig(DetectorConfig):
    """Times, and allowed false alarms."""

    hold_s: float = Field(30.0, gt=0, description="Seconds without a further alarm that end an alarm.")
    not_ready_s: float = Field(120.0, gt=0, description="Seconds a scanner may be not ready.")
    beam_s: float = Field(120.0, gt=0, description="Seconds a beam may be on.")
    fault_s: float = Field(300.0, gt=0, description="Seconds after its last fault in which a scanner is degraded.")
    grace_s: float = Field(5.0, ge=0, le=600, description="Seconds a scan may come later than the lane says.")
    false_skipped_per_vehicle: float = Field(
        1e-4, gt=0, le=0.1, description="False alarms allowed for each vehicle, where only a share is scanned."
    )
    false_quiet_per_year: float = Field(
        0.05, gt=0, le=10, description="False detections allowed for each scanner in a year of one that never alarms."
    )


class Ongoing(msgspec.Struct):
    """A detection that lasts: its id, and when it was last confirmed (µs)."""

    id: str
    last: int


class Scanner(msgspec.Struct):
    """What is remembered of one scanner; times in µs."""

    seen: dict[str, int] = {}
    """The last reading of each state."""
    ready_off: int | None = None
    beam_on: int | None = None
    interlock_open: bool = False
    alarm: Ongoing | None = None
    degraded: dict[str, Ongoing] = {}
    expected: ExpectedVehicles = msgspec.field(default_factory=ExpectedVehicles)
    scans: int = 0
    alarms: int = 0
    quiet: int = 0
    """Scans since the last alarm."""
    first: int = 0
    skipped: Ongoing | None = None


class ScreeningMemory(msgspec.Struct):
    """Scanners of a hub, and when each step before one was last passed."""

    scanners: dict[str, Scanner] = {}
    passed: dict[str, int] = {}
    occupied: dict[str, bool] = {}


class Screening(Detector[ScreeningMemory]):
    """All scanners of one hub."""

    def __init__(self, config: ScreeningConfig, origin: Origin, site: Site) -> None:
        self.config, self.origin = config, origin
        self.memory = ScreeningMemory()
        self._due_at = ALWAYS
        self._steps = scanner_steps(site.of(origin.hub))
        self._after: dict[str, list[str]] = {}
        for name, step in self._steps.items():
            self._after.setdefault(step.before, []).append(name)
        self._hold_us, self._fault_us = round(config.hold_s * SECOND_US), round(config.fault_s * SECOND_US)
        self._ready_us, self._beam_us = round(config.not_ready_s * SECOND_US), round(config.beam_s * SECOND_US)

    def looks_at(self, sensor: Sensor) -> bool:
        """Return whether a sensor is a scanner, or before one in its lane."""
        return sensor.kind is SensorKind.SCREENING or sensor.sensor in self._after

    def stands_apart(self, sensor: Sensor) -> bool:
        """Return whether a scanner is of no lane, so that nobody waits for its scans."""
        return sensor.sensor not in self._steps and sensor.sensor not in self._after

    def restore(self, state: bytes) -> None:
        """Take up a saved state."""
        super().restore(state)
        self._due_at = ALWAYS

    def due(self) -> int:
        """Return when something that goes on may be over, or has lasted for too long."""
        return self._due_at

    def update(self, chunk: Chunk) -> list[Finding]:
        """Take what a scanner said, or a sensor before one in its lane."""
        name, found = chunk.sensor.sensor, list[Finding]()
        is_scanner = chunk.sensor.kind is SensorKind.SCREENING
        if not self.looks_at(chunk.sensor):
            return found
        scanner = self._scanner(name) if is_scanner else None
        if scanner is not None and not chunk.events and name not in self._steps and _rests(scanner, chunk):
            for channel, t, _ in chunk.columns:
                if channel in STATES:
                    scanner.seen[channel] = max(t[-1], scanner.seen[channel])
            return found
        for item in chunk.moments():
            if scanner is not None:
                found += self._due(name, scanner, item.t)
                found += self._event(scanner, item) if isinstance(item, Event) else self._state(name, scanner, item)
            elif name in self._after:
                self._before(name, item)
        if scanner is not None:
            self._due_at = min(self._due_at, self._next(scanner))
        return found

    def advance(self, now: int) -> list[Finding]:
        """Judge what is due: an alarm that ended, a scanner still not ready, a beam still on."""
        scanners = self.memory.scanners.items()
        found = [each for name, scanner in scanners for each in self._due(name, scanner, now)]
        self._due_at = min((self._next(scanner) for _, scanner in scanners), default=NEVER)
        return found

    def _next(self, scanner: Scanner) -> int:
        """Return when `_due` has something to judge of a scanner, unless it speaks before."""
        due, fault = NEVER, scanner.degraded.get("fault")
        if scanner.alarm is not None:
            due = scanner.alarm.last + self._hold_us + 1
        if fault is not None:
            due = min(due, fault.last + self._fault_us + 1)
        if scanner.ready_off is not None and "not ready" not in scanner.degraded:
            due = min(due, scanner.ready_off + self._ready_us + 1)
        if scanner.beam_on is not None and "beam" not in scanner.degraded:
            due = min(due, scanner.beam_on + self._beam_us + 1)
        return due

    def rewind(self) -> None:
        """Keep how often each scanner alarms, and how long vehicles need to it."""
        self.memory = ScreeningMemory(
            {
                name: Scanner(
                    scans=each.scans,
                    alarms=each.alarms,
                    quiet=each.quiet,
                    first=each.first,
                    expected=ExpectedVehicles(delay=msgspec.structs.replace(each.expected.delay, doubted_until=0)),
                )
                for name, each in self.memory.scanners.items()
            }
        )

    def _scanner(self, name: str) -> Scanner | None:
        scanners = self.memory.scanners
        if name not in scanners and len(scanners) < MAX_SENSORS:
            scanners[name] = Scanner()
        return scanners.get(name)

    def _before(self, name: str, item: ChunkReading | Event) -> None:
        """Note that a vehicle passed a step before a scanner."""
        if isinstance(item, Event):
            if item.type in PASSING:
                self._passes(name, item.t)
        elif item.channel in {"occupied", "position"}:
            was, self.memory.occupied[name] = self.memory.occupied.get(name, True), item.value >= ON_FROM
            if item.value >= ON_FROM and not was:
                self._passes(name, item.t)

    def _passes(self, name: str, t: int) -> None:
        if t <= self.memory.passed.get(name, 0) + SAME_US:
            return
        self.memory.passed[name] = t
        for after in self._after.get(name, ()):
            if (scanner := self._scanner(after)) is not None:
                scanner.expected.expect(t)

    def _event(self, scanner: Scanner, event: Event) -> list[Finding]:
        if event.type == "screening.alarm":
            return self._alarm(scanner, event)
        if event.type == "device.fault":
            what = str(event.attrs.get("what", "fault"))[:LONGEST_TEXT]
            return self._degrade(scanner, event.sensor, "fault", event.t, f"{event.sensor} reports a fault: {what}")
        return []

    def _alarm(self, scanner: Scanner, event: Event) -> list[Finding]:
        if scanner.alarm is not None:
            scanner.alarm.last = max(scanner.alarm.last, event.t)
            return []
        scanner.alarms += 1
        scanner.quiet = 0
        found = self._mended(scanner, "quiet", event.t)
        said = str(event.attrs.get("substance", event.attrs.get("kind", "")))[:LONGEST_TEXT]
        detection = self.origin.detection(
            "screening.alarm",
            sensor=event.sensor,
            start=event.t,
            detected=event.t,
            score=1.0,
            priority=Priority.HIGH,
            why=f"{event.sensor} alarms" + (f": {said}" if said else ""),
            evidence={"said": said, "scans": scanner.scans, "alarms": scanner.alarms},
        )
        scanner.alarm = Ongoing(detection.id, event.t)
        return [*found, detection]

    def _state(self, name: str, scanner: Scanner, item: ChunkReading) -> list[Finding]:
        if item.channel not in STATES or item.t <= scanner.seen.get(item.channel, 0):
            return []
        scanner.seen[item.channel] = item.t
        found, on = self._skipped(name, scanner, item.t), item.value >= ON_FROM
        if item.channel == "ready":
            if on:
                scanner.ready_off = None
                return found + self._mended(scanner, "not ready", item.t)
            scanner.ready_off = item.t if scanner.ready_off is None else scanner.ready_off
            return found
        if item.channel == "interlock_open":
            scanner.interlock_open = on
        elif on and scanner.beam_on is None:
            scanner.beam_on = item.t
            found += self._scan(name, scanner, item.t)
        elif not on:
            scanner.beam_on = None
            found += self._mended(scanner, "beam", item.t)
        return found + self._interlock(name, scanner, item.t)

    def _interlock(self, name: str, scanner: Scanner, t: int) -> list[Finding]:
        if scanner.interlock_open and scanner.beam_on is not None:
            return self._degrade(scanner, name, "interlock", t, f"beam of {name} is on with its interlock open")
        return self._mended(scanner, "interlock", t)

    def _scan(self, name: str, scanner: Scanner, t: int) -> list[Finding]:
        """Take a scan: a vehicle that was expected, or nothing in a lane whose every vehicle is scanned."""
        scanner.scans += 1
        scanner.quiet += 1
        scanner.first = scanner.first or t
        step, found = self._steps.get(name), self._too_quiet(name, scanner, t)
        if step is None:
            return found
        if scanner.expected.arrive(t, step):
            if scanner.skipped is not None and (step.share >= 1 or scanner.expected.skipped_sum <= 0):
                found.append(Clear(scanner.skipped.id, t, t))
                scanner.skipped = None
            return found + self._mended(scanner, "scan of nothing", t)
        if step.share < 1 or scanner.expected.due == 0:
            return found
        why = f"{name} scans, and nothing has passed {step.before} that is not scanned yet"
        return found + self._degrade(scanner, name, "scan of nothing", t, why)

    def _too_quiet(self, name: str, scanner: Scanner, t: int) -> list[Finding]:
        """A scanner without an alarm in so many scans may no longer see anything."""
        before = scanner.scans - scanner.quiet
        if scanner.alarms < MIN_ALARMS or before <= 0 or t <= scanner.first:
            return []
        per_year = scanner.alarms / (t - scanner.first) * SECOND_US * 31_557_600
        chance = (before / scanner.scans) ** (scanner.alarms + 0.5)
        if chance >= self.config.false_quiet_per_year / max(per_year, 1.0):
            return []
        why = f"{name} has not alarmed in {scanner.quiet} scans, where one in {before / scanner.alarms:.0f} was usual"
        return self._degrade(scanner, name, "quiet", t, why)

    def _skipped(self, name: str, scanner: Scanner, now: int) -> list[Finding]:
        """Tell of vehicles that should have come to a scanner by now, which is heard and did not scan them."""
        step = self._steps.get(name)
        if step is None:
            return []
        late = scanner.expected.overdue(now, step, self.config.grace_s)
        if not late:
            return []
        if step.share >= 1:
            return self._each_skipped(name, scanner, step, late, now)
        level = -math.log(self.config.false_skipped_per_vehicle)
        if scanner.skipped is not None or scanner.expected.skipped_sum < level:
            return []
        why = f"{scanner.expected.missed} vehicles of {step.lane} passed {name}, which scans {step.share:.0%} of them"
        return [self._skip(name, scanner, step, (scanner.expected.since, now), why, scanner.expected.skipped_sum)]

    def _each_skipped(self, name: str, scanner: Scanner, step: ScannerStep, late: list[int], now: int) -> list[Finding]:
        if scanner.skipped is not None:
            scanner.skipped.last = late[-1]
            return []
        why = f"a vehicle of {step.lane} passed {step.before} and did not come to {name} within {step.within_s:g} s"
        return [self._skip(name, scanner, step, (late[0], now), why, 1.0)]

    def _skip(
        self, name: str, scanner: Scanner, step: ScannerStep, times: tuple[int, int], why: str, score: float
    ) -> Detection:
        detection = self.origin.detection(
            "screening.skipped",
            sensor=name,
            subject=step.lane,
            start=times[0],
            detected=times[1],
            score=score,
            priority=Priority.HIGH,
            why=why,
            evidence={
                "lane": step.lane,
                "before": step.before,
                "within_s": step.within_s,
                "share": step.share,
                "vehicles": scanner.expected.due,
                "scanned": scanner.expected.came,
            },
        )
        scanner.skipped = Ongoing(detection.id, times[0])
        return detection

    def _due(self, name: str, scanner: Scanner, now: int) -> list[Finding]:
        found: list[Finding] = []
        if scanner.alarm is not None and now > scanner.alarm.last + self._hold_us:
            found.append(Clear(scanner.alarm.id, scanner.alarm.last, scanner.alarm.last + self._hold_us))
            scanner.alarm = None
        fault = scanner.degraded.get("fault")
        if fault is not None and now > fault.last + self._fault_us:
            del scanner.degraded["fault"]
            found.append(Clear(fault.id, fault.last, fault.last + self._fault_us))
        for kind, since, longest in (
            ("not ready", scanner.ready_off, self._ready_us),
            ("beam", scanner.beam_on, self._beam_us),
        ):
            if since is not None and now > since + longest and kind not in scanner.degraded:
                state = "not ready" if kind == "not ready" else "with its beam on"
                why = f"{name} {state} for more than {longest / SECOND_US:.0f} s"
                found += self._degrade(scanner, name, kind, since + longest, why, start=since)
        return found

    def _degrade(
        self, scanner: Scanner, name: str, kind: str, t: int, why: str, start: int | None = None
    ) -> list[Finding]:
        held = scanner.degraded.get(kind)
        if held is not None:
            held.last = max(held.last, t)
            return []
        detection = self.origin.detection(
            "screening.degraded",
            sensor=name,
            subject=kind,
            start=t if start is None else start,
            detected=t,
            score=1.0,
            priority=Priority.CRITICAL if kind == "interlock" else Priority.MEDIUM,
            why=why,
            evidence={"kind": kind, "scans": scanner.scans, "alarms": scanner.alarms},
        )
        scanner.degraded[kind] = Ongoing(detection.id, t)
        return [detection]

    def _mended(self, scanner: Scanner, kind: str, t: int) -> list[Finding]:
        held = scanner.degraded.pop(kind, None)
        return [] if held is None else [Clear(held.id, max(t, held.last), max(t, held.last))]


def _rests(scanner: Scanner, chunk: Chunk) -> bool:
    """Return whether a scanner is ready, its beam off and its interlock closed, as before, and nothing is open."""
    if scanner.alarm or scanner.degraded or scanner.ready_off or scanner.beam_on or scanner.interlock_open:
        return False
    return all(
        channel not in STATES
        or (channel in scanner.seen and (min(x) >= ON_FROM if channel == "ready" else max(x) < ON_FROM))
        for channel, _, x in chunk.columns
    )


def _vehicles_by_share(traffic: Traffic) -> float | None:
    """Return the vehicles a day, where a lane of the site sends only a share of them to a scanner."""
    lanes = traffic.site.lanes if traffic.site is not None else ()
    return traffic.vehicles_per_day if any(step.share < 1 for lane in lanes for step in lane.steps) else 0.0


SPEC = Spec(
    name="screening",
    version=2,
    scope=Scope.HUB,
    types=("screening.alarm", "screening.skipped", "screening.degraded"),
    config=ScreeningConfig,
    make=Screening,
    kinds=frozenset({SensorKind.SCREENING, SensorKind.RADIATION_PORTAL, SensorKind.ACCESS}),
    rates=(
        Rate(
            "false_skipped_per_vehicle",
            ("screening.skipped",),
            SensorKind.SCREENING,
            "vehicle",
            _vehicles_by_share,
            needs="vehicles_per_day",
        ),
        Rate(
            "false_quiet_per_year",
            ("screening.degraded",),
            SensorKind.SCREENING,
            "scanner",
            every(SensorKind.SCREENING),
            form=RateForm.PER_YEAR,
        ),
    ),
    no_share={"screening.alarm": DEVICES_OWN},
    source="CUSUM with the bound of Lorden 1971 where a share is scanned; otherwise rules, by usual delays",
    warm_up="none; the quiet of a scanner after eight of its alarms",
)
