"""Sources that say "no value" in their status words, and states that are codes, not bits."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from hubwatch_agents.drivers.modbus.raw import Image, Raw, Unread, reader
from hubwatch_agents.profiles.modbus_schema import RegisterSource


def read(source: RegisterSource, *words: int) -> Raw:
    image = Image()
    image.put(source.function, source.address, list(words))
    return reader(source)(image)


@pytest.mark.parametrize(("word", "state"), [(3, 1), (2, 0), (0, 0), (1, 0), (7, 0)])
def test_code_is_a_state_only_when_it_is_one_of_those_named(word: int, state: int) -> None:
    assert read(RegisterSource(address=0, one_of=(3,)), word) == state
    assert read(RegisterSource(address=0, one_of=(3,), invert=True), word) == 1 - state


def test_code_is_compared_after_mask_and_shift() -> None:
    source = RegisterSource(address=0, mask=0x00F0, shift=4, one_of=(1, 9))
    assert read(source, 0xAB95) == 1
    assert read(source, 0x9111) == 1
    assert read(source, 0x1929) == 0


def test_absent_word_has_no_bit_set_and_none_clear() -> None:
    source = RegisterSource(address=0x1020, any_of_bits=(5,), absent=(0xFFFF,))
    assert read(source, 0xFFDF) == 0
    assert read(source, 0x0020) == 1
    with pytest.raises(Unread, match="has no value"):
        read(source, 0xFFFF)


def test_absent_is_the_whole_value_as_its_type_reads_it() -> None:
    signed = RegisterSource(address=0, type="i32", absent=(-1,))
    with pytest.raises(Unread):
        read(signed, 0xFFFF, 0xFFFF)
    assert read(signed, 0x0000, 0xFFFF) == 65535


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"type": "f32", "one_of": (1,)}, "no bits to test"),
        ({"any_of_bits": (1,), "one_of": (1,)}, "give one of them"),
    ],
)
def test_codes_that_make_no_sense_are_refused(wrong: dict[str, object], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        RegisterSource.model_validate({"address": 0, **wrong})
