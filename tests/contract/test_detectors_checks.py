"""Every property a detector must have, run over every detector in the table.

A new detector is tested from the day it is in the table: `support.detectors_stories.attacked` must hold what it looks
for, `quiet` what it must not mistake for it.
"""

from __future__ import annotations

import copy
import math
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubwatch_core.wire import Clear, Detection, Event, Sensor, Series, decode_detection, encode
from hubwatch_detectors.chunk import Chunk, ChunkReading, split
from hubwatch_detectors.contract import DetectorConfig, Finding, Scope, Site, Spec
from hubwatch_detectors.engine import Engine
from hubwatch_detectors.registry import TABLE
from support.detectors_engine import EngineBench
from support.detectors_hub import AGENT, HUB, INVENTORY, at, birth
from support.detectors_stories import MINUTES, SITE, Moment, attacked, build, chunks, moments, play, quiet

STATE_MOST_BYTES = 64 * 1024
"""A thousand sensors then remember less than 64 MB."""
CHANNEL_MOST_BYTES = 20_000
SUBJECT_MOST_BYTES = 1200
YEAR_S = 365 * 86_400.0

JUDGING = [spec for spec in TABLE if spec.scope is not Scope.AGENT]
"""Those that judge what sensors say; `test_detectors_presence.py` has what holds for those that watch agents."""

every_detector = pytest.mark.parametrize("spec", JUDGING, ids=lambda spec: spec.name)


# Made when they are first asked for: every test worker imports this file, and one of them runs it.
@cache
def attack_of(spec: Spec[Any]) -> list[Moment]:
    return moments(attacked(), spec)


@cache
def quiet_of(spec: Spec[Any]) -> list[Moment]:
    return moments(quiet(), spec)


@cache
def found_in_attack(spec: Spec[Any]) -> list[Finding]:
    return play(build(spec), attack_of(spec))


@cache
def found_in_quiet(spec: Spec[Any]) -> list[Finding]:
    return play(build(spec), quiet_of(spec))


def as_bytes(found: Sequence[Finding]) -> list[bytes]:
    return sorted(encode(each) for each in found)


def detections(found: Sequence[Finding]) -> list[Detection]:
    return [each for each in found if isinstance(each, Detection)]


@every_detector
def test_attack_is_found_with_every_type_the_table_states(spec: Spec[Any]) -> None:
    assert {each.type for each in detections(found_in_attack(spec))} == set(spec.types)


@every_detector
def test_normal_life_is_not_alarmed(spec: Spec[Any]) -> None:
    assert found_in_quiet(spec) == []


@every_detector
def test_detection_is_well_formed_and_names_its_detector(spec: Spec[Any]) -> None:
    for each in detections(found_in_attack(spec)):
        assert decode_detection(encode(each)) == each
        assert (each.detector, each.version, each.late) == (spec.name, spec.version, False)
        assert each.start <= each.detected
        assert each.why


@every_detector
def test_every_detection_ends_once_and_not_before_it_began(spec: Spec[Any]) -> None:
    found = found_in_attack(spec)
    starts = {each.id: each.start for each in detections(found)}
    ends = [each for each in found if isinstance(each, Clear)]
    ended = Counter(each.id for each in ends) + Counter(each.id for each in detections(found) if each.end is not None)
    assert ended == Counter(starts.keys())
    assert all(starts[each.id] <= each.end <= each.detected for each in ends)


@every_detector
def test_late_instance_marks_its_detections_and_gives_them_other_ids(spec: Spec[Any]) -> None:
    late = detections(play(build(spec, late=True), attack_of(spec)))
    assert late
    assert all(each.late for each in late)
    assert {each.id for each in late}.isdisjoint(each.id for each in found_in_attack(spec))


@every_detector
@settings(max_examples=15)
@given(data=st.data())
def test_pieces_of_any_size_give_the_same_findings(spec: Spec[Any], data: st.DataObject) -> None:
    story = attack_of(spec)
    cuts = data.draw(st.lists(st.integers(0, len(story)), max_size=60))
    advance = data.draw(st.booleans())
    assert as_bytes(play(build(spec), story, cuts, advance=advance)) == as_bytes(found_in_attack(spec))


@every_detector
def test_single_moments_with_time_told_between_give_the_same_findings(spec: Spec[Any]) -> None:
    story = attack_of(spec)
    found = play(build(spec), story, range(len(story)), advance=True)
    assert as_bytes(found) == as_bytes(found_in_attack(spec))


@every_detector
@settings(max_examples=15)
@given(data=st.data())
def test_state_saved_and_restored_anywhere_changes_nothing(spec: Spec[Any], data: st.DataObject) -> None:
    story = attack_of(spec)
    middle = data.draw(st.integers(0, len(story) - 1))
    first, second = build(spec), build(spec)
    found = [each for chunk in chunks(story[:middle]) for each in first.update(chunk)]
    second.restore(first.state())
    assert second.state() == first.state()
    assert as_bytes(found + play(second, story[middle:])) == as_bytes(found_in_attack(spec))


@every_detector
def test_state_does_not_grow_with_time(spec: Spec[Any]) -> None:
    detector, sizes = build(spec), []
    for part in range(6):
        play(detector, moments(attacked(seed=part, start=part * MINUTES * 60.0 + part * 7200), spec))
        sizes.append(len(detector.state()))
    assert max(sizes) <= STATE_MOST_BYTES
    assert sizes[-1] <= 1.5 * max(sizes[:3])


@every_detector
def test_same_chunk_twice_finds_nothing_new(spec: Spec[Any]) -> None:
    story = attack_of(spec)
    twice, found = build(spec), list[Finding]()
    for i in range(0, len(story), 40):
        for chunk in chunks(story[i : i + 40]):
            found += twice.update(chunk)
            found += twice.update(chunk)
    found += twice.advance(story[-1].item.t + 3_600_000_000)
    assert {each.id for each in found} == {each.id for each in found_in_attack(spec)}


@every_detector
def test_order_inside_a_chunk_does_not_matter(spec: Spec[Any]) -> None:
    shuffle = random.Random(4)
    detector, found = build(spec), list[Finding]()
    story = attack_of(spec)
    for i in range(0, len(story), 50):
        for chunk in chunks(story[i : i + 50]):
            readings, events = list(chunk.readings), list(chunk.events)
            shuffle.shuffle(readings)
            shuffle.shuffle(events)
            found += detector.update(Chunk.of(chunk.hub, chunk.agent, chunk.sensor, readings, events))
    found += detector.advance(story[-1].item.t + 3_600_000_000)
    assert as_bytes(found) == as_bytes(found_in_attack(spec))


@every_detector
def test_missing_readings_are_not_alarmed(spec: Spec[Any]) -> None:
    lost = random.Random(5)
    story = [moment for moment in quiet_of(spec) if isinstance(moment.item, Event) or lost.random() > 0.3]
    assert play(build(spec), story) == []


@every_detector
def test_chunks_out_of_order_disturb_nothing(spec: Spec[Any]) -> None:
    story = quiet_of(spec)
    detector, found = build(spec), list[Finding]()
    for i in range(0, len(story), 30):
        for chunk in chunks(story[i : i + 30]):
            found += detector.update(chunk)
        for chunk in chunks(story[max(0, i - 300) : max(0, i - 270)]):
            found += detector.update(chunk)
    assert found == []


@every_detector
def test_nothing_at_all_is_not_alarmed(spec: Spec[Any]) -> None:
    detector = build(spec)
    assert detector.advance(1_795_284_000_000_000) == []
    assert detector.update(chunks(quiet_of(spec)[:1])[0]) == []
    assert detector.advance(1_795_284_000_000_000 + 10**12) == []


@every_detector
def test_input_is_neither_changed_nor_kept(spec: Spec[Any]) -> None:
    detector = build(spec)
    for chunk in chunks(attack_of(spec)):
        before = copy.deepcopy(chunk)
        detector.update(chunk)
        assert chunk == before
        state = detector.state()
        for event in chunk.events:
            event.attrs["layer"] = "changed afterwards"
        assert detector.state() == state
        for event, was in zip(chunk.events, before.events, strict=True):
            event.attrs.clear()
            event.attrs.update(was.attrs)


@every_detector
def test_what_was_anomalous_once_is_still_anomalous(spec: Spec[Any]) -> None:
    detector, counts = build(spec), []
    for part in range(4):
        story = moments(attacked(start=part * (MINUTES * 60.0 + 7200)), spec)
        counts.append(Counter(each.type for each in detections(play(detector, story))))
    assert all(each == counts[0] for each in counts)


@every_detector
def test_rewound_it_knows_what_it_learned_and_takes_older_data(spec: Spec[Any]) -> None:
    detector = build(spec)
    play(detector, moments(quiet(start=10_000), spec))
    detector.rewind()
    story = [moment for moment in attack_of(spec) if moment.item.t >= attack_of(spec)[0].item.t + 110_000_000]
    assert {each.type for each in detections(play(detector, story))} == set(spec.types)


@every_detector
def test_time_told_backwards_is_harmless(spec: Spec[Any]) -> None:
    story = attack_of(spec)
    detector, found = build(spec), list[Finding]()
    for i in range(0, len(story), 50):
        for chunk in chunks(story[i : i + 50]):
            found += detector.update(chunk)
        found += detector.advance(story[0].item.t - 1_000_000)
    found += detector.advance(story[-1].item.t + 3_600_000_000)
    assert as_bytes(found) == as_bytes(found_in_attack(spec))


@every_detector
def test_hostile_events_break_nothing(spec: Spec[Any]) -> None:
    story = quiet_of(spec)
    sensor, t = story[0].sensor, story[-1].item.t
    types = [
        "portal.alarm",
        "access.denied",
        "door.forced",
        "perimeter.alarm",
        "perimeter.clear",
        "no.such",
        "door.held",
    ]
    attrs: list[dict[str, Any]] = [
        {},
        {"kind": ["x"]},
        {"kind": 7, "reader": {"a": 1}},
        {"layer": None, "reader": "r" * 900},
    ]
    detector = build(spec)
    for i in range(2000):
        event = Event(sensor.sensor, t + i * 10_000, types[i % 7], None if i % 3 else "s" * 200, dict(attrs[i % 4]))
        for each in detector.update(Chunk.of("rotterdam", "gate-7", sensor, [], [event])):
            assert len(encode(each)) < 16_384
    assert len(detector.state()) <= STATE_MOST_BYTES


@every_detector
def test_values_that_are_no_numbers_are_not_there(spec: Spec[Any]) -> None:
    """Null and NaN get into no chunk, whatever their mark says, and what is left is judged as if they were missing."""
    lost = random.Random(6)
    found, plain = list[Finding](), list[Finding]()
    bad, good = build(spec), build(spec)
    watched = {moment.sensor.sensor: moment.sensor for moment in attack_of(spec)}
    for frame in attacked().frames():
        spoilt = [_spoilt(each, lost) for each in frame.series]
        for series, into, where in ((spoilt, found, bad), (list(map(_left, spoilt)), plain, good)):
            parts = split(msgspec.structs.replace(frame, series=[each for each in series if each.x]))
            for name in watched.keys() & parts.keys():
                chunk = Chunk.of_columns(HUB, AGENT, watched[name], *parts[name])
                into.extend(where.update(chunk) if chunk else [])
    assert as_bytes(found) == as_bytes(plain)


@every_detector
def test_sensor_that_never_changes_is_not_alarmed(spec: Spec[Any]) -> None:
    story = quiet_of(spec)
    sensor = story[0].sensor
    detector, found = build(spec), list[Finding]()
    normal = {each.item.channel: each.item.value for each in reversed(story)
              if isinstance(each.item, ChunkReading) and each.sensor is sensor}  # fmt: skip
    for second in range(900):
        readings = [ChunkReading(at(second), channel, value) for channel, value in normal.items()]
        found += detector.update(Chunk.of(HUB, AGENT, sensor, readings))
        found += detector.advance(at(second))
    assert found == []


@every_detector
def test_year_without_a_word_is_not_alarmed_and_normal_life_goes_on_after_it(spec: Spec[Any]) -> None:
    detector = build(spec)
    found = play(detector, quiet_of(spec))
    found += detector.advance(at(YEAR_S))
    found += play(detector, moments(quiet(start=YEAR_S), spec))
    assert beside(found, "access.dormant") == [], "only a badge that is used again after a year is one to ask about"


@every_detector
def test_jumps_of_time_are_not_alarmed(spec: Spec[Any]) -> None:
    """A clock that is set an hour forth, and an hour back, each between two pieces of normal life."""
    forth, detector = moments(quiet(start=7200.0), spec), build(spec)
    found = play(detector, quiet_of(spec))
    detector.rewind()
    found += play(detector, forth)
    detector.rewind()
    found += play(detector, quiet_of(spec))
    assert found == []


@every_detector
def test_panel_or_channel_that_comes_or_goes_is_not_alarmed(spec: Spec[Any]) -> None:
    """The first channel of a sensor says nothing in the second minute; the inventory says so in the third."""
    story = quiet_of(spec)
    sensor = story[0].sensor
    gone = sensor.channels[0].name if sensor.channels else ""
    without = msgspec.structs.replace(sensor, channels=sensor.channels[1:])
    first, last = story[0].item.t + 60_000_000, story[0].item.t + 180_000_000
    kept = []
    for moment in story:
        item = moment.item
        if first <= item.t < last and moment.sensor is sensor:
            if isinstance(item, ChunkReading) and item.channel == gone:
                continue
            if item.t >= first + 60_000_000:
                kept.append(Moment(without, item))
                continue
        kept.append(moment)
    found = play(build(spec), kept, range(0, len(kept), 50), advance=True)
    assert beside(found, "integrity.gap", "integrity.not_happened") == [], "what is missing is missing"


@every_detector
@pytest.mark.parametrize("change", ["unit", "period", "zone"])
def test_sensor_that_comes_to_mean_something_else_is_learned_anew_and_not_alarmed(spec: Spec[Any], change: str) -> None:
    """Counts are ten times as high from then on: under the former meaning that would be an attack."""
    bench = EngineBench()
    only(bench, spec)
    bench.birth()
    louder = quiet()
    if change != "period":
        louder.gamma, louder.neutron = 10 * louder.gamma, 10 * louder.neutron
    frames = list(quiet().frames())
    half = len(frames) // 2
    for frame in frames[:half]:
        bench.found += bench.engine.frame(frame, frame.sent)
    inventory = [_changed(each, change) for each in INVENTORY]
    message = msgspec.structs.replace(birth(tuple(inventory)), sent=frames[half - 1].sent + 1)
    bench.found += bench.engine.birth(message, message.sent)
    for frame in list(louder.frames())[half:]:
        bench.found += bench.engine.frame(frame, frame.sent)
    assert bench.found == []


@every_detector
def test_sensor_that_two_agents_claim_is_judged_by_the_word_of_one(spec: Spec[Any]) -> None:
    """The second one says under the same names what would be an attack."""
    bench = EngineBench()
    only(bench, spec)
    bench.birth()
    bench.birth(0.1, agent="gate-8")
    for frame, other in zip(quiet().frames(), attacked().frames(), strict=True):
        bench.found += bench.engine.frame(frame, frame.sent)
        bench.found += bench.engine.frame(msgspec.structs.replace(other, agent="gate-8"), other.sent)
    assert {each.type for each in detections(bench.found)} == {"integrity.sensor_twice"}


@every_detector
def test_memory_is_bounded_however_many_channels_and_subjects_are_made_up(spec: Spec[Any]) -> None:
    detector, sensor = build(spec), quiet_of(spec)[0].sensor
    names = [f"{each.name.partition('.')[0]}.{i}" for i in range(200) for each in sensor.channels]
    made_up = msgspec.structs.replace(
        sensor, channels=[msgspec.structs.replace(sensor.channels[0], name=n) for n in names]
    )
    for second in range(60):
        readings = [ChunkReading(at(second), name, float(second % 7)) for name in names]
        events = [
            Event(
                sensor.sensor, at(second), kind, f"badge:{second}-{i}", {"reader": f"r{second}-{i}", "layer": f"l{i}"}
            )
            for kind in ("access.denied", "access.granted", "perimeter.alarm")
            for i in range(20)
        ]
        detector.update(Chunk.of(HUB, AGENT, made_up, readings, events))
    assert len(detector.state()) <= len(names) * CHANNEL_MOST_BYTES + 60 * 20 * SUBJECT_MOST_BYTES


@every_detector
def test_due_time_is_never_later_than_what_advance_has_to_say(spec: Spec[Any]) -> None:
    """Told the time only when it is due, a detector finds what it finds when it is told always."""
    story = attack_of(spec)
    detector, found = build(spec), list[Finding]()
    for first in range(0, len(story), 25):
        for chunk in chunks(story[first : first + 25]):
            found += detector.update(chunk)
        now = story[min(first + 24, len(story) - 1)].item.t
        if first + 25 < len(story) and now < story[first + 25].item.t and detector.due() <= now:
            found += detector.advance(now)
    found += detector.advance(story[-1].item.t + 3_600_000_000)
    assert as_bytes(found) == as_bytes(found_in_attack(spec))


def beside(found: list[Finding], *types: str) -> list[Finding]:
    """Return the findings that are neither of these types nor the ends of such."""
    right = {each.id for each in found if isinstance(each, Detection) and each.type in types}
    return [each for each in found if each.id not in right]


def only(bench: EngineBench, spec: Spec[Any]) -> None:
    """Let one detector judge alone."""
    rules = bench.settings.rules()
    bench.engine = Engine(replace(rules, specs=(spec,), configs={spec.name: rules.configs[spec.name]}, site=SITE))


def _spoilt(series: Series, lost: random.Random) -> Series:
    values = [lost.choice([None, math.nan, math.inf]) if lost.random() < 0.2 else x for x in series.x]
    return msgspec.structs.replace(series, x=values, q=[0] * len(values))


def _left(series: Series) -> Series:
    """Return what is left of a series without what is no number."""
    kept = [(dt, x) for dt, x in zip(series.dt, series.x, strict=True) if x is not None and math.isfinite(x)]
    return msgspec.structs.replace(series, dt=[dt for dt, _ in kept], x=[x for _, x in kept], q=[])


def _changed(sensor: Sensor, change: str) -> Sensor:
    if change == "zone":
        return msgspec.structs.replace(sensor, zone=f"{sensor.zone}-2")
    more = {"unit": "counts"} if change == "unit" else {"period_us": 100_000}
    return msgspec.structs.replace(sensor, channels=[msgspec.structs.replace(each, **more) for each in sensor.channels])


@every_detector
def test_names_are_unique_and_config_is_of_its_own_class(spec: Spec[Any]) -> None:
    assert [each.name for each in TABLE].count(spec.name) == 1
    assert spec.config().enabled
    with pytest.raises(TypeError, match="is configured by"):
        spec.build(next(each.config() for each in TABLE if each is not spec), "h", "s", Site(), late=False)


@pytest.mark.parametrize("spec", [each for each in TABLE if each.scope is Scope.AGENT], ids=lambda spec: spec.name)
def test_one_that_watches_agents_is_built_for_agents_only(spec: Spec[Any]) -> None:
    assert [each.name for each in TABLE].count(spec.name) == 1
    watching = spec.build_for_agent(spec.config(), "h", "a")
    again = spec.build_for_agent(spec.config(), "h", "a")
    watching.heard(1_000_000)
    again.restore(watching.state())
    assert again.state() == watching.state()
    assert again.left(2_000_000) == watching.left(2_000_000) != []
    with pytest.raises(TypeError, match="is configured by"):
        spec.build_for_agent(DetectorConfig(), "h", "a")
    with pytest.raises(TypeError, match="watches agents"):
        spec.build(spec.config(), "h", "a", Site(), late=False)
