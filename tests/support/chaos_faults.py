"""Faults that last, and that a hub is easily deceived by: each is begun, held for a while, and ended.

The bench holds each longer than health may take to notice it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import psycopg
from psycopg import sql

from support.chaos_scene import ALARMS, DETECTORS, INTAKES, NAME, PRESENT_CLOCK, RECEIVER, STORAGES, Scene
from support.ports import free_port

Step = Callable[[Scene], Awaitable[None]]


@dataclass(frozen=True)
class Fault:
    """What is done to a hub at its begin and at its end, and what the hub needs for it."""

    name: str
    begin: Step
    end: Step
    standby: bool = False
    fake_clock: bool = False


async def _nothing(_: Scene) -> None:
    """Leave it as it is: this fault does not end."""


def _half_open(link: str) -> Fault:
    async def begin(scene: Scene) -> None:
        for proxy in scene.links[link]:
            proxy.half_open()

    return Fault(f"{link}: half open", begin, _nothing)


def _stalled(link: str) -> Fault:
    async def begin(scene: Scene) -> None:
        for proxy in scene.links[link]:
            proxy.stall()

    async def end(scene: Scene) -> None:
        for proxy in scene.links[link]:
            await proxy.heal()

    return Fault(f"{link}: stalled", begin, end)


def _rotate(scene: Scene) -> None:
    with psycopg.connect(scene.database.dsn, autocommit=True) as connection:
        connection.execute(sql.SQL("ALTER ROLE {} PASSWORD 'second'").format(sql.Identifier(NAME)))
        scene.write_password("second")
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", [NAME])


async def _password_rotated(scene: Scene) -> None:
    await asyncio.to_thread(_rotate, scene)


async def _failed_over(scene: Scene) -> None:
    """End the primary for good, and let its standby take over."""
    assert scene.standby is not None
    await asyncio.to_thread(scene.database.kill)
    await asyncio.sleep(2.0)
    await asyncio.to_thread(scene.standby.promote)
    scene.database = scene.standby


def _clock_off(text: str) -> Fault:
    async def begin(scene: Scene) -> None:
        scene.clock.write_text(text)

    async def end(scene: Scene) -> None:
        scene.clock.write_text(PRESENT_CLOCK)

    return Fault(f"clock of the hub {text}", begin, end, fake_clock=True)


def _second(part: str) -> Fault:
    """Start a second process of the same name, which has to refuse, and let the first one work on."""
    twin = f"second {part}"

    async def begin(scene: Scene) -> None:
        config = scene.folder / f"{part}.toml"
        text = config.read_text().replace(f"port = {scene.ports[part]}", f"port = {free_port()}")
        (scene.folder / f"{twin}.toml").write_text(text)
        scene.children.start(twin, part, "run", "-c", str(scene.folder / f"{twin}.toml"))

    async def end(scene: Scene) -> None:
        if scene.children.alive(twin):
            scene.events.append(f"{twin} was never refused")
            scene.unrefused += 1
            scene.children.kill(twin)

    return Fault(twin, begin, end)


FAULTS: tuple[Fault, ...] = (
    *(_half_open(link) for link in (*STORAGES, *INTAKES)),
    *(_stalled(link) for link in (*STORAGES, *INTAKES, RECEIVER)),
    Fault("password rotated", _password_rotated, _nothing),
    Fault("failed over", _failed_over, _nothing, standby=True),
    _clock_off("+3600"),
    _clock_off("-3600"),
    _second(DETECTORS),
    _second(ALARMS),
)
