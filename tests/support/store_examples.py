"""Frames, births and offers for tests of the store and the collector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg

from hubwatch_core import wire
from hubwatch_core.clock import now_us
from hubwatch_core.message import Message
from hubwatch_core.words import SensorKind
from hubwatch_store.ingest import Departure, Letter, Notice, Offer, State

EPOCH = "01JD3ZQ4T8XK6W1M5R9V2B7C0D"
OTHER_EPOCH = "01JD4ZQ4T8XK6W1M5R9V2B7C0D"
HOUR_US = 3_600_000_000


def frame(seq: int, **changes: Any) -> wire.Frame:
    """Make a frame of one series with two readings, a second old."""
    sent = changes.pop("sent", now_us())
    values: dict[str, Any] = {
        "v": 1,
        "hub": "harbour",
        "agent": "gate-7",
        "epoch": EPOCH,
        "seq": seq,
        "sent": sent,
        "series": [series(sent - 1_000_000, [float(seq), seq + 0.5])],
    }
    return wire.Frame(**(values | changes))


def series(t0: int, x: Sequence[float | None], **changes: Any) -> wire.Series:
    """Make a series of readings 1 ms apart."""
    values: dict[str, Any] = {
        "sensor": "rpm-2",
        "channel": "gamma.1",
        "t0": t0,
        "dt": [i * 1000 for i in range(len(x))],
        "x": list(x),
    }
    return wire.Series(**(values | changes))


def event(kind: str, **changes: Any) -> wire.Event:
    """Make an event of now."""
    values: dict[str, Any] = {"sensor": "door-3", "t": now_us(), "type": kind}
    return wire.Event(**(values | changes))


def birth(**changes: Any) -> wire.Birth:
    """Make a birth of one radiation portal with one channel."""
    channel = wire.Channel(name="gamma.1", unit="count", period_us=200_000, resolution=1.0)
    sensor = wire.Sensor(
        sensor="rpm-2",
        kind=SensorKind.RADIATION_PORTAL,
        zone="gate-2",
        profile="aspect-rpm",
        max_age_s=5.0,
        channels=[channel],
    )
    values: dict[str, Any] = {
        "v": 1,
        "hub": "harbour",
        "agent": "gate-7",
        "epoch": EPOCH,
        "sent": now_us(),
        "software": "hubwatch 0.1.0",
        "config": "sha256:0",
        "inventory": [sensor],
    }
    return wire.Birth(**(values | changes))


def offer(
    content: wire.Frame | wire.Birth | State | Departure | Letter | Notice, payload: bytes = b"as it came"
) -> Offer:
    """Offer something as if it had just been received."""
    return Offer(message(payload), content)


def message(payload: bytes, topic: str = "hubwatch/1/harbour/gate-7/frame", received: int | None = None) -> Message:
    """Make a message as it would have come from a broker."""
    return Message(topic, payload, 1, False, 0, now_us() if received is None else received)


def rows(dsn: str, query: str) -> list[tuple[Any, ...]]:
    """Ask a database."""
    with psycopg.connect(dsn, options="-c search_path=hubwatch,public -c timezone=UTC") as connection:
        return connection.execute(query.encode()).fetchall()


def one(dsn: str, query: str) -> Any:
    """Ask a database for one value."""
    return rows(dsn, query)[0][0]
