"""The soak of `make bench ONLY=soak`, short, on every run of the suite."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from support.soak_run import soak_for

SECONDS = 20.0
SILENCE_S = 15.0


@pytest.mark.timeout(240)
async def test_agents_come_through_every_break_with_nothing_lost_doubled_or_false(tmp_path: Path) -> None:
    seed = random.randrange(2**32)
    verdict, soak = await soak_for(tmp_path, seed, SECONDS)
    assert verdict.clean, f"seed {seed}: {verdict}; {soak.mishaps}"
    assert verdict.silence_device_s < SILENCE_S
    assert verdict.silence_uplink_s < SILENCE_S
    assert "Traceback" not in said(tmp_path)


def said(folder: Path) -> str:
    """Return what everybody logged."""
    return "".join(log.read_text() for log in folder.glob("*.log"))
