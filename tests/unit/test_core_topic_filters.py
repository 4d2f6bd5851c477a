"""Topic filters as the standard has them (MQTT 5.0, section 4.7)."""

from __future__ import annotations

import pytest

from hubwatch_core.mqtt import TopicMap, covers, filter_problem, meet, meeting, topic_problem, uncovered


@pytest.mark.parametrize(
    ("topic_filter", "topic", "match"),
    [
        ("a/b", "a/b", True),
        ("a/+", "a/b", True),
        ("a/+", "a/b/c", False),
        ("a/#", "a", True),
        ("a/#", "a/b/c", True),
        ("+/b", "a/c", False),
        ("#", "$SYS/x", False),
        ("+/x", "$SYS/x", False),
        ("$SYS/#", "$SYS/x", True),
        ("a/b/c", "a/b", False),
        ("a//b", "a//b", True),
    ],
)
def test_topic_matches_as_the_standard_says(topic_filter: str, topic: str, match: bool) -> None:
    listening: TopicMap[str] = TopicMap()
    listening.add(topic_filter, "it")
    assert list(listening.matching(topic)) == (["it"] if match else [])


@pytest.mark.parametrize("wrong", ["", "a/b+", "a/+b/c", "a/#/b", "a#", "a/\0", "a/\ud800", "x" * 65_536])
def test_filter_that_no_broker_takes_is_told(wrong: str) -> None:
    assert filter_problem(wrong) is not None


@pytest.mark.parametrize("right", ["a", "/", "+", "#", "+/+/#", "a/+/b", "a/ /b"])
def test_filter_that_a_broker_takes_has_no_problem(right: str) -> None:
    assert filter_problem(right) is None


@pytest.mark.parametrize(("topic", "right"), [("a/b", True), ("a/+", False), ("#", False), ("", False)])
def test_only_a_topic_can_be_published_to(topic: str, right: bool) -> None:
    assert (topic_problem(topic) is None) is right


@pytest.mark.parametrize(
    ("wide", "narrow", "does"),
    [
        ("a/#", "a/b/c", True),
        ("a/#", "a", True),
        ("a/#", "a/+", True),
        ("a/+", "a/b", True),
        ("a/+", "a/#", False),
        ("a/b", "a/+", False),
        ("+/b", "a/+", False),
        ("#", "$SYS/a", False),
        ("a/+", "a/b/c", False),
    ],
)
def test_filter_covers_another_only_where_it_matches_all_of_it(wide: str, narrow: str, does: bool) -> None:
    assert covers(wide, narrow) is does


@pytest.mark.parametrize(
    ("one", "other", "does"),
    [
        ("a/+", "+/b", True),
        ("a/#", "a", True),
        ("a/#", "b/#", False),
        ("a/+/c", "a/b/+", True),
        ("a/+", "a/b/c", False),
        ("a", "a/#", True),
        ("+/+/x", "a/#", True),
    ],
)
def test_filters_meet_where_a_topic_matches_both(one: str, other: str, does: bool) -> None:
    assert meet(one, other) is meet(other, one) is does


def test_what_another_covers_is_left_out() -> None:
    assert uncovered(["a/b", "a/+", "a/#", "b/c", "+/c"]) == ["+/c", "a/#"]


def test_filters_without_a_wildcard_never_meet() -> None:
    assert meeting(["a", "b", "c/+", "+/d", "e"]) == {"c/+", "+/d"}
