"""The control socket: who may open it, and callers who do not behave."""

from __future__ import annotations

import asyncio
import contextlib
import grp
import os
import pwd
import socket
import stat
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from hubwatch_agents import control_socket
from hubwatch_agents.commands import client, protocol, server
from hubwatch_agents.commands.catalog import DeviceCommand, find
from hubwatch_agents.commands.control import Control
from hubwatch_agents.commands.protocol import (
    MAX_LINE,
    CommandOutcome,
    CommandRequest,
    CommandResult,
    decode_answer,
    encode,
)
from hubwatch_agents.commands.server import Server
from hubwatch_agents.devices import Configuration
from hubwatch_agents.readings import SensorEvent
from hubwatch_core.errors import Permanent, Transient
from hubwatch_core.health import Health
from support.agents_command_rig import ME, checked_of, say, short_folder
from support.eventually import eventually

PATIENCE_S = 60.0
COMMANDS = {
    "enabled": True,
    "allow": [{"sensor": "gas-1", "command": "beep"}],
    "operators": [{"user": ME, "roles": ["technician"]}],
}


class Edge:
    """An agent as far as the socket sees it; each command takes its time."""

    def __init__(self, folder: Path, **change: object) -> None:
        self._spool = folder / "spool"
        self.told: list[SensorEvent] = []
        self.given = 0
        self.takes_s = 0.0
        self.say(**change)

    def say(self, **change: object) -> None:
        """Have another configuration in force."""
        self._configuration = checked_of(502, commands=COMMANDS | change, spool={"directory": self._spool})
        self.looks = 0

    @property
    def configuration(self) -> Configuration:
        """What is in force; how often anybody looked since it is counted."""
        self.looks += 1
        return self._configuration

    @property
    def path(self) -> Path:
        return control_socket.path_of(self._spool)

    def emit(self, item: SensorEvent) -> None:
        self.told.append(item)

    async def command(self, entry: DeviceCommand) -> CommandOutcome:
        self.given += 1
        await asyncio.sleep(self.takes_s)
        return CommandOutcome(CommandResult.DONE, "the device has taken it")


@asynccontextmanager
async def open_socket(
    edge: Edge, health: Health | None = None, registry: CollectorRegistry | None = None
) -> AsyncIterator[Path]:
    """Run the server inside the context."""
    stop = asyncio.Event()
    health = health or Health()
    task = asyncio.create_task(Server(edge, Control(edge, registry or CollectorRegistry()), health).run(stop))
    await eventually(lambda: health.report()["checks"] or not edge.configuration.settings.commands.enabled, PATIENCE_S)
    try:
        yield edge.path
    finally:
        stop.set()
        async with asyncio.timeout(60):
            await task


def open_files() -> int:
    """Return how many this process has."""
    return len(os.listdir("/proc/self/fd"))


def request(edge: Edge) -> CommandRequest:
    entry = find(edge.configuration.devices, "gas-1", "beep")
    assert entry is not None
    return CommandRequest(1, "gas-1", "beep", entry.digest())


async def asked(edge: Edge) -> CommandOutcome:
    return await asyncio.to_thread(client.ask, edge.path, request(edge))


async def said(path: Path, data: bytes, *, end: bool = True) -> CommandOutcome | None:
    answer = decode_answer(await asyncio.to_thread(say, path, data, end=end))
    return answer.outcome if answer is not None else None


async def test_caller_is_known_by_the_account_the_kernel_names() -> None:
    with short_folder() as folder:
        edge = Edge(folder)
        async with open_socket(edge):
            assert await asked(edge) == (CommandResult.DONE, "the device has taken it")
        assert (edge.told[0].attrs["by"], edge.told[0].attrs["uid"]) == (ME, os.getuid())


@pytest.mark.parametrize("mask", [0o000, 0o077])
async def test_socket_is_for_its_owner_alone_whatever_the_umask(mask: int) -> None:
    before = os.umask(mask)
    try:
        with short_folder() as folder:
            edge = Edge(folder)
            async with open_socket(edge) as path:
                status = path.stat()
                assert stat.S_ISSOCK(status.st_mode)
                assert stat.S_IMODE(status.st_mode) == 0o600
    finally:
        os.umask(before)


async def test_group_opens_the_socket_to_its_members_and_to_nobody_else() -> None:
    group = grp.getgrgid(os.getgid()).gr_name
    with short_folder() as folder:
        async with open_socket(Edge(folder, group=group)) as path:
            assert stat.S_IMODE(path.stat().st_mode) == 0o660
            assert path.stat().st_gid == os.getgid()


async def test_nothing_listens_unless_commands_are_on_and_switching_them_off_closes_the_socket() -> None:
    with short_folder() as folder:
        edge = Edge(folder, enabled=False)
        async with open_socket(edge) as path:
            seen = edge.looks
            await eventually(lambda: edge.looks >= seen + 3, PATIENCE_S)  # the server has looked, again and again
            assert not path.exists()
            edge.say()
            await eventually(path.exists, PATIENCE_S)
            assert (await asked(edge)).result is CommandResult.DONE
            edge.say(enabled=False)
            await eventually(lambda: not path.exists(), PATIENCE_S)
            with pytest.raises(Transient, match="no agent listens at"):
                await asked(edge)


async def test_socket_is_gone_after_the_stop() -> None:
    with short_folder() as folder:
        async with open_socket(Edge(folder)) as path:
            assert path.exists()
        assert not path.exists()


async def test_socket_that_a_killed_agent_left_is_made_anew() -> None:
    with short_folder() as folder:
        edge = Edge(folder)
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(str(edge.path))
        async with open_socket(edge):
            assert (await asked(edge)).result is CommandResult.DONE


@pytest.mark.parametrize(
    ("group", "in_the_way", "why"),
    [(None, True, "in the way"), ("no-such-group", False, "there is no group no-such-group")],
)
async def test_socket_that_cannot_be_opened_is_told_by_health_and_leaves_the_agent_alone(
    group: str | None, in_the_way: bool, why: str
) -> None:
    with short_folder() as folder:
        edge, health = Edge(folder, group=group), Health()
        if in_the_way:
            edge.path.write_text("somebody's file", encoding="utf-8")
        async with open_socket(edge, health):
            assert not health.ok
            assert why in str(health.report())
            assert not in_the_way or edge.path.read_text(encoding="utf-8") == "somebody's file"
            edge.say(enabled=False)
            await eventually(lambda: health.ok, PATIENCE_S)
            edge.path.unlink(missing_ok=True)
            edge.say()
            await eventually(edge.path.exists, PATIENCE_S)
            await eventually(lambda: health.ok, PATIENCE_S)
            assert (await asked(edge)).result is CommandResult.DONE


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "the line had no end"),
        (b'{"v":1,"sensor":"gas-1"', "the line had no end"),
        (b"GET / HTTP/1.1\r\n\r\n", "malformed"),
        (b"\0\1\2\xff\n", "not UTF-8"),
        (b"[" * 4000 + b"\n", ""),
    ],
)
async def test_garbage_is_refused_and_the_next_caller_is_served(data: bytes, why: str) -> None:
    with short_folder() as folder:
        edge = Edge(folder)
        async with open_socket(edge) as path:
            outcome = await said(path, data)
            assert outcome is not None
            assert outcome.result is CommandResult.REFUSED
            assert why in outcome.text
            assert (await asked(edge)).result is CommandResult.DONE
        assert edge.given == 1
        assert [event.type for event in edge.told] == ["command.refused", "command.executed"]


async def test_request_without_end_is_cut_off_at_the_limit() -> None:
    with short_folder() as folder:
        edge = Edge(folder)
        async with open_socket(edge) as path:
            await said(path, b"x" * 50 * MAX_LINE)
            assert edge.told[0].attrs["why"] == f"not heard: a request has at most {MAX_LINE} bytes"
            assert (await asked(edge)).result is CommandResult.DONE


async def test_second_request_behind_the_first_is_not_heard() -> None:
    with short_folder() as folder:
        edge = Edge(folder)
        async with open_socket(edge) as path:
            outcome = await said(path, encode(request(edge)) * 2)
            assert outcome is not None
        assert edge.given == 1


async def test_callers_who_say_nothing_are_sent_away_and_hold_up_nobody_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server, "REQUEST_S", 0.5)
    with short_folder() as folder, contextlib.ExitStack() as stack:
        edge = Edge(folder)
        async with open_socket(edge) as path:
            mute = [stack.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(server.MOST_OF_ONE - 1)]
            for each in mute:
                each.connect(str(path))
                each.send(b'{"v":')
            assert (await asked(edge)).result is CommandResult.DONE
            await eventually(lambda: len(edge.told) == len(mute) + 1, PATIENCE_S)
            assert edge.told[-1].attrs["why"] == "not heard: no whole line came within 0.5 s"


async def test_more_callers_than_are_heard_at_once_are_told_to_come_again() -> None:
    with short_folder() as folder, contextlib.ExitStack() as stack:
        edge = Edge(folder)
        async with open_socket(edge) as path:
            before = open_files()
            for _ in range(server.MOST_OF_ONE):
                stack.enter_context(socket.socket(socket.AF_UNIX)).connect(str(path))
            await eventually(lambda: open_files() == before + 2 * server.MOST_OF_ONE, PATIENCE_S)  # both ends of each
            result, text = await asked(edge)
            assert (result, "are heard at once" in text) == (CommandResult.REFUSED, True)
            stack.close()
            await eventually(lambda: open_files() <= before, PATIENCE_S)
        assert edge.given == 0


def test_answer_that_comes_before_the_request_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = CommandOutcome(CommandResult.REFUSED, "try again")
    answer, encode = protocol.answer(refused), protocol.encode

    def answered_before(request: CommandRequest) -> bytes:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(answer)
        return encode(request)

    monkeypatch.setattr(protocol, "encode", answered_before)
    with short_folder() as folder, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "agent.control"))
        listener.listen()
        assert client.ask(folder / "agent.control", CommandRequest(1, "gas-1", "beep", "digest")) == refused


async def test_flood_of_connections_takes_no_more_than_its_share_of_files_and_passes() -> None:
    with short_folder() as folder, contextlib.ExitStack() as stack:
        edge = Edge(folder)
        async with open_socket(edge) as path:
            before = open_files()
            mute = []
            for _ in range(300):
                mute.append(stack.enter_context(socket.socket(socket.AF_UNIX)))
                with contextlib.suppress(BlockingIOError):
                    mute[-1].setblocking(False)
                    mute[-1].connect(str(path))
                await asyncio.sleep(0)
            await asyncio.sleep(0.5)
            held = open_files() - before - len(mute)
            assert held <= server.MOST_CALLERS, "whoever is not heard keeps no file"
            stack.close()
            await eventually(lambda: open_files() <= before, PATIENCE_S)
            assert len(edge.told) < 20


async def test_connection_beyond_the_most_is_dropped_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MOST_OPEN", 2)
    registry = CollectorRegistry()
    with short_folder() as folder, contextlib.ExitStack() as stack:
        edge = Edge(folder)
        async with open_socket(edge, registry=registry) as path:
            before = open_files()
            for _ in range(2):
                stack.enter_context(socket.socket(socket.AF_UNIX)).connect(str(path))
            await eventually(lambda: open_files() == before + 4, PATIENCE_S)
            assert (await asked(edge)).result is CommandResult.UNKNOWN
            assert registry.get_sample_value("hubwatch_agents_commands_unheard_total") == 1
            stack.close()
            await eventually(lambda: open_files() <= before, PATIENCE_S)
            assert (await asked(edge)).result is CommandResult.DONE
        assert edge.given == 1


async def test_caller_who_leaves_before_the_answer_changes_nothing() -> None:
    with short_folder() as folder:
        edge = Edge(folder)
        edge.takes_s = 0.3
        async with open_socket(edge) as path:
            with socket.socket(socket.AF_UNIX) as leaving:
                leaving.connect(str(path))
                leaving.sendall(encode(request(edge)))
                await eventually(lambda: edge.given, PATIENCE_S)
            await eventually(lambda: edge.told, PATIENCE_S)
            assert edge.told[0].type == "command.executed"
            assert (await asked(edge)).result is CommandResult.DONE


async def test_command_under_way_is_answered_before_the_agent_stops() -> None:
    with short_folder() as folder:
        edge = Edge(folder)
        edge.takes_s = 0.5
        async with open_socket(edge):
            waiting = asyncio.create_task(asked(edge))
            await eventually(lambda: edge.given, PATIENCE_S)
        assert (await waiting).result is CommandResult.DONE


async def test_command_that_outlasts_the_stop_of_the_agent_is_told_as_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "STOP_S", 0.2)
    with short_folder() as folder:
        edge = Edge(folder)
        edge.takes_s = 60.0
        async with open_socket(edge):
            waiting = asyncio.create_task(asked(edge))
            await eventually(lambda: edge.given, PATIENCE_S)
        assert [event.type for event in edge.told] == ["command.unknown"]
        assert (await waiting).result is CommandResult.UNKNOWN


async def test_agent_that_goes_away_without_an_answer_leaves_it_unknown() -> None:
    with short_folder() as folder:
        path = folder / "spool.control"
        with socket.socket(socket.AF_UNIX) as mute:
            mute.bind(str(path))
            mute.listen()
            waiting = asyncio.create_task(asyncio.to_thread(client.ask, path, CommandRequest(1, "a", "b", "0" * 64)))
            mute.setblocking(False)
            connection, _ = await asyncio.get_running_loop().sock_accept(mute)
            with connection:
                connection.setblocking(False)
                await asyncio.get_running_loop().sock_recv(connection, 4096)
        result, text = await waiting
        assert result is CommandResult.UNKNOWN
        assert "closed the connection without an answer" in text


async def test_whoever_may_not_open_the_socket_is_told_about_the_group() -> None:
    """Root may open everything, so another user is needed to be refused."""
    if os.getuid() != 0:
        pytest.skip("needs root to become somebody else")
    with short_folder() as folder:
        folder.chmod(0o711)
        edge = Edge(folder)
        async with open_socket(edge) as path:
            code = f"import socket; socket.socket(socket.AF_UNIX).connect({str(path)!r})"
            process = await asyncio.create_subprocess_exec(
                "python3", "-c", code, user=65534, group=65534, stderr=asyncio.subprocess.PIPE
            )
            _, said_by_it = await process.communicate()
            assert b"PermissionError" in said_by_it
        assert edge.told == []


async def test_member_of_the_group_may_open_the_socket_and_is_known_by_its_own_account() -> None:
    if os.getuid() != 0:
        pytest.skip("needs root to become somebody else")
    nobody, group = pwd.getpwnam("nobody"), grp.getgrgid(pwd.getpwnam("nobody").pw_gid)
    with short_folder() as folder:
        folder.chmod(0o711)
        edge = Edge(folder, group=group.gr_name, operators=[{"user": "nobody", "roles": ["technician"]}])
        async with open_socket(edge) as path:
            code = (
                f"import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect({str(path)!r})\n"
                "s.sendall(sys.stdin.buffer.read()); print(s.recv(4096).decode())"
            )
            process = await asyncio.create_subprocess_exec(
                "python3",
                "-c",
                code,
                user=nobody.pw_uid,
                group=nobody.pw_gid,
                extra_groups=[],
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
            out, _ = await process.communicate(encode(request(edge)))
            assert b'"result":"done"' in out
            assert (await asked(edge)).result is CommandResult.REFUSED, "root has a role only where it is given one"
        assert [event.attrs["by"] for event in edge.told] == ["nobody", ME]


def test_caller_without_permission_gets_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(socket.socket, "connect", refuse)
    with pytest.raises(Permanent, match="are you in the group"):
        client.ask(Path("spool.control"), CommandRequest(1, "a", "b", "0" * 64))


def test_socket_stands_beside_the_spool() -> None:
    assert control_socket.path_of(Path("/var/lib/hubwatch/spool")) == Path("/var/lib/hubwatch/spool.control")
    began = time.monotonic()
    assert server.account(2**31 - 2) == f"uid {2**31 - 2}"
    assert time.monotonic() - began < 5
