"""Asks the running agent to give a command, and waits for what becomes of it."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path

from hubwatch_agents.commands import protocol
from hubwatch_agents.commands.protocol import MAX_LINE, CommandOutcome, CommandRequest, CommandResult
from hubwatch_core.errors import Permanent, Transient

ANSWER_S = 180.0
"""Longer than a queue (10 s), a write and a read back of the slowest device (60 s each) and the pause between take."""


def ask(path: Path, request: CommandRequest) -> CommandOutcome:
    """Send one request; gives what became of it. Raises Permanent or Transient when nothing was sent."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(ANSWER_S)
        _connect(connection, path)
        try:
            # Who is busy answers without waiting for the request, so its answer is there though nothing can be sent.
            with contextlib.suppress(ConnectionError):
                connection.sendall(protocol.encode(request))
            line = _line(connection)
        except OSError as error:
            return _unknown(str(error) or type(error).__name__)
        except KeyboardInterrupt:
            return _unknown("you did not wait")
    answer = protocol.decode_answer(line)
    return answer.outcome if answer is not None else _unknown("its answer cannot be read")


def _connect(connection: socket.socket, path: Path) -> None:
    try:
        connection.connect(str(path))
    except PermissionError:
        raise Permanent(f"you may not open {path}: are you in the group that commands.group names?") from None
    except (FileNotFoundError, ConnectionRefusedError):
        raise Transient(f"no agent listens at {path}: is it running, with [commands] enabled = true?") from None
    except OSError as error:
        raise Permanent(f"{path} cannot be opened: {error}") from None


def _line(connection: socket.socket) -> bytes:
    line = b""
    while not line.endswith(b"\n") and len(line) <= MAX_LINE:
        part = connection.recv(MAX_LINE)
        if not part:
            raise ConnectionError("it closed the connection without an answer")
        line += part
    return line


def _unknown(why: str) -> CommandOutcome:
    return CommandOutcome(CommandResult.UNKNOWN, f"unknown whether it took effect: the agent did not answer ({why})")
