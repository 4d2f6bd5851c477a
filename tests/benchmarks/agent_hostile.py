"""What hostile devices and inputs cost: the readings of a healthy device beside them, and processor time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from time import process_time
from typing import Any

from prometheus_client import CollectorRegistry

from benchmarks.result import Progress
from hubwatch_agents.config import library
from hubwatch_agents.config.load import check
from hubwatch_agents.devices import Configuration
from hubwatch_agents.drivers import registry
from hubwatch_agents.drivers.contract import DriverContext
from hubwatch_agents.drivers.mqtt.payload import MAX_BYTES
from hubwatch_agents.drivers.supervisor import DriverSupervisor
from hubwatch_agents.settings import AgentSettings
from hubwatch_agents.supervision import Supervision
from hubwatch_agents.values import pseudonyms
from hubwatch_core import wire
from hubwatch_core.errors import ConfigError, Poison
from hubwatch_core.health import Health
from hubwatch_core.words import Quality
from support.agents_fault_cases import MODBUS, Case, load
from support.agents_modbus_device import Line, Unit
from support.agents_rig import MAPS, Heard
from support.hostile_inputs import KINDS, PAYLOADS, message_cost_s, payload_cost_s
from support.refusing_broker import RefusingBroker

AT_ONCE = 10
"""Hostile connections in one agent at the same time."""
WATCH_S = 5.0
PERIOD_MS = 100
"""How often the healthy device is due."""
REFUSALS: tuple[dict[str, int], ...] = (
    {"login": 0x86}, {"login": 0x87}, {"login": 0x8A}, {"subscription": 0x87}, {"subscription": 0x97},
)  # fmt: skip


async def healthy_readings(folder: Path, progress: Progress) -> tuple[float, int]:
    """Return the worst share of due readings of a healthy device beside hostile ones, and how many those were."""
    cases = [case for case in map(load, MODBUS) if case.refused is None]
    shares = []
    for start in range(0, len(cases), AT_ONCE):
        batch = cases[start : start + AT_ONCE]
        progress(f"a healthy device beside hostile ones, {start + len(batch)} of {len(cases)}")
        shares.append(await _beside(folder / str(start), batch, REFUSALS if start == 0 else ()))
    return min(shares), len(cases) + len(REFUSALS)


async def _beside(folder: Path, cases: list[Case], refusals: tuple[dict[str, int], ...]) -> float:
    heard, stop = Heard(), asyncio.Event()
    async with AsyncExitStack() as stack:
        connections, devices = [], []
        for name, case in [("healthy", None), *((f"hostile-{i}", case) for i, case in enumerate(cases))]:
            unit = Unit() if case is None else case.unit()
            line = Line({1: unit}) if case is None else case.line(unit)
            await stack.enter_async_context(line.over_tcp(rtu=case is not None and case.rtu))
            connections.append(_connection(name, case, line))
            devices.append(_device(name, case, folder))
        for i, refusal in enumerate(refusals):
            broker = RefusingBroker(
                f"b{i}/x", b"1", login=refusal.get("login", 0), subscription=refusal.get("subscription", 0)
            )
            await stack.enter_async_context(broker.running())
            connections.append({"name": f"broker-{i}", "transport": "mqtt", "host": "127.0.0.1", "port": broker.port})
        drivers = DriverSupervisor(heard, Supervision(Health(), CollectorRegistry()))
        context = DriverContext(heard, pseudonyms.raw, "bench", heard.drops)
        configuration = _configuration(connections, devices, folder)
        drivers.plan(configuration, lambda connection, behind: registry.make(connection, behind, context))
        running = asyncio.create_task(drivers.run(stop))
        await heard.until(lambda h: _good(h) >= 5)
        before = _good(heard)
        await asyncio.sleep(WATCH_S)
        share = (_good(heard) - before) / round(WATCH_S * 1000 / PERIOD_MS)
        stop.set()
        await running
    return min(1.0, share)


def _connection(name: str, case: Case | None, line: Line) -> dict[str, Any]:
    tree = {} if case is None else case.tree
    return {
        "name": name, "host": "127.0.0.1", "flush_ms": 50, "max_reconnect_s": 0.3,
        "transport": tree.get("transport", "tcp"), "port": line.port, **tree.get("connection", {}),
    }  # fmt: skip


def _device(name: str, case: Case | None, folder: Path) -> dict[str, Any]:
    """Return a device; the profile that a case brings along gets a folder and a name of its own."""
    if case is None:
        return {"sensor": name, "zone": "z", "connection": name, "profile": "probe", "unit": 1, "period_ms": PERIOD_MS}
    own = case.devices()[0]
    if own["profile"] != "probe":
        case.write_profile_as(folder, name)
        own["profile"] = name
    # Slower than in the cases, where the line of one that speaks RTU could not carry it beside its neighbour.
    return {"period_ms": 500, **own, "sensor": name, "zone": "z", "connection": name}


def _configuration(connections: list[dict[str, Any]], devices: list[dict[str, Any]], folder: Path) -> Configuration:
    folder.mkdir(parents=True, exist_ok=True)
    settings = AgentSettings.model_validate(
        {
            "hub": "h", "agent": "bench", "profile_folders": [MAPS, folder], "privacy": {"subjects": "raw"},
            "connections": connections, "devices": devices,
        }
    )  # fmt: skip
    return check(settings, "bench")


def _good(heard: Heard) -> int:
    return sum(1 for each in heard.of("healthy", "a") if each.quality is Quality.GOOD)


def worst_input_cpu_s(folder: Path) -> tuple[float, str]:
    """Return the processor time of the costliest input of 256 KiB, the least of three tries each, and which it is."""
    kinds: dict[str, Callable[[], float]] = {
        **{f"message {name}": partial(message_cost_s, kind) for name, kind in KINDS.items()},
        **{f"payload {name}": partial(payload_cost_s, make) for name, make in PAYLOADS.items()},
        **{f"frame {name}": partial(_frame_cost_s, data) for name, data in _frames()},
        **{f"profile {name}": partial(_profile_cost_s, folder, text) for name, text in _profiles()},
    }
    costs = {name: min(cost() for _ in range(3)) for name, cost in kinds.items()}
    worst = max(costs, key=lambda name: costs[name])
    return costs[worst], worst


def _frames() -> Iterator[tuple[str, bytes]]:
    head = b'{"v":1,"hub":"h","agent":"a","epoch":"01JD3Z00000000000000000000","seq":1,"sent":1795284000000000'
    series = b'{"sensor":"s","channel":"c","t0":1795284000000000,"dt":[0],"x":[1]}'
    yield "of many series", head + b',"series":[' + b",".join([series] * (240_000 // len(series))) + b"]}"
    count = 240_000 // 6
    yield "of one series", (
        head + b',"series":[{"sensor":"s","channel":"c","t0":1,"dt":[' + b",".join([b"0"] * count) + b'],"x":['
        + b",".join([b"1"] * count) + b"]}]}"
    )  # fmt: skip
    yield "of one key again and again", head + b',"a":1' * (240_000 // 6) + b"}"
    yield "deep", head + b',"a":' + b"[" * 120_000 + b"]" * 120_000 + b"}"


def _frame_cost_s(data: bytes) -> float:
    began = process_time()
    try:
        wire.decode_frame(data)
    except Poison:
        return process_time() - began
    return process_time() - began


def _profiles() -> Iterator[tuple[str, str]]:
    yield "of many channels", "".join(f'[[channels]]\nname = "c{i}"\nunit = "1"\n' for i in range(8000))[:MAX_BYTES]
    yield "of long keys", "a." * (MAX_BYTES // 2 - 10) + "b = 1\n"
    yield "of arrays in arrays", "x = " + "[" * 120_000 + "]" * 120_000
    yield "of many keys", "".join(f"k{i} = 1\n" for i in range(20_000))[:MAX_BYTES]


def _profile_cost_s(folder: Path, text: str) -> float:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "hostile.toml").write_text(f'id = "hostile"\n{text}', encoding="utf-8")
    began = process_time()
    try:
        library.check(library.Library([folder]).map("hostile"))
    except ConfigError:
        return process_time() - began
    return process_time() - began
