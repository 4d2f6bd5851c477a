"""One sensor decoded by its profile: quality rules, heartbeat, device time, events, subjects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hubwatch_agents.config.load import check
from hubwatch_agents.devices import Device
from hubwatch_agents.drivers.modbus.decode import Decoder
from hubwatch_agents.drivers.modbus.jobs import jobs_of
from hubwatch_agents.drivers.modbus.raw import Image
from hubwatch_agents.profiles.modbus_schema import ModbusProfile
from hubwatch_agents.readings import Reading
from hubwatch_agents.values import pseudonyms
from hubwatch_core.words import Quality
from support.agents_rig import settings_of

T = 1_795_284_000_000_000
SECOND = 1_000_000

MAP = """
id = "box"
title = "a box"
kind = "chemical"
protocol = "modbus"
source = ["a test"]
confidence = "C"
period_ms = 1000

[heartbeat]
address = 9
max_age_s = 5

[device_time]
address = 20
type = "u32"

[[channels]]
name = "gas"
unit = "ppm"
address = 1
invalid = [0xFFFF]

[[channels]]
name = "state"
unit = "1"
kind = "state"
address = 2
period_ms = 10_000

[[quality]]
address = 3
good = [1]
uncertain = [2]
reason = "mode {value}"
reasons = { 12 = "calibration" }
channels = ["gas"]

[[events]]
event = "card.read"
on = "change"
address = 5
acknowledge = "next"
subject = { address = 30, type = "u32" }
read = { door = { address = 6 } }
attrs = { reader = "in" }

[[commands]]
name = "next"
function = 6
address = 5
values = [0]
description = "Lets the reader read the next card."
"""


def device(folder: Path, **more: Any) -> Device:
    (folder / "box.toml").write_text(MAP, encoding="utf-8")
    connection = {"name": "io", "transport": "tcp", "host": "h"}
    settings = settings_of(connection, [{"sensor": "box-1", "profile": "box", **more}], profile_folders=[folder])
    (made,) = check(settings, "test").devices
    return made


def decoder(folder: Path, pseudonym: pseudonyms.Pseudonym = pseudonyms.raw, **more: Any) -> Decoder:
    made = device(folder, **more)
    assert isinstance(made.profile, ModbusProfile)
    return Decoder(made, made.profile, made.profile.channels, pseudonym, with_events=True, period_us=SECOND)


def image(**registers: int) -> Image:
    made = Image()
    values = {1: 40, 2: 0, 3: 1, 5: 7, 6: 2, 9: 1, 20: 0x6B03, 21: 0x5500, 30: 0, 31: 5607}
    values |= {int(name[1:]): value for name, value in registers.items()}
    for wire, value in values.items():
        made.put(3, wire, [value])
    return made


def gas(readings: list[Reading]) -> Reading:
    return next(reading for reading in readings if reading.channel == "gas")


def test_value_is_good_in_the_good_mode_and_carries_the_devices_time(tmp_path: Path) -> None:
    reading = gas(decoder(tmp_path).decode(image(), T)[0])
    assert (reading.x, reading.quality, reading.t) == (40, Quality.GOOD, T)
    assert reading.device == 0x6B035500 * SECOND


def test_mode_makes_the_value_uncertain_or_bad_and_leaves_it_as_it_is(tmp_path: Path) -> None:
    one = decoder(tmp_path)
    uncertain = gas(one.decode(image(w3=2), T)[0])
    assert (uncertain.x, uncertain.quality, uncertain.reason) == (40, Quality.UNCERTAIN, "mode 2")
    bad = gas(one.decode(image(w3=12), T)[0])
    assert (bad.x, bad.quality, bad.reason) == (40, Quality.BAD, "calibration")
    other = next(r for r in one.decode(image(w3=12), T)[0] if r.channel == "state")
    assert other.quality is Quality.GOOD


def test_sentinel_is_worse_than_any_mode(tmp_path: Path) -> None:
    reading = gas(decoder(tmp_path).decode(image(w1=0xFFFF, w3=2), T)[0])
    assert (reading.x, reading.quality) == (None, Quality.BAD)
    assert reading.reason is not None
    assert "no value" in reading.reason


def test_unread_mode_makes_the_value_bad(tmp_path: Path) -> None:
    made = image()
    del made.words[3][3]
    made.fail(3, 3, 1, "exception 2 (illegal data address)")
    assert gas(decoder(tmp_path).decode(made, T)[0]).reason == "mode unknown: exception 2 (illegal data address)"


def test_heartbeat_that_stands_still_makes_everything_bad(tmp_path: Path) -> None:
    one = decoder(tmp_path)
    assert gas(one.decode(image(), T)[0]).quality is Quality.GOOD
    assert gas(one.decode(image(), T + 5 * SECOND)[0]).quality is Quality.GOOD
    still = gas(one.decode(image(), T + 6 * SECOND)[0])
    assert (still.quality, still.reason) == (Quality.BAD, "heartbeat register still for 6 s")
    assert gas(one.decode(image(w9=2), T + 7 * SECOND)[0]).quality is Quality.GOOD


def test_event_tells_before_and_now_and_what_was_read_with_it(tmp_path: Path) -> None:
    one = decoder(tmp_path)
    assert one.decode(image(), T)[1] == []
    (event,) = one.decode(image(w5=8), T + SECOND)[1]
    assert (event.type, event.subject) == ("card.read", "badge:5607")
    assert event.attrs == {"reader": "in", "before": 7, "now": 8, "door": 2}


def test_event_after_a_gap_says_how_long_nobody_looked(tmp_path: Path) -> None:
    one = decoder(tmp_path)
    one.decode(image(), T)
    (event,) = one.decode(image(w5=8), T + 60 * SECOND)[1]
    assert event.attrs["unseen_s"] == 60


def test_card_that_is_nobodys_has_no_subject(tmp_path: Path) -> None:
    one = decoder(tmp_path)
    one.decode(image(), T)
    (event,) = one.decode(image(w5=8, w31=0), T + SECOND)[1]
    assert event.subject is None


def test_subject_is_a_keyed_pseudonym_that_is_the_same_for_the_same_key(tmp_path: Path) -> None:
    def subject(key: bytes) -> str | None:
        one = decoder(tmp_path, pseudonyms.keyed(key))
        one.decode(image(), T)
        return one.decode(image(w5=8), T + SECOND)[1][0].subject

    assert subject(b"0123456789abcdef") == subject(b"0123456789abcdef")
    assert subject(b"0123456789abcdef") != subject(b"fedcba9876543210")
    assert "5607" not in str(subject(b"0123456789abcdef"))


def test_acknowledgement_is_due_only_where_the_installation_allows_it(tmp_path: Path) -> None:
    for allowed, due in (((), []), (("next",), ["next"])):
        one = decoder(tmp_path, allow_commands=allowed)
        one.decode(image(), T)
        one.decode(image(w5=8), T + SECOND)
        assert [command.name for command in one.commands_due()] == due
        assert one.commands_due() == []


def test_no_answer_is_a_bad_reading_of_every_channel(tmp_path: Path) -> None:
    readings = decoder(tmp_path).failed(T, "no answer within 1 s")
    assert [(r.channel, r.x, r.quality, r.reason) for r in readings] == [
        ("gas", None, Quality.BAD, "no answer within 1 s"),
        ("state", None, Quality.BAD, "no answer within 1 s"),
    ]


def test_channels_of_other_periods_become_jobs_of_their_own(tmp_path: Path) -> None:
    made = device(tmp_path)
    jobs = jobs_of(made.connection, [made], pseudonyms.raw)  # type: ignore[arg-type]
    assert [job.period_s for job in jobs] == [1.0, 10.0]
    assert {job.unit.number for job in jobs} == {1}
    assert jobs[0].unit is jobs[1].unit


def test_sensors_on_one_unit_share_their_requests(tmp_path: Path) -> None:
    connection = {"name": "io", "transport": "tcp", "host": "h"}
    doors = [
        {"sensor": f"door-{bit}", "profile": "moxa-e1210-door", "parameters": {"position_bit": bit}} for bit in range(4)
    ]
    settings = settings_of(connection, doors)
    devices = check(settings, "test").devices
    (job,) = jobs_of(settings.connections[0], devices, pseudonyms.raw)  # type: ignore[arg-type]
    assert [tuple(request) for request in job.requests] == [(4, 16, 8), (4, 48, 1)]
    assert len(job.decoders) == 4
