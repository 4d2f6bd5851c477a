"""The detector instances of all hubs: made when needed, saved when changed, handed over when sight was lost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import msgspec

from hubwatch_core.errors import Poison
from hubwatch_core.logs import get_logger
from hubwatch_core.wire import Clear, Detection, Sensor
from hubwatch_core.words import Priority
from hubwatch_detectors.chunk import Chunk
from hubwatch_detectors.contract import Detector, DetectorConfig, Finding, Origin, Scope, Site, Spec

LIVE, LATE = "live", "late"
FAILED = "integrity.detector_failed"

_log = get_logger("detectors")


class Key(NamedTuple):
    """What names an instance; `sensor` is empty for one of a whole hub, `lane` is live or late."""

    hub: str
    detector: str
    sensor: str
    lane: str


class Saved(NamedTuple):
    """The state of one instance as it is stored."""

    key: Key
    version: int
    state: bytes


class Envelope(msgspec.Struct):
    """What is stored of an instance beside its detector's own state."""

    state: msgspec.Raw
    open: list[str] = []
    fed: int = 0
    until: int = 0


@dataclass
class Instance:
    """A detector at work; `open` are the ids of its detections that have not ended."""

    key: Key
    spec: Spec[Any]
    build: Callable[[], Detector[Any]]
    detector: Detector[Any]
    open: dict[str, None] = field(default_factory=dict)
    fed: int = 0
    """Late lane: when it was last fed, by the hub's clock (µs)."""
    until: int = 0
    """Late lane: up to where it is to judge (µs, event time)."""

    def update(self, chunk: Chunk) -> list[Finding]:
        """Let the detector take what a sensor said."""
        last = max(each[-1].t for each in (chunk.readings, chunk.events) if each)
        return self._guarded(partial(self.detector.update, chunk), chunk.sensor.sensor, last)

    def advance(self, now: int) -> list[Finding]:
        """Let the detector judge what did not come up to `now` (µs, event time)."""
        return self._guarded(partial(self.detector.advance, now), self.key.sensor or self.key.hub, now)

    def _guarded(self, judge: Callable[[], list[Finding]], sensor: str, now: int) -> list[Finding]:
        try:
            return self.note(judge())
        except Exception as error:  # noqa: BLE001 - a fault in one detector must not blind all the others
            _log.error("detector failed, begins anew", **self.key._asdict(), exc_info=error)
            return self._begin_anew(error, sensor, now)

    def _begin_anew(self, error: Exception, sensor: str, now: int) -> list[Finding]:
        """Forget everything, end what was open, and tell people that something may have been missed."""
        self.detector = self.build()
        ended = [Clear(each, now, now) for each in self.open]
        self.open.clear()
        origin = Origin(self.key.detector, self.spec.version, self.key.hub, sensor, self.key.lane == LATE)
        failed = origin.detection(
            FAILED,
            start=now,
            end=now,
            detected=now,
            score=1.0,
            priority=Priority.HIGH,
            why=f"detector {self.key.detector} failed here and began anew: what just happened may be unjudged",
            evidence={"error": f"{type(error).__name__}: {error}"[:500]},
        )
        return [*ended, failed]

    def note(self, found: list[Finding]) -> list[Finding]:
        """Keep account of what is open, and pass the findings on."""
        for finding in found:
            if not isinstance(finding, Detection):
                self.open.pop(finding.id, None)
            elif finding.end is None:
                self.open[finding.id] = None
        return found

    def saved(self) -> Saved:
        """Give what is to be stored."""
        envelope = Envelope(msgspec.Raw(self.detector.state()), list(self.open), self.fed, self.until)
        return Saved(self.key, self.spec.version, msgspec.json.encode(envelope))


class Instances:
    """All instances of one engine."""

    def __init__(self, specs: Iterable[Spec[Any]], configs: Mapping[str, DetectorConfig], site: Site) -> None:
        self._specs = {spec.name: spec for spec in specs if configs[spec.name].enabled}
        self._configs, self._site = configs, site
        self._all: dict[Key, Instance] = {}
        self._driven_by_hub: dict[str, dict[Key, Instance]] = {}
        self.changed: set[Key] = set()
        """Instances to be saved, or to be deleted where there is none any more."""

    def driven_by_hub(self, hub: str) -> list[Instance]:
        """Give the instances whose time is the hub's: those of whole hubs, and the late lanes."""
        return list(self._driven_by_hub.get(hub, {}).values())

    def get(self, key: Key) -> Instance | None:
        """Give an instance if it is there."""
        return self._all.get(key)

    def live(self, hub: str, sensor: Sensor) -> list[Instance]:
        """Give the live instances that judge a sensor, made when they are not there."""
        keys = [key._replace(lane=LIVE) for key in self._keys(hub, sensor)]
        return [self._all.get(key) or self._make(key) for key in keys]

    def late(self, hub: str, sensor: Sensor) -> list[Instance]:
        """Give the late instances that judge a sensor. A new one knows what the live one has learned."""
        return [self._all.get(key) or self._learned(key) for key in self._keys(hub, sensor)]

    def _learned(self, key: Key) -> Instance:
        fresh, live = self._make(key), self._all.get(key._replace(lane=LIVE))
        if live is not None:
            fresh.detector.restore(live.detector.state())
            fresh.detector.rewind()
        return fresh

    def of_sensor(self, hub: str, name: str) -> list[Instance]:
        """Give the instances, live and late, that judge this sensor alone."""
        keys = (Key(hub, detector, name, lane) for detector in self._specs for lane in (LIVE, LATE))
        return [instance for key in keys if (instance := self._all.get(key)) is not None]

    def _keys(self, hub: str, sensor: Sensor) -> list[Key]:
        """Name the late instances that judge a sensor."""
        return [
            Key(hub, spec.name, sensor.sensor if spec.scope is Scope.SENSOR else "", LATE)
            for spec in self._specs.values()
            if spec.watches(sensor)
        ]

    def hand_over(self, live: Instance, at: int, clock: int) -> None:
        """Sight was lost until `at`: the late lane goes on where the live one stood, which begins anew.

        So what was sent late is judged as if it had come in time: a grant from before explains an opening in it.
        """
        state = live.detector.state()
        key = live.key._replace(lane=LATE)
        late = self._all.get(key)
        if late is None:
            late = self._make(key)
            late.detector.restore(state)
        late.open.update(live.open)
        late.fed, late.until = clock, at
        self.changed.add(key)
        fresh = self._make(live.key)
        fresh.detector.restore(state)
        fresh.detector.rewind()

    def drop(self, key: Key) -> None:
        """Let an instance go."""
        self._all.pop(key, None)
        self._driven_by_hub.get(key.hub, {}).pop(key, None)
        self.changed.add(key)

    def take_up(self, saved: Saved) -> bool:
        """Restore an instance; False when its state is of no use any more (said in the log)."""
        spec = self._specs.get(saved.key.detector)
        if spec is None or saved.version != spec.version:
            _log.warning("state not taken up", **saved.key._asdict(), version=saved.version)
            return False
        instance = self._build(saved.key)
        try:
            envelope = msgspec.json.decode(saved.state, type=Envelope)
            instance.detector.restore(bytes(envelope.state))
        except (msgspec.DecodeError, Poison) as error:
            _log.error("state cannot be read, beginning anew", **saved.key._asdict(), reason=str(error))
            return False
        instance.open, instance.fed, instance.until = dict.fromkeys(envelope.open), envelope.fed, envelope.until
        self._put(instance)
        return True

    def _make(self, key: Key) -> Instance:
        self.changed.add(key)
        return self._put(self._build(key))

    def _put(self, instance: Instance) -> Instance:
        key = instance.key
        self._all[key] = instance
        if key.lane == LATE or instance.spec.scope is Scope.HUB:
            self._driven_by_hub.setdefault(key.hub, {})[key] = instance
        return instance

    def _build(self, key: Key) -> Instance:
        spec, config = self._specs[key.detector], self._configs[key.detector]
        build = partial(spec.build, config, key.hub, key.sensor, self._site, late=key.lane == LATE)
        return Instance(key, spec, build, build())
