"""Sparkplug B: payloads, order of messages, births and deaths."""

from __future__ import annotations

import itertools
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubwatch_agents.config.load import check
from hubwatch_agents.drivers.drops import Cause, DropCounters
from hubwatch_agents.drivers.sparkplug.node import (
    BIRTH_PATIENCE_US,
    REBIRTH_PAUSE_US,
    Node,
    NodeUpdate,
)
from hubwatch_agents.drivers.sparkplug.payload import MalformedPayload, Metric, Payload, decode, rebirth_command
from hubwatch_agents.drivers.sparkplug.sensor import MetricSensor
from hubwatch_agents.drivers.sparkplug.sequence import Sequence
from hubwatch_agents.profiles.sparkplug_schema import SparkplugProfile
from hubwatch_agents.readings import Observation, Reading, SensorEvent
from hubwatch_core.words import Quality
from support.agents_rig import settings_of
from support.agents_transports import sparkplug_metric, sparkplug_payload

T = 1_795_284_000_000_000


def test_payload_of_the_specification_is_read() -> None:
    # Written by hand after sparkplug_b.proto: timestamp 1, one metric (name "T", Int32, value 21), seq 5.
    data = bytes.fromhex("0801 1207 0a0154 2003 5015 1805".replace(" ", ""))
    payload = decode(data)
    assert (payload.timestamp_ms, payload.seq) == (1, 5)
    assert payload.metrics == (Metric(name="T", datatype=3, raw=21),)


@pytest.mark.parametrize(
    ("datatype", "raw", "value"),
    [
        (1, 0xFF, -1),
        (2, 0xFFFE, -2),
        (3, 0xFFFFFFFF, -1),
        (4, 2**64 - 5, -5),
        (5, 0xFF, 255),
        (7, 2**32 - 1, 2**32 - 1),
    ],
)
def test_signed_values_travel_unsigned_and_are_turned_back(datatype: int, raw: int, value: int) -> None:
    assert Metric(raw=raw).value(datatype) == value


def test_boolean_and_text_keep_their_meaning() -> None:
    assert Metric(raw=1).value(11) is True
    assert Metric(raw="on").value(12) == "on"


def test_double_and_historical_flag_and_quality_property() -> None:
    quality = b"\x0a\x07Quality\x12\x04\x08\x03\x18\x00"
    metric = sparkplug_metric(name="X", double=2.5, historical=True, timestamp_ms=7)
    metric += b"\x4a" + bytes([len(quality)]) + quality
    (read,) = decode(sparkplug_payload(1, [metric])).metrics
    assert (read.raw, read.historical, read.timestamp_ms, read.quality) == (2.5, True, 7, 0)


def test_rebirth_command_is_read_by_our_own_reader() -> None:
    (metric,) = decode(rebirth_command(99)).metrics
    assert (metric.name, metric.value(metric.datatype)) == ("Node Control/Rebirth", True)


@pytest.mark.parametrize("data", [b"\x12\x05abc", b"\x08", b"\x0b", b"\x08" + b"\xff" * 11, b"\x12\x02\x65\x00"])
def test_broken_payload_is_malformed(data: bytes) -> None:
    with pytest.raises(MalformedPayload):
        decode(data)


@given(st.binary(max_size=200))
def test_noise_is_read_or_malformed(data: bytes) -> None:
    try:
        decode(data)
    except MalformedPayload:
        return


def test_messages_out_of_order_are_put_right() -> None:
    sequence: Sequence[str] = Sequence(1000)
    sequence.begin(0)
    assert sequence.take(2, "b", 10) == []
    assert sequence.take(1, "a", 20) == ["a", "b"]
    assert sequence.overdue(5000) is None


def test_sequence_wraps_from_255_to_0() -> None:
    sequence: Sequence[int] = Sequence(1000)
    sequence.begin(253)
    assert [sequence.take(seq, seq, 0) for seq in (254, 255, 0, 1)] == [[254], [255], [0], [1]]


def test_missing_message_is_given_up_after_the_reorder_time() -> None:
    sequence: Sequence[str] = Sequence(1000)
    sequence.begin(0)
    assert sequence.take(3, "c", 100) == []
    assert sequence.take(2, "b", 200) == []
    assert sequence.overdue(1000) is None
    assert sequence.overdue(1100) == ["b", "c"]
    assert sequence.take(4, "d", 1200) == ["d"]


def node(drops: DropCounters | None = None, **more: object) -> Node:
    devices = [
        {
            "sensor": "climate",
            "profile": "generic.sparkplug-environment",
            "parameters": {"group": "g", "node": "n", "device": "d", "door": "Open", **more},
        }
    ]
    (device,) = check(settings_of({"name": "b", "transport": "sparkplug", "host": "h"}, devices), "test").devices
    assert isinstance(device.profile, SparkplugProfile)
    return Node([MetricSensor(device, device.profile)], 1000, drops or DropCounters())


def metrics(*given_: Metric) -> tuple[Metric, ...]:
    return given_


BORN = metrics(
    Metric(name="Temperature", alias=1, datatype=9, raw=20.5),
    Metric(name="Humidity", alias=2, datatype=9, raw=40.0),
    Metric(name="Open", alias=3, datatype=11, raw=False),
)


def born(one: Node, bd_seq: int = 1) -> list[Observation]:
    found = one.on_message(
        NodeUpdate("NBIRTH", None, Payload(1, 0, (Metric(name="bdSeq", datatype=4, raw=bd_seq),)), T)
    )
    return found + one.on_message(NodeUpdate("DBIRTH", "d", Payload(1, 1, BORN), T))


def data(one: Node, seq: int, *given_: Metric, t: int = T) -> list[Observation]:
    return one.on_message(NodeUpdate("DDATA", "d", Payload(5, seq, given_), t))


def readings(found: list[Observation]) -> list[tuple[str, float | None, Quality]]:
    return [(each.channel, each.x, each.quality) for each in found if isinstance(each, Reading)]


def test_birth_gives_values_and_teaches_aliases_and_types() -> None:
    one = node()
    assert readings(born(one)) == [("temperature", 20.5, Quality.GOOD), ("humidity", 40.0, Quality.GOOD)]
    assert readings(data(one, 2, Metric(alias=1, raw=21.0))) == [("temperature", 21.0, Quality.GOOD)]
    assert not one.wants_rebirth


def test_data_before_the_birth_asks_for_it() -> None:
    one = node()
    one.wants_rebirth = False
    assert data(one, 2, Metric(alias=1, raw=21.0)) == []
    assert one.wants_rebirth
    assert one.ask(T)
    assert not one.ask(T + REBIRTH_PAUSE_US - 1)
    assert one.ask(T + REBIRTH_PAUSE_US)


def test_unknown_alias_asks_for_a_rebirth_and_loses_nothing_else() -> None:
    one = node()
    born(one)
    found = data(one, 2, Metric(alias=9, raw=1.0), Metric(alias=1, raw=22.0))
    assert readings(found) == [("temperature", 22.0, Quality.GOOD)]
    assert one.wants_rebirth


def test_gap_in_the_sequence_is_waited_for_and_then_asks_for_a_rebirth() -> None:
    one = node()
    born(one)
    assert data(one, 4, Metric(alias=1, raw=23.0)) == []
    assert one.tick(T + 999) == []
    assert readings(one.tick(T + 1000)) == [("temperature", 23.0, Quality.GOOD)]
    assert one.wants_rebirth


def test_dead_device_is_bad_with_everything_it_has() -> None:
    one = node()
    born(one)
    found = one.on_message(NodeUpdate("DDEATH", "d", Payload(1, 2), T))
    assert readings(found) == [("temperature", None, Quality.BAD), ("humidity", None, Quality.BAD)]


def test_dead_node_takes_its_devices_along_and_a_late_will_of_an_old_session_nothing() -> None:
    one = node()
    born(one, bd_seq=8)
    old = Payload(1, None, (Metric(name="bdSeq", datatype=4, raw=7),))
    assert one.on_message(NodeUpdate("NDEATH", None, old, T)) == []
    now = Payload(1, None, (Metric(name="bdSeq", datatype=4, raw=8),))
    assert [quality for _, _, quality in readings(one.on_message(NodeUpdate("NDEATH", None, now, T)))] == [
        Quality.BAD
    ] * 2


def test_historical_value_keeps_the_devices_time_and_is_late() -> None:
    one = node()
    born(one)
    (found,) = data(one, 2, Metric(alias=1, raw=19.0, historical=True, timestamp_ms=1_795_283_000_000))
    assert isinstance(found, Reading)
    assert (found.t, found.late) == (1_795_283_000_000_000, True)


@pytest.mark.parametrize(("quality", "judged"), [(192, Quality.GOOD), (0, Quality.BAD), (500, Quality.BAD)])
def test_quality_the_device_states_is_taken_over(quality: int, judged: Quality) -> None:
    one = node()
    born(one)
    assert readings(data(one, 2, Metric(alias=1, raw=19.0, quality=quality))) == [("temperature", 19.0, judged)]


def test_null_is_no_value() -> None:
    one = node()
    born(one)
    assert readings(data(one, 2, Metric(alias=1, null=True))) == [("temperature", None, Quality.BAD)]


def test_edge_of_a_metric_is_an_event_and_the_birth_its_baseline() -> None:
    one = node()
    assert not [each for each in born(one) if isinstance(each, SensorEvent)]
    (event,) = data(one, 2, Metric(alias=3, raw=True))
    assert isinstance(event, SensorEvent)
    assert event.type == "device.tamper"


def test_aliases_are_learnt_anew_at_a_rebirth() -> None:
    one = node()
    born(one)
    turned = metrics(
        Metric(name="Temperature", alias=2, datatype=9, raw=20.5),
        Metric(name="Humidity", alias=1, datatype=9, raw=40.0),
    )
    one.on_message(NodeUpdate("NBIRTH", None, Payload(1, 0, (Metric(name="bdSeq", datatype=4, raw=1),)), T))
    one.on_message(NodeUpdate("DBIRTH", "d", Payload(1, 1, turned), T))
    assert readings(data(one, 2, Metric(alias=1, raw=41.0))) == [("humidity", 41.0, Quality.GOOD)]


def test_data_of_a_dead_device_is_not_used_and_asks_for_its_birth() -> None:
    drops = DropCounters()
    one = node(drops)
    born(one)
    one.on_message(NodeUpdate("DDEATH", "d", Payload(1, 2), T))
    assert data(one, 3, Metric(alias=1, raw=21.0)) == []
    assert one.wants_rebirth
    assert drops.count("climate", Cause.UNBORN) == 1
    found = one.on_message(NodeUpdate("DBIRTH", "d", Payload(1, 4, BORN), T))
    assert ("temperature", 20.5, Quality.GOOD) in readings(found)


def test_device_that_nobody_reads_counts_in_the_sequence_and_costs_nothing_else() -> None:
    drops = DropCounters()
    one = node(drops)
    born(one)
    assert one.on_message(NodeUpdate("DDATA", "stranger", Payload(5, 2, (Metric(alias=1, raw=1.0),)), T)) == []
    assert not one.wants_rebirth
    assert readings(data(one, 3, Metric(alias=1, raw=21.0))) == [("temperature", 21.0, Quality.GOOD)]
    # The times of these payloads are of 1970, and told to be.
    assert [cause for cause in Cause if drops.count("climate", cause)] == [Cause.UNREADABLE_TIME]


def test_device_that_is_not_born_after_its_node_is_given_up() -> None:
    one = node()
    born(one)
    one.on_message(NodeUpdate("NBIRTH", None, Payload(1, 0, (Metric(name="bdSeq", datatype=4, raw=2),)), T))
    assert one.tick(T + BIRTH_PATIENCE_US - 1) == []
    found = one.tick(T + BIRTH_PATIENCE_US)
    assert readings(found) == [("temperature", None, Quality.BAD), ("humidity", None, Quality.BAD)]
    assert one.tick(T + 2 * BIRTH_PATIENCE_US) == [], "said once"


def test_device_that_is_born_after_its_node_is_not_given_up() -> None:
    one = node()
    born(one)
    assert one.tick(T + BIRTH_PATIENCE_US) == []


def test_device_that_hangs_is_bad_after_its_time_and_again_as_long_as_it_does() -> None:
    one = node()  # its profile says 60 s
    born(one)
    minute = 60_000_000
    assert one.tick(T + minute - 1) == []
    (first, *_) = one.tick(T + minute)
    assert isinstance(first, Reading)
    assert (first.quality, first.reason) == (Quality.BAD, "no message for 60 s")
    assert one.tick(T + minute + 1) == []
    assert len(one.tick(T + 2 * minute)) == 2
    data(one, 2, Metric(alias=1, raw=21.0), t=T + 2 * minute)
    assert one.tick(T + 3 * minute - 1) == []


def test_dead_device_is_not_called_silent_too() -> None:
    one = node()
    born(one)
    one.on_message(NodeUpdate("DDEATH", "d", Payload(1, 2), T))
    assert one.tick(T + 600_000_000) == []


def test_node_that_does_not_answer_is_asked_ever_less_often() -> None:
    one = node()
    asked = [second for second in range(600) if one.ask(T + second * 1_000_000)]
    pauses = [later - earlier for earlier, later in itertools.pairwise(asked)]
    assert pauses[:5] == [5, 10, 20, 40, 60]
    assert set(pauses[5:]) == {60}
    one.begin()
    born(one)
    one.wants_rebirth = True
    assert one.ask(T + 700_000_000)
    assert one.ask(T + 705_000_000), "it has answered: asked soon again"


def test_old_session_is_counted() -> None:
    drops = DropCounters()
    one = node(drops)
    born(one, bd_seq=8)
    one.on_message(NodeUpdate("NDEATH", None, Payload(1, None, (Metric(name="bdSeq", datatype=4, raw=7),)), T))
    assert drops.count("climate", Cause.OLD_SESSION) == 1


def test_death_without_a_session_number_is_a_death() -> None:
    one = node()
    born(one)
    assert len(one.on_message(NodeUpdate("NDEATH", None, Payload(1, None), T))) == 2


def test_session_number_wraps_and_is_compared_for_sameness_only() -> None:
    one = node()
    born(one, bd_seq=255)
    born(one, bd_seq=0)
    old = Payload(1, None, (Metric(name="bdSeq", datatype=4, raw=255),))
    assert one.on_message(NodeUpdate("NDEATH", None, old, T)) == []


def test_unreadable_message_is_counted_and_asks_for_everything() -> None:
    drops = DropCounters()
    one = node(drops)
    born(one)
    one.unreadable(T, "a field runs over the end")
    assert one.wants_rebirth
    assert drops.count("climate", Cause.UNREADABLE) == 1


def test_stored_edge_is_told_late_and_does_not_disturb_the_live_ones() -> None:
    one = node()
    born(one)
    stored = [Metric(alias=3, raw=value, historical=True, timestamp_ms=1_795_283_000_000 + i)
              for i, value in enumerate((False, True, False))]  # fmt: skip
    (event,) = data(one, 2, *stored)
    assert isinstance(event, SensorEvent)
    assert (event.type, event.late) == ("device.tamper", True)
    assert data(one, 3, Metric(alias=3, raw=False)) == [], "it was closed and is"


@pytest.mark.parametrize("stamp", [0, 4_200_000_000_000, 9_000_000_000_000])
def test_historical_value_of_an_absurd_time_is_taken_for_now(stamp: int) -> None:
    drops = DropCounters()
    one = node(drops)
    born(one)
    before = drops.count("climate", Cause.UNREADABLE_TIME)
    (found,) = data(one, 2, Metric(alias=1, raw=19.0, historical=True, timestamp_ms=stamp), t=T + 7)
    assert isinstance(found, Reading)
    assert (found.t, found.late, found.device) == (T + 7, False, None)
    assert drops.count("climate", Cause.UNREADABLE_TIME) == before + 1


def test_float_of_the_wrong_length_is_malformed() -> None:
    with pytest.raises(MalformedPayload, match="wrong length"):
        decode(b"\x12" + bytes([10]) + b"\x62\x08" + struct.pack("<d", 1.0))
