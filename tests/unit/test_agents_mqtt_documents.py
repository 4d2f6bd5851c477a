"""Payloads become documents nothing further on stumbles over, and attributes that can be stored."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubwatch_agents.drivers.mqtt import payload as payloads
from hubwatch_core import wire

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
T = 1_795_284_000_000_000


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"{", "Expecting"),
        (b"\xff", "utf-8"),
        (b'{"a": 1, "a": 2}', "'a' is there twice"),
        (b'{"b": {"a": 1, "a": 1}}', "'a' is there twice"),
        (b"[" * 33 + b"]" * 33, "deeper than 32"),
        (b"[" * 100_000 + b"]" * 100_000, "deeper than 32"),
        (b" " * (payloads.MAX_BYTES + 1), "more than"),
    ],
)
def test_payload_that_is_no_good_is_refused_with_the_reason(payload: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        payloads.read(payload, "json")


def test_document_as_deep_as_allowed_is_read() -> None:
    assert payloads.read(b"[" * 32 + b"]" * 32, "json")


def test_text_is_taken_as_it_is() -> None:
    assert payloads.read("µ{".encode(), "text") == "µ{"


@given(JSON)
def test_every_sane_document_comes_through(document: object) -> None:
    read = payloads.read(json.dumps(document).encode(), "json")
    assert json.dumps(read) == json.dumps(document)


@given(st.binary(max_size=200))
def test_noise_is_read_or_refused(noise: bytes) -> None:
    try:
        payloads.read(noise, "json")
    except ValueError:
        return


@given(JSON)
def test_every_attribute_survives_the_wire(value: object) -> None:
    found = payloads.attribute(value)
    if found is None:
        assert value is None or (isinstance(value, float) and not math.isfinite(value))
        return
    event = wire.Event(sensor="s", t=T, type="e", attrs={"a": found})
    frame = wire.Frame(v=1, hub="h", agent="a", epoch="01JD3Z00000000000000000000", seq=1, sent=T, events=[event])
    assert wire.decode_frame(wire.encode(frame)).events[0].attrs["a"] == found
