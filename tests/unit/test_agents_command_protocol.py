"""The lines of the control socket: what is a request, and what is not."""

from __future__ import annotations

import json

import pytest

from hubwatch_agents.commands.protocol import (
    MAX_LINE,
    CommandOutcome,
    CommandRequest,
    CommandResult,
    MalformedRequest,
    answer,
    decode_answer,
    decode_request,
    encode,
)

GOOD = {"v": 1, "sensor": "gas-1", "command": "reset", "shown": "ab" * 32, "note": "gas is gone"}


def line(**change: object) -> bytes:
    return json.dumps({key: value for key, value in (GOOD | change).items() if value is not None}).encode() + b"\n"


def test_request_comes_out_as_it_went_in() -> None:
    request = CommandRequest(1, "gas-1", "reset", "ab" * 32, 'quoted "so", Ω')
    assert decode_request(encode(request)) == request
    assert decode_request(line(note=None)).note == ""


def test_golden_line_of_version_1() -> None:
    assert encode(CommandRequest(1, "gas-1", "reset", "ab" * 32, "n")) == (
        b'{"v":1,"sensor":"gas-1","command":"reset","shown":"' + b"ab" * 32 + b'","note":"n"}\n'
    )
    assert answer(CommandOutcome(CommandResult.DONE, "taken")) == b'{"v":1,"result":"done","text":"taken"}\n'


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (b"", "ends with a line feed"),
        (line()[:-1], "ends with a line feed"),
        (line()[:20] + b"\n", "malformed"),
        (b"\n", "truncated"),
        (b"[]\n", "Expected `object`"),
        (line() + b"x\n", "trailing"),
        (line(v=2), "$.v"),
        (line(sensor="Gas 1"), "$.sensor"),
        (line(sensor="gas-1\n"), "$.sensor"),
        (line(sensor="x" * 64), "$.sensor"),
        (line(command=None), "command"),
        (line(command=5), "$.command"),
        (line(shown="00"), "$.shown"),
        (line(shown="AB" * 32), "$.shown"),
        (line(note="x" * 201), "$.note"),
        (line(note="red \x1b[31m"), "control characters"),
        (line(note="two\nlines"), "control characters"),
        (line(note="nul \0"), "control characters"),
        (line(note="\ud800"), ""),
        (line(values=[1, 2]), "unknown field `values`"),
        (line().replace(b"gas is", b"gas \xff is"), "not UTF-8"),
        (b'{"v":1,"x":' + b"[" * 4000 + b"\n", ""),
        (b" " * MAX_LINE + b"\n", "at most"),
    ],
)
def test_what_is_no_request_is_told_why(bad: bytes, why: str) -> None:
    with pytest.raises(MalformedRequest) as caught:
        decode_request(bad)
    assert why in caught.value.reason
    assert "\n" not in caught.value.reason


def test_answer_comes_out_as_it_went_in_and_anything_else_is_none() -> None:
    outcome = CommandOutcome(CommandResult.UNKNOWN, "no answer within 1 s")
    decoded = decode_answer(answer(outcome))
    assert decoded is not None
    assert decoded.outcome == outcome
    for bad in (b"", b"\xff\n", b"{}\n", b'{"v":1,"result":"perhaps","text":""}\n', b"[" * 9000):
        assert decode_answer(bad) is None
