"""Decimals, exponents and texts that a device says itself: what cannot be is bad with a reason, never a number."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from structlog.testing import capture_logs

from hubwatch_agents.config.load import check
from hubwatch_agents.drivers.drops import Cause, DropCounters
from hubwatch_agents.drivers.modbus.jobs import jobs_of
from hubwatch_agents.drivers.modbus.raw import Image
from hubwatch_agents.profiles.modbus_schema import ModbusChannel, ModbusProfile, QualityRule
from hubwatch_agents.readings import Reading, SensorEvent
from hubwatch_agents.values import pseudonyms
from hubwatch_core.words import Quality
from support.agents_rig import settings_of

T = 1_795_284_000_000_000
HEAD = {
    "id": "it",
    "title": "a box",
    "kind": "process",
    "protocol": "modbus",
    "source": ["a test"],
    "confidence": "generic",
    "period_ms": 1000,
}


def channel(**more: Any) -> dict[str, Any]:
    return {"name": "x", "unit": "1", "address": 0, **more}


TIME = {"address": 1, "type": "f64"}


def decoded(
    registers: list[int], folder: Path, *looks: list[int], drops: DropCounters | None = None, **profile: Any
) -> tuple[list[Reading], list[Any]]:
    """Decode one image after the other by a profile; gives the readings of the first and the events of all."""
    made = ModbusProfile.model_validate({**HEAD, **profile})
    connection = {"name": "line", "transport": "tcp", "host": "127.0.0.1", "port": 502}
    settings = settings_of(connection, [{"sensor": "s", "profile": "probe"}])
    (device,) = check(settings, "test").devices
    object.__setattr__(device, "profile", made)
    way = settings.connections[0]
    (job,) = jobs_of(way, [device], pseudonyms.raw, drops)  # type: ignore[arg-type]  # it is tcp
    readings: list[Reading] = []
    events: list[SensorEvent] = []
    for i, each in enumerate([registers, *looks]):
        image = Image()
        image.put(3, 0, each)
        some, more = job.decoders[0].decode(image, T + i)
        readings, events = readings or some, events + more
    return readings, events


@pytest.mark.parametrize(
    ("says", "value", "reason"),
    [
        (0, 1234, None),
        (2, 12.34, None),
        (9, 0.000001234, None),
        (10, None, "says 10 decimals"),
        (255, None, "says 255 decimals"),
        (0xFFFF, None, "says 65535 decimals"),
    ],
)
def test_decimals_that_cannot_be_are_no_decimals(
    says: int, value: float | None, reason: str | None, tmp_path: Path
) -> None:
    (reading,), _ = decoded([1234, says], tmp_path, channels=[channel(decimals_from={"address": 1})])
    assert (reading.x, reading.reason) == (value, reason)


@pytest.mark.parametrize(
    ("says", "value", "reason"),
    [
        (0, 65530, None),
        (0xFFFE, 655.3, None),
        (3, 65_530_000, None),
        (0x8000, None, "the device says that it has no value (exponent -32768)"),
        (0x7FFF, None, "says an exponent of 32767"),
        (11, None, "says an exponent of 11"),
    ],
)
def test_exponent_is_signed_and_checked(says: int, value: float | None, reason: str | None, tmp_path: Path) -> None:
    (reading,), _ = decoded([65530, says], tmp_path, channels=[channel(exponent_from={"address": 1})])
    assert (reading.x, reading.reason) == (value, reason)


def test_exponent_that_is_written_otherwise_is_checked_as_well(tmp_path: Path) -> None:
    for kind, registers in (("f32", [0x7FC0, 0]), ("f32", [0x3F00, 0]), ("bcd16", [0xFFFF]), ("u64", [0xFFFF] * 4)):
        source = {"address": 1, "type": kind}
        for key in ("exponent_from", "decimals_from"):
            (reading,), _ = decoded([7, *registers], tmp_path, channels=[channel(**{key: source})])
            assert (reading.x, reading.quality) == (None, Quality.BAD), (kind, key)


def test_text_measures_by_its_table(tmp_path: Path) -> None:
    told = {"type": "ascii", "length": 2, "values": {"OPEN": 1, "SHUT": 0}}
    (reading,), _ = decoded([0x4F50, 0x454E], tmp_path, channels=[channel(**told)])
    assert reading.x == 1
    (reading,), _ = decoded([0x4F1B, 0x454E], tmp_path, channels=[channel(**told)])
    assert (reading.x, reading.reason) == (None, "'O EN' is not in the profile")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"type": "ascii", "length": 2}, "give values"),
        ({"type": "hex", "length": 2}, "give values"),
        ({"values": {"A": 1}}, "values is for texts"),
        ({"type": "mod10"}, "need a length"),
        ({"type": "mod10", "length": 5}, "at most 4 registers"),
        ({"type": "mod10", "length": 4, "base": 65_536}, "too long to be published"),
        ({"type": "u32", "base": 1000}, "only a mod10 has a base"),
        ({"type": "u32", "signed": True}, "only a mod10 has a base"),
        ({"type": "u48", "length": 3}, "need a length, nothing else has one"),
        ({"type": "ascii_number", "length": 2, "mask": 1}, "no bits to test"),
        ({"decimals_from": {"address": 1}, "exponent_from": {"address": 2}}, "give one of them"),
        ({"exponent_from": {"address": 1, "type": "hex", "length": 1}}, "must itself be one"),
    ],
)
def test_channel_that_cannot_measure_is_refused_in_plain_words(more: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        ModbusChannel.model_validate(channel(**more))


@pytest.mark.parametrize(
    ("kind", "low", "nothing"),
    [("f32", [0, 0], [0x7FC0, 0]), ("f16", [0], [0x7E00]), ("bcd16", [0], [0xFFFF]), ("f64", [0] * 4, [0xFFFF] * 4)],
)
@pytest.mark.parametrize("on", ["rise", "change", "fall", "increase"])
def test_what_is_no_number_makes_no_event(
    kind: str, low: list[int], nothing: list[int], on: str, tmp_path: Path
) -> None:
    event = {"event": "it.moved", "on": on, "address": 0, "type": kind}
    (reading,), events = decoded(
        nothing, tmp_path, low, nothing, nothing, low, channels=[channel(type=kind)], events=[event]
    )
    assert (reading.x, reading.quality) == (None, Quality.BAD)
    assert events == []


def test_mode_that_is_a_float_is_found_among_whole_numbers(tmp_path: Path) -> None:
    rule = {"address": 1, "type": "f32", "good": [1], "reason": "mode {value}", "reasons": {"2": "warming up"}}
    for registers, reason in (([0x3F80, 0], None), ([0x4000, 0], "warming up"), ([0x4040, 0], "mode 3")):
        (reading,), _ = decoded([7, *registers], tmp_path, channels=[channel()], quality=[rule])
        assert reading.reason == reason


@pytest.mark.parametrize(
    ("kind", "registers", "said"),
    [
        ("u16", [0x90], "bits 0x90"),
        ("f32", [0x4010, 0], "bits 2.25"),
        ("f32", [0x4110, 0], "bits 0x9"),
        ("bcd16", [0x0012], "bits 0xc"),
    ],
)
def test_reason_shows_the_value_found_as_bits_where_it_has_any(
    kind: str, registers: list[int], said: str, tmp_path: Path
) -> None:
    rule = {"address": 1, "type": kind, "good": [1], "reason": "bits {value:#x}"}
    (reading,), _ = decoded([7, *registers], tmp_path, channels=[channel()], quality=[rule])
    assert (reading.x, reading.reason) == (7, said)


@pytest.mark.parametrize(
    "reason", ["mode {", "mode {0}", "mode {value.real}", "mode {value:999999999d}", "{mode}", "{}"]
)
def test_reason_that_cannot_be_said_is_refused(reason: str) -> None:
    with pytest.raises(ValidationError, match="may hold"):
        QualityRule.model_validate({"address": 1, "reason": reason})


@pytest.mark.parametrize(
    ("registers", "dropped"),
    [
        ([0xFFFF] * 4, 0),  # not a number: that is how a device says that it has none
        ([0x7FEF, 0xFFFF, 0xFFFF, 0xFFFF], 1),
        ([0xC000, 0, 0, 0], 1),
        ([0] * 4, 1),
    ],
)
def test_device_time_that_cannot_be_is_none_and_counted(registers: list[int], dropped: int, tmp_path: Path) -> None:
    drops = DropCounters()
    decode = partial(decoded, [7, *registers], tmp_path, channels=[channel()], device_time=TIME, drops=drops)
    with capture_logs() as logs:
        for count in (1, 2):
            (reading,), _ = decode()
            assert (reading.x, reading.device) == (7, None)
            assert drops.count("s", Cause.UNREADABLE_TIME) == count * dropped
    assert [line["event"] for line in logs] == ["dropped"] * dropped


def test_device_time_whose_register_was_not_read_is_counted(tmp_path: Path) -> None:
    drops = DropCounters()
    (reading,), _ = decoded([7], tmp_path, channels=[channel()], device_time=TIME, drops=drops)
    assert (reading.x, reading.device) == (7, None)
    assert drops.count("s", Cause.UNREADABLE_TIME) == 1
