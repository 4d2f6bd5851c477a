"""The engine: time and order. Feeds frames to detectors in event time, so that late data and lost sight deceive none.

Pure: it takes births, frames and the passing of time, and returns findings. The same input in the same order gives the
same findings, live or replayed. Which detectors judge what is the router's part. Time is event time: an agent's clock
is the latest `sent` of its live frames; only whether an agent is away is judged by our own clock.

- A frame counts once, by (agent, epoch, sequence number).
- Late frames, and readings much older than their frame, are judged in a lane of their own.
- When an agent's frames were missed, its sensors' detectors go over to the late lane, where the backlog continues what
  they had seen, and fresh ones that know what they had learned take up the live data.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping

from hubwatch_core.clock import SECOND_US
from hubwatch_core.logs import get_logger
from hubwatch_core.packed_frame import AnyFrame
from hubwatch_core.time_limits import said_at
from hubwatch_core.wire import LATEST_US, Birth, Detection, Sensor
from hubwatch_detectors.chunk import Chunk, Said, split
from hubwatch_detectors.contract import Finding, Site
from hubwatch_detectors.engine.agents import STATE_NAME, STATE_VERSION, AgentFactory, AgentMemory, WatchedAgent
from hubwatch_detectors.engine.instance import FAILED, LIVE, InstanceKey, Saved
from hubwatch_detectors.engine.left_out import LeftOut
from hubwatch_detectors.engine.owners import Changed, Owners
from hubwatch_detectors.engine.router import Router
from hubwatch_detectors.engine.rules import Counts, Rules
from hubwatch_detectors.engine.said import newest_said
from hubwatch_detectors.engine.seen import SeenFrames
from hubwatch_detectors.engine.taken import Taken
from hubwatch_detectors.engine.twins import Verdict, contradicts

TICK_US = 200_000
"""How often, at most, absence is judged as a hub's time passes."""
AHEAD_US = 60 * SECOND_US
"""A reading this far ahead of its frame comes from a broken clock; it would hold a detector's time in the future."""

JOURNAL_NAME = "journal"
"""The name under which is stored how far the journal of devices was followed."""
MAX_TAKEN = 10_000
"""Agents that were taken away, or were away before they were announced, that are remembered."""

_ULID = re.compile(rb"\xba([0-9A-HJKMNP-TV-Z]{26})")
"""A text of 26 characters in MessagePack."""

_log = get_logger("detectors")


class Engine:
    """Detectors at work for any number of hubs."""

    def __init__(self, rules: Rules) -> None:
        self.counts = Counts()
        self.watching = True
        """False while more waits for us than what was taken: then, until `resume`, nothing follows from absence."""
        self._config = rules.engine
        self._blind_us = round(rules.engine.blind_after_s * SECOND_US)
        self._late_us = round(rules.engine.late_after_s * SECOND_US)
        self._left_out = LeftOut(round(rules.engine.max_future_s * SECOND_US))
        self._router = Router(rules.specs, rules.configs, rules.site)
        self._factory = AgentFactory(rules.specs, rules.configs)
        self._agents: dict[str, dict[str, WatchedAgent]] = {}
        self._changed_agents: set[tuple[str, str]] = set()
        self.awaited: set[tuple[str, str]] = set()
        """Agents whose frames have come and wait until somebody can say whether they are theirs."""
        self._clocks: dict[str, int] = {}
        self._ticked: dict[str, int] = {}
        self._owners = Owners(rules.engine.shared_after_s)
        self._taken = Taken(MAX_TAKEN)
        self._journal: dict[str, int] = {}
        """The last entry of the journal of devices that was followed, by hub."""
        self._changed_journals: set[str] = set()
        self._useless: list[InstanceKey] = []
        """Keys of stored states that are of no use any more."""

    def birth(self, birth: Birth, received: int, *, retained: bool = False) -> list[Finding]:
        """Take an agent's inventory, which came at `received` (µs, our clock), or which the broker had kept.

        One that was not said later than the known one changes nothing.
        """
        if self._left_out.is_from_the_future(birth, received):
            self.counts.from_future += 1
            return []
        self.counts.births += 1
        said = said_at(birth, received, retained=retained)
        if not self._taken.comes_again(birth, said):
            return []
        agent = self._agent(birth.hub, birth.agent)
        agent.announced(received)
        if not agent.is_news(birth.inventory, said, received, retained=retained):
            return []
        agent.memory.born = said
        agent.announces(birth.inventory, said, received)
        names = _channels(birth.inventory)
        changed, found = self._owners.listed(birth.hub, birth.agent, names, said, received)
        return found + self._reassign(birth.hub, changed, agent, agent.memory.clock or received)

    def frame(self, frame: AnyFrame, received: int) -> list[Finding]:
        """Take a frame that came at `received` (µs, our clock)."""
        if self._left_out.is_from_the_future(frame, received):
            self.counts.from_future += 1
            return []
        if self._taken.holds(frame.hub, frame.agent) and not self._goes_on(frame, received):
            self.counts.unjudged += 1
            return self.tick(received, frame.hub)
        agent = self._agent(frame.hub, frame.agent)
        memory = agent.memory
        known = frame.epoch in memory.seen
        seen = memory.seen_of(frame.epoch)
        highest = seen.highest
        if not seen.take(frame.seq):
            self.counts.duplicates += 1
            return self._contradicted(agent, frame, received) if contradicts(seen, frame) else []
        self.counts.frames += 1
        found = agent.heard(received)
        if frame.late or frame.seq < highest:
            self.counts.late_frames += 1
            if memory.twins.found is None or frame.epoch == memory.twins.epoch:
                found += self._late(agent, frame)
            return found + self.tick(received, frame.hub)
        seen.last, seen.latest = frame.sent, max(seen.latest, frame.sent)
        verdict, news = memory.twins.judge(frame.hub, frame.agent, frame, known, received)
        found += news
        if verdict is Verdict.OTHER:
            self.counts.unjudged += 1
        else:
            missed = 0 < highest < frame.seq - 1 or verdict is Verdict.CHANGED
            found += self._live(agent, frame, received, missed=missed)
        return found + self.tick(received, frame.hub)

    def agent_state(self, hub: str, agent: str, *, online: bool, at: int, retained: bool = False) -> list[Finding]:
        """Take an agent's state from the broker, which came at `at` (µs, our clock). Only frames prove it is back.

        When a word that the broker had kept was said is not known: of an agent whose frames are known it says nothing.
        The state of an agent that was taken away says nothing either.
        """
        if self._taken.holds(hub, agent):
            return []
        one = self._agent(hub, agent)
        if retained and one.memory.clock:
            return []
        changed, found = self._owners.away(hub, agent, away=not online, now=at)
        found += self._reassign(hub, changed, None, at)
        if not online:
            return found + one.left(at)
        one.announced(at)
        return found

    def forget_agent(self, hub: str, name: str, at: int, why: str, birth: int | None = None) -> list[Finding]:
        """Let an agent go that was taken away for good at `at` (µs, our clock): what is open about it ends.

        Nothing that was said up to then brings it back: with `birth` no birth that was sent (µs) up to that time.
        """
        agent = self._agents.get(hub, {}).pop(name, None)
        self._taken.take(hub, name, birth, None if agent is None else agent.memory)
        if agent is None:
            return []
        self._changed_agents.add((hub, name))
        found = agent.gone(at, why)
        changed, news = self._owners.listed(hub, name, {}, at, at)
        _log.info("agent is gone for good", hub=hub, agent=name, why=why, sensors=len(agent.sensors))
        return found + news + self._reassign(hub, changed, None, at, why)

    def forget_sensor(self, hub: str, name: str, at: int, why: str) -> list[Finding]:
        """Let a sensor go at `at` (µs, our clock), unless an agent lists it."""
        if self._owners.judged(hub, name):
            return []
        return self._router.forget_sensor(hub, name, at, why)

    def renew_sensor(self, hub: str, name: str, at: int) -> list[Finding]:
        """Learn a sensor anew from `at` (µs, our clock) on: it is another device, or in another place."""
        return self._router.renew_sensor(hub, name, at, self._clocks.get(hub, at))

    def take_up(self, site: Site, hub: str) -> Iterator[None]:
        """Judge a hub by another site; nothing that was learned is lost. Yields and raises as `Router.take_up`."""
        return self._router.take_up(site, hub)

    def followed(self, hub: str) -> int:
        """Return the last entry of the journal of devices that was followed."""
        return self._journal.get(hub, 0)

    def follow(self, hub: str, entry: int) -> None:
        """Note that an entry of the journal of devices was followed; saved with what came of it."""
        self._journal[hub] = max(entry, self.followed(hub))
        self._changed_journals.add(hub)

    def announced_at(self, hub: str, agent: str) -> int:
        """Return when an agent's last birth came (µs, our clock); 0 for one that is not known."""
        one = self._agents.get(hub, {}).get(agent)
        return one.memory.announced if one is not None else 0

    def knows(self, hub: str, agent: str) -> bool:
        """Return whether an agent is watched."""
        return agent in self._agents.get(hub, {})

    def seen(self) -> Iterator[tuple[tuple[str, str, str], SeenFrames]]:
        """Yield which frames were taken, by hub, agent and epoch."""
        for hub, agents in self._agents.items():
            for name, agent in agents.items():
                for epoch, account in agent.memory.seen.items():
                    yield (hub, name, epoch), account

    def remembered(self, detectors: Collection[str]) -> set[str]:
        """Return the ids of the detections that these detectors, or who watches the agents, may still end."""
        states = [each.saved().state for agents in self._agents.values() for each in agents.values()]
        return {id_.decode() for state in [*states, *self._router.states(detectors)] for id_ in _ULID.findall(state)}

    def tick(self, now: int, hub: str | None = None) -> list[Finding]:
        """Let our own time pass up to `now` (µs), for one hub or for all."""
        found: list[Finding] = []
        for each in [hub] if hub is not None else list(self._agents):
            self._clocks[each] = max(self._clocks.get(each, 0), now)
            if self._clocks[each] - self._ticked.get(each, 0) >= TICK_US:
                self._ticked[each] = self._clocks[each]
                found += self._absence(each, self._clocks[each])
        return found

    def resume(self, now: int, hub: str | None = None) -> None:
        """Note that we ourselves saw nothing until `now` (µs, our clock), of one hub or of all, so that no agent is
        blamed for it.

        `now` may lie before what was: then our clock was set back.
        """
        self.watching = True
        for each in [hub] if hub is not None else list(self._agents):
            self._clocks[each] = self._ticked[each] = now
            for agent in self._agents.get(each, {}).values():
                agent.resume(now)
            self._router.resume(each, now)

    def wait_for(self, hub: str, agent: str, now: int, *, waits: bool) -> None:
        """Note that frames of an agent have come and are not judged yet, or since `now` (µs, our clock) no longer:
        meanwhile its silence says nothing, and after it the agent gets its time anew.
        """
        if waits:
            self.awaited.add((hub, agent))
            return
        self.awaited.discard((hub, agent))
        one = self._agents.get(hub, {}).get(agent)
        if one is not None:
            one.resume(now)

    def hubs(self) -> set[str]:
        """Return the hubs of which something is known, or was and is to be removed."""
        changed = {hub for hub, _ in self._changed_agents} | {key.hub for key in self._useless}
        return changed | self._agents.keys() | self._journal.keys()

    def gather(self) -> None:
        """Gather what sensors say, until `settle`: where several frames of an agent are there, one call for all of them
        costs a fraction of many. What does not wait for more than has come already is found no later by it.
        """
        self._router.gather()

    def settle(self) -> list[Finding]:
        """Judge what was gathered."""
        return self._counted(self._router.settle())

    def flush(self, hub: str) -> list[Finding]:
        """Let all detectors of a hub judge what waits for them, as before their states are taken."""
        return self._counted(self._router.flush(hub))

    def changes(self, hub: str) -> tuple[list[Saved], list[InstanceKey]]:
        """Return the states of a hub that have changed since the last call, and the keys that are no longer there."""
        saved, gone = self._router.changes(hub)
        if hub in self._changed_journals:
            self._changed_journals.discard(hub)
            saved.append(Saved(_journal_key(hub), STATE_VERSION, str(self._journal[hub]).encode()))
        agents = self._agents.get(hub, {})
        gone += [key for key in self._useless if key.hub == hub and key.sensor not in agents]
        self._useless = [key for key in self._useless if key.hub != hub]
        for name in sorted(name for of, name in self._changed_agents if of == hub):
            self._changed_agents.discard((hub, name))
            agent = agents.get(name)
            if agent is None:
                gone.append(InstanceKey(hub, STATE_NAME, name, LIVE))
                continue
            memory = agent.memory
            memory.since, memory.has, memory.twice = self._owners.of(hub, name)
            saved.append(agent.saved())
        return saved, gone

    def not_saved(self, keys: Iterable[InstanceKey]) -> None:
        """Take back keys of `changes()` that could not be stored."""
        for key in keys:
            if key.detector == JOURNAL_NAME:
                self._changed_journals.add(key.hub)
            elif key.detector == STATE_NAME:
                self._changed_agents.add((key.hub, key.sensor))
            else:
                self._router.not_saved(key)

    def restore(self, states: Iterable[Saved]) -> int:
        """Take up stored states; return how many were of use. Others are logged and start anew."""
        used = sum(self._restore(saved) for saved in states)
        self._owners.settle_all(0)
        for hub, agents in self._agents.items():
            for agent in agents.values():
                agent.judges(self._owned(hub, agent))
        return used

    def _restore(self, saved: Saved) -> bool:
        if saved.key.detector == JOURNAL_NAME:
            self._journal[saved.key.hub] = int(saved.state)
            return True
        if saved.key.detector != STATE_NAME:
            used = self._router.restore(saved)
        else:
            agent = self._factory.restored(saved)
            used = agent is not None
            if agent is not None:
                self._agents.setdefault(agent.hub, {})[agent.name] = agent
                memory = agent.memory
                channels = _channels(memory.inventory)
                entries = {name: (memory.since.get(name, 0), channels[name]) for name in channels}
                self._owners.restore(agent.hub, agent.name, entries, set(memory.has), memory.twice)
        if not used:
            self._useless.append(saved.key)
        return used

    def _owned(self, hub: str, agent: WatchedAgent) -> set[str]:
        return {name for name in agent.sensors if agent.name in self._owners.judged(hub, name)}

    def _reassign(
        self, hub: str, changed: Changed, agent: WatchedAgent | None, at: int, why: str = "no agent lists it any more"
    ) -> list[Finding]:
        """Let each agent judge what it has now, and end what nobody lists."""
        found: list[Finding] = []
        agents = self._agents.get(hub, {})
        judged = {name: self._owners.judged(hub, name) for name in changed}
        concerned = {each for names in (*changed.values(), *judged.values()) for each in names}
        if agent is not None:
            concerned.add(agent.name)
        for name in sorted(concerned & agents.keys()):
            self._changed_agents.add((hub, name))
            found += agents[name].assigned(self._owned(hub, agents[name]))
        for name, those in sorted(judged.items()):
            if not those:
                found += self._router.forget_sensor(hub, name, at, why)
            elif self._owners.is_found(hub, name):
                # Two devices under one name: the one knows nothing of what the other has seen.
                found += self._counted(self._router.lost_sight(hub, [name], at, self._clocks.get(hub, at)))
        self._router.forget_routes(hub)
        return found

    def _goes_on(self, frame: AnyFrame, received: int) -> bool:
        """Return whether an agent that was taken away is still there; then it is judged again."""
        memory = self._taken.memory_of(frame)
        if memory is None:
            return False
        _log.warning("an agent that was taken away goes on sending, and is judged again", hub=frame.hub,
                     agent=frame.agent)  # fmt: skip
        self._taken.give_back(frame.hub, frame.agent)
        agent = self._agents.setdefault(frame.hub, {})[frame.agent] = self._factory.make(
            frame.hub,
            frame.agent,
            AgentMemory(memory.seen, memory.clock, memory.born, memory.inventory, twins=memory.twins),
        )
        changed, _ = self._owners.listed(frame.hub, frame.agent, _channels(memory.inventory), frame.sent, received)
        self._reassign(frame.hub, changed, agent, received)
        return True

    def _contradicted(self, agent: WatchedAgent, frame: AnyFrame, received: int) -> list[Finding]:
        found = self._lost_sight(agent, agent.memory.clock, stepped=False)
        return found + agent.memory.twins.contradicted(frame.hub, frame.agent, frame, received)

    def _agent(self, hub: str, name: str) -> WatchedAgent:
        self._changed_agents.add((hub, name))
        agents = self._agents.setdefault(hub, {})
        if name not in agents:
            agents[name] = self._factory.make(hub, name, AgentMemory())
        return agents[name]

    def _live(self, agent: WatchedAgent, frame: AnyFrame, received: int, *, missed: bool) -> list[Finding]:
        memory, found = agent.memory, list[Finding]()
        jump = frame.sent - memory.clock
        stepped = memory.clock > 0 and jump < -self._blind_us
        if missed or stepped or (memory.clock > 0 and jump > memory.pace.pause(self._blind_us)):
            found = self._lost_sight(agent, frame.sent, stepped=stepped)
        if memory.clock and not missed:
            memory.pace.note(jump)
        memory.clock = frame.sent if stepped else max(memory.clock, frame.sent)
        # A frame holds what was read since the one before it.
        oldest = frame.sent - self._late_us - memory.pace.interval
        clock, parts = self._clocks.get(agent.hub, received), split(frame)
        any_shared = self._owners.any_shared
        for chunk in self._chunks(agent, frame, parts):
            name = chunk.sensor.sensor
            if any_shared:
                found += self._owners.spoke(agent.hub, agent.name, name, received)
            if chunk.sensor is not agent.sensors[name]:
                found += self._judge_late(chunk)  # made before it came to mean what it means now
                continue
            live = chunk if chunk.first >= oldest else chunk.between(oldest, LATEST_US)
            if live.last and (news := self._router.judge_live(live, received, clock)):
                found += self._counted(news)
            if live is not chunk:
                found += self._judge_late(chunk.between(0, oldest - 1))
        found += agent.observed(newest_said(parts, agent.judged))
        sensors = agent.judged.values()
        return found + self._counted(self._router.advance_sensors(agent.hub, agent.name, sensors, memory.clock, clock))

    def _late(self, agent: WatchedAgent, frame: AnyFrame) -> list[Finding]:
        return [finding for chunk in self._chunks(agent, frame, split(frame)) for finding in self._judge_late(chunk)]

    def _judge_late(self, chunk: Chunk) -> list[Finding]:
        return self._counted(self._router.judge_late(chunk, self._clocks.get(chunk.hub, 0)))

    def _lost_sight(self, agent: WatchedAgent, now: int, *, stepped: bool) -> list[Finding]:
        self.counts.blind += 1
        if stepped:
            _log.warning("agent's clock was set back", hub=agent.hub, agent=agent.name)
        agent.lost_sight(now, stepped=stepped)
        clock = self._clocks.get(agent.hub, 0)
        return self._counted(self._router.lost_sight(agent.hub, agent.judged, now, clock))

    def _chunks(self, agent: WatchedAgent, frame: AnyFrame, parts: Mapping[str, Said]) -> list[Chunk]:
        """Return what the `parts` of a frame hold of each known sensor, without what comes from the future."""
        chunks, counts, latest = [], self.counts, frame.sent + AHEAD_US
        for name, (columns, events) in parts.items():
            entry = agent.judged.get(name)
            if entry is None:
                self._not_judged(agent, name, frame, sum(len(each.t) for each in columns) + len(events))
                continue
            if not columns and not events:
                continue
            if agent.memory.former:
                entry = agent.memory.entry_at(entry, frame.sent)
            chunk = Chunk.of_columns(agent.hub, agent.name, entry, columns, events)
            for column in columns:
                counts.readings += len(column.t)
            counts.events += len(events)
            if chunk.last > latest:
                size = len(chunk)
                chunk = chunk.between(0, latest)
                counts.ahead += size - len(chunk)
                if not chunk:
                    continue
            chunks.append(chunk)
        return chunks

    def _not_judged(self, agent: WatchedAgent, name: str, frame: AnyFrame, items: int) -> None:
        """Count what is of a sensor that another agent has, or that is in no inventory."""
        if name not in agent.sensors:
            self.counts.unknown += items
            self._left_out.unknown(agent.hub, name)
            return
        self.counts.unjudged += 1
        if not frame.late:
            self._owners.spoke(agent.hub, agent.name, name, 0)

    def _counted(self, found: list[Finding]) -> list[Finding]:
        if not found:
            return found
        self.counts.failed += sum(isinstance(each, Detection) and each.type == FAILED for each in found)
        return found

    def _absence(self, hub: str, now: int) -> list[Finding]:
        found: list[Finding] = []
        if not self.watching:
            return found
        for agent in self._agents.get(hub, {}).values():
            news = agent.memory.twins.check(now)
            if (hub, agent.name) not in self.awaited:
                news = agent.check(now) + news
            if news:
                self._changed_agents.add((hub, agent.name))
            found += news
        found += self._owners.check(hub, now)
        return found + self._counted(self._router.advance_hub(hub, now, self._config.late_idle_s * SECOND_US))


def _journal_key(hub: str) -> InstanceKey:
    return InstanceKey(hub, JOURNAL_NAME, "", LIVE)


def _channels(inventory: Iterable[Sensor]) -> dict[str, frozenset[str]]:
    return {entry.sensor: frozenset(channel.name for channel in entry.channels) for entry in inventory}
