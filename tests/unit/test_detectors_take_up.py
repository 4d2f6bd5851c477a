"""An engine takes up another site while it works, and loses nothing of what it has learned."""

from __future__ import annotations

import msgspec
import pytest

from hubwatch_detectors.contract import Neighbour, Origin, Scope, Site, Spec
from hubwatch_detectors.engine import Engine, Rules
from hubwatch_detectors.engine.router import TAKEN_UP_AT_ONCE
from hubwatch_detectors.perimeter.crossing import Perimeter
from hubwatch_detectors.perimeter.perimeter_config import PerimeterConfig
from support.detectors_engine import EngineBench, event, series
from support.detectors_hub import DOOR, FENCES, HUB, birth
from support.detectors_stories import SITE, attacked


def take_up(bench: EngineBench, site: Site, hub: str) -> None:
    for _ in bench.engine.take_up(site, hub):
        raise AssertionError("so few instances are taken up at once")


def test_alarm_before_the_new_site_makes_a_crossing_with_one_after_it() -> None:
    bench = EngineBench()
    bench.birth(inventory=FENCES)
    bench.send(11, event("fence-1", 10, "perimeter.alarm"))
    take_up(bench, SITE, HUB)
    bench.send(15, event("fence-2", 14, "perimeter.alarm"))
    assert bench.types == ["perimeter.intrusion", "perimeter.intrusion", "perimeter.crossing"]


def test_without_the_new_site_the_same_alarms_make_none() -> None:
    bench = EngineBench()
    bench.birth(inventory=FENCES)
    bench.send(11, event("fence-1", 10, "perimeter.alarm"))
    bench.send(15, event("fence-2", 14, "perimeter.alarm"))
    assert bench.types == ["perimeter.intrusion", "perimeter.intrusion"]


def test_taking_up_the_same_site_before_every_frame_changes_no_finding() -> None:
    plain, often = EngineBench(), EngineBench()
    for bench in (plain, often):
        take_up(bench, SITE, HUB)
        bench.found += bench.engine.birth(birth(), birth().sent)
    for frame in attacked().frames():
        plain.found += plain.engine.frame(frame, frame.sent)
        take_up(often, SITE, HUB)
        often.found += often.engine.frame(frame, frame.sent)
    for bench in (plain, often):
        bench.found += bench.engine.flush(HUB)
    assert len(plain.found) > 10
    assert often.found == plain.found
    saved = [{each.key: each.state for each in bench.engine.changes(HUB)[0]} for bench in (plain, often)]
    assert saved[0] == saved[1]


def test_site_of_one_hub_leaves_the_detectors_of_others_alone() -> None:
    bench = EngineBench()
    bench.birth(inventory=FENCES)
    bench.send(11, event("fence-1", 10, "perimeter.alarm"))
    take_up(bench, SITE, "antwerp")
    bench.send(15, event("fence-2", 14, "perimeter.alarm"))
    assert "perimeter.crossing" not in bench.types


class _Picky(Perimeter):
    """A detector that cannot be built with a site of two pairs."""

    def __init__(self, config: PerimeterConfig, origin: Origin, site: Site) -> None:
        super().__init__(config, origin, site)
        if len(site.neighbours) > 1:
            raise ValueError("two pairs are too many")


def test_site_with_which_a_detector_cannot_be_built_leaves_all_as_they_are() -> None:
    spec = Spec("perimeter", 1, Scope.HUB, ("perimeter.crossing",), PerimeterConfig, _Picky)
    bench = EngineBench()
    bench.engine = Engine(Rules((spec,), {"perimeter": PerimeterConfig()}))
    bench.birth(inventory=(*FENCES, DOOR))
    bench.send(11, event("fence-1", 10, "perimeter.alarm"))
    take_up(bench, SITE, HUB)
    with pytest.raises(ValueError, match="two pairs"):
        take_up(bench, Site((*SITE.neighbours, Neighbour(HUB, "fence-2", "fence-1", 6.0))), HUB)
    bench.send(15, event("fence-2", 14, "perimeter.alarm"))
    assert bench.types[-1] == "perimeter.crossing"
    assert bench.engine.counts.failed == 0
    assert bench.engine.changes(HUB)[0]


def test_many_instances_are_taken_up_some_at_a_time_while_frames_are_judged() -> None:
    doors = [msgspec.structs.replace(DOOR, sensor=f"door-{n}") for n in range(TAKEN_UP_AT_ONCE)]
    bench = EngineBench(Site(), perimeter={"enabled": False})
    bench.birth(inventory=(*doors, *FENCES))
    bench.send(1, *(series(each.sensor, "position", 1, 0.0) for each in doors))
    turns = 0
    for turns, _ in enumerate(bench.engine.take_up(SITE, HUB), 1):
        bench.send(11 + turns, event(f"door-{turns}", 11 + turns, "door.forced"))
    assert turns > 4
    assert bench.types.count("access.forced") == turns
    assert bench.engine.counts.failed == 0
