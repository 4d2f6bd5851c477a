"""Whatever an MQTT device says, the mapper lives, and what it hands over is a frame every collector takes."""

from __future__ import annotations

import json

from hypothesis import strategies as st

from hubwatch_agents.config.load import check
from hubwatch_agents.drivers.drops import DropCounters
from hubwatch_agents.drivers.mqtt.mapping import Mapper
from hubwatch_agents.drivers.mqtt.message import InboundMessage
from hubwatch_agents.profiles.mqtt_schema import MqttProfile
from hubwatch_agents.values import pseudonyms
from support.agents_rig import settings_of
from support.frame_checks import check_frames
from support.fuzzing import fuzzed

T = 1_795_284_000_000_000
KEYS = ("x", "at", "flag", "id", "a", "deep", "b", "what", "contact", "on", "t", "c", "v", "error", "card", "name")
TEXTS = (
    "True",
    "off",
    "offline",
    "knock",
    "85",
    "1_0",
    "nan",
    "-inf",
    "1e999",
    "\x00",
    "\ud800",
    "1999-01-01 00:00:00",
)

scalars = (
    st.none() | st.booleans() | st.integers() | st.integers(-(10**400), 10**400) | st.floats() | st.text(max_size=8)
    | st.sampled_from(TEXTS)
)  # fmt: skip
documents = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=6)
)
tables = st.dictionaries(st.sampled_from(KEYS), documents, max_size=8)
payloads = st.binary(max_size=60) | (documents | tables).map(lambda document: json.dumps(document).encode())


DEVICES = [{"sensor": "s", "profile": "talker", "parameters": {"root": "r"}}]
(DEVICE,) = check(settings_of({"name": "b", "transport": "mqtt", "host": "h"}, DEVICES), "test").devices


def talker() -> Mapper:
    assert isinstance(DEVICE.profile, MqttProfile)
    return Mapper(DEVICE, DEVICE.profile, pseudonyms.raw, DropCounters())


TOPICS = sorted(talker().filters)
said = st.tuples(st.sampled_from(TOPICS), payloads, st.booleans())


@fuzzed(st.lists(said, min_size=1, max_size=6), share=0.25)
def test_every_message_becomes_frames_that_are_no_poison(messages: list[tuple[str, bytes, bool]]) -> None:
    mapper = talker()
    for i, (topic, payload, retained) in enumerate(messages):
        check_frames(mapper.on_message(InboundMessage(topic, payload, retained, T + i)))
    check_frames(list(mapper.tick(T + 10**9)))


@fuzzed(documents | tables, share=0.25)
def test_everything_that_is_fetched_afterwards_does_too(item: object) -> None:
    mapper = talker()
    for topic in TOPICS:
        found = mapper.on_recovered(topic, item, T)
        check_frames(found)
        assert all(each.late for each in found)
