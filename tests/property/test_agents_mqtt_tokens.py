"""Documents of any tokens, for a profile that looks at everything: each becomes frames or is refused."""

from __future__ import annotations

from hypothesis import strategies as st

from hubwatch_agents.config.load import check as check_configuration
from hubwatch_agents.drivers.drops import Cause, DropCounters
from hubwatch_agents.drivers.mqtt.mapping import Mapper
from hubwatch_agents.drivers.mqtt.message import InboundMessage
from hubwatch_agents.profiles.mqtt_schema import MqttProfile
from hubwatch_agents.values import pseudonyms
from support.agents_rig import settings_of
from support.frame_checks import check_frames
from support.fuzzing import fuzzed

T = 1_795_284_000_000_000

DEVICES = [{"sensor": "s", "profile": "greedy", "parameters": {}}]
(DEVICE,) = check_configuration(settings_of({"name": "b", "transport": "mqtt", "host": "h"}, DEVICES), "test").devices
tokens = st.sampled_from([
    "{", "}", "[", "]", ",", ":", '"x"', '"x":', '"samples":', '"at":', '"2026-11-28 21:00:00"', '"id":', '"what":',
    '"knock"', '"card":', '"a":', "NaN", "-Infinity", "1e999", "-0", "0.1", "null", "true", '"\\ud800"', '"\\u0000"',
    " ", "\ufeff", "\0", "9" * 5000,
])  # fmt: skip


@fuzzed(st.lists(tokens, max_size=40).map("".join), st.sampled_from(["sensor", "delta", "text", "lwt", "meta"]))
def test_documents_of_any_tokens_become_frames_or_are_refused(text: str, topic: str) -> None:
    assert isinstance(DEVICE.profile, MqttProfile)
    mapper = Mapper(DEVICE, DEVICE.profile, pseudonyms.raw, drops := DropCounters())
    payload = text.encode("utf-8", "surrogatepass")
    check_frames(mapper.on_message(InboundMessage(f"g/{topic}", payload, False, T)))
    assert drops.count("s", Cause.FAILED) == 0
