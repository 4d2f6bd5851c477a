"""A running agent and its configuration: SIGHUP, what needs a restart, and a start with what was last good."""

from __future__ import annotations

import asyncio
import shutil
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from support.agents_modbus_device import Line, Unit
from support.agents_process import AgentProcess, Listener, config_text, listening
from support.agents_rig import MAPS


@dataclass
class Scene:
    """A device, an agent as a process, and what the broker delivers."""

    config: Path
    profiles: Path
    agent: AgentProcess
    heard: Listener

    def rewrite(self, old: str, new: str) -> None:
        """Change the configuration."""
        text = self.config.read_text(encoding="utf-8")
        assert old in text
        self.config.write_text(text.replace(old, new), encoding="utf-8")

    def hang_up(self) -> None:
        """Send SIGHUP."""
        self.agent.process.send_signal(signal.SIGHUP)

    async def value(self, channel: str, sensor: str = "probe-1") -> float:
        """Wait for the next value of a channel."""
        seen = len(self.heard.values(sensor, channel))
        await self.heard.until(lambda h: [x for _, x in h.values(sensor, channel)[seen:] if x is not None])
        return next(x for _, x in reversed(self.heard.values(sensor, channel)) if x is not None)

    def said(self) -> list[tuple[bool, str]]:
        """Return what the agent has told of its configuration."""
        return [(event.attrs["in_force"], event.attrs["detail"]) for event in self.heard.events("agent.config")]


@asynccontextmanager
async def scene(folder: Path, broker: tuple[str, int]) -> AsyncIterator[Scene]:
    """Run it all; the agent keeps its last good configuration."""
    hub = f"reload-{time.time_ns():x}"
    profiles, config = folder / "profiles", folder / "agent.toml"
    shutil.copytree(MAPS, profiles)
    async with Line({1: Unit(), 2: Unit()}).over_tcp() as line, listening(broker, hub) as heard:
        text = config_text(hub, broker, folder / "spool", line.port)
        config.write_text(text.replace(str(MAPS), str(profiles)), encoding="utf-8")
        agent = AgentProcess(config, "--last-good", str(folder / "state" / "last-good.toml"))
        try:
            await heard.until(lambda h: h.values("probe-1", "a"))
            yield Scene(config, profiles, agent, heard)
        finally:
            assert await agent.stop() == 0, agent.log


async def test_hang_up_takes_up_a_profile_that_was_changed(tmp_path: Path, mosquitto: tuple[str, int]) -> None:
    async with scene(tmp_path, mosquitto) as it:
        profile = it.profiles / "probe.toml"
        profile.write_text(profile.read_text().replace("address = 1\n", "address = 7\n"), encoding="utf-8")
        await asyncio.sleep(1.5)
        assert await it.value("a") == 10, "the file of the configuration itself is as it was"
        it.hang_up()
        await it.heard.until(lambda h: h.values("probe-1", "a")[-1][1] == 70)
        assert it.said() == []
        assert await it.value("config_in_force", "box") == 1


async def test_change_of_the_uplink_waits_for_a_restart_and_the_rest_does_not(
    tmp_path: Path, mosquitto: tuple[str, int]
) -> None:
    async with scene(tmp_path, mosquitto) as it:
        it.rewrite("max_reconnect_s = 0.3", "max_reconnect_s = 0.4")
        more = '[[devices]]\nsensor = "probe-2"\nzone = "here"\nprofile = "probe"\nconnection = "line"\nunit = 2\n'
        it.config.write_text(it.config.read_text(encoding="utf-8") + more, encoding="utf-8")
        it.hang_up()
        assert await it.value("b", "probe-2") == 20
        await it.heard.until(lambda _: it.said())
        assert it.said() == [(False, "a change of mqtt needs a restart; the rest is in force")]
        assert await it.value("config_in_force", "box") == 0
        assert "needs a restart" in it.agent.log
        it.agent.kill()
        it.agent.restart()
        await it.heard.until(lambda h: h.values("box", "config_in_force")[-1][1] == 1)


async def test_agent_starts_with_what_was_last_good_when_its_profiles_are_gone(
    tmp_path: Path, mosquitto: tuple[str, int]
) -> None:
    async with scene(tmp_path, mosquitto) as it:
        it.agent.kill()
        shutil.rmtree(it.profiles)
        it.rewrite('profile = "probe"', 'profile = "prob"')
        it.agent.restart()
        assert await it.value("a") == 10
        await it.heard.until(lambda _: it.said())
        (in_force, detail), *_ = it.said()
        assert not in_force
        assert "started with the last good one" in detail
        # What was sent before the kill comes again, late: the newest counts.
        await it.heard.until(lambda h: max(h.values("box", "config_in_force"))[1] == 0)
        shutil.copytree(MAPS, it.profiles)
        it.rewrite('profile = "prob"', 'profile = "probe"')
        it.hang_up()
        await it.heard.until(lambda _: it.said()[-1] == (True, "in force"))
