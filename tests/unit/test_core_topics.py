"""Topics: taken apart, put together, shared; what is none of ours is Poison."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from hubwatch_core import topics
from hubwatch_core.errors import Poison
from hubwatch_core.topics import Leaf, Topic

REFUSED = tomllib.loads((Path(__file__).parents[1] / "cases" / "topics" / "refused.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("leaf", list(Leaf))
def test_topic_survives_being_written_and_taken_apart(leaf: Leaf) -> None:
    topic = Topic("rotterdam", "gate-7", leaf)
    assert str(topic) == f"hubwatch/1/rotterdam/gate-7/{leaf.value}"
    assert topics.parse(str(topic)) == topic


@pytest.mark.parametrize("name", REFUSED["cases"])
def test_topic_that_is_none_of_ours_is_poison(name: str) -> None:
    case = REFUSED["cases"][name]
    with pytest.raises(Poison) as caught:
        topics.parse(case["topic"])
    assert case["says"] in caught.value.reason


def test_reason_for_the_longest_topic_mqtt_allows_stays_short() -> None:
    with pytest.raises(Poison) as caught:
        topics.parse("hubwatch/1/a/" + "é" * 32_000 + "/frame")
    assert len(caught.value.reason) < 300


@pytest.mark.parametrize(
    ("leaf", "hub", "expected"),
    [
        (Leaf.FRAME, "+", "hubwatch/1/+/+/frame"),
        (Leaf.BIRTH, "rotterdam", "hubwatch/1/rotterdam/+/birth"),
        (Leaf.STATE, "+", "hubwatch/1/+/+/state"),
    ],
)
def test_filter_takes_one_kind_from_every_agent(leaf: Leaf, hub: str, expected: str) -> None:
    assert topics.every(leaf, hub) == expected


def test_rollcall_is_no_topic_of_the_wire_and_not_within_its_tree() -> None:
    topic = topics.rollcall("rotterdam", "gate-7")
    assert topic == "hubwatch/rollcall/rotterdam/gate-7"
    assert topics.is_rollcall(topic)
    assert not topic.startswith(f"{topics.ROOT}/")
    assert not topics.is_rollcall(str(Topic("rotterdam", "gate-7", Leaf.FRAME)))
    with pytest.raises(Poison):
        topics.parse(topic)


def test_group_shares_and_no_group_does_not() -> None:
    pattern = topics.every(Leaf.FRAME)
    assert topics.shared("collector", pattern) == "$share/collector/hubwatch/1/+/+/frame"
    assert topics.shared("", pattern) == pattern
