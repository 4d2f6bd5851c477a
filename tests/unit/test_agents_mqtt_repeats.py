"""Messages that were delivered before are known by their content."""

from __future__ import annotations

from typing import Any

from hubwatch_agents.drivers.mqtt.mapping import REMEMBERED, Repeats
from hubwatch_agents.profiles.mqtt_schema import MessageRule

T = 1_795_284_000_000_000
SECOND = 1_000_000


def repeats(**more: Any) -> Repeats:
    return Repeats(MessageRule.model_validate({"topic": "a", "unique": {"path": "id"}, **more}))


def test_same_number_with_the_same_content_is_a_repeat() -> None:
    one = repeats()
    assert [one.known({"id": 1, "card": 7}, None, T) for _ in range(3)] == [False, True, True]


def test_same_number_with_another_time_or_content_is_none() -> None:
    one = repeats()
    assert not one.known({"id": 1, "card": 7}, 100, T)
    assert not one.known({"id": 1, "card": 7}, 200, T)
    assert not one.known({"id": 1, "card": 8}, None, T)


def test_same_number_and_time_is_a_repeat_whatever_else_a_second_topic_adds() -> None:
    one = repeats()
    assert not one.known({"id": 1, "reason": 5}, 100, T)
    assert one.known({"id": 1, "reason": 5, "text": "denied"}, 100, T)


def test_number_of_another_type_is_another_number() -> None:
    one = repeats()
    assert not one.known({"id": 1}, 100, T)
    assert not one.known({"id": "1"}, 100, T)


def test_what_has_no_number_is_never_a_repeat() -> None:
    one = repeats()
    assert [one.known({"card": 7}, None, T) for _ in range(2)] == [False, False]


def test_repeat_counts_only_within_its_time_where_one_is_set() -> None:
    one = repeats(unique_within_s=5)
    assert not one.known({"id": 1}, None, T)
    assert one.known({"id": 1}, None, T + 5 * SECOND)
    assert not one.known({"id": 1}, None, T + 11 * SECOND)


def test_memory_is_bounded_and_forgets_the_oldest() -> None:
    one = repeats()
    for number in range(REMEMBERED + 1):
        assert not one.known({"id": number}, None, T)
    assert one.known({"id": REMEMBERED}, None, T)
    assert not one.known({"id": 0}, None, T)


def test_without_a_rule_nothing_is_remembered() -> None:
    one = Repeats(MessageRule(topic="a"))
    assert [one.known({"id": 1}, None, T) for _ in range(2)] == [False, False]
