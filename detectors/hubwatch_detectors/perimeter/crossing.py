"""Perimeter: an alarm of a section, an intruder who passes from layer to layer, and sections one cannot rely on.

- Intrusion: a section alarms; one detection for as long as it goes on alarming.
- Crossing: two sections that an intruder meets one after the other alarm in this order, as far apart in time as a
  person needs (`walks.py`). How far the gate may open follows from the false crossings that are allowed and from what
  both sections do in this weather (`nuisance_rates.py`). All that one intruder sets off is one detection.
- Nuisance: a section that alarms again and again; its single alarms are then told together, crossings still apart.
- Masked: a section that says so itself, or is alive and quiet for longer than its own history allows.
"""

from __future__ import annotations

import math

from hubwatch_core.clock import SECOND_US
from hubwatch_core.wire import Clear, Detection, Event, Sensor
from hubwatch_core.words import Priority, SensorKind
from hubwatch_detectors.chunk import Chunk
from hubwatch_detectors.contract import ALWAYS, NEVER, Detector, Finding, Origin, Scope, Site, Spec
from hubwatch_detectors.perimeter.memory import (
    MAX_RECENT,
    Active,
    Doubtful,
    FenceSectionMemory,
    IntruderTrack,
    PerimeterMemory,
    end_of,
    over,
    thinned,
)
from hubwatch_detectors.perimeter.nuisance_rates import GAUGES, HOUR_US, MINUTE_US, STEP_US, NuisanceTally
from hubwatch_detectors.perimeter.perimeter_config import PerimeterConfig
from hubwatch_detectors.perimeter.walks import WALKING_M_S, Walk, around, gate, in_gate, length_km, walks
from hubwatch_detectors.rates import DEVICES_OWN, EXACT, Rate, RateForm, Traffic, every
from hubwatch_site import fences

MAX_SECTIONS = 4096
MAX_TRACKS = 256
MAX_TRACK_SENSORS = 32
MAX_SERIES = 20
STEPPED_US = 60 * SECOND_US
"""An alarm that lies further than this before one that was over long since comes from a clock that was set back."""
LONGEST_LAYER = 40
CHANCE_SHARE = 0.3
"""Part of the allowed false crossings that chance may make; animals that walk in make the rest. Our choice, from the
reference simulation: 0.1 of 0.47 a km and day."""
STORM = 30.0
"""Times the average at which chance may make crossings for a while; storms are rare. Our choice."""
NOT_KEPT_BELOW = "crossings of animals, which walk in like people"
"""What the allowed rate does not bound: a gate that keeps more of them out keeps people out too."""
MAX_SCORE = 12.0
MAX_METRES = 1e6
MIN_HISTORY = 8
"""Alarms of a section before its quiet says anything."""
DAYS_PER_YEAR = 365.0


class Perimeter(Detector[PerimeterMemory]):
    """All perimeter sections of one hub."""

    def __init__(self, config: PerimeterConfig, origin: Origin, site: Site) -> None:
        self.config, self.origin = config, origin
        self.memory = PerimeterMemory()
        self._due = ALWAYS
        place = site.of(origin.hub)
        ways = walks((each for each in site.neighbours if each.hub == origin.hub), place)
        self._into, self._out = _by_end(ways)
        self._around = around(ways, place)
        self._exposure = {each.id: each.exposure for each in place.sensors} if place else {}
        allowed = config.false_crossings_per_km_day * CHANCE_SHARE * length_km(place, ways) / 86_400
        self._allowed = allowed / max(len(ways), 1) * STORM
        self._hold_us = round(config.hold_s * SECOND_US)
        self._window_us = round(config.nuisance_window_s * SECOND_US)
        longest_m = max((way.metres for way in ways), default=0.0)
        self._remember_us = self._hold_us + round(
            (longest_m / min(config.min_speed_m_s, config.min_inner_speed_m_s) + config.tolerance_s) * SECOND_US
        )

    def due(self) -> int:
        """Return when something that goes on may be over."""
        return self._due

    def restore(self, state: bytes) -> None:
        """Take up a saved state."""
        super().restore(state)
        self._due = ALWAYS

    def update(self, chunk: Chunk) -> list[Finding]:
        """Take the alarms of one section, or the weather."""
        found: list[Finding] = []
        if chunk.sensor.kind is SensorKind.ENVIRONMENT:
            self._weather(chunk)
            return found
        section = self._section(chunk.sensor)
        if section is None or (not chunk.events and chunk.last < section.tally.last + STEP_US):
            return found
        for item in chunk.moments():
            found += (
                self._event(section, item) if isinstance(item, Event) else self._alive(section, item.t, chunk.sensor)
            )
        if chunk.events:
            self._due = ALWAYS
        return found

    def _weather(self, chunk: Chunk) -> None:
        weather = self.memory.weather
        if chunk.first // MINUTE_US != chunk.last // MINUTE_US:
            for reading in chunk.readings:
                weather.take(reading.t, reading.channel, reading.value)
            return
        for name, t, x in chunk.columns:
            if name in GAUGES:
                weather.take(t[-1], name, max(x))  # of one minute the strongest counts

    def advance(self, now: int) -> list[Finding]:
        """End what has not been confirmed for `hold_s`."""
        found: list[Finding] = []
        for section in self.memory.sections.values():
            if section.intrusion is not None and now > section.intrusion.last + self._hold_us:
                found.append(over(section.intrusion, self._hold_us))
                section.intrusion = None
            if section.nuisance is not None and now > section.nuisance.last + self._window_us:
                found.append(over(section.nuisance, self._window_us))
                section.nuisance = None
        for track in [each for each in self.memory.tracks if now > each.last + self._hold_us]:
            found.append(end_of(track, track.last + self._hold_us))
            self.memory.tracks.remove(track)
        self._due = self._next()
        return found

    def _next(self) -> int:
        """Return when the next thing may be over."""
        sections = self.memory.sections.values()
        holding = [each.intrusion.last for each in sections if each.intrusion is not None]
        holding += [each.last for each in self.memory.tracks]
        nuisances = [each.nuisance.last for each in sections if each.nuisance is not None]
        ends = [last + self._hold_us for last in holding] + [last + self._window_us for last in nuisances]
        return min(ends, default=NEVER - 1) + 1

    def rewind(self) -> None:
        """Keep the alarm times, so that an alarm that comes late finds its counterpart, and what nuisance is usual."""
        kept = {
            name: FenceSectionMemory(recent=each.recent, weather=each.weather, tally=each.tally)
            for name, each in self.memory.sections.items()
        }
        for each in kept.values():
            each.tally.last = 0
        self.memory = PerimeterMemory(sections=kept)

    def _section(self, sensor: Sensor) -> FenceSectionMemory | None:
        sections = self.memory.sections
        if sensor.sensor not in sections and len(sections) < MAX_SECTIONS:
            sections[sensor.sensor] = FenceSectionMemory()
        return sections.get(sensor.sensor)

    def _alive(self, section: FenceSectionMemory, t: int, sensor: Sensor) -> list[Finding]:
        """Note that a section gives readings, and judge its quiet once an hour."""
        if t < section.tally.last + STEP_US:
            return []
        section.tally.pass_time(t, self.memory.weather.kind(), alive=True)
        if t // HOUR_US == section.hour:
            return []
        section.hour = t // HOUR_US
        alarms, seconds = sum(section.tally.alarms), sum(section.tally.seconds)
        if section.masked is not None or alarms < MIN_HISTORY or not section.tally.watched:
            return []
        chance, quiet = section.tally.chance_of_quiet(), sum(section.tally.quiet)
        allowed = self.config.false_masked_per_year / DAYS_PER_YEAR / (alarms / seconds * 86_400)
        if chance >= allowed:
            return []
        per_day = alarms / (seconds - quiet) * 86_400
        why = f"no alarm for {quiet / 86_400:.1f} days of a section that has had {per_day:.1f} a day"
        return [self._masked(section, sensor.sensor, t, why, chance, allowed)]

    def _masked(
        self, section: FenceSectionMemory, sensor: str, t: int, why: str, chance: float = 0.0, allowed: float = 0.0
    ) -> Detection:
        detection = self.origin.detection(
            "perimeter.masked",
            sensor=sensor,
            start=t,
            detected=t,
            score=min(MAX_SCORE, -math.log10(chance)) if chance else MAX_SCORE,
            priority=Priority.HIGH,
            why=why,
            evidence={"chance": chance, "chance_allowed": allowed, "quiet_s": round(sum(section.tally.quiet))},
        )
        section.masked = Active(detection.id, t)
        return detection

    def _event(self, section: FenceSectionMemory, event: Event) -> list[Finding]:
        if event.type == "perimeter.alarm":
            return [*self.advance(event.t), *self._alarm(section, event)]
        if event.type == "perimeter.clear":
            return [*self.advance(event.t), *self._section_clear(section, event.t)]
        if event.type in {"device.fault", "device.tamper"} and "mask" in str(event.attrs.get("what", ""))[:100].lower():
            if section.masked is None:
                return [self._masked(section, event.sensor, event.t, f"section {event.sensor} says that it is masked")]
            section.masked.last = max(section.masked.last, event.t)
        return []

    def _alarm(self, section: FenceSectionMemory, event: Event) -> list[Finding]:
        if event.t in section.recent:
            return []
        ended = self._no_longer_masked(section, event.t)
        weather = self.memory.weather.kind()
        if not section.recent or event.t > max(section.recent) + self._hold_us:
            section.tally.pass_time(event.t, weather, alive=False)
            section.tally.alarmed(weather)
            section.weather = weather
        fresh = [t for t in section.recent if t >= event.t - self._remember_us]
        section.recent = thinned(sorted([*fresh, event.t]))
        return [*ended, *self._intrusion(section, event), *self._crossings(event.sensor, event.t)]

    def _no_longer_masked(self, section: FenceSectionMemory, t: int) -> list[Finding]:
        masked = section.masked
        if masked is None or t <= masked.last:
            return []
        section.masked = None
        return [Clear(masked.id, t, t)]

    def _intrusion(self, section: FenceSectionMemory, event: Event) -> list[Finding]:
        active, ended = section.intrusion, list[Finding]()
        if active is not None and event.t >= active.last - self._hold_us - STEPPED_US:
            active.last = max(active.last, event.t)
            return []
        if active is not None:
            ended = [Clear(active.id, active.last, active.last)]
            section.intrusion = None
        fresh = [t for t in section.again if t > event.t - self._window_us]
        section.again = [*fresh[1 - MAX_RECENT :], event.t]
        if section.nuisance is not None:
            section.nuisance.last = max(section.nuisance.last, event.t)
            return ended
        if len(section.again) >= self.config.nuisance_alarms:
            return [*ended, self._nuisance(section, event)]
        layer = str(event.attrs.get("layer", ""))[:LONGEST_LAYER]
        detection = self.origin.detection(
            "perimeter.intrusion",
            sensor=event.sensor,
            start=event.t,
            detected=event.t,
            score=1.0,
            priority=Priority.HIGH,
            why=f"section {event.sensor} alarms" + (f" ({layer})" if layer else ""),
            evidence={"layer": layer, "position_m": _number(event.attrs.get("position_m"))},
        )
        section.intrusion = Active(detection.id, event.t)
        return [*ended, detection]

    def _nuisance(self, section: FenceSectionMemory, event: Event) -> Detection:
        seconds, usual = (event.t - section.again[0]) / SECOND_US, self._rate(event.sensor) * 86_400
        detection = self.origin.detection(
            "perimeter.nuisance",
            sensor=event.sensor,
            start=section.again[0],
            detected=event.t,
            score=float(len(section.again)),
            priority=Priority.MEDIUM,
            why=f"section {event.sensor} has alarmed {len(section.again)} times in {seconds:.0f} s: its single alarms "
            "are no longer told, crossings are",
            evidence={"alarms": len(section.again), "seconds": round(seconds, 3), "usual_per_day": _short(usual)},
        )
        section.nuisance = Active(detection.id, event.t)
        return detection

    def _section_clear(self, section: FenceSectionMemory, t: int) -> list[Finding]:
        active = section.intrusion
        if active is None or t < active.last:
            return []
        section.intrusion = None
        return [Clear(active.id, t, t)]

    def _crossings(self, sensor: str, t: int) -> list[Finding]:
        """Pair an alarm with those before it further out, and those after it further in."""
        sections, found = self.memory.sections, list[Finding]()
        for way in self._into.get(sensor, ()):
            if (outside := sections.get(way.from_)) is not None:
                found += self._walk(way, [(earlier, t) for earlier in outside.recent])
        for way in self._out.get(sensor, ()):
            if (inside := sections.get(way.to)) is not None:
                found += self._walk(way, [(t, later) for later in inside.recent])
        return found

    def _walk(self, way: Walk, times: list[tuple[int, int]]) -> list[Finding]:
        if not times:
            return []
        config = self.config
        slowest = config.min_speed_m_s if way.outer else config.min_inner_speed_m_s
        full = gate(way, slowest, config.max_speed_m_s, config.tolerance_s)
        by_chance = self._rate(way.from_) * self._rate(way.to)
        open_ = full.narrowed(self._allowed / by_chance, way.metres / WALKING_M_S)
        passes = in_gate(times, open_) or in_gate(times, full)
        if not passes:
            return []
        first, second = max(passes)
        if not in_gate([(first, second)], open_) and not self._continues(way, first, second):
            return []
        chance = -math.expm1(-self._rate(way.to) * open_.width)
        score = -math.log10(max(chance, 10**-MAX_SCORE))
        return self._intruder(way, first, second, score, open_.width / full.width)

    def _continues(self, way: Walk, first: int, second: int) -> bool:
        """Return whether a doubtful walk goes on from another: each may be chance in this weather, both are not."""
        doubtful = [each for each in self.memory.doubtful if each.second >= second - self._remember_us]
        self.memory.doubtful = [*doubtful[1 - MAX_RECENT :], Doubtful(way.from_, way.to, first, second)]
        return any(each.to == way.from_ and each.second == first for each in doubtful)

    def _intruder(self, way: Walk, first: int, second: int, score: float, opened: float) -> list[Finding]:
        """Add a walk to the intruder it belongs to; a walk that belongs to none is a new intruder."""
        for track in self.memory.tracks:
            if self._belongs(way, first, second, track):
                track.last = max(track.last, second)
                new = [each for each in (way.from_, way.to) if each not in track.sensors]
                track.sensors = [*track.sensors, *new][:MAX_TRACK_SENSORS]
                self._not_nuisance(new)
                track.peak = min(MAX_SCORE, track.peak + (score if way.to in new else 0.0))
                return []
        detection = self._crossing(way, first, second, score, opened)
        ended: list[Finding] = []
        if len(self.memory.tracks) >= MAX_TRACKS:
            oldest = self.memory.tracks.pop(0)
            ended = [end_of(oldest, oldest.last)]
        self.memory.tracks.append(IntruderTrack(detection.id, second, [way.from_, way.to], score, score))
        self._not_nuisance([way.from_, way.to])
        return [*ended, detection]

    def _not_nuisance(self, names: list[str]) -> None:
        """Take back that the last alarms of these sections were nuisance: they were an intruder's."""
        for name in names:
            section = self.memory.sections[name]
            section.tally.take_back(section.weather)

    def _belongs(self, way: Walk, first: int, second: int, track: IntruderTrack) -> bool:
        """One intruder goes from place to place without a long pause."""
        if second > track.last + self._hold_us or second < track.last - self._remember_us - STEPPED_US:
            return False
        near = frozenset[str]().union(*(self._around.get(each, frozenset()) for each in track.sensors))
        return way.from_ in near or way.to in near

    def _crossing(self, way: Walk, first: int, second: int, score: float, opened: float) -> Detection:
        seconds = (second - first) / SECOND_US
        speed = way.metres / seconds
        return self.origin.detection(
            "perimeter.crossing",
            sensor=way.to,
            subject=way.name,
            start=first,
            detected=second,
            score=score,
            priority=Priority.CRITICAL,
            why=f"{way.from_}, then {way.to} {seconds:.1f} s later: {way.metres:g} m at {speed:.1f} m/s",
            evidence={
                "from": way.from_,
                "to": way.to,
                "seconds": round(seconds, 3),
                "speed_m_s": round(speed, 3),
                "gate_open": _short(opened),
                "nuisance_per_day": [_short(self._rate(name) * 86_400) for name in (way.from_, way.to)],
                "weather": self.memory.weather.kind(),
                "series": self._alarms(way, first),
                "false_crossings_per_km_day": self.config.false_crossings_per_km_day,
                "not_kept_below": NOT_KEPT_BELOW,
            },
        )

    def _alarms(self, way: Walk, first: int) -> list[list[str | float]]:
        """Return the last alarms of both sections, in seconds after the first of this walk."""
        return [
            [name, round((t - first) / SECOND_US, 1)]
            for name in (way.from_, way.to)
            for t in self.memory.sections[name].recent[-MAX_SERIES:]
        ]

    def _rate(self, name: str) -> float:
        """Return the nuisance alarms a second that a section has in the present weather."""
        section = self.memory.sections.get(name)
        tally = NuisanceTally() if section is None else section.tally
        return tally.rate(self.memory.weather.kind(), self._exposure.get(name, "ordinary"))


def _by_end(ways: tuple[Walk, ...]) -> tuple[dict[str, list[Walk]], dict[str, list[Walk]]]:
    """Return the ways by the sensor they lead to, and by the sensor they come from."""
    into: dict[str, list[Walk]] = {}
    out: dict[str, list[Walk]] = {}
    for way in ways:
        into.setdefault(way.to, []).append(way)
        out.setdefault(way.from_, []).append(way)
    return into, out


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and abs(value) < MAX_METRES else None


def _short(value: float) -> float:
    return float(f"{value:.4g}")


def _km(traffic: Traffic) -> float | None:
    """Return the length of the outermost line, as the detector has it; None without a site."""
    site = traffic.site
    return None if site is None else length_km(site, walks(fences.neighbours(site), site))


SPEC = Spec(
    name="perimeter",
    version=2,
    scope=Scope.HUB,
    types=("perimeter.intrusion", "perimeter.crossing", "perimeter.nuisance", "perimeter.masked"),
    config=PerimeterConfig,
    make=Perimeter,
    kinds=frozenset({SensorKind.PERIMETER, SensorKind.ENVIRONMENT}),
    rates=(
        Rate("false_crossings_per_km_day", ("perimeter.crossing",), SensorKind.PERIMETER, "km", _km, needs="a site"),
        Rate(
            "false_masked_per_year",
            ("perimeter.masked",),
            SensorKind.PERIMETER,
            "section",
            every(SensorKind.PERIMETER),
            form=RateForm.PER_YEAR,
        ),
    ),
    no_share={"perimeter.intrusion": DEVICES_OWN, "perimeter.nuisance": EXACT},
    source="rates of pairs in order, by walking speed; nuisance rates by weather",
    warm_up="none; nuisance rates begin with the exposure that the site states",
)
