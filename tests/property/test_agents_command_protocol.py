"""Whatever bytes come over the control socket, they are a request or are refused with one line of reason."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hubwatch_agents.commands.protocol import CommandRequest, MalformedRequest, decode_answer, decode_request, encode
from hubwatch_core import wire

names = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,62}", fullmatch=True)
digests = st.from_regex(r"[0-9a-f]{64}", fullmatch=True)
notes = st.text(max_size=200).filter(str.isprintable)
requests = st.builds(CommandRequest, st.just(1), names, names, digests, notes)


def heard(line: bytes) -> CommandRequest | None:
    try:
        return decode_request(line)
    except MalformedRequest:
        return None


@given(requests)
def test_every_request_comes_out_as_it_went_in_and_its_words_fit_an_event(request: CommandRequest) -> None:
    assert heard(encode(request)) == request
    event = wire.Event("rig", 1_795_284_000_000_000, "command.refused", None, {"note": request.note})
    frame = wire.Frame(1, "h", "a", "01JD3ZKQ5V8W2M4N6P7R9S0T1X", 1, 1_795_284_000_000_000, events=[event])
    assert wire.decode_frame(wire.encode(frame)).events[0].attrs == {"note": request.note}


@given(st.binary(max_size=300))
def test_bytes_are_refused_or_a_request(line: bytes) -> None:
    heard(line)
    heard(line + b"\n")
    decode_answer(line)


@given(requests, st.data())
def test_request_with_damage_is_refused_or_another_request_of_the_same_form(
    request: CommandRequest, data: st.DataObject
) -> None:
    line = bytearray(encode(request))
    place = data.draw(st.integers(0, len(line) - 1))
    line[place] = data.draw(st.integers(0, 255))
    found = heard(bytes(line))
    if found is not None:
        assert decode_request(encode(found)) == found
        assert found.note.isprintable()
