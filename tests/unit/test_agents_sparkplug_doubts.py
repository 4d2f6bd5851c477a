"""What a Sparkplug node says against the standard, or what nobody knows the age of, is not taken for good."""

from __future__ import annotations

from typing import Any

import pytest

from hubwatch_agents.devices import Device
from hubwatch_agents.drivers.drops import Cause, DropCounters
from hubwatch_agents.drivers.sparkplug.node import BIRTH_PATIENCE_US, Node, NodeUpdate
from hubwatch_agents.drivers.sparkplug.payload import Metric, Payload
from hubwatch_agents.drivers.sparkplug.sensor import MetricSensor
from hubwatch_agents.profiles.sparkplug_schema import SparkplugProfile
from hubwatch_agents.readings import Observation, Reading, SensorEvent
from hubwatch_agents.settings import DeviceSection
from hubwatch_core.words import Quality
from support.agents_rig import settings_of

T = 1_795_284_000_000_000
SECOND = 1_000_000
DOUBLE = 10
CONNECTION = settings_of({"name": "b", "transport": "sparkplug", "host": "h"}, []).connections[0]


def sensor(name: str, device: str, *metrics: str, **more: Any) -> MetricSensor:
    channels = [{"name": metric.replace("/", "_"), "unit": "1", "metric": metric, **more} for metric in metrics]
    event = {"event": "test.risen", "metric": metrics[0], "on": "rise"}
    profile = SparkplugProfile.model_validate(
        {
            "id": "p", "title": "t", "kind": "environment", "source": ["made for tests"], "confidence": "generic",
            "protocol": "sparkplug", "group": "g", "node": "n", "device": device, "channels": channels,
            "events": [event],
        }
    )  # fmt: skip
    section = DeviceSection(sensor=name, zone="z", profile="p", connection="b")
    return MetricSensor(Device(section, profile, CONNECTION), profile)


def node(*sensors: MetricSensor, drops: DropCounters | None = None) -> Node:
    return Node(list(sensors) or [sensor("s", "d", "a", "b")], 1000, drops or DropCounters())


def metric(name: str = "", value: float | None = None, alias: int | None = None, **more: Any) -> Metric:
    return Metric(name=name, alias=alias, datatype=DOUBLE if name else 0, raw=value, **more)


def update(
    kind: str, device: str | None, seq: int | None, *metrics: Metric, t: int = T, retained: bool = False
) -> NodeUpdate:
    return NodeUpdate(kind, device, Payload(T // 1000, seq, metrics), t, retained)


def born(one: Node, *devices: tuple[str, tuple[Metric, ...]], bd_seq: int = 0) -> list[Observation]:
    found = one.on_message(update("NBIRTH", None, 0, Metric(name="bdSeq", datatype=8, raw=bd_seq)))
    for seq, (device, metrics) in enumerate(devices, 1):
        found += one.on_message(update("DBIRTH", device, seq, *metrics))
    return found


def said(found: list[Observation]) -> list[tuple[str, float | None, Quality]]:
    return [(each.channel, each.x, each.quality) for each in found if isinstance(each, Reading)]


AB = (metric("a", 1.0), metric("b", 2.0))


# -- births that the broker had kept ---------------------------------------------------------------------------------


def kept(one: Node) -> list[Observation]:
    found = one.on_message(update("NBIRTH", None, 0, Metric(name="bdSeq", datatype=8, raw=0), retained=True))
    return found + one.on_message(update("DBIRTH", "d", 1, metric("a", 1.0, 5), metric("b", 2.0, 6), retained=True))


def test_values_of_a_retained_birth_are_uncertain_and_its_node_unborn() -> None:
    one = node()
    assert said(kept(one)) == [("a", 1.0, Quality.UNCERTAIN), ("b", 2.0, Quality.UNCERTAIN)]
    assert one.ask(T), "it is asked whether it is there"
    found = one.tick(T + BIRTH_PATIENCE_US)
    assert said(found) == [("a", None, Quality.BAD), ("b", None, Quality.BAD)]
    assert one.tick(T + 2 * BIRTH_PATIENCE_US) == [], "said once"


def test_retained_birth_makes_no_event_and_is_no_baseline() -> None:
    one = node()
    assert not [each for each in kept(one) if isinstance(each, SensorEvent)]
    born(one, ("d", (metric("a", 0.0, 5), metric("b", 0.0, 6))))
    found = one.on_message(update("DDATA", "d", 2, metric("", 1.0, 5)))
    assert [each.type for each in found if isinstance(each, SensorEvent)] == ["test.risen"]


def test_node_with_retained_births_that_speaks_is_there_but_its_aliases_are_old() -> None:
    one = node()
    kept(one)
    found = one.on_message(update("DDATA", "d", 77, metric("a", 3.0), metric("", 4.0, 6)))
    assert said(found) == [("a", 3.0, Quality.GOOD), ("b", 4.0, Quality.UNCERTAIN)]
    assert one.wants_rebirth
    assert said(one.on_message(update("DDATA", "d", 78, metric("a", 5.0)))) == [("a", 5.0, Quality.GOOD)]


def test_live_birth_makes_an_end_of_what_was_retained() -> None:
    one = node()
    kept(one)
    assert {quality for *_, quality in said(born(one, ("d", AB)))} == {Quality.GOOD}


def test_retained_birth_behind_a_live_one_changes_nothing() -> None:
    one = node()
    born(one, ("d", AB))
    assert kept(one) == []
    assert said(one.on_message(update("DDATA", "d", 2, metric("a", 9.0)))) == [("a", 9.0, Quality.GOOD)]


# -- deaths of another session ---------------------------------------------------------------------------------------


def death(one: Node, number: int, t: int = T) -> list[Observation]:
    return one.on_message(update("NDEATH", None, None, Metric(name="bdSeq", datatype=8, raw=number), t=t))


def test_death_of_another_session_asks_for_a_rebirth_and_is_one_without_it() -> None:
    one = node()
    born(one, ("d", AB), bd_seq=1)
    assert one.ask(T) is False
    assert death(one, 0) == []
    assert one.ask(T)
    assert one.tick(T + BIRTH_PATIENCE_US - 1) == []
    found = one.tick(T + BIRTH_PATIENCE_US)
    assert said(found) == [("a", None, Quality.BAD), ("b", None, Quality.BAD)]
    assert isinstance(found[0], Reading)
    assert found[0].reason == "edge node is dead (NDEATH of session 0, and no birth since)"


def test_late_will_of_an_old_session_costs_a_node_that_answers_nothing() -> None:
    one = node()
    born(one, ("d", AB), bd_seq=1)
    death(one, 0)
    born(one, ("d", AB), bd_seq=1)
    assert one.tick(T + BIRTH_PATIENCE_US) == []


def test_late_will_of_an_old_session_costs_a_node_that_goes_on_speaking_nothing() -> None:
    one = node()
    born(one, ("d", AB), bd_seq=1)
    death(one, 0)
    assert said(one.on_message(update("DDATA", "d", 2, metric("a", 3.0)))) == [("a", 3.0, Quality.GOOD)]
    assert one.tick(T + BIRTH_PATIENCE_US) == []


# -- zeros that protobuf leaves out ----------------------------------------------------------------------------------


def test_message_without_seq_has_seq_0() -> None:
    drops = DropCounters()
    one = node(drops=drops)
    born(one, ("d", AB))
    for seq in range(2, 256):
        one.on_message(update("DDATA", "d", seq, metric("a", float(seq))))
    for left_out in (None, 1):
        assert said(one.on_message(update("DDATA", "d", left_out, metric("a", 7.0)))) == [("a", 7.0, Quality.GOOD)]
    assert not one.wants_rebirth
    assert drops.count("s", Cause.UNBORN) == 0


@pytest.mark.parametrize("stated", [None, 0])
def test_alias_0_may_be_left_out(stated: int | None) -> None:
    one = node()
    born(one, ("d", (metric("a", 1.0, stated), metric("b", 2.0, 1))))
    found = one.on_message(update("DDATA", "d", 2, metric("", 3.0), metric("", 4.0, 1)))
    assert said(found) == [("a", 3.0, Quality.GOOD), ("b", 4.0, Quality.GOOD)]


def test_metric_with_neither_name_nor_alias_is_nobody_s_where_several_have_no_alias() -> None:
    one = node()
    born(one, ("d", AB))
    assert said(one.on_message(update("DDATA", "d", 2, metric("", 3.0)))) == []
    assert one.wants_rebirth


# -- aliases ---------------------------------------------------------------------------------------------------------


def test_alias_of_two_metrics_is_believed_for_neither() -> None:
    one = node()
    born(one, ("d", (metric("a", 1.0, 4), metric("b", 2.0, 4))))
    found = one.on_message(update("DDATA", "d", 2, metric("", 9.0, 4)))
    assert said(found) == [("a", None, Quality.BAD), ("b", None, Quality.BAD)]


def test_aliases_that_begin_anew_for_each_device_are_doubted_and_never_mixed_up() -> None:
    one = node(sensor("s1", "d1", "a", "b"), sensor("s2", "d2", "a", "b"))
    born(one, ("d1", (metric("a", 1.0, 0), metric("b", 2.0, 1))), ("d2", (metric("b", 3.0, 0), metric("a", 4.0, 1))))
    found = one.on_message(update("DDATA", "d1", 3, metric("", 9.0, 0)))
    assert said(found) == [("a", 9.0, Quality.UNCERTAIN)]
    assert isinstance(found[0], Reading)
    assert found[0].reason == "alias 0 is also one of device d2, against the standard"
    assert said(one.on_message(update("DDATA", "d2", 4, metric("", 8.0, 0)))) == [("b", 8.0, Quality.UNCERTAIN)]


def test_aliases_that_are_unique_over_the_node_are_believed() -> None:
    one = node(sensor("s1", "d1", "a", "b"), sensor("s2", "d2", "a", "b"))
    born(one, ("d1", (metric("a", 1.0, 0), metric("b", 2.0, 1))), ("d2", (metric("a", 3.0, 2), metric("b", 4.0, 3))))
    assert said(one.on_message(update("DDATA", "d1", 3, metric("", 9.0, 0)))) == [("a", 9.0, Quality.GOOD)]


# -- sequence --------------------------------------------------------------------------------------------------------


def test_seq_that_each_device_counts_by_itself_is_told_and_then_followed(capsys: pytest.CaptureFixture[str]) -> None:
    one = node(sensor("s1", "d1", "a"), sensor("s2", "d2", "a"))
    one.on_message(update("NBIRTH", None, 0))
    for device in ("d1", "d2"):
        one.on_message(update("DBIRTH", device, 0, metric("a", 0.0)))
    found: list[Observation] = []
    for i in range(1, 10):
        t = T + i * SECOND
        found += one.on_message(update("DDATA", "d1", i, metric("a", 10.0 + i), t=t))
        found += one.on_message(update("DDATA", "d2", i, metric("a", 20.0 + i), t=t))
        found += one.tick(t + 500_000)
    last = {each.sensor: each.x for each in found if isinstance(each, Reading)}
    assert last == {"s1": 19.0, "s2": 29.0}
    assert capsys.readouterr().out.count("seq is counted for each device by itself") == 1
    one.wants_rebirth = False
    one.on_message(update("DDATA", "d1", 10, metric("a", 1.0), t=T + 11 * SECOND))
    one.tick(T + 13 * SECOND)
    assert not one.wants_rebirth


def test_lost_message_is_no_sign_of_a_count_for_each_device(capsys: pytest.CaptureFixture[str]) -> None:
    one = node(sensor("s1", "d1", "a"), sensor("s2", "d2", "a"))
    born(one, ("d1", (metric("a", 0.0),)), ("d2", (metric("a", 0.0),)))
    for seq in range(4, 40):  # 3 is lost
        one.on_message(update("DDATA", f"d{1 + seq % 2}", seq, metric("a", float(seq))))
        one.tick(T + 2000)
    assert "by itself" not in capsys.readouterr().out


# -- templates -------------------------------------------------------------------------------------------------------


def template(name: str, *members: Metric, **more: Any) -> Metric:
    return Metric(name=name, datatype=19, members=members, unread="Template", **more)


def test_member_of_a_template_is_read_by_its_whole_name() -> None:
    one = node(sensor("s", "d", "bearing/temperature", "bearing/inner/x", "bearing"))
    inner = template("inner", metric("x", 7.0))
    found = born(one, ("d", (template("bearing", metric("temperature", 21.0), inner, alias=3),)))
    by_name = {each.channel: (each.x, each.quality, each.reason) for each in found if isinstance(each, Reading)}
    assert by_name["bearing_temperature"] == (21.0, Quality.GOOD, None)
    assert by_name["bearing_inner_x"] == (7.0, Quality.GOOD, None)
    assert by_name["bearing"][:2] == (None, Quality.BAD)
    assert "a Template, which is not read as a value" in str(by_name["bearing"][2])
    found = one.on_message(update("DDATA", "d", 2, template("", metric("temperature", 22.0), alias=3)))
    assert ("bearing_temperature", 22.0, Quality.GOOD) in said(found)


@pytest.mark.parametrize("what", ["DataSet", "byte string"])
def test_what_holds_no_single_value_says_what_it_is(what: str) -> None:
    one = node()
    (first, *_) = born(one, ("d", (Metric(name="a", datatype=16, unread=what),)))
    assert isinstance(first, Reading)
    assert (first.quality, first.reason) == (Quality.BAD, f"a {what}, which is not read as a value")


# -- values and times ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_finite_number_makes_no_event(value: float) -> None:
    one = node()
    born(one, ("d", (metric("a", 0.0), metric("b", 0.0))))
    for seq, each in enumerate((value, 0.0, value), 2):
        found = one.on_message(update("DDATA", "d", seq, metric("a", each)))
        assert not [event for event in found if isinstance(event, SensorEvent)]


def samples(t: int = T) -> list[Metric]:
    return [metric("a", float(i), timestamp_ms=t // 1000 - 200 * (9 - i)) for i in range(10)]


def test_buffered_values_of_one_message_have_the_times_of_the_device() -> None:
    one = node(sensor("s", "d", "a", buffered=True))
    born(one, ("d", (metric("a", 0.0),)))
    found = [each for each in one.on_message(update("DDATA", "d", 2, *samples())) if isinstance(each, Reading)]
    assert [(each.t, each.x, each.late) for each in found] == [(T - 200_000 * (9 - i), i, False) for i in range(10)]


def test_values_of_one_message_are_kept_apart_where_nobody_says_that_they_are_buffered() -> None:
    one = node(sensor("s", "d", "a"))
    born(one, ("d", (metric("a", 0.0),)))
    found = [each for each in one.on_message(update("DDATA", "d", 2, *samples(), t=T + 5)) if isinstance(each, Reading)]
    assert [each.t for each in found] == [T + 5 + i for i in range(10)]
