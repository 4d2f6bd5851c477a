"""Every property a detector must have, run over every detector in the table.

A new detector is tested from the day it is in the table: `support.detectors_stories.attacked` must hold what it looks
for, `quiet` what it must not mistake for it.
"""

from __future__ import annotations

import copy
import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubwatch_core.wire import Clear, Detection, Event, decode_detection, encode
from hubwatch_detectors.chunk import Chunk
from hubwatch_detectors.contract import Finding, Spec
from hubwatch_detectors.registry import TABLE
from support.detectors_stories import MINUTES, Moment, attacked, build, chunks, moments, play, quiet

STATE_MOST_BYTES = 64 * 1024
"""A thousand sensors then remember less than 64 MB."""

every_detector = pytest.mark.parametrize("spec", TABLE, ids=lambda spec: spec.name)
STORIES = {(spec.name, kind.__name__): moments(kind(), spec) for spec in TABLE for kind in (attacked, quiet)}
PLAIN = {key: play(build(spec), STORIES[key]) for spec in TABLE for key in STORIES if key[0] == spec.name}


def attack_of(spec: Spec[Any]) -> list[Moment]:
    return STORIES[spec.name, "attacked"]


def quiet_of(spec: Spec[Any]) -> list[Moment]:
    return STORIES[spec.name, "quiet"]


def found_in_attack(spec: Spec[Any]) -> list[Finding]:
    return PLAIN[spec.name, "attacked"]


def as_bytes(found: Sequence[Finding]) -> list[bytes]:
    return sorted(encode(each) for each in found)


def detections(found: Sequence[Finding]) -> list[Detection]:
    return [each for each in found if isinstance(each, Detection)]


@every_detector
def test_attack_is_found_with_every_type_the_table_states(spec: Spec[Any]) -> None:
    assert {each.type for each in detections(found_in_attack(spec))} == set(spec.types)


@every_detector
def test_normal_life_is_not_alarmed(spec: Spec[Any]) -> None:
    assert PLAIN[spec.name, "quiet"] == []


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
    assert all(each.late for each in late)
    assert {each.id for each in late}.isdisjoint(each.id for each in found_in_attack(spec))


@every_detector
@settings(max_examples=15, deadline=None)
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
@settings(max_examples=15, deadline=None)
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
def test_state_is_json_and_does_not_grow_with_time(spec: Spec[Any]) -> None:
    detector, sizes = build(spec), []
    for part in range(6):
        play(detector, moments(attacked(seed=part, start=part * MINUTES * 60.0 + part * 7200), spec))
        msgspec.json.decode(detector.state())
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
def test_names_are_unique_and_config_is_of_its_own_class(spec: Spec[Any]) -> None:
    assert [each.name for each in TABLE].count(spec.name) == 1
    assert spec.config().enabled
    with pytest.raises(TypeError, match="is configured by"):
        spec.build(next(each.config() for each in TABLE if each is not spec), "h", "s", None, late=False)  # type: ignore[arg-type]
