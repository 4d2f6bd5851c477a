from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubwatch_core.mqtt_subjects import PREFIX, all_of, everything_of, topic_of
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


@settings(deadline=None)  # a loaded machine is no fault of ours
@given(IDS, IDS, st.sampled_from(Leaf))
def test_every_topic_survives_what_a_server_makes_of_it(hub: str, agent: str, leaf: Leaf) -> None:
    topic = str(Topic(hub, agent, leaf))
    kept = PREFIX + ".".join(level.replace(".", "//") for level in topic.split("/"))
    assert topic_of(kept) == topic
    assert kept.startswith(everything_of(hub).removesuffix(">"))


def test_filters_name_one_hub_or_all() -> None:
    assert everything_of("rotterdam") == "$MQTT.msgs.hubwatch.1.rotterdam.>"
    assert everything_of("+") == "$MQTT.msgs.hubwatch.1.*.>"
    assert all_of(Leaf.FRAME) == "$MQTT.msgs.hubwatch.1.*.*.frame"
