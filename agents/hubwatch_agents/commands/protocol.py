"""What goes over the control socket: one line with a request, one line with its answer, both JSON; and how a
command can end. Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal, NamedTuple

import msgspec

from hubwatch_core.ids import ID_PATTERN

MAX_LINE = 4096
"""Bytes of a request, its end included; the longest one that makes sense has under 1000."""
MAX_NOTE = 200

Name = Annotated[str, msgspec.Meta(pattern=ID_PATTERN, max_length=63)]


class CommandResult(StrEnum):
    """What can become of a request."""

    DONE = "done"
    """The device, or the broker of an MQTT device, has taken it, and what is read back agrees."""
    REFUSED = "refused"
    """Not permitted; nothing was sent."""
    FAILED = "failed"
    """Not sent, refused by the device, or what is read back differs."""
    UNKNOWN = "unknown"
    """Sent, and nobody knows whether it took effect. Never sent again by itself."""


class CommandOutcome(NamedTuple):
    """A result and, in one sentence, why or with what."""

    result: CommandResult
    text: str


class CommandRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A command somebody asks for; `shown` is the digest of what that person has seen of it."""

    v: Literal[1]
    sensor: Name
    command: Name
    shown: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
    note: Annotated[str, msgspec.Meta(max_length=MAX_NOTE)] = ""


class CommandAnswer(msgspec.Struct, frozen=True):
    """What became of it."""

    v: Literal[1]
    result: CommandResult
    text: str

    @property
    def outcome(self) -> CommandOutcome:
        """Return it as an outcome."""
        return CommandOutcome(self.result, self.text)


class MalformedRequest(Exception):
    """A line that is no request; `reason` says why."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


_requests = msgspec.json.Decoder(CommandRequest)
_answers = msgspec.json.Decoder(CommandAnswer)
_encoder = msgspec.json.Encoder()


def decode_request(line: bytes | MalformedRequest) -> CommandRequest:
    """Decode and check a request. Raises MalformedRequest."""
    if isinstance(line, MalformedRequest):
        raise line
    if not line.endswith(b"\n"):
        raise MalformedRequest("a request ends with a line feed")
    if len(line) > MAX_LINE:
        raise MalformedRequest(f"a request has at most {MAX_LINE} bytes")
    try:
        line.decode()  # msgspec looks only at the texts it keeps
        request = _requests.decode(line)
    except UnicodeDecodeError as error:
        raise MalformedRequest(f"not UTF-8 text (byte {error.start})") from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise MalformedRequest(str(error)) from None
    if not request.note.isprintable():
        raise MalformedRequest("a note has no control characters")
    return request


def decode_answer(line: bytes) -> CommandAnswer | None:
    """Decode an answer, None for anything else."""
    try:
        return _answers.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def encode(message: CommandRequest | CommandAnswer) -> bytes:
    """Encode as one line."""
    return _encoder.encode(message) + b"\n"


def answer(outcome: CommandOutcome) -> bytes:
    """Encode an outcome as one line."""
    return encode(CommandAnswer(1, outcome.result, outcome.text))
