"""An agent that cannot begin leaves nothing open behind it."""

from __future__ import annotations

from pathlib import Path

import pytest

from hubwatch_agents import agent as module
from hubwatch_agents.agent import Agent
from hubwatch_agents.config.load import check
from hubwatch_agents.uplink.frame_store import FrameStore
from hubwatch_core.errors import Permanent
from hubwatch_core.health import Health
from hubwatch_core.process import Context
from support.agents_rig import settings_of

LATER = ("ClockWatch", "DropCounters", "Checkpoints", "DriverSupervisor", "Reporter")


@pytest.mark.parametrize("part", LATER)
def test_spool_is_free_again_when_a_later_part_cannot_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    broker = {"name": "b", "transport": "mqtt", "host": "127.0.0.1"}
    device = {"sensor": "area-1", "profile": "espgeiger", "parameters": {"root": "geiger"}}
    settings = settings_of(broker, [device], spool={"directory": str(tmp_path)})

    def fails(*_: object) -> None:
        raise Permanent("cannot be made")

    monkeypatch.setattr(module, part, fails)
    with pytest.raises(Permanent, match="cannot be made"):
        Agent(check(settings, "test"), Context.make("test"))
    FrameStore(settings, Health()).close()
