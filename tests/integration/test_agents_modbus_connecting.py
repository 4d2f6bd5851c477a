"""Why there is no connection: its cause in one line, for every transport; and one outage for a port that fails."""

from __future__ import annotations

import asyncio
import os
import pty
import resource
import select
import socket
import ssl
import tty
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from structlog.testing import capture_logs

from hubwatch_agents.drivers.modbus.faults import cause_of
from hubwatch_core.errors import Permanent
from hubwatch_core.words import Quality
from support.agents_modbus_device import Line, Unit
from support.agents_rig import Heard, driving
from support.agents_tls import server_context, write_authority
from support.ports import free_port

DEVICE = {"sensor": "s", "profile": "probe", "unit": 1}


def good(heard: Heard) -> int:
    return len([r for r in heard.of("s", "c") if r.quality is Quality.GOOD])


def has_good(heard: Heard, count: int) -> bool:
    return good(heard) >= count


async def reason_of(connection: dict[str, Any]) -> str:
    async with driving({"name": "line", **connection}, [DEVICE]) as (heard, _):
        await heard.until(lambda h: h.of("s", "a"))
        return heard.of("s", "a")[0].reason or ""


@pytest.mark.parametrize("transport", ["tcp", "rtu_over_tcp"])
async def test_refused_connection_says_so(transport: str) -> None:
    port = free_port()
    said = await reason_of({"transport": transport, "host": "127.0.0.1", "port": port})
    assert said == f"cannot connect to 127.0.0.1:{port}: connection refused: nothing listens on that port"


async def test_name_that_is_not_there_says_so() -> None:
    said = await reason_of({"transport": "tcp", "host": "no-such-host.invalid"})
    assert said.startswith("cannot connect to no-such-host.invalid:502: ")
    assert "host name" in said or "name server" in said


async def test_address_that_no_name_can_be_is_refused_with_the_configuration() -> None:
    with pytest.raises(ValidationError, match=r"(?s)host.*can be no host name and is no address"):
        await reason_of({"transport": "tcp", "host": "a" * 70 + ".b"})


async def test_ipv6_is_read_and_written_with_brackets() -> None:
    line = Line({1: Unit()})
    async with line.over_tcp(host="::1"):
        connection = {"name": "line", "transport": "tcp", "host": "::1", "port": line.port}
        async with driving(connection, [DEVICE]) as (heard, _):
            await heard.until(lambda h: good(h) >= 1)
    said = await reason_of({"transport": "tcp", "host": "::1", "port": line.port})
    assert said.startswith(f"cannot connect to [::1]:{line.port}: connection refused")


async def test_host_that_takes_the_connection_and_no_more_says_how_long_it_was_waited_for(tmp_path: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        tls = write_authority(tmp_path).client_section()
        place = {"host": "127.0.0.1", "port": silent.getsockname()[1], "connect_timeout_ms": 200}
        said = await reason_of({"transport": "tls", "tls": tls, **place})
    assert said.endswith(": no answer within 0.2 s")


async def test_certificate_of_a_stranger_says_which_check_failed(tmp_path: Path) -> None:
    (tmp_path / "ours").mkdir()
    (tmp_path / "theirs").mkdir()
    ours, theirs = write_authority(tmp_path / "ours"), write_authority(tmp_path / "theirs")
    line = Line({1: Unit()})
    async with line.over_tcp(context=server_context(theirs)):
        place = {"host": "127.0.0.1", "port": line.port}
        said = await reason_of({"transport": "tls", "tls": ours.client_section(), **place})
    assert "the certificate is not accepted: " in said


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(113, "No route to host"), "no route to the host"),
        (OSError("Multiple exceptions: [Errno 111] Connect call failed ('::1', 1), [Errno 111] x"), "refused"),
        (ConnectionResetError(104, "x"), "reset by the other side"),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1000)"), "TLS: "),
        (OSError("\x1b[31mred\nsecond line"), "[31mred second line"),
        (OSError(), "OSError"),
    ],
)
def test_cause_is_one_printable_line(error: Exception, said: str) -> None:
    cause = cause_of(error)
    assert said in cause
    assert cause.isprintable()


@pytest.mark.parametrize(("name", "said"), [("gone", "there is no such port"), ("file", "is no serial port")])
async def test_port_that_is_none_says_so(name: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    port = str(tmp_path / name)
    assert await reason_of({"transport": "rtu", "port": port}) == f"cannot connect to {port}: {said}"


def test_encrypted_key_is_refused_by_name_and_asks_nobody(tmp_path: Path) -> None:
    authority = write_authority(tmp_path)
    section = authority.client_section()
    key = tmp_path / "encrypted.pem"
    key.write_text(
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIBvTBXBgkqhkiG9w0BBQ0wSjApBgkqhkiG9w0BBQww\n"
        "-----END ENCRYPTED PRIVATE KEY-----\n",
        encoding="utf-8",
    )
    section |= {"cert_file": str(section["ca_file"]), "key_file": str(key)}
    connection = {"name": "line", "transport": "tls", "host": "127.0.0.1", "tls": section}

    async def run() -> None:
        async with driving(connection, [DEVICE]):
            raise AssertionError("it must not start")

    with pytest.raises(Permanent, match="key_file"):
        asyncio.run(run())


class Adapter:
    """A USB adapter: a link to a pseudo-terminal that goes when it is pulled out and comes with another one."""

    def __init__(self, link: Path) -> None:
        self.link = link
        self._line: Any = None

    async def plug_in(self) -> None:
        line = Line({1: Unit()})
        self._line = line.over_pty()
        await self._line.__aenter__()
        self.link.symlink_to(line.path)

    async def pull_out(self) -> None:
        self.link.unlink()
        await self._line.__aexit__(None, None, None)


@asynccontextmanager
async def reading(port: Path, **more: Any) -> AsyncIterator[Heard]:
    connection = {"name": "line", "transport": "rtu", "port": str(port), "baudrate": 115200, "max_reconnect_s": 0.3}
    async with driving({**connection, **more}, [DEVICE]) as (heard, _):
        yield heard


async def test_adapter_that_is_pulled_out_and_put_back_is_read_again(tmp_path: Path) -> None:
    adapter = Adapter(tmp_path / "ttyUSB0")
    await adapter.plug_in()
    async with reading(adapter.link) as heard:
        await heard.until(lambda h: good(h) >= 2)
        for _ in range(2):
            await adapter.pull_out()
            await heard.until(lambda h: "there is no such port" in (h.readings[-1].reason or ""))
            seen = good(heard)
            await adapter.plug_in()
            await heard.until(partial(has_good, count=seen + 2))
    await adapter.pull_out()


async def test_port_that_fails_while_it_is_open_is_one_outage() -> None:
    """A pseudo-terminal whose other end goes fails at once and for ever: as a hung-up adapter does."""
    mine, theirs = pty.openpty()
    tty.setraw(theirs)
    with capture_logs() as logged:
        async with reading(Path(os.ttyname(theirs))) as heard:
            await heard.until(lambda h: h.of("s", "a"))
            os.close(mine)
            await heard.until(lambda h: len([r for r in h.of("s", "a") if "cannot connect" in (r.reason or "")]) >= 5)
    os.close(theirs)
    assert [line["event"] for line in logged].count("connection lost, will go on trying") == 1
    assert len(logged) < 5, logged


async def test_device_that_takes_a_connection_and_drops_it_is_one_outage_with_growing_pauses() -> None:
    taken = 0

    def drop(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal taken
        taken += 1
        writer.transport.abort()

    server = await asyncio.start_server(drop, "127.0.0.1", 0)
    connection = {"name": "line", "transport": "tcp", "host": "127.0.0.1"}
    connection["port"] = server.sockets[0].getsockname()[1]
    with capture_logs() as logged:
        async with driving(connection, [DEVICE]) as (heard, driver):
            await asyncio.sleep(4)
            assert all(r.quality is Quality.BAD for r in heard.of("s"))
            assert driver.figures()["modbus_connects"] == taken
    server.close()
    assert 2 <= taken <= 8
    lost = [line for line in logged if line["event"] == "connection lost, will go on trying"]
    assert len(lost) == 1, logged


@contextmanager
def descriptors_over_1023(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let every file that is opened have a high number; where the system allows none, let select fail as if it had."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with ExitStack() as held:
        if hard < 2048:
            monkeypatch.setattr(select, "select", out_of_range)
        else:
            held.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2048), hard))
            for _ in range(1024):
                held.callback(os.close, os.open(os.devnull, os.O_RDONLY))
        yield


def out_of_range(*_: object) -> None:
    raise ValueError("filedescriptor out of range in select()")


async def test_serial_line_is_read_with_a_descriptor_over_1023(monkeypatch: pytest.MonkeyPatch) -> None:
    line = Line({1: Unit()})
    with descriptors_over_1023(monkeypatch):
        async with line.over_pty(), reading(Path(line.path)) as heard:
            await heard.until(lambda h: good(h) >= 2)
