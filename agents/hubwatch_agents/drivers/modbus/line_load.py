"""Does the plan fit the line? Times every request of a serial line before anything is connected. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hubwatch_agents.connections import ModbusConnection, RtuConnection, RtuOverTcpConnection
from hubwatch_agents.drivers.modbus.breaker import SHARE_OF_LINE
from hubwatch_agents.drivers.modbus.jobs import Job
from hubwatch_agents.drivers.modbus.plan import ReadRequest

BITS_PER_CHARACTER = 11
"""Start, 8 data, parity or second stop, stop (Modbus over serial line 1.02, 2.5.1)."""
GAP_CHARACTERS = 3.5
LEAST_GAP_S = 0.00175
"""Quiet between frames: 3.5 characters, above 19 200 baud a fixed 1.75 ms (the same, 2.5.1.1)."""
REQUEST_BYTES = 8
REPLY_OVERHEAD_BYTES = 5
TURNAROUND_S = 0.01
"""What a device is given to think before it answers; many need 5 to 20 ms (devices.md, section 9)."""
TCP_REQUEST_S = 0.005
"""One request over Ethernet, with the device's own time."""
MOST_LOAD = 0.9
"""What is left is for retries, busy devices and probes."""
COMMON_BAUDRATES = (4800, 9600, 19200, 38400, 57600, 115200)


@dataclass(frozen=True, slots=True)
class Load:
    """How busy a plan keeps a line: 1 is all the time."""

    share: float
    requests_per_s: float


def request_s(connection: ModbusConnection, request: ReadRequest, pause_s: float, baudrate: int | None = None) -> float:
    """Return how long one request keeps the line, its pause included."""
    if not isinstance(connection, RtuConnection | RtuOverTcpConnection):
        return TCP_REQUEST_S + pause_s
    return wire_s(request, baudrate or connection.baudrate) + TURNAROUND_S + pause_s


def wire_s(request: ReadRequest, baudrate: int) -> float:
    """Return how long the characters of a request and its reply take, with the gaps around them."""
    data = 2 * request.size if request.function in (3, 4) else (request.size + 7) // 8
    character_s = BITS_PER_CHARACTER / baudrate
    gap_s = max(LEAST_GAP_S, GAP_CHARACTERS * character_s) if baudrate > 19200 else GAP_CHARACTERS * character_s
    return (REQUEST_BYTES + REPLY_OVERHEAD_BYTES + data) * character_s + 2 * gap_s


def load(connection: ModbusConnection, jobs: Iterable[Job], baudrate: int | None = None) -> Load:
    """Return how busy the jobs keep the line when every device answers."""
    share = requests = 0.0
    for job in jobs:
        times = [request_s(connection, request, job.unit.pause_s, baudrate) for request in job.plan]
        share += sum(times) / job.period_s
        requests += len(times) / job.period_s
    return Load(share, requests)


def problems(connection: ModbusConnection, jobs: Sequence[Job]) -> list[str]:
    """Return why a plan cannot work on its line, and what would; [] when it can."""
    found = []
    busy = load(connection, jobs)
    # One silent device may take its share of the line whenever there is no idle time for a probe.
    most = MOST_LOAD - SHARE_OF_LINE
    if busy.share > most:
        found.append(
            f"the plan keeps the line busy {busy.share:.0%} of the time ({busy.requests_per_s:.1f} requests/s), "
            f"{most:.0%} is the most; {_what_would_fit(connection, jobs, busy.share / most, most)}"
        )
    found += [text for job in jobs for text in _job_problems(connection, job)]
    return found


def _job_problems(connection: ModbusConnection, job: Job) -> list[str]:
    names = ", ".join(job.unit.sensors)
    found = []
    needed = sum(request_s(connection, request, job.unit.pause_s) for request in job.plan)
    if needed > job.period_s:
        found.append(f"reading {names} once takes {needed * 1000:.0f} ms, its period is {job.period_s * 1000:.0f} ms")
    longest = max((request_s(connection, request, 0.0) for request in job.plan), default=0.0)
    if longest > job.unit.timeout_s:
        found.append(
            f"the timeout of {names}, {job.unit.timeout_s * 1000:.0f} ms, is shorter than its longest reply "
            f"takes, {longest * 1000:.0f} ms"
        )
    return found


def _what_would_fit(connection: ModbusConnection, jobs: Sequence[Job], factor: float, most: float) -> str:
    slower = f"periods {factor:.1f} times as long would fit"
    if not isinstance(connection, RtuConnection | RtuOverTcpConnection):
        return slower
    faster = [
        rate for rate in COMMON_BAUDRATES if rate > connection.baudrate and load(connection, jobs, rate).share <= most
    ]
    return f"{slower}, or {faster[0]} baud instead of {connection.baudrate}" if faster else slower
