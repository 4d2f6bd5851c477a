"""A hub for the console's pages: the demo's site with devices that measure, alarms, and those who are at work.

Rows are written as agents, collectors and detectors write them; alarms are made of detections by the mover itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg

from hubwatch_alarms.instructions import Instructions
from hubwatch_alarms.mover import Mover
from hubwatch_core.clock import SECOND_US, now_us, to_datetime
from hubwatch_core.wire import Detection
from hubwatch_ops.demo.site import describe
from hubwatch_store.database import open_pool
from support.alarms_database import Hands, settings_of

HUB = "rotterdam"
SENSORS = (
    # sensor, kind, zone, agent, channel, unit, value
    ("rpm-1", "radiation_portal", "lane-1", "quay", "gamma.1", "count", 402.0),
    ("rpm-2", "radiation_portal", "lane-2", "gate", "gamma.1", "count", 397.0),
    ("door-1", "access", "office", "gate", "position", "", 0.0),
    ("door-2", "access", "gatehouse", "gate", "position", "", 0.0),
    ("fence-1", "perimeter", "section-1", "quay", "disturbance", "", 0.0),
    ("fence-2", "perimeter", "section-2", "quay", "disturbance", "", 0.0),
    ("fence-3", "perimeter", "section-3", "quay", "disturbance", "", 0.0),
    ("fence-4", "perimeter", "section-4", "quay", "disturbance", "", 0.0),
    ("area-1", "radiation_area", "office", "gate", "dose_rate", "µSv/h", 0.11),
    ("xray-1", "screening", "lane-1", "gate", "ready", "", 1.0),
)


def hub_there(dsn: str, *, seen: bool = True) -> None:
    """Put the hub's site, agents and sensors into a migrated database; not `seen`: one device is silent."""
    with tempfile.TemporaryDirectory() as folder:
        describe(Path(folder), settings_of(dsn), None)
    with psycopg.connect(dsn, autocommit=True) as connection:
        for agent in ("quay", "gate"):
            connection.execute(
                "INSERT INTO hubwatch.agents (hub, agent, software, last_frame, heard) "
                "VALUES (%s, %s, 'hubwatch 0.1.0', clock_timestamp(), clock_timestamp())",
                (HUB, agent),
            )
        for sensor, kind, zone, agent, channel, unit, value in SENSORS:
            _sensor(connection, sensor, kind, zone, agent, channel, unit, value)
        connection.execute(
            "INSERT INTO hubwatch.detector_state (hub, detector, sensor, version, state) VALUES (%s, 'x', 'x', 1, '')",
            (HUB,),
        )
        if not seen:
            connection.execute(
                "UPDATE hubwatch.latest_value SET time = time - interval '9 minutes' WHERE channel_id = "
                "(SELECT id FROM hubwatch.channels WHERE sensor = 'area-1')"
            )


def _sensor(
    connection: psycopg.Connection[Any], sensor: str, kind: str, zone: str, agent: str, channel: str, unit: str,
    value: float,
) -> None:  # fmt: skip
    row = connection.execute(
        "INSERT INTO hubwatch.sensors (hub, sensor, agent, kind, zone, max_age_s) VALUES (%s, %s, %s, %s, %s, 30) "
        "ON CONFLICT (hub, sensor) DO UPDATE SET agent = excluded.agent, kind = excluded.kind, zone = excluded.zone, "
        "max_age_s = 30 RETURNING id",
        (HUB, sensor, agent, kind, zone),
    ).fetchone()
    assert row is not None
    made = connection.execute(
        "INSERT INTO hubwatch.channels (sensor_id, hub, sensor, channel, unit, kind) "
        "VALUES (%s, %s, %s, %s, %s, 'gauge') RETURNING id",
        (row[0], HUB, sensor, channel, unit),
    ).fetchone()
    assert made is not None
    connection.execute(
        "INSERT INTO hubwatch.latest_value (channel_id, time, value, quality) VALUES (%s, clock_timestamp(), %s, 0)",
        (made[0], value),
    )


@asynccontextmanager
async def at_work(dsn: str) -> AsyncIterator[None]:
    """Let collector, detectors and alarms be at work, as they show it in the database, every half second."""
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        for kind in ("alarms", "detectors"):
            await connection.execute(
                "INSERT INTO hubwatch.process_owner (token, kind, name, hubs, host, pid, machine, began) "
                "VALUES (%s, %s, %s, '{}', 'here', 1, 'm', 1)",
                (kind, kind, kind),
            )
        working = asyncio.create_task(_work(connection))
        try:
            yield
        finally:
            working.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await working


async def _work(connection: psycopg.AsyncConnection[Any]) -> None:
    while True:
        with contextlib.suppress(psycopg.OperationalError):
            await connection.execute("UPDATE hubwatch.process_owner SET beats = beats + 1")
            await connection.execute("UPDATE hubwatch.agents SET heard = clock_timestamp() WHERE state = 'online'")
            await connection.execute("UPDATE hubwatch.detector_state SET saved = clock_timestamp()")
            await connection.execute(
                "UPDATE hubwatch.latest_value SET time = clock_timestamp() "
                "WHERE time > clock_timestamp() - interval '1 min'"
            )
        await asyncio.sleep(0.5)


def gamma_evidence() -> dict[str, Any]:
    """Return the evidence of a gamma alarm, in the shape of the portal's detector."""
    t = [round(0.2 * i, 2) for i in range(60)]
    model = [400 - 70 * math.exp(-(((x - 6) / 2.5) ** 2)) for x in t]
    counts = [
        m + 420 * math.exp(-(((x - 7) / 0.8) ** 2)) + 14 * math.sin(i * 2.3)
        for i, (x, m) in enumerate(zip(t, model, strict=True))
    ]
    return {
        "rule": "profile", "counts": round(sum(counts)), "background": 24_000.0, "expected": round(sum(model)),
        "source_counts": 2984.2, "source_at_s": 7.0, "chance": 1e-19, "allowed": 2.4e-6, "speed_m_s": 2.1,
        "profile": {
            "t_s": t, "counts": [round(c, 1) for c in counts], "without_source": [round(m, 1) for m in model],
        },
    }  # fmt: skip


def found(
    number: int, type_: str, sensor: str, *, priority: int, why: str, ago_s: float = 30, subject: str | None = None,
    evidence: dict[str, Any] | None = None, hub: str = HUB, score: float = 6.25,
) -> Detection:  # fmt: skip
    """Return a detection that was made some seconds ago and lasts."""
    start = now_us() - int(ago_s * SECOND_US)
    return Detection(
        id=f"01JD3Z{number:020d}", type=type_, hub=hub, sensor=sensor, subject=subject, start=start, end=None,
        detected=start + SECOND_US // 2, score=score, priority=priority, detector="d", version=1, late=False, why=why,
        evidence=evidence or {},
    )  # fmt: skip


def a_bad_morning() -> list[Detection]:
    """Return detections of every priority, as of an attack that goes on."""
    crossing = {
        "from": "fence-1", "to": "fence-2", "seconds": 9.4, "speed_m_s": 0.64, "gate_open": 0.02,
        "series": [["fence-1", 0.0], ["fence-1", 1.2], ["fence-2", 9.4]],
    }  # fmt: skip
    return [
        found(1, "radiation.gamma", "rpm-1", priority=1, ago_s=95, score=62.0, evidence=gamma_evidence(),
              why="about 2,984 gamma counts above what a vehicle without a source leaves of the background"),
        found(2, "perimeter.crossing", "fence-2", priority=1, ago_s=42, subject="fence-1 to fence-2", evidence=crossing,
              why="fence-1, then fence-2 9.4 s later: 6 m at 0.6 m/s"),
        found(3, "access.brute_force", "door-1", priority=2, ago_s=180, evidence={"denials": 7, "minutes": 1.0},
              why="7 denials within 60 s, with 5 badges", subject="reader:in"),
        found(4, "access.held", "door-2", priority=3, ago_s=600, evidence={"held_s": 45.0}, why="open for 45 s"),
        found(5, "integrity.sensor_silent", "area-1", priority=3, ago_s=520, evidence={"agent": "gate"},
              why="nothing for 9 min; 10 s is usual"),
        found(6, "integrity.value_frozen", "xray-1", priority=4, ago_s=7300, evidence={"value": 1.0, "samples": 900},
              why="the same value 900 times"),
    ]  # fmt: skip


async def moved(dsn: str) -> None:
    """Let the mover make alarms of what was found."""
    async with open_pool(settings_of(dsn)) as pool:
        await Mover(pool, [], Instructions.load()).round()


async def alarmed(dsn: str, hands: Hands, *detections: Detection) -> list[int]:
    """Write detections, and return the numbers of all alarms there are, in the order in which they were opened."""
    hands.detect(*detections)
    await moved(dsn)
    return [row["id"] for row in hands.alarms()]


def passage_readings(dsn: str, detection: Detection) -> None:
    """Write what a portal counted while the vehicle of `gamma_evidence` was in it, and the empty portal around it."""
    began, sensor = to_datetime(detection.start), detection.sensor
    profile = gamma_evidence()["profile"]
    passing = dict(zip(range(len(profile["counts"])), profile["counts"], strict=True))
    with psycopg.connect(dsn, autocommit=True) as connection:
        for channel, unit in (("occupied", "1"), ("neutron.1", "count")):
            connection.execute(
                "INSERT INTO hubwatch.channels (sensor_id, hub, sensor, channel, unit, kind) "
                "SELECT id, hub, sensor, %s, %s, 'gauge' FROM hubwatch.sensors WHERE hub = %s AND sensor = %s",
                (channel, unit, HUB, sensor),
            )
        moments = {number: began + timedelta(seconds=0.2 * number) for number in range(-25, len(passing) + 20)}
        connection.execute("SELECT hubwatch.ensure_partitions('reading', %s)", (list(moments.values()),))
        for number, moment in moments.items():
            counted = {
                "gamma.1": round(passing.get(number, 402.0)), "neutron.1": 0.0, "occupied": float(number in passing),
            }  # fmt: skip
            for channel, value in counted.items():
                connection.execute(
                    "INSERT INTO hubwatch.reading (time, channel_id, value, quality) SELECT %s, id, %s, 0 "
                    "FROM hubwatch.channels WHERE hub = %s AND sensor = %s AND channel = %s",
                    (moment, value, HUB, sensor, channel),
                )


def former_readings(dsn: str) -> None:
    """Write that every sensor was read each 10 s of the last quarter of an hour, up to its newest reading."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        now = datetime.now(UTC)
        connection.execute("SELECT hubwatch.ensure_partitions('reading', %s)", ([now, now - timedelta(minutes=15)],))
        connection.execute(
            "INSERT INTO hubwatch.reading (time, channel_id, value, quality) SELECT t, c.id, v.value, 0 "
            "FROM hubwatch.channels c JOIN hubwatch.latest_value v ON v.channel_id = c.id, "
            "generate_series(%s::timestamptz, v.time, interval '10 s') t WHERE c.hub = %s",
            (now - timedelta(minutes=15), HUB),
        )


def door_history(dsn: str, sensor: str = "door-1") -> None:
    """Write what a door said in the last minutes."""
    began = datetime.now(UTC) - timedelta(seconds=190)
    said = [(i * 9, "access.denied", f"badge:7F{i:02}") for i in range(7)] + [
        (80, "access.granted", "badge:1A2B"), (82, "door.opened", None), (91, "door.closed", None),
    ]  # fmt: skip
    with psycopg.connect(dsn, autocommit=True) as connection:
        times = [began + timedelta(seconds=seconds) for seconds, _, _ in said]
        connection.execute("SELECT hubwatch.ensure_partitions('event', %s)", (times,))
        for seconds, type_, subject in said:
            connection.execute(
                "INSERT INTO hubwatch.event (time, sensor_id, type, subject, attrs, late) "
                "SELECT %s, id, %s, %s, '{}', false FROM hubwatch.sensors WHERE hub = %s AND sensor = %s",
                (began + timedelta(seconds=seconds), type_, subject, HUB, sensor),
            )
