"""What a device says about its own values, and how long that holds."""

from __future__ import annotations

from typing import Any

import pytest

from hubwatch_agents.drivers.mqtt.quality import QualityRules
from hubwatch_agents.profiles.mqtt_schema import MqttQuality
from hubwatch_agents.values.scaling import Sample, bad
from hubwatch_core.words import Quality


def rule(**more: Any) -> MqttQuality:
    return MqttQuality.model_validate({"path": "s", "reason": "status {value}", **more})


def judged(one: MqttQuality, *messages: dict[str, Any], channel: str = "x") -> Sample:
    doubts = QualityRules()
    for message in messages:
        doubts.on_message([one], message)
    return doubts.degrade(channel, Sample(5.0))


@pytest.mark.parametrize(
    ("says", "value", "quality"),
    [
        ({"good": [0, 10]}, 10, Quality.GOOD),
        ({"good": [0, 10]}, 6, Quality.BAD),
        ({"good": [0]}, False, Quality.BAD),
        ({"good": [0], "uncertain": [1]}, 1, Quality.UNCERTAIN),
        ({"uncertain": ["<"]}, "<", Quality.UNCERTAIN),
        ({"uncertain": ["<"]}, "", Quality.GOOD),
        ({"bad": ["E1"]}, "E1", Quality.BAD),
        ({"bad": ["E1"]}, "E2", Quality.GOOD),
        ({"good_between": [60, 1e9]}, 60, Quality.GOOD),
        ({"good_between": [60, 1e9]}, "59.5", Quality.BAD),
        ({"good_between": [60, 1e9], "uncertain": [0]}, 0, Quality.UNCERTAIN),
        ({"good_between": [60, 1e9]}, "soon", Quality.BAD),
    ],
)
def test_value_decides_what_may_be_believed(says: dict[str, Any], value: object, quality: Quality) -> None:
    assert judged(rule(**says), {"s": value}).quality is quality


def test_value_itself_stays_and_the_reason_names_what_was_found() -> None:
    assert judged(rule(good=[0]), {"s": 7}) == (5.0, Quality.BAD, "status 7")
    assert judged(rule(good=[0], reasons={"7": "no detector"}), {"s": 7}).reason == "no detector"
    assert judged(rule(good=[0]), {"s": "hot\n\x1b[2J"}).reason == "status hot [2J"


def test_what_was_found_holds_until_it_is_said_otherwise() -> None:
    assert judged(rule(good=[0]), {"s": 7}, {"other": 1}).quality is Quality.BAD
    assert judged(rule(good=[0]), {"s": 7}, {"s": 0}).quality is Quality.GOOD


def test_nothing_found_is_no_doubt_unless_it_is_required() -> None:
    assert judged(rule(good=[0]), {}).quality is Quality.GOOD
    assert judged(rule(good=[0], required=True), {}) == (5.0, Quality.BAD, "status missing")


def test_only_the_named_channels_are_doubted() -> None:
    one = rule(good=[0], channels=["x"])
    assert judged(one, {"s": 7}, channel="x").quality is Quality.BAD
    assert judged(one, {"s": 7}, channel="y").quality is Quality.GOOD


def test_value_that_is_worse_by_itself_keeps_its_reason_and_one_that_is_missing_gets_the_devices() -> None:
    doubts = QualityRules()
    doubts.on_message([rule(uncertain=[1])], {"s": 1})
    assert doubts.degrade("x", Sample(9e9, Quality.BAD, "outside")).reason == "outside"
    doubts.on_message([rule(good=[0])], {"s": 6})
    assert doubts.degrade("x", bad("missing in the message")).reason == "status 6"


def test_worst_of_several_rules_counts() -> None:
    doubts, rules = QualityRules(), [rule(uncertain=[1]), rule(path="e", good=[0], reason="error {value}")]
    doubts.on_message(rules, {"s": 1, "e": 4})
    assert doubts.degrade("x", Sample(5.0)) == (5.0, Quality.BAD, "error 4")


def test_what_is_bad_anew_is_told_once_and_again_when_it_changes() -> None:
    doubts, one = QualityRules(), rule(good=[0], uncertain=[1])
    told = []
    for value in (0, 1, 7, 7, 8, 0, 7):
        doubts.on_message([one], {"s": value})
        told.append([doubt.reason for doubt in doubts.take_new()])
    assert told == [[], [], ["status 7"], [], ["status 8"], [], ["status 7"]]
