"""What a collector answers an agent: that it has heard a roll call, and which frames are stored.

Topic `hubwatch/rollcall/{hub}/{agent}/answer`, JSON. An agent keeps every frame until an answer names it
(docs/decisions/0045). `tests/cases/wire/answers/` has the bytes.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

import msgspec

from hubwatch_core.errors import Poison
from hubwatch_core.ids import ULID_PATTERN
from hubwatch_core.plain_text import one_line
from hubwatch_core.wire import Id, Seq, Ulid

MAX_ANSWER_BYTES = 64 * 1024
MAX_RANGES = 500
"""Of one answer; what does not fit goes into the next."""
_MAX_REASON = 300


class StoredRange(msgspec.Struct, frozen=True, array_like=True):
    """Frames `first` to `last` of an epoch are in the database, as readings or as dead letters."""

    epoch: Ulid
    first: Seq
    last: Seq


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """A collector's answer to one agent; `nonce` is that of the roll call it has heard, where it answers one."""

    v: Literal[1]
    hub: Id
    agent: Id
    nonce: Ulid | None = None
    stored: Annotated[list[StoredRange], msgspec.Meta(max_length=MAX_RANGES)] = []


_encoder = msgspec.json.Encoder()
_answer = msgspec.json.Decoder(Answer)
_NONCE = re.compile(ULID_PATTERN.encode())


def encode_answer(answer: Answer) -> bytes:
    """Encode an answer."""
    return _encoder.encode(answer)


def decode_answer(payload: bytes, hub: str, agent: str) -> Answer:
    """Decode and check an answer to an agent; raises Poison with the reason."""
    if len(payload) > MAX_ANSWER_BYTES:
        raise Poison(f"answer of {len(payload)} bytes is over the limit of {MAX_ANSWER_BYTES}")
    try:
        answer = _answer.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Poison(one_line(str(error)[:_MAX_REASON])) from None
    if (answer.hub, answer.agent) != (hub, agent):
        raise Poison(f"is for {answer.hub}/{answer.agent}, not for {hub}/{agent}")
    return answer


def nonce_of(payload: bytes) -> str | None:
    """Return the nonce that a roll call carries; None for one of an agent that asks for no answer."""
    return payload.decode() if _NONCE.fullmatch(payload) else None
