"""Whatever a Sparkplug node says, in whatever order, what comes of it is a frame every collector takes."""

from __future__ import annotations

from hypothesis import strategies as st

from hubwatch_agents.config.load import check
from hubwatch_agents.drivers.drops import DropCounters
from hubwatch_agents.drivers.sparkplug.node import Node, NodeUpdate
from hubwatch_agents.drivers.sparkplug.payload import Metric, Payload
from hubwatch_agents.drivers.sparkplug.sensor import MetricSensor
from hubwatch_agents.profiles.sparkplug_schema import SparkplugProfile
from support.agents_rig import settings_of
from support.frame_checks import check_frames
from support.fuzzing import fuzzed

T = 1_795_284_000_000_000
SECOND = 1_000_000
PARAMETERS = {"group": "g", "node": "n", "device": "d", "door": "Open"}
DEVICES = [{"sensor": "climate", "profile": "generic.sparkplug-environment", "parameters": PARAMETERS}]
(DEVICE,) = check(settings_of({"name": "b", "transport": "sparkplug", "host": "h"}, DEVICES), "test").devices

stamps = st.none() | st.integers(0, 2**64 - 1) | st.integers(1_795_283_000_000, 1_795_285_000_000)
raw = st.none() | st.booleans() | st.integers(0, 2**64 - 1) | st.floats() | st.text(max_size=5)
metrics = st.builds(
    Metric,
    name=st.sampled_from(("", "Temperature", "Humidity", "Open", "bdSeq", "\x00")),
    alias=st.none() | st.integers(0, 4),
    timestamp_ms=stamps,
    datatype=st.integers(0, 20),
    historical=st.booleans(),
    null=st.booleans(),
    quality=st.none() | st.sampled_from((0, 192, 500, 7)),
    raw=raw,
)
kinds = st.sampled_from(("NBIRTH", "NDEATH", "NDATA", "DBIRTH", "DDEATH", "DDATA"))
payloads = st.builds(
    Payload, timestamp_ms=stamps, seq=st.none() | st.integers(0, 4), metrics=st.lists(metrics, max_size=4).map(tuple)
)
told = st.tuples(kinds, st.sampled_from((None, "d", "stranger")), payloads)


@fuzzed(st.lists(told, max_size=12), share=0.25)
def test_every_order_of_every_message_becomes_frames_that_are_no_poison(
    messages: list[tuple[str, str | None, Payload]],
) -> None:
    assert isinstance(DEVICE.profile, SparkplugProfile)
    node = Node([MetricSensor(DEVICE, DEVICE.profile)], 2 * SECOND, DropCounters())
    for i, (kind, device, payload) in enumerate(messages):
        t = T + i * SECOND
        check_frames(node.on_message(NodeUpdate(kind, device, payload, t)))
        check_frames(node.tick(t))
    check_frames(node.tick(T + 1000 * SECOND))
    check_frames(list(node.failed(T + 1001 * SECOND, "over")))
