"""The wire format against its golden bytes, what it tolerates and what it calls poison."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from hubwatch_core import wire
from hubwatch_core.errors import Poison
from hubwatch_core.words import Quality
from support import wire_cases


def _named(paths: list[Path]) -> list[object]:
    return [pytest.param(path, id=path.stem) for path in paths]


def _whole(value: object) -> object:
    """Turn a message into plain values with every field, also those the encoder leaves out as defaults."""
    if isinstance(value, msgspec.Struct):
        return {name: _whole(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, list | tuple):
        return [_whole(item) for item in value]
    if isinstance(value, dict):
        return {name: _whole(item) for name, item in value.items()}
    return value


def _expected(path: Path) -> object:
    return json.loads(path.with_suffix(".decoded.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", _named(wire_cases.payloads("golden") + wire_cases.payloads("tolerated")))
def test_payload_decodes_to_what_stands_beside_it(path: Path) -> None:
    assert _whole(wire_cases.decode(path)) == _expected(path)


@pytest.mark.parametrize("path", _named(wire_cases.payloads("golden")))
def test_golden_message_encodes_to_the_same_bytes(path: Path) -> None:
    assert wire.encode(wire_cases.decode(path)) == path.read_bytes()


@pytest.mark.parametrize(("name", "word"), [("online", wire.ONLINE), ("offline", wire.OFFLINE)])
def test_state_is_a_bare_word(name: str, word: bytes) -> None:
    assert (wire_cases.FOLDER / "golden" / f"state-{name}.txt").read_bytes() == word


@pytest.mark.parametrize("path", _named(wire_cases.payloads("poison")))
def test_poison_is_refused_with_a_reason_that_says_what_and_where(path: Path) -> None:
    with pytest.raises(Poison) as caught:
        wire_cases.decode(path)
    assert wire_cases.poison_reasons()[path.stem] in caught.value.reason
    assert len(caught.value.reason) < 300


def test_every_poison_reason_has_its_payload() -> None:
    assert set(wire_cases.poison_reasons()) == {path.stem for path in wire_cases.payloads("poison")}


@pytest.mark.parametrize("path", _named(wire_cases.payloads("golden")))
def test_golden_message_cut_short_anywhere_is_poison(path: Path) -> None:
    whole = path.read_bytes()
    decode = wire_cases.DECODERS[path.name.partition("-")[0]]
    for length in range(len(whole)):
        with pytest.raises(Poison):
            decode(whole[:length])


def _frame_of(size: int) -> bytes:
    """Return a valid frame of exactly `size` bytes, filled up in a key that nobody knows."""
    head = wire.encode(wire.Frame(1, "h", "a", "01JD3ZKQ5V8W2M4N6P7R9S0T1X", 1, 1_795_284_000_000_000))[:-1]
    return head + b',"fill":"' + b"x" * (size - len(head) - 11) + b'"}'


def test_frame_of_exactly_the_largest_size_is_taken() -> None:
    payload = _frame_of(wire.MAX_FRAME_BYTES)
    assert len(payload) == 262_144
    assert wire.decode_frame(payload).seq == 1


def test_frame_one_byte_over_the_largest_size_is_poison() -> None:
    with pytest.raises(Poison, match="frame of 262145 bytes is over the limit of 262144"):
        wire.decode_frame(_frame_of(wire.MAX_FRAME_BYTES + 1))


def test_birth_one_byte_over_the_largest_size_is_poison() -> None:
    with pytest.raises(Poison, match="birth of 262145 bytes is over the limit of 262144"):
        wire.decode_birth(b" " * (wire.MAX_FRAME_BYTES + 1))


def test_series_at_both_ends_of_the_time_line_is_taken() -> None:
    span = wire.LATEST_US - wire.EARLIEST_US
    series = wire.Series("s", "c", wire.EARLIEST_US, [0, span], [1.0, 2.0])
    frame = wire.Frame(1, "h", "a", "01JD3ZKQ5V8W2M4N6P7R9S0T1X", 1, wire.EARLIEST_US, series=[series])
    assert wire.decode_frame(wire.encode(frame)) == frame


def test_not_a_number_on_the_senders_side_is_poison_on_the_receivers() -> None:
    series = wire.Series("s", "c", 1_795_284_000_000_000, [0], [float("nan")])
    frame = wire.Frame(1, "h", "a", "01JD3ZKQ5V8W2M4N6P7R9S0T1X", 1, 1_795_284_000_000_000, series=[series])
    with pytest.raises(Poison, match=r"x\[0\] is null but its quality is good"):
        wire.decode_frame(wire.encode(frame))


@pytest.mark.parametrize(
    ("mark", "quality", "reason"),
    [
        (0, Quality.GOOD, None),
        (1, Quality.UNCERTAIN, None),
        (2, Quality.BAD, None),
        ((1, "drifting"), Quality.UNCERTAIN, "drifting"),
        ((2, ""), Quality.BAD, ""),
    ],
)
def test_mark_splits_into_quality_and_reason(mark: wire.QualityMark, quality: Quality, reason: str | None) -> None:
    assert wire.quality_of(mark) == (quality, reason)


def test_lists_of_two_messages_are_not_the_same_list() -> None:
    first, second = (wire.Series("s", "c", wire.EARLIEST_US, [0], [1.0]) for _ in range(2))
    first.q.append(2)
    assert second.q == []
