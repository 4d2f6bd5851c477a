"""What fails is told once, counted and started again; it costs nobody else anything."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from hubwatch_agents import supervision as module
from hubwatch_agents.commands.protocol import CommandOutcome, CommandResult
from hubwatch_agents.config.load import check
from hubwatch_agents.connections import ConnectionSection
from hubwatch_agents.devices import Configuration, Device
from hubwatch_agents.drivers import supervisor
from hubwatch_agents.drivers.contract import Driver
from hubwatch_agents.drivers.supervisor import DriverSupervisor
from hubwatch_agents.profiles.command import BaseCommand
from hubwatch_agents.profiles.modbus_schema import Command
from hubwatch_agents.readings import Reading
from hubwatch_agents.settings import AgentSettings
from hubwatch_agents.supervision import Supervision
from hubwatch_core.clock import now_us
from hubwatch_core.errors import Permanent
from hubwatch_core.health import Health
from hubwatch_core.words import Quality
from support.agents_rig import Heard
from support.eventually import eventually

PERIOD_S = 0.02


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(module, "MAX_PAUSE_S", 0.02)
    monkeypatch.setattr(module, "STEADY_S", 0.05)
    monkeypatch.setattr(supervisor, "STOP_DRIVER_S", 0.1)
    monkeypatch.setattr(supervisor, "CANCEL_DRIVER_S", 0.1)


@dataclass
class Fake:
    """A driver that reads its devices every 20 ms, or does what it is told to do instead."""

    devices: tuple[Device, ...]
    sink: Heard
    instead: Callable[[asyncio.Event], None] | None = None
    reads: int = 0
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            if self.instead is not None:
                self.instead(stop)
            self.reads += 1
            for device in self.devices:
                self.sink.emit(Reading(device.sensor, device.profile.channels[0].name, now_us(), 1.0))
            await asyncio.sleep(PERIOD_S)
        self.ended.set()

    def delays_s(self) -> Mapping[str, float]:
        return {each.sensor: 0.5 for each in self.devices}

    def figures(self) -> Mapping[str, float]:
        return {"polls_overrun": 1}

    async def command(self, device: Device, command: BaseCommand) -> CommandOutcome:
        return CommandOutcome(CommandResult.DONE, "the device has taken it")


class Hostile(Fake):
    """A driver in which everything fails that can."""

    def delays_s(self) -> Mapping[str, float]:
        raise ZeroDivisionError("hostile")

    async def command(self, device: Device, command: BaseCommand) -> CommandOutcome:
        raise OverflowError("hostile")


class Lingering(Fake):
    """A driver that ends only when it may."""

    may_end = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        await super().run(stop)
        await self.may_end.wait()


class Deaf(Fake):
    """A driver that does not end when it is asked to, nor when it is cancelled once."""

    async def run(self, stop: asyncio.Event) -> None:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            await asyncio.sleep(0.5)


def two_connections() -> Configuration:
    """Return a configuration of two Modbus connections with a device each."""
    connections = [
        {"name": name, "transport": "tcp", "host": "127.0.0.1", "port": port}
        for port, name in enumerate(("good", "hostile"), start=1)
    ]
    devices = [
        {"sensor": f"{name}-1", "zone": "z", "profile": "generic.contact-8", "connection": name}
        for name in ("good", "hostile")
    ]
    settings = {"hub": "h", "agent": "box", "connections": connections, "devices": devices}
    return check(AgentSettings.model_validate(settings), "test")


class Rig:
    """A supervisor with a healthy driver and another one beside it."""

    def __init__(self, other: Callable[[tuple[Device, ...], Heard], Driver]) -> None:
        self.heard, self.health, self.registry = Heard(), Health(), CollectorRegistry()
        self.supervision = Supervision(self.health, self.registry)
        self.drivers = DriverSupervisor(self.heard, self.supervision)
        self.made: dict[str, list[Driver]] = {"good": [], "hostile": []}
        self.tries = {"good": 0, "hostile": 0}
        self._other = other
        self.drivers.plan(two_connections(), self._make)
        self.stop = asyncio.Event()

    def _make(self, connection: ConnectionSection, devices: Sequence[Device]) -> Driver:
        behind = tuple(devices)
        self.tries[connection.name] += 1
        driver = Fake(behind, self.heard) if connection.name == "good" else self._other(behind, self.heard)
        self.made[connection.name].append(driver)
        return driver

    async def __aenter__(self) -> Rig:
        self.task = asyncio.create_task(self.drivers.run(self.stop))
        return self

    async def __aexit__(self, *_: object) -> None:
        self.stop.set()
        await self.task

    def failures(self, part: str = "connection.hostile") -> float:
        return self.registry.get_sample_value("hubwatch_agents_failures_total", {"part": part}) or 0.0

    def checks(self) -> dict[str, dict[str, object]]:
        checks = self.health.report()["checks"]
        assert isinstance(checks, dict)
        return checks


def _raise(error: BaseException) -> Callable[[asyncio.Event], None]:
    def raising(_stop: asyncio.Event) -> None:
        raise error

    return raising


def _not_made(error: BaseException) -> Callable[[tuple[Device, ...], Heard], Driver]:
    def making(_devices: tuple[Device, ...], _heard: Heard) -> Driver:
        raise error

    return making


HOSTILE: dict[str, Callable[[tuple[Device, ...], Heard], Driver]] = {
    "cannot be made": _not_made(KeyError("hostile")),
    "has no key file": _not_made(Permanent("key file x cannot be read")),
    "raises": lambda devices, heard: Fake(devices, heard, _raise(IndexError("hostile\x1b[2J"))),
    "is cancelled": lambda devices, heard: Fake(devices, heard, _raise(asyncio.CancelledError())),
    "is refused": lambda devices, heard: Fake(devices, heard, _raise(Permanent("broker refuses us"))),
}


@pytest.mark.parametrize("kind", list(HOSTILE))
async def test_driver_that_fails_costs_the_others_nothing_and_is_made_again(kind: str) -> None:
    with capture_logs() as lines:
        async with Rig(HOSTILE[kind]) as rig:
            await eventually(lambda: rig.tries["hostile"] >= 4)
            bad = rig.heard.last("hostile-1", "input.1")
            assert bad is not None
            assert (bad.x, bad.quality) == (None, Quality.BAD)
            assert bad.reason is not None
            assert bad.reason.startswith("driver ")
            assert not rig.checks()["connection.hostile"]["ok"]
            assert "connection.good" not in rig.checks()
            good = rig.made["good"]
            assert len(good) == 1, "the healthy driver was never touched"
            before = good[0].reads if isinstance(good[0], Fake) else 0
            assert rig.drivers.delays_s()["good-1"] == 0.5
            await eventually(lambda: isinstance(good[0], Fake) and good[0].reads > before + 5)
    told = [
        line for line in lines if line.get("part") == "connection.hostile" and line["event"] == "failed, trying again"
    ]
    assert len(told) == 1, "told once, however often it fails"
    unexpected = kind in ("cannot be made", "raises")
    assert (rig.failures() >= 1) is unexpected
    assert len([line for line in lines if line["event"] == "unexpected failure"]) == unexpected
    assert all("\x1b" not in str(line.get("reason")) for line in lines)


async def test_driver_that_works_again_is_told_once_and_health_is_well() -> None:
    tries: list[int] = []

    def sometimes(devices: tuple[Device, ...], heard: Heard) -> Driver:
        tries.append(1)
        if len(tries) < 3:
            raise IndexError("not yet")
        return Fake(devices, heard)

    with capture_logs() as lines:
        async with Rig(sometimes) as rig:
            await eventually(lambda: rig.checks().get("connection.hostile", {}).get("ok") is True)
            assert len(tries) == 3
    assert [line["event"] for line in lines if line.get("part") == "connection.hostile"] == [
        "unexpected failure", "failed, trying again", "works again",
    ]  # fmt: skip


async def test_driver_that_does_not_stop_is_left_alone_and_the_others_end_in_order() -> None:
    with capture_logs() as lines:
        async with Rig(Deaf) as rig:
            await eventually(lambda: rig.made["good"] and rig.made["hostile"])
    good = rig.made["good"][0]
    assert isinstance(good, Fake)
    assert good.ended.is_set()
    assert [line["connection"] for line in lines if "does not stop" in line["event"]] == ["hostile"]
    await asyncio.sleep(0.6)  # the deaf one ends by itself, so that nothing is left to the next test


async def test_connection_that_is_wanted_again_while_its_driver_ends_is_read_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(supervisor, "STOP_DRIVER_S", 10)
    monkeypatch.setattr(Lingering, "may_end", asyncio.Event())
    both = two_connections()
    async with Rig(Lingering) as rig:
        await eventually(lambda: rig.made["hostile"])
        (first,) = rig.made["hostile"]
        assert isinstance(first, Fake)
        rig.drivers.plan(Configuration(both.settings, both.devices[:1]), rig._make)
        await first.ended.wait()
        rig.drivers.plan(both, rig._make)
        Lingering.may_end.set()
        await eventually(lambda: len(rig.made["hostile"]) == 2)
        again = rig.made["hostile"][1]
        assert isinstance(again, Fake)
        await eventually(lambda: again.reads > 1)
        assert len(rig.made["good"]) == 1


async def test_figures_of_a_driver_that_fails_are_left_out_and_logged_once() -> None:
    with capture_logs() as lines:
        async with Rig(Hostile) as rig:
            await eventually(lambda: rig.made["hostile"])
            assert [rig.drivers.delays_s() for _ in range(3)] == [{"good-1": 0.5}] * 3
            assert rig.failures() == 3
    assert [line["event"] for line in lines] == ["unexpected failure"]


async def test_command_to_a_driver_that_fails_ends_in_words() -> None:
    device = two_connections().devices[1]
    command = Command.model_validate({"name": "reset", "function": 6, "address": 1, "values": [1], "description": "d"})
    async with Rig(Hostile) as rig:
        await eventually(lambda: rig.made["hostile"])
        outcome = await rig.drivers.command(device, command)
        assert outcome == (CommandResult.UNKNOWN, "unknown whether it took effect: the driver failed")
    async with Rig(_not_made(KeyError("x"))) as rig:
        await eventually(lambda: rig.failures() >= 1)
        outcome = await rig.drivers.command(device, command)
        assert outcome == (CommandResult.FAILED, "not sent: the connection is not being read")
