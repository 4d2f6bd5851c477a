"""The control socket at work: a few callers at a time, one line each, a few seconds for each."""

from __future__ import annotations

import asyncio

from hubwatch_agents.commands import protocol, socket_file
from hubwatch_agents.commands.control import Caller, Control, Edge
from hubwatch_agents.commands.protocol import Malformed
from hubwatch_agents.tasks import end
from hubwatch_core.errors import Permanent
from hubwatch_core.health import Health
from hubwatch_core.logs import get_logger

LOOK_S = 1.0
REQUEST_S = 5.0
"""A caller that has not sent its line by then is sent away; and one that does not fetch its answer is left."""
STOP_S = 10.0
"""How long a stop waits for commands under way; then their outcome is unknown. A part has 20 s to stop."""
MOST_CALLERS = 8
MOST_OF_ONE = 4
"""One user who says nothing must not keep the others out."""
MOST_OPEN = 64
"""Connections beyond are dropped without a word: each takes a file of a process that has devices to read."""

_log = get_logger("commands")


class Server:
    """Opens the socket while the configuration in force wants it, and closes it when it does not."""

    def __init__(self, edge: Edge, control: Control, health: Health) -> None:
        self._edge = edge
        self._control = control
        self._health = health
        self._path = socket_file.path_of(edge.checked.settings.spool.directory)
        self._server: asyncio.Server | None = None
        self._group: str | None = None
        self._failed = ""
        self._callers: dict[asyncio.Task[None], int] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Listen until `stop` is set; then let those who are heard already have their answer."""
        stopping = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set():
                await self._follow()
                await asyncio.wait([stopping], timeout=LOOK_S)
        finally:
            stopping.cancel()
            self._close()
            if self._callers:
                _, late = await asyncio.wait(self._callers, timeout=STOP_S)
                await end(*late)

    async def _follow(self) -> None:
        """Be as the configuration in force says."""
        section = self._edge.checked.settings.commands
        if self._server is not None and (not section.enabled or section.group != self._group):
            self._close()
        if self._server is None and section.enabled:
            await self._open(section.group)
        elif self._failed and not section.enabled:
            self._failed = ""
            self._health.set("commands", True, "off")

    async def _open(self, group: str | None) -> None:
        try:
            listener = socket_file.listen(self._path, group)
        except (OSError, Permanent) as error:
            self._health.set("commands", False, str(error))
            if str(error) != self._failed:
                _log.error("control socket cannot be opened, no command can be given", reason=str(error))
            self._failed = str(error)
            return
        self._server = await asyncio.start_unix_server(
            self._hear, sock=listener, limit=protocol.MAX_LINE, backlog=MOST_CALLERS
        )
        self._group, self._failed = group, ""
        self._health.set("commands", True, f"listening at {self._path}")
        _log.info("operators may give commands", socket=str(self._path), group=group)

    def _close(self) -> None:
        if self._server is None:
            return
        self._server.close()
        self._server = None
        self._path.unlink(missing_ok=True)
        self._health.set("commands", True, "off")
        _log.info("operators may give no commands any more")

    async def _hear(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one caller, whatever it does."""
        task = asyncio.current_task()
        assert task is not None
        if len(self._callers) >= MOST_OPEN:
            self._control.dropped()
            writer.transport.abort()
            return
        uid = socket_file.peer(writer.get_extra_info("socket"))
        busy = len(self._callers) >= MOST_CALLERS or list(self._callers.values()).count(uid) >= MOST_OF_ONE
        self._callers[task] = uid
        try:
            caller = Caller(uid, await asyncio.to_thread(socket_file.account, uid))
            heard = _BUSY if busy else await _line(reader)
            writer.write(protocol.answer(await self._control.hear(heard, caller)))
            async with asyncio.timeout(REQUEST_S):
                await writer.drain()
                writer.close()
                await writer.wait_closed()
        except (OSError, TimeoutError):
            _log.info("a caller did not wait for its answer")
        finally:
            writer.transport.abort()
            del self._callers[task]


async def _line(reader: asyncio.StreamReader) -> bytes | Malformed:
    """Give the line a caller sends, or what is wrong with it."""
    try:
        async with asyncio.timeout(REQUEST_S):
            return await reader.readuntil(b"\n")
    except TimeoutError:
        return Malformed(f"no whole line came within {REQUEST_S:g} s")
    except asyncio.IncompleteReadError:
        return Malformed("the line had no end")
    except asyncio.LimitOverrunError:
        return Malformed(f"a request has at most {protocol.MAX_LINE} bytes")


_BUSY = Malformed(f"no more than {MOST_CALLERS} are heard at once, and {MOST_OF_ONE} of one user: try again")
