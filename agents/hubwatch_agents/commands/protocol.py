"""What goes over the control socket: one line with a request, one line with its answer, both JSON. Pure."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from hubwatch_agents.commands.outcome import Outcome, Result
from hubwatch_core.ids import ID_PATTERN

MAX_LINE = 4096
"""Bytes of a request, its end included; the longest one that makes sense has under 1000."""
MAX_NOTE = 200

Name = Annotated[str, msgspec.Meta(pattern=ID_PATTERN, max_length=63)]


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A command somebody asks for; `shown` is the digest of what that person has seen of it."""

    v: Literal[1]
    sensor: Name
    command: Name
    shown: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
    note: Annotated[str, msgspec.Meta(max_length=MAX_NOTE)] = ""


class Answer(msgspec.Struct, frozen=True):
    """What became of it."""

    v: Literal[1]
    result: Result
    text: str

    @property
    def outcome(self) -> Outcome:
        """Give it as an outcome."""
        return Outcome(self.result, self.text)


class Malformed(Exception):
    """A line that is no request; `reason` says why."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


_requests = msgspec.json.Decoder(Request)
_answers = msgspec.json.Decoder(Answer)
_encoder = msgspec.json.Encoder()


def decode_request(line: bytes | Malformed) -> Request:
    """Decode and check a request. Raises Malformed."""
    if isinstance(line, Malformed):
        raise line
    if not line.endswith(b"\n"):
        raise Malformed("a request ends with a line feed")
    if len(line) > MAX_LINE:
        raise Malformed(f"a request has at most {MAX_LINE} bytes")
    try:
        line.decode()  # msgspec looks only at the texts it keeps
        request = _requests.decode(line)
    except UnicodeDecodeError as error:
        raise Malformed(f"not UTF-8 text (byte {error.start})") from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise Malformed(str(error)) from None
    if not request.note.isprintable():
        raise Malformed("a note has no control characters")
    return request


def decode_answer(line: bytes) -> Answer | None:
    """Decode an answer, None for anything else."""
    try:
        return _answers.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def encode(message: Request | Answer) -> bytes:
    """Encode as one line."""
    return _encoder.encode(message) + b"\n"


def answer(outcome: Outcome) -> bytes:
    """Encode an outcome as one line."""
    return encode(Answer(1, outcome.result, outcome.text))
