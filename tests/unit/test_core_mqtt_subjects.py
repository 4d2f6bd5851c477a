from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubwatch_core.jetstream.subjects import (
    PREFIX,
    any_version,
    everything_of,
    frames_in,
    hub_in,
    is_frame,
    may_match,
    topic_of,
)
from hubwatch_core.topics import Leaf, Topic

IDS = st.text("az09._-", max_size=20).map("h{}".format)


@pytest.mark.parametrize(
    ("subject", "topic"),
    [
        ("$MQTT.msgs.hubwatch.1.harbour.gate-7.frame", "hubwatch/1/harbour/gate-7/frame"),
        ("$MQTT.msgs.hubwatch.1.port//of.gate-7.frame", "hubwatch/1/port.of/gate-7/frame"),
        ("$MQTT.msgs.hubwatch./.gate-7.frame", "hubwatch//gate-7/frame"),
    ],
)
def test_subject_is_turned_back_into_its_topic(subject: str, topic: str) -> None:
    assert topic_of(subject) == topic


@given(IDS, IDS, st.sampled_from(Leaf))
def test_every_topic_survives_what_a_server_makes_of_it(hub: str, agent: str, leaf: Leaf) -> None:
    topic = str(Topic(hub, agent, leaf))
    kept = PREFIX + ".".join(level.replace(".", "//") for level in topic.split("/"))
    assert topic_of(kept) == topic
    assert kept.startswith(everything_of(hub).removesuffix(">"))


def test_filters_name_one_hub_or_all() -> None:
    assert everything_of("rotterdam") == "$MQTT.msgs.hubwatch.1.rotterdam.>"
    assert everything_of("+") == "$MQTT.msgs.hubwatch.1.*.>"
    assert frames_in("rotterdam") == "$MQTT.msgs.hubwatch.1.rotterdam.*.frame"


def test_hub_and_kind_are_read_from_a_subject_as_they_stand_there() -> None:
    assert hub_in("$MQTT.msgs.hubwatch.1.port//of.gate-7.birth") == "port//of"
    assert is_frame("$MQTT.msgs.hubwatch.1.harbour.gate-7.frame")
    assert not is_frame("$MQTT.msgs.hubwatch.1.harbour.frame.birth")


def test_purge_of_any_version_is_held_whole_by_no_filter_of_ours() -> None:
    assert any_version(frames_in("harbour")) == "$MQTT.msgs.hubwatch.*.harbour.*.frame"
    assert any_version("$MQTT.msgs.hubwatch.1.harbour.gate-7.birth") == "$MQTT.msgs.hubwatch.*.harbour.gate-7.birth"


@pytest.mark.parametrize(
    ("subject_filter", "may"),
    [
        ("$MQTT.msgs.hubwatch.1.*.>", True),
        ("$MQTT.msgs.hubwatch.1.harbour.>", True),
        ("$MQTT.msgs.hubwatch.1.harbour.gate-7.frame", True),
        ("$MQTT.msgs.hubwatch.>", True),
        ("$MQTT.msgs.>", True),
        (">", True),
        ("$MQTT.msgs.hubwatch.1.airport.>", False),
        ("$MQTT.msgs.hubwatch.*.airport.*.frame", False),
    ],
)
def test_filter_that_names_another_hub_is_the_only_one_left_out(subject_filter: str, may: bool) -> None:
    assert may_match(subject_filter, "harbour") is may
