"""What a frame of 10 series of 5 readings costs before it is sent: its bytes, and an agent's processor to make it."""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Literal

from benchmarks.frame_publisher import Load, encoded, frames
from hubwatch_agents.readings import Reading
from hubwatch_agents.settings import AgentSettings
from hubwatch_agents.uplink.frame_store import FrameStore
from hubwatch_agents.uplink.frames import FrameBuilder
from hubwatch_core.clock import now_us
from hubwatch_core.health import Health
from hubwatch_core.ids import new_ulid

SERIES, EACH = 10, 5
FRAMES = 500
RUNS = 5


def frame_costs(folder: Path) -> dict[str, float]:
    """Return both of either version; the spool is at `folder`."""
    load = Load("", 0, new_ulid(), 1, SERIES * EACH, series=SERIES)
    (frame,) = frames(load)
    figures: dict[str, float] = {}
    versions: list[tuple[str, Literal["packed", "json"]]] = [("", "packed"), ("_json", "json")]
    for name, version in versions:
        payload = encoded(frame, Load("", 0, load.epoch, 1, packed=version == "packed"))
        figures[f"wire_bytes_per_reading{name}"] = len(payload) / (SERIES * EACH)
    runs = [[_ms_per_1000(folder / f"{version}-{run}", version) for _, version in versions] for run in range(RUNS)]
    for (name, _), spent in zip(versions, zip(*runs, strict=True), strict=True):
        figures[f"agent_ms_per_1000{name}"] = statistics.median(spent)
    return figures


def _ms_per_1000(folder: Path, version: Literal["packed", "json"]) -> float:
    """Return milliseconds of processor for 1 000 readings, from a driver's hands into the spool."""
    settings = AgentSettings.model_validate(
        {"hub": "bench", "agent": "box", "wire": version, "spool": {"directory": folder}}
    )
    store, builder, now = FrameStore(settings, Health()), FrameBuilder(), now_us()
    began = time.process_time()
    for _ in range(FRAMES):
        for i in range(EACH):
            for channel in range(SERIES):
                builder.add(Reading("s0", f"c{channel}", now + i * 200_000, 400.25 + i))
        for batch in builder.readings():
            store.keep(batch)
    spent = time.process_time() - began
    store.close()
    return spent * 1000 / (FRAMES * SERIES * EACH / 1000)
