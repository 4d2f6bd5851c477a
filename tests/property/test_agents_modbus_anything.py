"""Frames and images built from the protocol's own fields: only faults are raised, and only true values are good."""

from __future__ import annotations

import math
import struct
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from hubwatch_agents.devices import Device
from hubwatch_agents.drivers.modbus import pdu
from hubwatch_agents.drivers.modbus.decode import Decoder
from hubwatch_agents.drivers.modbus.faults import ExceptionReply, WrongReply
from hubwatch_agents.drivers.modbus.plan import ReadRequest
from hubwatch_agents.drivers.modbus.raw import Image
from hubwatch_agents.drivers.modbus.rtu import RtuFraming, checksum
from hubwatch_agents.drivers.modbus.tcp import MbapFraming
from hubwatch_agents.drivers.modbus.transport import Framing
from hubwatch_agents.profiles.modbus_schema import ModbusProfile
from hubwatch_agents.settings import DeviceSection
from hubwatch_agents.values import pseudonyms
from hubwatch_core.words import Quality
from support.fuzzing import fuzzed

UNIT = 3
T = 1_795_284_000_000_000
EDGE = st.sampled_from([0, 1, 2, 3, 9, 10, 0x7C00, 0x7E00, 0x7F80, 0x7FC0, 0x7FFF, 0x8000, 0x9999, 0xFFFE, 0xFFFF])
WORD = EDGE | st.integers(0, 0xFFFF)
BODY = st.tuples(
    st.sampled_from([3, 0x83, 4, 0, 0xFF]), st.integers(0, 255), st.binary(max_size=8) | st.just(b"\0\x2a")
).map(lambda t: bytes([t[0], t[1]]) + t[2]) | st.sampled_from([bytes([3, 2, 0, 42]), bytes([0x83, 2]), b"\3", b""])
MBAP = st.builds(
    lambda number, protocol, length, unit, body: (
        struct.pack(">HHHB", number, protocol, len(body) + 1 if length is None else length, unit) + body
    ),
    st.integers(0, 3),
    st.sampled_from([0, 0, 0, 1, 0xFFFF]),
    st.none() | st.sampled_from([0, 1, 2, 3, 254, 255, 0xFFFF]),
    st.sampled_from([UNIT, UNIT, 0, 255]),
    BODY,
)
RTU = st.builds(
    lambda unit, body, wrong: bytes([unit]) + body + (wrong or checksum(bytes([unit]) + body)),
    st.sampled_from([UNIT, UNIT, 0, 255]),
    BODY,
    st.none() | st.binary(min_size=1, max_size=2),
)
NOISE = st.binary(max_size=5) | st.sampled_from([b"\0", b"\xff", b"\3\3", b"\0\1\0\0"])


def answer_of(framing: Framing, chunks: list[bytes], request: ReadRequest) -> list[int] | None:
    """Return what comes of chunks as one reply; None where that is a fault or nothing."""
    framing.begin(UNIT, pdu.read(request))
    try:
        for chunk in chunks:
            if (reply := framing.feed(chunk)) is not None:
                return pdu.values(reply, request)
    except (WrongReply, ExceptionReply):
        return None
    return None


def chunked(data: bytes, size: int) -> list[bytes]:
    return [data[i : i + size] for i in range(0, len(data), size)]


@fuzzed(st.lists(MBAP | NOISE, max_size=6).map(b"".join), st.integers(1, 40))
def test_bytes_of_tcp_are_a_reply_or_a_fault(data: bytes, size: int) -> None:
    values = answer_of(MbapFraming(), chunked(data, size), ReadRequest(3, 0, 1))
    assert values is None or (len(values) == 1 and struct.pack(">BBBH", UNIT, 3, 2, values[0]) in data)


@fuzzed(st.lists(RTU | NOISE, max_size=6).map(b"".join), st.integers(1, 40))
def test_bytes_of_a_serial_line_are_a_reply_or_a_fault(data: bytes, size: int) -> None:
    values = answer_of(RtuFraming(), chunked(data, size), ReadRequest(3, 0, 1))
    if values is not None:
        body = struct.pack(">BBBH", UNIT, 3, 2, values[0])
        assert body + checksum(body) in data


@given(st.lists(st.binary(max_size=3), max_size=3).map(b"".join), st.integers(1, 40))
def test_true_frame_is_found_behind_noise_of_a_serial_line(noise: bytes, size: int) -> None:
    body = struct.pack(">BBBH", UNIT, 3, 2, 42)
    assert answer_of(RtuFraming(), chunked(noise + body + checksum(body), size), ReadRequest(3, 0, 1)) == [42]


TYPES = [
    "u16", "i16", "u8_high", "u8_low", "i8_high", "i8_low", "bcd16", "f16", "u32", "i32", "f32", "bcd32", "u48", "i48",
    "bcd48", "u64", "i64", "f64", "bcd64", "mod10", "ascii_number", "ascii", "hex",
]  # fmt: skip
ANY_NUMBER = st.sampled_from([0, 1, -1, 0.5, 65535, 1e300, -32768]) | st.integers(-(2**63), 2**63)


def source(**more: Any) -> st.SearchStrategy[dict[str, Any]]:
    """Return tables that may be sources; those the schema refuses are left out by who draws them."""
    optional = {
        "length": st.integers(1, 4),
        "word_order": st.sampled_from(["big", "little"]),
        "byte_order": st.sampled_from(["big", "little"]),
        "mask": st.integers(1, 0xFFFF),
        "shift": st.integers(0, 16),
        "one_of": st.lists(st.integers(0, 9), max_size=3),
        "any_of_bits": st.lists(st.integers(0, 15), max_size=2),
        "invert": st.booleans(),
        "absent": st.lists(ANY_NUMBER, max_size=2),
    }
    required = {"address": st.integers(0, 8), "type": st.sampled_from(TYPES), **more}
    return st.fixed_dictionaries(required, optional=optional)


CHANNEL = st.tuples(
    source(name=st.just("x"), unit=st.just("1")),
    st.fixed_dictionaries(
        {},
        optional={
            "decimals_from": source(),
            "exponent_from": source(),
            "sign_from": source(),
            "scale": st.sampled_from([0.1, -1.0, 1e300, 1e-300]),
            "offset": st.sampled_from([0.0, -40.0, 1e300]),
            "states": st.dictionaries(st.sampled_from(["0", "1", "-1", "2"]), st.just("state")),
            "invalid": st.lists(ANY_NUMBER, max_size=2),
            "plausible": st.just([-1e6, 1e6]),
            "values": st.dictionaries(st.sampled_from(["A", "0000"]), ANY_NUMBER, max_size=2),
        },
    ),
).map(lambda parts: {**parts[0], **parts[1]})
PROFILE = st.fixed_dictionaries(
    {"channels": CHANNEL.map(lambda channel: [channel])},
    optional={
        "quality": source(
            good=st.lists(st.integers(0, 9), max_size=2),
            reason=st.sampled_from(["mode {value}", "bits {value:#x}", "{"]),
        ).map(lambda rule: [rule]),
        "heartbeat": source(max_age_s=st.just(5)),
        "device_time": source(),
        "events": source(
            event=st.just("it.moved"),
            on=st.sampled_from(["rise", "fall", "change", "increase"]),
            read=source().map(lambda each: {"also": each}),
            subject=source(prefix=st.just("badge:")),
        ).map(lambda event: [event]),
    },
)
HEAD = {
    "id": "it", "title": "any", "kind": "process", "protocol": "modbus", "source": ["a test"], "confidence": "generic",
}  # fmt: skip


def decoder_of(tree: dict[str, Any]) -> Decoder | None:
    try:
        profile = ModbusProfile.model_validate({**HEAD, **tree})
    except ValidationError:
        return None
    section = DeviceSection(sensor="s", zone="z", profile="it", connection="c")
    device = Device(section, profile, None)  # type: ignore[arg-type]  # a decoder asks for no connection
    return Decoder(device, profile, profile.channels, pseudonyms.raw, with_events=True, period_us=1_000_000)


@fuzzed(PROFILE, st.lists(st.lists(WORD, min_size=13, max_size=13), min_size=1, max_size=3), share=0.25)
def test_any_image_by_any_profile_is_decoded_without_an_error(tree: dict[str, Any], looks: list[list[int]]) -> None:
    decoder = decoder_of(tree)
    if decoder is None:
        return
    for i, registers in enumerate(looks):
        image = Image()
        image.put(3, 0, registers)
        readings, events = decoder.decode(image, T + i)
        assert all(r.x is None or math.isfinite(r.x) for r in readings)
        assert all(r.x is not None or r.quality is Quality.BAD for r in readings)
        attrs = [value for event in events for value in event.attrs.values()]
        assert all(not isinstance(value, float) or math.isfinite(value) for value in attrs)
    assert decoder.errors.count == 0
