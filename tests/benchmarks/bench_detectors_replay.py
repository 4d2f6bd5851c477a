"""How fast recordings are judged: decoding, all detectors, one core.

- `readings_per_cpu_s`: readings judged per second of CPU, frames of one second from one hub with a portal (5 Hz, two
  gamma panels, neutrons, occupancy), a door, two fence sections and a weather mast;
- `hours_per_minute`: hours of that hub judged in one minute.
"""

from __future__ import annotations

import time

from benchmarks.result import Progress, Result, at_least
from hubwatch_core.wire import encode
from hubwatch_detectors.engine import Engine
from hubwatch_detectors.replay import Replay
from hubwatch_detectors.settings import DetectorsSettings
from support.detectors_hub import birth
from support.detectors_stories import quiet

MINUTES = 60


async def run(progress: Progress) -> Result:
    """Replay an hour of normal life from memory."""
    hub = quiet(minutes=MINUTES)
    hub.frame_s = 1.0
    lines = [encode(birth()), *(encode(frame) for frame in hub.frames())]
    progress(f"{len(lines)} lines, {sum(map(len, lines)) / 1e6:.1f} MB")
    engine = Engine(DetectorsSettings().rules())
    began = time.process_time()
    found = list(Replay(engine).run(lines))
    spent = time.process_time() - began
    assert found == []
    figures = {
        "readings_per_cpu_s": engine.counts.readings / spent,
        "frames_per_cpu_s": engine.counts.frames / spent,
        "hours_per_minute": MINUTES / 60 / spent * 60,
    }
    return Result(figures, {"readings_per_cpu_s": at_least(30_000)})
