"""What one connection has to do: units, and for each unit the jobs that are read with the same period."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from hubwatch_agents.connections import ModbusConnection
from hubwatch_agents.devices import Device
from hubwatch_agents.drivers.drops import DropCounters
from hubwatch_agents.drivers.modbus.breaker import Breaker
from hubwatch_agents.drivers.modbus.decode import Decoder
from hubwatch_agents.drivers.modbus.plan import ReadRequest, requests, span
from hubwatch_agents.drivers.modbus.raw import Image, Raw, reader
from hubwatch_agents.profiles.modbus_schema import Block, IdentityRule, Line, ModbusChannel, ModbusProfile
from hubwatch_agents.values.pseudonyms import Pseudonym


@dataclass
class Identity:
    """One thing that must be so for a unit to be what its profile says."""

    request: ReadRequest
    read: Callable[[Image], Raw]
    rule: IdentityRule
    title: str


@dataclass
class Unit:
    """One device on the line, whatever number of sensors it serves."""

    number: int
    timeout_s: float
    pause_s: float
    breaker: Breaker
    identity: list[Identity]
    sensors: list[str]
    connect_pause_s: float = 0.0
    """Quiet it needs after a connect."""
    gateway_errors: int = 0
    """How often in a row a gateway has answered in its place."""
    identified: bool = False
    worst_delay_s: float = 0.0
    """Longest that others have waited for this unit since it was last asked for; shown in the heartbeat."""


@dataclass
class Job:
    """The reads of one unit that share a period."""

    unit: Unit
    period_s: float
    decoders: list[Decoder]
    plan: list[ReadRequest]
    spans: list[ReadRequest]
    requests: list[ReadRequest] = field(default_factory=list)
    """The plan as it is in force: requests with an illegal register inside are cut."""
    asleep: dict[ReadRequest, tuple[float, str]] = field(default_factory=dict)
    """Requests that are left out until a moment, and why."""
    busy_tries: int = 0
    probes: int = 0
    overruns: int = 0
    """Turns that were skipped, because the line was not free in time."""
    failures: int = 0
    """How often in a row it ended in an error nobody foresaw."""
    reported_s: float = 0.0
    """When readings were last handed over, good or bad, by the poller's clock."""
    trouble: str = ""
    """Why its readings are bad; empty while they are good."""

    def __post_init__(self) -> None:
        self.requests = list(self.plan)


def jobs_of(
    connection: ModbusConnection, devices: Sequence[Device], pseudonym: Pseudonym, drops: DropCounters | None = None
) -> list[Job]:
    """Plan the work of one connection."""
    drops = drops if drops is not None else DropCounters()
    numbered = sorted(((unit_of(device), i, device) for i, device in enumerate(devices)), key=lambda each: each[:2])
    jobs: list[Job] = []
    for number, group in groupby(numbered, key=lambda each: each[0]):
        jobs += _jobs_of_unit(connection, number, [device for _, _, device in group], pseudonym, drops)
    return jobs


def unit_of(device: Device) -> int:
    """Return the unit id a device answers to."""
    return device.section.unit if device.section.unit is not None else profile_of(device).line.unit


def profile_of(device: Device) -> ModbusProfile:
    """Return the profile of a device behind a Modbus connection."""
    assert isinstance(device.profile, ModbusProfile)
    return device.profile


def timeout_of(connection: ModbusConnection, device: Device) -> float:
    """Return the longest wait for an answer of a device, in seconds."""
    return (device.section.timeout_ms or connection.timeout_ms or profile_of(device).line.timeout_ms) / 1000


def _jobs_of_unit(
    connection: ModbusConnection, number: int, devices: Sequence[Device], pseudonym: Pseudonym, drops: DropCounters
) -> list[Job]:
    profiles = [profile_of(device) for device in devices]
    timeout_s = max(timeout_of(connection, device) for device in devices)
    unit = Unit(
        number,
        timeout_s,
        max(connection.pause_ms, *(profile.line.pause_ms for profile in profiles)) / 1000,
        Breaker(timeout_s),
        _identity(profiles),
        [device.sensor for device in devices],
        max(profile.line.connect_pause_ms for profile in profiles) / 1000,
    )
    decoders: dict[int, list[Decoder]] = {}
    for device in devices:
        for period_ms, decoder in _decoders(device, pseudonym, drops):
            decoders.setdefault(period_ms, []).append(decoder)
    line, blocks = _strictest([profile.line for profile in profiles]), _blocks(profiles)
    return [_job(unit, period_ms, group, blocks, line) for period_ms, group in sorted(decoders.items())]


def _job(unit: Unit, period_ms: int, decoders: list[Decoder], blocks: list[Block], line: Line) -> Job:
    spans = sorted({span(source) for decoder in decoders for source in decoder.sources})
    return Job(unit, period_ms / 1000, decoders, requests(spans, blocks, line), spans)


def _decoders(device: Device, pseudonym: Pseudonym, drops: DropCounters) -> list[tuple[int, Decoder]]:
    """Make the decoders of a device, one for each period its channels are read with; events go with the device's."""
    profile = profile_of(device)
    base = device.period_ms or profile.period_ms
    by_period: dict[int, list[ModbusChannel]] = {base: []} if profile.events else {}
    for channel in profile.channels:
        by_period.setdefault(channel.period_ms or base, []).append(channel)
    return [
        (
            period_ms,
            Decoder(
                device,
                profile,
                tuple(channels),
                pseudonym,
                with_events=period_ms == base,
                period_us=period_ms * 1000,
                drops=drops,
            ),
        )
        for period_ms, channels in by_period.items()
    ]


def _identity(profiles: Sequence[ModbusProfile]) -> list[Identity]:
    found: dict[tuple[str, IdentityRule], Identity] = {}
    for profile in profiles:
        for rule in profile.identity:
            found[profile.title, rule] = Identity(span(rule), reader(rule), rule, profile.title)
    return list(found.values())


def _strictest(lines: Sequence[Line]) -> Line:
    """Join what several profiles on one unit ask for: the least any of them allows."""
    return lines[0].model_copy(
        update={
            "max_registers": min(line.max_registers for line in lines),
            "allow_gap": min(line.allow_gap for line in lines),
            "merge": all(line.merge for line in lines),
        }
    )


def _blocks(profiles: Sequence[ModbusProfile]) -> list[Block]:
    blocks: list[Block] = []
    for profile in profiles:
        blocks += [block for block in profile.blocks if block not in blocks]
    return blocks
