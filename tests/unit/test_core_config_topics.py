"""Topics and filters: what every broker takes, and no other."""

from __future__ import annotations

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion
from pydantic import TypeAdapter, ValidationError

from hubwatch_core.config.topics import TopicFilter, TopicLevel, TopicName, overlap

FILTERS = TypeAdapter[str](TopicFilter)
NAMES = TypeAdapter[str](TopicName)
LEVELS = TypeAdapter[str](TopicLevel)

GOOD = ["a", "a/b", "/", "a//b", "+", "+/+", "a/+/b", "#", "a/#", "+/#", "$SYS/#", "$share/g/a/+", "ä/ü", "a b"]
BAD = [
    "",
    "a+",
    "+a/b",
    "a/b+/c",
    "++",
    "a/output_+/state",
    "a#",
    "#/a",
    "a/#/b",
    "##",
    "a/b#",
]


@pytest.mark.parametrize("text", GOOD)
def test_filter_that_a_broker_takes_is_taken(text: str) -> None:
    assert FILTERS.validate_python(text) == text


NOT_SHARED = ["$share/g", "$share//a", "$share/+/a", "$share/g/", "$share/g/a+"]


@pytest.mark.parametrize("text", [*BAD, *NOT_SHARED, "a\0b", "ü" * 40_000])
def test_filter_that_no_broker_takes_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        FILTERS.validate_python(text)


@pytest.mark.parametrize("text", [each for each in GOOD + BAD if not each.startswith("$share")])
def test_filters_are_judged_as_the_client_library_does(text: str) -> None:
    client = Client(CallbackAPIVersion.VERSION2)
    try:
        client.subscribe(text)
        taken = True
    except ValueError:
        taken = False
    assert taken is (text in GOOD)


@pytest.mark.parametrize("text", ["a/+", "#", "a/b#", "", "a\0"])
def test_topic_that_is_published_to_names_one(text: str) -> None:
    with pytest.raises(ValidationError):
        NAMES.validate_python(text)


@pytest.mark.parametrize("text", ["a/b", "+", "#", ""])
def test_level_is_one_without_wildcards(text: str) -> None:
    with pytest.raises(ValidationError):
        LEVELS.validate_python(text)


@pytest.mark.parametrize(
    ("one", "other", "they_do"),
    [
        ("a/#", "a/b", True),
        ("a/#", "a", True),
        ("a/+", "a/b", True),
        ("+/b", "a/+", True),
        ("#", "x/y/z", True),
        ("a/+/c", "a/b/#", True),
        ("$share/g/a/#", "a/b", True),
        ("a/b", "a/c", False),
        ("a/+", "a/b/c", False),
        ("a", "b/#", False),
        ("a/b/#", "a", False),
    ],
)
def test_filters_overlap_where_one_topic_matches_both(one: str, other: str, they_do: bool) -> None:
    assert overlap(one, other) is they_do
    assert overlap(other, one) is they_do
