"""Frames that came together are judged together, and what is found and remembered is the same as of one by one."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import msgspec
import pytest

from hubwatch_core.wire import Clear, Detection, Frame
from hubwatch_detectors.contract import Finding, Site
from hubwatch_detectors.engine import Saved
from support.detectors_engine import EngineBench, event, series
from support.detectors_hub import DOOR, FENCES, HUB, at, birth
from support.detectors_stories import SITE, attacked


def judged(frames: Sequence[Frame], together: int, site: Site | None = SITE) -> tuple[list[bytes], list[Saved]]:
    """Return what so many frames at a time lead to: the findings, and what is remembered."""
    bench = EngineBench(site)
    found: list[Finding] = bench.engine.birth(birth(), at(0))
    for first, last in pairwise([*range(0, len(frames), together), len(frames)]):
        if together > 1:
            bench.engine.gather()
        for frame in frames[first:last]:
            found += bench.engine.frame(frame, frame.sent)
        found += bench.engine.settle()
    found += bench.engine.flush(HUB)
    saved, _ = bench.engine.changes(HUB)
    return sorted(msgspec.json.encode(each) for each in found), sorted(saved)


@pytest.mark.parametrize("together", [2, 7, 60])
@pytest.mark.parametrize("site", [SITE, None], ids=["lanes", "no-lanes"])
def test_frames_judged_together_give_the_same_findings_and_states(together: int, site: Site | None) -> None:
    """Without lanes doors, portals and scanners stand apart for the detectors of the hub."""
    frames = list(attacked().frames())
    plain, remembered = judged(frames, 1, site)
    assert len(plain) > 10
    assert judged(frames, together, site) == (plain, remembered)


@pytest.mark.parametrize("together", [5, 60])
def test_backlog_and_lost_sight_among_them_change_nothing(together: int) -> None:
    """Frames that were missed come late, in between those that are live."""
    frames = list(attacked().frames())
    missed = [msgspec.structs.replace(each, late=True) for each in frames[100:130]]
    beside = [each for pair in zip(frames[130:160], missed, strict=True) for each in pair]
    mixed = [*frames[:100], *beside, *frames[160:]]
    plain, remembered = judged(mixed, 1)
    assert len(plain) > 10
    assert judged(mixed, together) == (plain, remembered)


def test_nothing_is_judged_before_it_is_settled_unless_it_is_due() -> None:
    bench = EngineBench()
    bench.birth(inventory=(DOOR,))
    bench.engine.gather()
    for t in range(4):
        bench.send(t + 1, series("door-1", "position", t, *[float(t >= 2)] * 5))
    assert bench.found == []
    bench.found += bench.engine.settle()
    assert bench.types == ["access.forced"]


def test_what_is_gathered_is_of_ten_seconds_at_most() -> None:
    bench = EngineBench()
    bench.birth(inventory=(DOOR,))
    bench.engine.gather()
    for t in range(12):
        bench.send(t + 1, series("door-1", "position", t, *[float(t >= 2)] * 5))
    assert bench.types == ["access.forced"]


def test_detectors_of_a_hub_hear_everything_at_once() -> None:
    bench = EngineBench(SITE)
    bench.birth(inventory=FENCES)
    bench.engine.gather()
    bench.send(11, event("fence-1", 10, "perimeter.alarm"))
    assert bench.types == ["perimeter.intrusion"]


def test_sensor_that_goes_while_it_is_gathered_leaves_nothing_open() -> None:
    bench = EngineBench()
    bench.birth(inventory=(DOOR,))
    bench.engine.gather()
    for t in range(8):
        bench.send(t + 1, series("door-1", "position", t, *[float(t >= 5)] * 5))
    bench.birth(9, inventory=())
    bench.found += bench.engine.settle()
    (forced, end) = bench.found
    assert isinstance(forced, Detection)
    assert end == Clear(forced.id, at(8), at(8), "no agent lists it any more")
