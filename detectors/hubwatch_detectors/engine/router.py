"""Which detector instances judge a sensor, in the live lane and in the late one.

An instance is made when its sensor first speaks. When sight of an agent was lost, its live instances continue as late
ones, where the backlog comes, and fresh ones that know what they had learned take up the live data.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from hubwatch_core.clock import SECOND_US
from hubwatch_core.errors import Poison
from hubwatch_core.logs import get_logger
from hubwatch_core.wire import Clear, Sensor
from hubwatch_detectors.chunk import Chunk
from hubwatch_detectors.contract import ALWAYS, NEVER, DetectorConfig, Finding, Scope, Site, Spec
from hubwatch_detectors.engine.instance import LATE, LIVE, Instance, InstanceKey, Saved
from hubwatch_detectors.engine.meaning import Meaning, differs, meaning_of
from hubwatch_detectors.engine.routes import AgentTime, SensorRoute
from hubwatch_detectors.engine.waiting import Waiting

TAKEN_UP_AT_ONCE = 200
"""Instances that take up another site before others have a turn; some ten milliseconds."""

GATHERED_US = 10 * SECOND_US
"""More time is not gathered. Agents may put so much into one frame, so no detector meets anything new."""

_NO_ROUTES: Mapping[tuple[str, str], Any] = {}

_log = get_logger("detectors")


class Router:
    """All detector instances of one engine, and the way from a sensor to them."""

    def __init__(self, specs: Iterable[Spec[Any]], configs: Mapping[str, DetectorConfig], site: Site) -> None:
        judging = (spec for spec in specs if spec.scope is not Scope.AGENT and configs[spec.name].enabled)
        self._specs = {spec.name: spec for spec in judging}
        self._configs, self._site = configs, site
        self._all: dict[InstanceKey, Instance] = {}
        self._driven_by_hub: dict[str, dict[InstanceKey, Instance]] = {}
        self._routes: dict[str, dict[tuple[str, str], SensorRoute]] = {}
        """By hub, agent and sensor, looked up once."""
        self._times: dict[str, dict[str, AgentTime]] = {}
        """By hub and agent."""
        self._gone: set[InstanceKey] = set()
        self._waiting: dict[tuple[str, str], dict[int, Waiting]] = {}
        """By hub and sensor, and by patience: what waits for instances that judge this sensor alone."""
        self._gathers = False
        self._gathered: dict[Waiting, tuple[str, str]] = {}
        """Where something is gathered, with hub and agent."""
        self._apart: dict[str, dict[str, Waiting]] = {}
        """By hub and sensor: what waits for detectors of the whole hub, of sensors that stand apart for them."""
        self._gathered_apart: dict[str, dict[Waiting, None]] = {}
        """By hub, where something is gathered for them."""

    def judge_live(self, chunk: Chunk, received: int, clock: int) -> list[Finding]:
        """Let the live instances judge what a sensor said, which came at `received` (µs, our clock); `clock` is the
        hub's.

        Those of a whole hub compare agents and wait by our clock: for them nothing is newer than its receipt.
        """
        found: list[Finding] = []
        route = self._routes.get(chunk.hub, _NO_ROUTES).get((chunk.agent, chunk.sensor.sensor))
        gathers = self._gathers and route is not None  # detectors of the hub get to know sensors as they first speak
        if route is None:
            route, found = self._find_route(chunk.hub, chunk.agent, chunk.sensor, clock)
        if self._gathers:
            self._gathered[route.gathered] = chunk.hub, chunk.agent
            if news := route.gathered.give(chunk, GATHERED_US):
                found += news
            # Where it was given on, anything may have become due.
            route.time.due = min(route.time.due, route.gathered.due) if route.gathered.due != NEVER else ALWAYS
        else:
            found += self._judge_own(chunk, route)
        if chunk.last > received:
            chunk = chunk.not_after(received)
        return found + self._judge_hub(chunk, route, gathers=gathers)

    def _judge_hub(self, chunk: Chunk, route: SensorRoute, *, gathers: bool) -> list[Finding]:
        """Let the detectors of the whole hub take what a sensor said, or gather it for those that may get it later."""
        found: list[Finding] = []
        instances = route.hubs
        if chunk.events:
            instances = route.hubs + route.together + route.of_events
            found = self._flush_apart(chunk.hub) if instances else found
        elif route.together and gathers:
            self._gathered_apart.setdefault(chunk.hub, {})[route.apart] = None
            found = route.apart.give(chunk, GATHERED_US)
        elif route.together:
            instances = route.hubs + route.together
        for instance in instances:
            if news := instance.give(chunk):
                found += news
        return found

    def _flush_apart(self, hub: str) -> list[Finding]:
        """Give detectors of a whole hub what is gathered for them."""
        return [finding for each in self._gathered_apart.pop(hub, ()) for finding in each.flush()]

    def _judge_own(self, chunk: Chunk, route: SensorRoute) -> list[Finding]:
        found, due = list[Finding](), route.time.due
        for waiting in route.waiting:
            if news := waiting.give(chunk):
                found += news
            due = min(due, waiting.due)
        for instance in route.own:
            if news := instance.update(chunk):
                found += news
            due = min(due, instance.due)
        route.time.due = due
        return found

    def gather(self) -> None:
        """Gather what sensors say, until `settle`, for the live instances that judge one of them alone."""
        self._gathers = True

    def settle(self) -> list[Finding]:
        """Judge what is gathered, and gather no more."""
        self._gathers, gathered, self._gathered = False, self._gathered, {}
        found = [finding for each in gathered for finding in each.flush()]
        for hub in list(self._gathered_apart):
            found += self._flush_apart(hub)
        for hub, agent in dict.fromkeys(gathered.values()):
            time = self._times.get(hub, {}).get(agent)
            if time is not None:
                time.due = ALWAYS
                found += time.advance(time.now)
        return found

    def judge_late(self, chunk: Chunk, clock: int) -> list[Finding]:
        """Let the late instances judge what a sensor said before; `clock` is the hub's (µs). A new one knows what the
        live one has learned.
        """
        found: list[Finding] = []
        meaning = meaning_of(chunk.sensor)
        for key in self._keys(chunk.hub, chunk.sensor):
            mine: Meaning = meaning if key.sensor else {}
            instance = self._all.get(key)
            if instance is not None and differs(instance.meaning, mine):
                found += instance.advance(instance.until) + self._close(instance, instance.until)
                instance = None
            if instance is None:
                instance, news = self._learned(key, mine)
                found += news
            instance.fed = clock
            instance.until = max(instance.until, chunk.last)
            found += instance.update(chunk)
        return found

    def advance_sensors(self, hub: str, agent: str, sensors: Iterable[Sensor], now: int, clock: int) -> list[Finding]:
        """Let an agent's time pass up to `now` for the live instances of its sensors; `clock` is the hub's (µs)."""
        found: list[Finding] = []
        time = self._time(hub, agent)
        if not time.complete:
            routes = self._routes.setdefault(hub, {})
            for sensor in sensors:
                if (agent, sensor.sensor) not in routes:
                    found += self._find_route(hub, agent, sensor, clock)[1]
            time.complete = True
        return found + time.advance(now)

    def advance_hub(self, hub: str, now: int, late_idle_us: float) -> list[Finding]:
        """Let a hub's time pass up to `now`: for detectors of the whole hub, and to close late lanes that are idle."""
        found: list[Finding] = []
        for instance in list(self._driven_by_hub.get(hub, {}).values()):
            if instance.key.lane != LATE:
                if instance.next <= now:
                    found += self._flush_apart(hub)
                if instance.next <= now:
                    found += instance.advance(now)
            elif now - instance.fed > late_idle_us:
                found += instance.advance(instance.until) + self._close(instance, instance.until)
        return found

    def lost_sight(self, hub: str, sensors: Iterable[str], now: int, clock: int) -> list[Finding]:
        """Hand sensors over to the late lane: nothing was seen of them until `now`; `clock` is the hub's (µs)."""
        found: list[Finding] = []
        for name in sensors:
            for instance in self._of_sensor(hub, name):
                if instance.key.lane == LIVE:
                    found += self._hand_over(instance, now, clock)
        self.forget_routes(hub)
        return found

    def forget_sensor(self, hub: str, name: str, now: int, why: str) -> list[Finding]:
        """Let a sensor's instances go and end what is open in them."""
        found = self._flush_apart(hub)
        for each in self._of_sensor(hub, name):
            found += each.flush() + self._close(each, now, why)
        self._waiting.pop((hub, name), None)
        return found

    def renew_sensor(self, hub: str, name: str, now: int, clock: int) -> list[Finding]:
        """Let fresh instances that have learned nothing judge a sensor from `now` on: it is another device."""
        found: list[Finding] = []
        for instance in self._of_sensor(hub, name):
            if instance.key.lane == LIVE:
                found += self._hand_over(instance, now, clock, learned=False)
        self.forget_routes(hub)
        return found

    def forget_routes(self, hub: str) -> None:
        """Look the live instances of a hub up again: inventory or instances have changed."""
        for known in (self._routes, self._times, self._apart):
            known.pop(hub, None)

    def resume(self, hub: str, now: int) -> None:
        """Give late lanes of a hub their time anew: we ourselves saw nothing until `now` (µs)."""
        for instance in self._driven_by_hub.get(hub, {}).values():
            instance.fed = now

    def take_up(self, site: Site, hub: str) -> Iterator[None]:
        """Build the instances of a hub anew with another site, and yield now and then, so that others can go on
        meanwhile; each instance knows what it has learned.

        When one cannot be built all stay as they are, and what it raised is raised.
        """
        fresh: dict[int, tuple[Instance, Instance]] = {}
        while missing := [each for each in self._all.values() if each.key.hub == hub and id(each) not in fresh]:
            for i, each in enumerate(missing, 1):
                fresh[id(each)] = each, self._build(each.key, site)
                if i % TAKEN_UP_AT_ONCE == 0:
                    yield
        self._site = site
        self.forget_routes(hub)
        for i, (former, anew) in enumerate(fresh.values(), 1):
            anew.detector.restore(former.detector.state())
            former.build, former.detector = anew.build, anew.detector
            former.changed, former.due = True, ALWAYS
            if i % TAKEN_UP_AT_ONCE == 0:
                yield
        self.forget_routes(hub)

    def flush(self, hub: str) -> list[Finding]:
        """Give patient instances of a hub what waits for them."""
        waiting = [each for each in self._all.values() if each.waiting is not None and each.key.hub == hub]
        return [*self._flush_apart(hub), *(finding for each in waiting for finding in each.flush())]

    def changes(self, hub: str) -> tuple[list[Saved], list[InstanceKey]]:
        """Return the states of a hub that have changed since the last call, and the keys that are no longer there."""
        changed = [each for each in self._all.values() if each.changed and each.key.hub == hub]
        for instance in changed:
            instance.changed = False
        gone = {key for key in self._gone if key.hub == hub}
        self._gone -= gone
        return [instance.saved() for instance in changed], sorted(gone - self._all.keys())

    def states(self, detectors: Collection[str]) -> list[bytes]:
        """Return what the instances of these detectors remember."""
        return [each.saved().state for each in self._all.values() if each.key.detector in detectors]

    def not_saved(self, key: InstanceKey) -> None:
        """Take back a key of `changes()` that could not be stored."""
        instance = self._all.get(key)
        if instance is None:
            self._gone.add(key)
        else:
            instance.changed = True

    def restore(self, saved: Saved) -> bool:
        """Restore an instance; False when its state is of no use any more (logged)."""
        spec = self._specs.get(saved.key.detector)
        if spec is None or saved.version != spec.version:
            _log.warning("stored state not used: no such detector or another version",
                         **saved.key._asdict(), version=saved.version)  # fmt: skip
            return False
        instance = self._build(saved.key)
        try:
            instance.restored(saved.state)
        except Poison as error:
            _log.error("stored state unreadable, detector starts anew", **saved.key._asdict(), reason=str(error))
            return False
        self._put(instance)
        return True

    def _time(self, hub: str, agent: str) -> AgentTime:
        times = self._times.setdefault(hub, {})
        if agent not in times:
            times[agent] = AgentTime()
        return times[agent]

    def _find_route(self, hub: str, agent: str, sensor: Sensor, clock: int) -> tuple[SensorRoute, list[Finding]]:
        found = self._flush_apart(hub)
        apart = self._apart.setdefault(hub, {}).setdefault(sensor.sensor, Waiting(0))
        gathered, time = self._waiting_for(hub, sensor.sensor, 0), self._time(hub, agent)
        route = SensorRoute([], gathered, [], [], [], [], apart, time)
        meaning = meaning_of(sensor)
        for key in self._keys(hub, sensor):
            instance, news = self._of_meaning(key._replace(lane=LIVE), meaning if key.sensor else {}, clock)
            found += news
            if not instance.detector.looks_at(sensor):
                continue
            if key.sensor:
                route.time.instances.append(instance)
            if not key.sensor:
                self._lead_to_hub(route, instance, sensor)
            elif instance.patience_us:
                waiting = self._waiting_for(hub, sensor.sensor, instance.patience_us)
                waiting.join(instance)
                if waiting not in route.waiting:
                    route.waiting.append(waiting)
            else:
                route.gathered.join(instance)
                route.own.append(instance)
        route.time.waiting += [route.gathered, *route.waiting]
        route.time.due = ALWAYS
        self._routes.setdefault(hub, {})[agent, sensor.sensor] = route
        return route, found

    def _lead_to_hub(self, route: SensorRoute, instance: Instance, sensor: Sensor) -> None:
        """Put an instance of the whole hub on the way from a sensor."""
        if instance.spec.events_only:
            route.of_events.append(instance)
        elif instance.waiting is None and instance.detector.stands_apart(sensor):
            route.apart.feed(instance)
            route.together.append(instance)
        else:
            route.hubs.append(instance)

    def _waiting_for(self, hub: str, name: str, patience_us: int) -> Waiting:
        """Return where chunks of a sensor wait for instances that are as patient."""
        by_patience = self._waiting.setdefault((hub, name), {})
        if patience_us not in by_patience:
            before = self._waiting_for(hub, name, 0) if patience_us else None
            by_patience[patience_us] = Waiting(patience_us, before)
        return by_patience[patience_us]

    def _of_meaning(self, key: InstanceKey, meaning: Meaning, clock: int) -> tuple[Instance, list[Finding]]:
        """Return the live instance that knows readings of this meaning; one that knows others goes on as a late one."""
        found: list[Finding] = []
        instance = self._all.get(key)
        if instance is not None and differs(instance.meaning, meaning):
            found = self._hand_over(instance, instance.last or clock, clock, learned=False)
            instance = self._all[key]
        instance = instance or self._make(key)
        instance.meaning |= meaning
        return instance, found

    def _keys(self, hub: str, sensor: Sensor) -> list[InstanceKey]:
        """Return the names of the late instances that judge a sensor."""
        return [
            InstanceKey(hub, spec.name, sensor.sensor if spec.scope is Scope.SENSOR else "", LATE)
            for spec in self._specs.values()
            if spec.watches(sensor)
        ]

    def _of_sensor(self, hub: str, name: str) -> list[Instance]:
        """Return the instances, live and late, that judge this sensor alone."""
        keys = (InstanceKey(hub, detector, name, lane) for detector in self._specs for lane in (LIVE, LATE))
        return [instance for key in keys if (instance := self._all.get(key)) is not None]

    def _learned(self, key: InstanceKey, meaning: Meaning) -> tuple[Instance, list[Finding]]:
        fresh, live = self._make(key), self._all.get(key._replace(lane=LIVE))
        fresh.meaning = dict(meaning)
        if live is None or differs(live.meaning, meaning):
            return fresh, []
        found = live.flush() + ([] if key.sensor else self._flush_apart(key.hub))
        fresh.taught_by(live.detector.state())
        return fresh, found

    def _hand_over(self, live: Instance, at: int, clock: int, *, learned: bool = True) -> list[Finding]:
        """Continue a live instance in the late lane, and begin a fresh one, that knows what it has `learned`.

        So what was sent late is judged as if it had come in time: a grant from before explains an opening in it.
        """
        found = live.flush()
        state = live.detector.state()
        key = live.key._replace(lane=LATE)
        late = self._all.get(key)
        if late is None:
            late = self._make(key)
            late.detector.restore(state)
            late.meaning = dict(live.meaning)
        late.open.update(live.open)
        late.fed, late.until, late.changed = clock, at, True
        fresh = self._make(live.key)
        if learned:
            fresh.meaning = dict(live.meaning)
            fresh.taught_by(state)
        return found

    def _close(self, instance: Instance, end: int, why: str | None = None) -> list[Finding]:
        """Let an instance go and end what is open in it."""
        key = instance.key
        self._all.pop(key, None)
        self._driven_by_hub.get(key.hub, {}).pop(key, None)
        self._gone.add(key)
        return [Clear(each, end, end, why) for each in list(instance.open)]

    def _make(self, key: InstanceKey) -> Instance:
        return self._put(self._build(key))

    def _put(self, instance: Instance) -> Instance:
        key = instance.key
        self._all[key] = instance
        if instance.patience_us and not key.sensor:
            Waiting(instance.patience_us).join(instance)
        if key.lane == LATE or instance.spec.scope is Scope.HUB:
            self._driven_by_hub.setdefault(key.hub, {})[key] = instance
        return instance

    def _build(self, key: InstanceKey, site: Site | None = None) -> Instance:
        spec, config = self._specs[key.detector], self._configs[key.detector]
        build = partial(spec.build, config, key.hub, key.sensor, site or self._site, late=key.lane == LATE)
        return Instance(key, spec, build, build())
