"""What a device says means the same however it is written; what means nothing decides nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hubwatch_agents.config.load import check
from hubwatch_agents.drivers.drops import Cause, DropCounters
from hubwatch_agents.drivers.mqtt import paths, payload
from hubwatch_agents.drivers.mqtt.mapping import Mapper
from hubwatch_agents.drivers.mqtt.message import InboundMessage
from hubwatch_agents.drivers.mqtt.quality import QualityRules
from hubwatch_agents.profiles.mqtt_schema import MessageCondition, MqttProfile, MqttQuality, Pick
from hubwatch_agents.readings import Reading, SensorEvent
from hubwatch_agents.values import pseudonyms
from hubwatch_agents.values.scaling import Sample
from hubwatch_core.words import Quality
from support.agents_rig import settings_of

T = 1_795_284_000_000_000
SECOND = 1_000_000
NAN, INF = float("nan"), float("inf")


def mapper(profile: str, drops: DropCounters | None = None, **parameters: Any) -> Mapper:
    devices = [{"sensor": "s", "profile": profile, "parameters": parameters}]
    (device,) = check(settings_of({"name": "b", "transport": "mqtt", "host": "h"}, devices), "test").devices
    assert isinstance(device.profile, MqttProfile)
    return Mapper(device, device.profile, pseudonyms.raw, drops or DropCounters())


def say(one: Mapper, topic: str, said: object, *, t: int = T, retained: bool = False) -> list[Any]:
    data = said if isinstance(said, bytes) else json.dumps(said).encode()
    return one.on_message(InboundMessage(topic, data, retained, t))


# -- numbers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("found", "rule"), [(1, 1.0), (1.0, 1), (0, -0.0), (2.5, 2.5), (10**15, 1e15)])
def test_numbers_are_compared_as_numbers_in_every_rule(found: float, rule: float) -> None:
    assert paths.same(found, (rule,))
    assert paths.holds({"x": found}, [MessageCondition(path="x", equals=(rule,))])
    assert paths.pick({"x": found}, Pick(path="x", active_when=(rule,), inactive_when=(99,))) == 1
    assert paths.pick({"x": found}, Pick(path="x", values={f"{rule}": "named"})) == "named"
    assert paths.pick({"x": found}, Pick(path="x", values={f"{rule:.0f}": "named"})) == (
        "named" if rule != 2.5 else 2.5
    )
    quality = QualityRules()
    quality.on_message([MqttQuality(path="x", good=(rule,), reason="r")], {"x": found})
    assert quality.degrade("c", Sample(1.0)).quality is Quality.GOOD


@pytest.mark.parametrize(("found", "rule"), [(True, 1), (1, True), ("1", 1), (1, "1"), (NAN, NAN)])
def test_things_of_another_kind_are_not_the_same(found: Any, rule: Any) -> None:
    assert not paths.same(found, (rule,))


@pytest.mark.parametrize("found", [NAN, INF, -INF])
def test_what_is_no_finite_number_decides_no_rule(found: float) -> None:
    assert not paths.holds({"x": found}, [MessageCondition(path="x")])
    quality = QualityRules()
    quality.on_message([MqttQuality(path="x", bad=("E",), reason="status {value}")], {"x": found})
    assert quality.degrade("c", Sample(1.0)).quality is Quality.BAD, "a status that is no number says nothing good"


@pytest.mark.parametrize(
    "said", [b'{"x": NaN}', b'{"x": Infinity}', b'{"x": -1e999}', b'{"x": "NaN"}', b'{"x": "inf"}']
)
def test_what_is_no_finite_number_makes_no_event(said: bytes) -> None:
    one = mapper("values")
    say(one, "v/value", {"x": 0})
    assert not [each for each in say(one, "v/value", said) if isinstance(each, SensorEvent)]
    assert not [each for each in say(one, "v/value", {"x": 0}) if isinstance(each, SensorEvent)]
    assert [each.type for each in say(one, "v/value", {"x": 1}) if isinstance(each, SensorEvent)] == ["test.risen"]


# -- text ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "form", "read"),
    [
        (b"\xef\xbb\xbf21.5", "text", "21.5"),
        (b"21.5\0\0\0rest", "text", "21.5"),
        (b'\xef\xbb\xbf{"x": 1}', "json", {"x": 1}),
        (b'{"x": 1}\0{"x": 2}', "json", {"x": 1}),
    ],
)
def test_mark_before_a_payload_is_skipped_and_it_ends_at_the_first_nul(data: bytes, form: Any, read: object) -> None:
    assert payload.read(data, form) == read


def test_text_inside_a_document_ends_at_its_first_nul() -> None:
    assert paths.pick({"x": "ON\0garbage"}, Pick(path="x", values={"ON": 1})) == 1
    assert paths.pick({"x": "a\0b"}, Pick(path="x")) == "a"


@pytest.mark.parametrize("text", ["1" * 65, "1_000", "", "0x10"])
def test_text_that_no_device_means_as_a_number_is_none(text: str) -> None:
    assert paths.number(text) is None


# -- availability ----------------------------------------------------------------------------------------------------

GONE = [
    b"offline",
    b"offline\0",
    b"Offline",
    b"OFFLINE\n",
    b"offline\r\n",
    b'"offline"',
    b"'Offline' ",
    b"\xef\xbb\xbfoffline",
]


@pytest.mark.parametrize("word", GONE)
def test_word_of_availability_is_known_however_it_is_written(word: bytes) -> None:
    drops = DropCounters()
    found = say(mapper("values", drops), "v/lwt", word)
    assert [(each.quality, each.reason) for each in found] == [(Quality.BAD, "device offline, says its last will")] * 4
    assert drops.count("s", Cause.UNKNOWN_WORD) == 0


@pytest.mark.parametrize("word", [b"Online", b'"online"', b"online\0", b" ONLINE"])
def test_word_that_it_is_back_ends_what_nobody_knew(word: bytes) -> None:
    one = mapper("values")
    say(one, "v/lwt", b"sleeping")
    (doubted, *_) = say(one, "v/value", {"x": 1})
    assert (doubted.x, doubted.quality) == (1, Quality.UNCERTAIN)
    assert say(one, "v/lwt", word) == []
    (again, *_) = say(one, "v/value", {"x": 1})
    assert again.quality is Quality.GOOD


@pytest.mark.parametrize("word", [b"sleeping", b"off line", b"", b"\xff\xfe", b"0"])
def test_word_of_neither_kind_makes_the_device_uncertain_and_is_counted(word: bytes) -> None:
    drops = DropCounters()
    one = mapper("values", drops)
    found = say(one, "v/lwt", word)
    assert {each.quality for each in found} == {Quality.UNCERTAIN}
    assert "which the profile does not know" in found[0].reason
    assert say(one, "v/lwt", word) == [], "said once"
    assert drops.count("s", Cause.UNKNOWN_WORD) == 2


@pytest.mark.parametrize(
    ("state", "quality"), [(0, Quality.BAD), (0.0, Quality.BAD), ("0", Quality.BAD), (3, Quality.UNCERTAIN)]
)
def test_number_of_availability_is_compared_as_a_number(state: object, quality: Quality) -> None:
    assert {each.quality for each in say(mapper("values"), "v/meta", {"State": state})} == {quality}


def test_message_that_says_nothing_about_availability_changes_nothing() -> None:
    assert say(mapper("values"), "v/meta", {"Host": "a"}) == []


# -- times -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", ["soon", "2026-13-01T00:00:00Z", "", 7, True, [], "9" * 5000, 1e300])
def test_time_that_cannot_be_read_is_counted_and_the_value_used(at: object) -> None:
    drops = DropCounters()
    (found,) = say(mapper("values", drops), "v/timed", {"y": 5, "at": at})
    assert (found.x, found.quality, found.device, found.t) == (5, Quality.GOOD, None, T)
    assert drops.count("s", Cause.UNREADABLE_TIME) == 1


def test_message_without_a_time_lacks_nothing() -> None:
    drops = DropCounters()
    say(mapper("values", drops), "v/timed", {"y": 5})
    assert drops.count("s", Cause.UNREADABLE_TIME) == 0


def batch(*, end: int = T, clock: int = 0) -> dict[str, Any]:
    """Return ten samples, 200 ms apart, the last of which is of `end`."""
    return {"samples": [{"ts": (end + clock) // 1000 - 200 * (9 - i), "z": i} for i in range(10)]}


def test_buffered_samples_have_the_times_of_the_device() -> None:
    found = say(mapper("values"), "v/buffered", batch())
    assert [(each.t, each.x, each.late) for each in found] == [(T - 200_000 * (9 - i), i, False) for i in range(10)]


def test_buffered_samples_that_are_old_are_late() -> None:
    found = say(mapper("values"), "v/buffered", batch(end=T - 3600 * SECOND))
    assert {each.late for each in found} == {True}
    assert found[-1].t == T - 3600 * SECOND


def test_buffered_samples_of_one_time_are_kept_apart() -> None:
    ts = T // 1000
    found = say(mapper("values"), "v/buffered", {"samples": [{"ts": ts, "z": 1}, {"ts": ts, "z": 2}]})
    assert [each.t for each in found] == [T, T + 1]


@pytest.mark.parametrize("sample", [{"z": 1}, {"z": 1, "ts": "soon"}])
def test_buffered_sample_whose_time_nobody_knows_is_uncertain(sample: dict[str, Any]) -> None:
    (found,) = say(mapper("values"), "v/buffered", {"samples": [sample]})
    assert (found.t, found.quality) == (T, Quality.UNCERTAIN)


def test_buffered_samples_of_a_clock_that_is_ahead_have_the_time_they_came() -> None:
    found = say(mapper("values"), "v/buffered", batch(clock=3600 * SECOND))
    assert [each.t for each in found] == [T + i for i in range(10)]


def test_samples_that_are_not_buffered_are_a_microsecond_apart_over_messages_too() -> None:
    one = mapper("values")
    found = say(one, "v/batch", batch()) + say(one, "v/batch", batch(), t=T + 3)
    assert [each.t for each in found] == [T + i for i in range(20)]
    assert isinstance(found[0], Reading)
    assert found[0].device == T - 9 * 200_000
