"""The birth: what this agent reads, in which unit, with which software and configuration."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

import hubwatch_core
from hubwatch_agents.devices import Configuration, Device, inventory
from hubwatch_agents.self_report import heartbeat
from hubwatch_agents.settings import AgentSettings
from hubwatch_core import wire
from hubwatch_core.clock import now_us


def birth(configuration: Configuration, epoch: str) -> bytes:
    """Return the birth as it is published now."""
    settings, devices = configuration.settings, configuration.devices
    own = heartbeat.sensor(settings.agent, settings.zone, settings.heartbeat_s, _delaying(devices))
    return wire.encode(
        wire.Birth(
            v=1,
            hub=settings.hub,
            agent=settings.agent,
            epoch=epoch,
            sent=now_us(),
            software=f"hubwatch {hubwatch_core.__version__}",
            config=digest(settings, devices),
            inventory=[own, *inventory(devices)],
        )
    )


def _delaying(devices: Sequence[Device]) -> list[str]:
    """Return the sensors whose devices share a connection on which one waits for the other."""
    return sorted({device.sensor for device in devices if device.profile.protocol == "modbus"})


def digest(settings: AgentSettings, devices: Sequence[Device]) -> str:
    """Return the digest of everything that decides how this agent reads: its settings and the maps in use."""
    whole = {
        "settings": settings.model_dump(mode="json"),
        "profiles": {device.sensor: device.profile.model_dump(mode="json") for device in devices},
    }
    return "sha256:" + hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()
