"""Frames that came together are judged together, and what is found and remembered is the same as of one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import msgspec
import pytest

from hubwatch_core.wire import Channel, Clear, Detection, Event, Frame, Sensor, Series
from hubwatch_core.words import ChannelKind
from hubwatch_detectors.binary import decode
from hubwatch_detectors.contract import Finding
from hubwatch_detectors.engine import Saved
from hubwatch_detectors.engine.instance import Envelope
from hubwatch_detectors.radiation.area import AreaMemory
from support.detectors_engine import EngineBench, event, series
from support.detectors_hub import AREA, DOOR, FENCES, HUB, MAST, at, birth
from support.detectors_stories import SITE, attacked


def judged(frames: Sequence[Frame], together: int) -> tuple[list[bytes], list[Saved]]:
    """Return what so many frames at a time lead to: the findings, and what is remembered."""
    bench = EngineBench(SITE)
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
def test_frames_judged_together_give_the_same_findings_and_states(together: int) -> None:
    frames = list(attacked().frames())
    plain, remembered = judged(frames, 1)
    assert len(plain) > 10
    assert judged(frames, together) == (plain, remembered)


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


Sent = tuple[float, float, str, tuple[Series | Event, ...]]
"""When a frame is sent and received, by whom, and what is in it."""


def told(inventories: Mapping[str, tuple[Sensor, ...]], frames: Sequence[Sent], together: int) -> list[Saved]:
    """Return what is remembered of the frames of several agents."""
    bench = EngineBench()
    for agent, inventory in inventories.items():
        bench.birth(-200, inventory, agent)
    for first, last in pairwise([*range(0, len(frames), together), len(frames)]):
        if together > 1:
            bench.engine.gather()
        for sent, received, agent, items in frames[first:last]:
            bench.send(sent, *items, agent=agent, received=received)
        bench.found += bench.engine.settle()
    return sorted(bench.saved())


GAUGE = msgspec.structs.replace(AREA, channels=[Channel("rain_rate", "mm/h", period_us=1_000_000)])
"""A gauge that another agent reads, under the name of the monitor."""


@pytest.mark.parametrize("together", [3, 40, 400])
@pytest.mark.parametrize("gauge", [MAST, GAUGE], ids=["apart", "of the monitor"])
def test_rain_counts_for_monitors_as_if_each_frame_were_judged_alone(gauge: Sensor, together: int) -> None:
    """The clock of the gauge's agent is two minutes slow: a minute of rain is over just as monitors ask for it."""
    frames: list[Sent] = []
    for t in range(400):
        frames.append((t + 1, t + 1, "gate-7", (series("area-1", "gamma", t, float(19 + t % 3)),)))
        frames.append((t - 119, t + 1, "gate-8", (series(gauge.sensor, "rain_rate", t - 120, 5.0 + t // 60),)))
    agents = {"gate-7": (AREA,), "gate-8": (gauge,)}
    plain = told(agents, frames, 1)
    (area,) = [each for each in plain if each.key.detector == "radiation_area"]
    blocks = decode(decode(area.state, Envelope).state, AreaMemory).monitors["area-1"].background.waiting
    assert len({each.rain for each in blocks}) > 3
    assert told(agents, frames, together) == plain


def test_door_of_two_agents_is_followed_in_the_order_in_which_they_speak() -> None:
    lock = Channel("lock", "1", ChannelKind.STATE, 200_000)
    frames: list[Sent] = []
    for t in range(60):
        grant = (event("door-1", t, "access.granted", "badge:7"),) if t % 10 == 2 else ()
        opened = float(t % 20 == 3)
        frames.append((t + 1, t + 1, "gate-8", (series("door-1", "lock", t, 0.0), *grant)))
        frames.append((t + 1.1, t + 1.1, "gate-7", (series("door-1", "position", t, *[opened] * 5),)))
    agents = {"gate-7": (DOOR,), "gate-8": (msgspec.structs.replace(DOOR, channels=[lock]),)}
    plain = told(agents, frames, 1)
    assert "expected" in {each.key.detector for each in plain}
    assert told(agents, frames, 30) == plain


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
