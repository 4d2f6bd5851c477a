"""Whatever a Sparkplug node says, in whatever order, what comes of it is a frame every collector takes."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from hubwatch_agents.devices import resolve
from hubwatch_agents.drops import Drops
from hubwatch_agents.frames import Cutter
from hubwatch_agents.profiles.sparkplug_schema import SparkplugProfile
from hubwatch_agents.readings import Reading
from hubwatch_agents.sparkplug.node import Found, MetricSensor, Node, Told
from hubwatch_agents.sparkplug.payload import Metric, Payload
from hubwatch_core import wire
from hubwatch_core.words import Quality
from support.agents_rig import settings_of

T = 1_795_284_000_000_000
SECOND = 1_000_000
PARAMETERS = {"group": "g", "node": "n", "device": "d", "door": "Open"}
DEVICES = [{"sensor": "climate", "profile": "generic.sparkplug-environment", "parameters": PARAMETERS}]
(DEVICE,) = resolve(settings_of({"name": "b", "transport": "sparkplug", "host": "h"}, DEVICES), "test")

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


def check_frames(found: list[Found]) -> None:
    cutter = Cutter()
    for each in found:
        if isinstance(each, Reading):
            assert each.quality is not Quality.GOOD or each.x is not None
            cutter.reading(each)
        else:
            cutter.happening(each)
    for draft in (*cutter.cut_events(), *cutter.cut_readings()):
        wire.decode_frame(wire.encode(draft.frame("hub", "agent", "01JD3Z00000000000000000000", 1, T)))


@settings(max_examples=300, deadline=None)
@given(st.lists(told, max_size=12))
def test_every_order_of_every_message_becomes_frames_that_are_no_poison(
    messages: list[tuple[str, str | None, Payload]],
) -> None:
    assert isinstance(DEVICE.profile, SparkplugProfile)
    node = Node([MetricSensor(DEVICE, DEVICE.profile)], 2 * SECOND, Drops())
    for i, (kind, device, payload) in enumerate(messages):
        t = T + i * SECOND
        check_frames(node.hear(Told(kind, device, payload, t)))
        check_frames(node.tick(t))
    check_frames(node.tick(T + 1000 * SECOND))
    check_frames(list(node.failed(T + 1001 * SECOND, "over")))
