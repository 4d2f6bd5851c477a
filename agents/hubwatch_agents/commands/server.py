"""The control socket: a file that only those it is for can open; a few callers at a time, one line each."""

from __future__ import annotations

import asyncio
import grp
import os
import pwd
import socket
import stat
import struct
from pathlib import Path
from typing import Protocol

from hubwatch_agents import control_socket
from hubwatch_agents.commands import protocol
from hubwatch_agents.commands.control import AgentApi, Caller, Control
from hubwatch_agents.commands.protocol import MalformedRequest
from hubwatch_core.concurrency import drain
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

_BUSY = MalformedRequest(f"no more than {MOST_CALLERS} are heard at once, and {MOST_OF_ONE} of one user: try again")
_CREDENTIALS = struct.Struct("3i")
"""pid, uid, gid (unix(7), struct ucred)."""
_log = get_logger("commands")


class Peer(Protocol):
    """A connected socket, or what asyncio hands out for one."""

    def getsockopt(self, level: int, optname: int, buflen: int, /) -> bytes:
        """Return a socket option."""
        ...


class Server:
    """Opens the socket while the configuration in force wants it, and closes it when it does not."""

    def __init__(self, edge: AgentApi, control: Control, health: Health) -> None:
        self._edge = edge
        self._control = control
        self._health = health
        self._path = control_socket.path_of(edge.configuration.settings.spool.directory)
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
                await drain(late)

    async def _follow(self) -> None:
        """Be as the configuration in force says."""
        section = self._edge.configuration.settings.commands
        if self._server is not None and (not section.enabled or section.group != self._group):
            self._close()
        if self._server is None and section.enabled:
            await self._open(section.group)
        elif self._failed and not section.enabled:
            self._failed = ""
            self._health.set("commands", True, "off")

    async def _open(self, group: str | None) -> None:
        try:
            listener = listen(self._path, group)
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
        uid = peer(writer.get_extra_info("socket"))
        busy = len(self._callers) >= MOST_CALLERS or list(self._callers.values()).count(uid) >= MOST_OF_ONE
        self._callers[task] = uid
        try:
            caller = Caller(uid, await asyncio.to_thread(account, uid))
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


async def _line(reader: asyncio.StreamReader) -> bytes | MalformedRequest:
    """Return the line a caller sends, or what is wrong with it."""
    try:
        async with asyncio.timeout(REQUEST_S):
            return await reader.readuntil(b"\n")
    except TimeoutError:
        return MalformedRequest(f"no whole line came within {REQUEST_S:g} s")
    except asyncio.IncompleteReadError:
        return MalformedRequest("the line had no end")
    except asyncio.LimitOverrunError:
        return MalformedRequest(f"a request has at most {protocol.MAX_LINE} bytes")


# The socket as a file: made so that nobody but those it is for can ever open it.


def listen(path: Path, group: str | None) -> socket.socket:
    """Make the socket and listen: mode 0600, or 0660 for `group`. Raises Permanent, OSError."""
    gid = _gid(group) if group is not None else None
    _remove_stale(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        os.fchmod(listener.fileno(), 0o600)  # the file gets the mode of the socket it is made of, so none is too wide
        listener.bind(str(path))
        if gid is not None:
            if path.stat().st_gid != gid:
                os.chown(path, -1, gid)
            path.chmod(0o660)
        listener.listen(8)
    except BaseException:
        listener.close()
        raise
    return listener


def peer(connection: Peer) -> int:
    """Return the user id at the other end, as the kernel noted it when it connected."""
    _, uid, _ = _CREDENTIALS.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return int(uid)


def account(uid: int) -> str:
    """Return the name of a user's account, or words that no account is named by; may ask a directory, and wait."""
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
    return name.encode(errors="replace").decode()


def _gid(group: str) -> int:
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        raise Permanent(f"commands.group: there is no group {group} on this machine") from None


def _remove_stale(path: Path) -> None:
    """Remove what an agent that was killed has left."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise Permanent(f"{path} is in the way of the control socket: it is no socket")
    path.unlink()
