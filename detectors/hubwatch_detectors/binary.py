"""How memory is kept: MessagePack after one byte that says the form, so that a later form can be told from it.

Former versions wrote JSON. It is not read: what they had learned is learned anew.
"""

from __future__ import annotations

import zlib
from typing import Any, TypeVar

import msgspec

from hubwatch_core.errors import Poison

FORM, PACKED = b"\x01", b"\x02"
"""As it is, and compressed."""
SMALL = 200
"""Bytes that are not worth compressing."""

_encoder = msgspec.msgpack.Encoder()

Memory = TypeVar("Memory")


def encode(memory: Any) -> bytes:
    """Return the bytes of a memory."""
    return FORM + _encoder.encode(memory)


def packed(state: bytes) -> bytes:
    """Return a state as small as it is to be stored."""
    if len(state) < SMALL or state[:1] != FORM:
        return state
    return PACKED + zlib.compress(memoryview(state)[1:], 1)


def decode(state: bytes, kind: type[Memory]) -> Memory:
    """Return the memory that `encode` was given; raises Poison when it cannot be read."""
    try:
        if state[:1] == PACKED:
            state = FORM + zlib.decompress(memoryview(state)[1:])
        if state[:1] != FORM:
            raise Poison(f"state cannot be read: its form {state[:1].hex() or 'of no byte'} is not known")
        return msgspec.msgpack.decode(memoryview(state)[1:], type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, zlib.error) as error:
        raise Poison(f"state cannot be read: {error}") from None
