"""Follows what people do to agents and sensors, and ends what no detector remembers any more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hubwatch_core.clock import now_us
from hubwatch_core.logs import get_logger
from hubwatch_core.wire import Clear
from hubwatch_detectors.contract import Finding
from hubwatch_detectors.engine import Engine, Rules
from hubwatch_detectors.engine.owners import DETECTOR
from hubwatch_store.detections import StateRow, Unended
from hubwatch_store.devices import Act

_log = get_logger("detectors")


def follow(engine: Engine, acts: Sequence[Act]) -> list[Finding]:
    """Let an engine follow entries of the journal of devices, each once, and return what comes of it."""
    found: list[Finding] = []
    for act in acts:
        if act.id > engine.followed(act.hub):
            found += _done(engine, act)
            engine.follow(act.hub, act.id)
        elif act.agent is not None and act.birth is not None and not engine.knows(act.hub, act.agent):
            # A copy of its birth may still come from the broker.
            engine.forget_agent(act.hub, act.agent, act.at, "", act.birth)
    return found


def _done(engine: Engine, act: Act) -> list[Finding]:
    if act.agent is not None:
        if engine.announced_at(act.hub, act.agent) > act.at:
            return []  # it has come again since, as a new one
        why = f"agent {act.agent} was taken away for good: {act.reason}"
        return engine.forget_agent(act.hub, act.agent, act.at, why, act.birth)
    if act.sensor is None:
        return []
    if act.action == "sensor forgotten":
        why = f"sensor {act.sensor} was taken away for good: {act.reason}"
        return engine.forget_sensor(act.hub, act.sensor, act.at, why)
    if act.action in {"replaced", "moved"}:
        return engine.renew_sensor(act.hub, act.sensor, act.at)
    return []


def ends_of_orphans(
    engine: Engine, rules: Rules, unended: Sequence[Unended], states: Sequence[StateRow]
) -> list[Finding]:
    """Return the ends of detections that no detector remembers: it is switched off, of another version, or gone.

    Detections of others, such as the ledger's, are left alone: only who has a state here, or a place in the table, is
    meant.
    """
    versions = {spec.name: spec.version for spec in rules.specs}
    ours = versions.keys() | {row.key.detector for row in states} | {DETECTOR}
    meant = [each for each in unended if each.detector in ours]
    remembered = engine.remembered({each.detector for each in meant})
    now = now_us()
    ends: list[Finding] = [
        Clear(each.id, now, now, _reason(each, rules, versions)) for each in meant if each.id not in remembered
    ]
    if ends:
        _log.info("ended what no detector remembers any more", detections=len(ends))
    return ends


def _reason(each: Unended, rules: Rules, versions: Mapping[str, int]) -> str:
    name = each.detector
    if name == DETECTOR:
        return "it is judged anew"
    if name not in versions:
        return f"there is no detector {name} any more"
    if not rules.configs[name].enabled:
        return f"detector {name} is switched off"
    if versions[name] != each.version:
        return f"detector {name} is of version {versions[name]} now and does not know what version {each.version} found"
    return f"detector {name} does not remember it any more"
