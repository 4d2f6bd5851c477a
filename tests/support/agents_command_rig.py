"""The driver of a device that can be told things, or a whole agent with one, and callers at its control socket."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from hubwatch_agents.commands.catalog import DeviceCommand, find
from hubwatch_agents.commands.protocol import CommandOutcome
from hubwatch_agents.config.load import check
from hubwatch_agents.devices import Configuration
from hubwatch_agents.drivers import contract, registry
from hubwatch_agents.settings import AgentSettings
from hubwatch_agents.values import pseudonyms
from support.agents_rig import Heard

MAPS = Path(__file__).parents[1] / "cases" / "agents_commands"
ME = getpass.getuser()


@contextmanager
def short_folder() -> Iterator[Path]:
    """Return a folder with a path short enough for a socket in it."""
    with tempfile.TemporaryDirectory(prefix="hw") as folder:
        yield Path(folder)


def section(*allow: str, roles: tuple[str, ...] = ("technician",), user: str = ME, enabled: bool = True) -> str:
    """Return the TOML of `[commands]`; a command allowed is named as gas-1/reset."""
    pairs = (name.split("/") for name in allow)
    listed = ", ".join(f'{{ sensor = "{sensor}", command = "{command}" }}' for sensor, command in pairs)
    quoted = ", ".join(f'"{role}"' for role in roles)
    return (
        f"[commands]\nenabled = {str(enabled).lower()}\nallow = [{listed}]\n"
        f'[[commands.operators]]\nuser = "{user}"\nroles = [{quoted}]\n'
    )


def checked_of(port: int, **more: object) -> Configuration:
    """Make a checked configuration with one talker, the sensor gas-1."""
    way = {"name": "line", "transport": "tcp", "host": "127.0.0.1", "port": port, "max_reconnect_s": 0.3}
    device = {"sensor": "gas-1", "zone": "here", "profile": "talker", "connection": "line"}
    whole = {
        "hub": "test",
        "agent": "rig",
        "profile_folders": [MAPS],
        "connections": [way],
        "devices": [device],
        **more,
    }
    return check(AgentSettings.model_validate(whole), "test")


@dataclass
class Commanded:
    """A driver at work, and its device's commands."""

    checked: Configuration
    driver: contract.Driver
    heard: Heard

    async def give(self, name: str) -> CommandOutcome:
        """Give a command."""
        entry = self.entry(name)
        return await self.driver.command(entry.device, entry.command)

    def entry(self, name: str) -> DeviceCommand:
        """Give a command of the catalog."""
        found = find(self.checked.devices, "gas-1", name)
        assert found is not None
        return found

    async def until_read(self) -> None:
        """Wait until the device is read."""
        await self.heard.until(lambda heard: heard.last("gas-1", "mode"))


@asynccontextmanager
async def commanded(port: int = 502, **more: object) -> AsyncIterator[Commanded]:
    """Run the driver of a talker inside the context."""
    checked = checked_of(port, **more)
    heard, stop = Heard(), asyncio.Event()
    driver = registry.make(
        checked.settings.connections[0], checked.devices, contract.DriverContext(heard, pseudonyms.raw, "test")
    )
    task = asyncio.create_task(driver.run(stop))
    try:
        yield Commanded(checked, driver, heard)
        assert not task.done(), "the driver ended by itself"
    finally:
        stop.set()
        async with asyncio.timeout(60):
            await task


def say(path: Path, data: bytes, *, end: bool = True, wait_s: float = 10.0) -> bytes:
    """Send bytes to a control socket as they are; gives what comes back until it closes."""
    with socket.socket(socket.AF_UNIX) as caller:
        caller.settimeout(wait_s)
        caller.connect(str(path))
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            caller.sendall(data)
            if end:
                caller.shutdown(socket.SHUT_WR)
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            while part := caller.recv(4096):
                answer += part
        return answer
