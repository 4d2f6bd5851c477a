"""The control socket as a file: made so that nobody but those it is for can ever open it."""

from __future__ import annotations

import grp
import os
import pwd
import socket
import stat
import struct
from pathlib import Path
from typing import Protocol

from hubwatch_core.errors import Permanent

MOST_BYTES = 107
"""Longest path of a unix-domain socket on Linux (unix(7): sun_path of 108 bytes with its end)."""

_CREDENTIALS = struct.Struct("3i")
"""pid, uid, gid (unix(7), struct ucred)."""


class Peer(Protocol):
    """A connected socket, or what asyncio hands out for one."""

    def getsockopt(self, level: int, optname: int, buflen: int, /) -> bytes:
        """Give a socket option."""
        ...


def path_of(spool: Path) -> Path:
    """Give where the socket of an agent is: beside its spool, whose lock only one agent holds."""
    whole = spool.absolute()
    return whole.with_name(f"{whole.name}.control")


def too_long(path: Path) -> bool:
    """Tell whether the kernel would not take a path."""
    return len(os.fsencode(path)) > MOST_BYTES


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
    """Give the user id at the other end, as the kernel noted it when it connected."""
    _, uid, _ = _CREDENTIALS.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return int(uid)


def account(uid: int) -> str:
    """Give the name of a user's account, or words that no account is named by; may ask a directory, and wait."""
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
