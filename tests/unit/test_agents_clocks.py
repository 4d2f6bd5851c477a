"""Is the clock of this machine right: what the kernel says, what a time server says, and what steps show."""

from __future__ import annotations

import asyncio
import ctypes
import struct
import sys
import time
from pathlib import Path
from typing import cast

import pytest
from structlog.testing import capture_logs

from hubwatch_agents.agent import Agent
from hubwatch_agents.config.load import check
from hubwatch_agents.readings import Reading
from hubwatch_agents.self_report import clock
from hubwatch_agents.self_report.clock import MOST_ERROR_MS, STEP_DOUBT_S, ClockCheck, Kernel
from hubwatch_agents.self_report.clock_watch import CLOCK_STEPPED
from hubwatch_agents.self_report.sntp import EPOCH_OFFSET_S
from hubwatch_agents.settings import AgentSettings, ClockSection
from hubwatch_core.clock import now_us
from hubwatch_core.process import Context
from hubwatch_core.wire import quality_of
from hubwatch_core.words import Quality

HOST = ClockSection(trust="host")
IN_STEP = Kernel(True, 12.0)
ALONE = Kernel(False, 16_000.0)


@pytest.fixture
def in_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel whose clock is kept in step, whatever machine the tests run on."""
    monkeypatch.setattr(clock, "kernel", lambda: IN_STEP)


class TimeServer(asyncio.DatagramProtocol):
    """An NTP server whose clock is `ahead_s` off ours."""

    def __init__(self, ahead_s: float, **wrong: object) -> None:
        self._ahead_s = ahead_s
        self._wrong = wrong
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        now = time.time() + self._ahead_s + EPOCH_OFFSET_S
        stamp = struct.pack(">II", int(now), int(now % 1 * 2**32))
        assert self._transport is not None
        said: dict[str, object] = {
            "flags": 0x24, "stratum": 2, "reference": b"GPS\0", "originate": data[40:48],
            "received": stamp, "sent": stamp, "length": 48,
        } | self._wrong  # fmt: skip
        answer = struct.pack(
            ">BB10x4s8x8s8s8s",
            *(said[key] for key in ("flags", "stratum", "reference", "originate", "received", "sent")),
        )
        self._transport.sendto(answer[: cast("int", said["length"])], addr)


async def serve(server: TimeServer) -> tuple[asyncio.DatagramTransport, int]:
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: server, local_addr=("127.0.0.1", 0)
    )
    return transport, int(transport.get_extra_info("sockname")[1])


@pytest.mark.parametrize("ahead_s", [0.0, -9.0, 5.0])
async def test_clock_is_compared_with_a_time_server(ahead_s: float) -> None:
    transport, port = await serve(TimeServer(ahead_s))
    try:
        check = ClockCheck(ClockSection(server="127.0.0.1", port=port))
        doubt = await check.check()
        assert check.offset_ms == pytest.approx(-1000 * ahead_s, abs=200)
        assert doubt == (f"clock off by {check.offset_ms:.0f} ms" if ahead_s else None)
    finally:
        transport.close()


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"length": 20}, "no answer within 1 s"),
        ({"originate": b"notours!"}, "no answer within 1 s"),
        ({"originate": bytes(8)}, "no answer within 1 s"),
        ({"flags": 0x23}, "mode 3, not 4"),
        ({"flags": 0x25}, "mode 5, not 4"),
        ({"stratum": 0, "reference": b"RATE"}, "refuses to give the time (RATE)"),
        ({"stratum": 0, "reference": b"\x1b[2J"}, "refuses to give the time ([2J)"),
        ({"stratum": 16}, "not synchronised"),
        ({"flags": 0xE4}, "not synchronised"),
        ({"sent": bytes(8)}, "holds no time"),
        ({"received": bytes(8)}, "holds no time"),
    ],
)
async def test_answer_that_may_not_be_believed_proves_nothing_and_is_told_once(
    wrong: dict[str, object], reason: str
) -> None:
    transport, port = await serve(TimeServer(100.0, **wrong))
    try:
        check = ClockCheck(ClockSection(server="127.0.0.1", port=port, trust="host"))
        with capture_logs() as lines:
            assert await check.check() is None
            assert await check.check() is None
        assert check.offset_ms is None
        assert [line["event"] for line in lines] == ["time server gives no usable answer"]
        assert reason in lines[0]["reason"]
    finally:
        transport.close()


async def test_forged_answer_does_not_hide_the_right_one_that_follows() -> None:
    class Both(TimeServer):
        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            self._ahead_s, self._wrong = 3600.0, {"originate": b"notours!"}
            super().datagram_received(data, addr)
            self._ahead_s, self._wrong = 5.0, {}
            super().datagram_received(data, addr)

    transport, port = await serve(Both(0.0))
    try:
        check = ClockCheck(ClockSection(server="127.0.0.1", port=port))
        await check.check()
        assert check.offset_ms == pytest.approx(-5000, abs=200)
    finally:
        transport.close()


async def test_time_server_is_believed_before_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "kernel", lambda: ALONE)
    transport, port = await serve(TimeServer(0.0))
    check = ClockCheck(ClockSection(server="127.0.0.1", port=port))
    assert await check.check() is None
    transport.close()
    await asyncio.sleep(0)
    assert await check.check() == "clock not synchronised", "without its answer the kernel is all there is"


@pytest.mark.parametrize(
    ("kernel", "doubt"),
    [
        (IN_STEP, None),
        (ALONE, "clock not synchronised"),
        (Kernel(True, MOST_ERROR_MS + 500), "clock not corrected for long, off by up to 2500 ms"),
        (Kernel(None, None), None),
    ],
)
def test_kernel_is_believed_where_there_is_no_reference(
    kernel: Kernel, doubt: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "kernel", lambda: kernel)
    assert ClockCheck(ClockSection()).at_once() == doubt
    trusting = ClockCheck(HOST)
    assert trusting.at_once() is None
    assert trusting.kernel == kernel, "told all the same"


def test_kernel_answers_here() -> None:
    said = clock.kernel()
    assert (said.synchronised is not None) is sys.platform.startswith("linux")
    assert said.error_ms is None or said.error_ms >= 0


@pytest.mark.parametrize("refusal", [-1, OSError, AttributeError])
def test_kernel_that_cannot_be_asked_says_nothing(
    refusal: int | type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Library:
        def __init__(self, *_: object, **__: object) -> None:
            if refusal is OSError:
                raise OSError

        def __getattr__(self, name: str) -> object:
            if refusal is AttributeError:
                raise AttributeError(name)
            return lambda _: refusal

    monkeypatch.setattr(ctypes, "CDLL", Library)
    assert clock.kernel() == Kernel(None, None)


@pytest.mark.parametrize("by_s", [30, -30])
def test_clock_that_steps_is_told_for_a_while(by_s: int, in_step: None, monkeypatch: pytest.MonkeyPatch) -> None:
    check = ClockCheck(ClockSection())
    assert check.at_once() is None
    wall, steady = time.time, time.monotonic
    monkeypatch.setattr("hubwatch_agents.self_report.clock.time.time", lambda: wall() + by_s)
    assert check.at_once() == f"clock stepped by {1000 * by_s} ms"
    assert check.at_once() == f"clock stepped by {1000 * by_s} ms", "one look does not end the doubt"
    monkeypatch.setattr("hubwatch_agents.self_report.clock.time.time", lambda: wall() + by_s + STEP_DOUBT_S)
    monkeypatch.setattr("hubwatch_agents.self_report.clock.time.monotonic", lambda: steady() + STEP_DOUBT_S)
    assert check.at_once() is None


async def test_clock_that_was_never_set_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    check = ClockCheck(HOST)
    monkeypatch.setattr("hubwatch_agents.self_report.clock.time.time", lambda: 86_400.0)
    assert await check.check() == "clock never set"


class Told:
    """An agent that is not running, and what its frames would say."""

    def __init__(self, folder: Path, clock: ClockSection) -> None:
        self.context = Context.make("test")
        settings = AgentSettings.model_validate(
            {"hub": "h", "agent": "box", "spool": {"directory": folder / "spool"}, "clock": clock}
        )
        self.agent = Agent(check(settings, "test"), self.context)

    def close(self) -> None:
        self.agent.uplink.store.close()

    def mark(self) -> tuple[Quality, str | None]:
        """Return the quality one good reading leaves with."""
        self.agent.emit(Reading("s", "x", now_us(), 1.0))
        (draft,) = self.agent.uplink.builder.readings()
        marks = draft.series[0].q
        return quality_of(marks[0]) if marks else (Quality.GOOD, None)

    @property
    def clock(self) -> tuple[bool, str]:
        checks = cast("dict[str, dict[str, object]]", self.context.health.report()["checks"])
        return bool(checks["clock"]["ok"]), str(checks["clock"]["detail"])


def test_agent_marks_and_reports_an_unsynchronised_clock_from_the_first_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "kernel", lambda: ALONE)
    told = Told(tmp_path, ClockSection())
    assert told.mark() == (Quality.UNCERTAIN, "clock not synchronised")
    assert told.clock == (False, "clock not synchronised")
    told.close()


def test_agent_whose_clock_is_said_to_be_kept_marks_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "kernel", lambda: ALONE)
    told = Told(tmp_path, HOST)
    assert told.mark() == (Quality.GOOD, None)
    assert told.clock[0]
    told.close()


def test_step_of_the_clock_is_an_event_and_marks_what_is_cut_from_then_on(
    tmp_path: Path, in_step: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = Told(tmp_path, ClockSection())
    assert told.mark() == (Quality.GOOD, None)
    wall = time.time
    monkeypatch.setattr("hubwatch_agents.self_report.clock.time.time", lambda: wall() - 3600)
    told.agent.uplink.flush()
    assert told.mark() == (Quality.UNCERTAIN, "clock stepped by -3600000 ms")
    (draft,) = told.agent.uplink.builder.events()
    (event,) = draft.events
    assert (event.sensor, event.type, event.attrs["by_ms"]) == ("box", CLOCK_STEPPED, -3_600_000)
    told.close()
