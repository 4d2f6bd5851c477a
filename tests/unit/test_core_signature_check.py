"""Whom a signature is believed: keys, their times, and messages that share a signature."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hubwatch_core import wire
from hubwatch_core.clock import now_us
from hubwatch_core.message import Message
from hubwatch_core.signature_check import LATEST_US, SignatureCheck, Unproven, VerifyingKey
from hubwatch_core.signing import MOST_TOGETHER, NOT_SIGNED, Proof, key_name
from support.signed_agent import SignedAgent
from support.store_examples import birth, frame

HOUR_US = 3_600_000_000
WHO = ("harbour", "gate-7")
_EIGHT = [frame(seq) for seq in range(1, 9)]


@pytest.fixture
def agent() -> SignedAgent:
    return SignedAgent()


def check(agent: SignedAgent, not_before: int | None = None, not_after: int | None = None) -> SignatureCheck:
    begin = now_us() - HOUR_US if not_before is None else not_before
    key = VerifyingKey(agent.signer.public, begin, now_us() + HOUR_US if not_after is None else not_after)
    made = SignatureCheck()
    made.ring = {WHO: [key]}
    return made


def sent(agent: SignedAgent, *frames: wire.Frame) -> list[tuple[Message, wire.Frame]]:
    proofs = agent.proofs(frames)
    return [
        (Message(agent.topic("frame"), wire.encode(each), 1, False, 1, now_us(), proof=proof), each)
        for each, proof in zip(frames, proofs, strict=True)
    ]


def reasons(made: SignatureCheck, messages: list[tuple[Message, wire.Frame]]) -> list[str | None]:
    faults = [made.fault(*each) for each in messages]
    return [fault.reason if fault is not None else None for fault in faults]


def test_messages_of_one_signature_are_believed_in_any_order(agent: SignedAgent) -> None:
    messages = sent(agent, *(frame(seq) for seq in range(1, 12)))
    for order in (messages, messages[::-1], messages[3:] + messages[:3], messages * 2):
        assert set(reasons(check(agent), order)) == {None}


def test_a_forged_one_among_them_is_found_whatever_is_known_already(agent: SignedAgent) -> None:
    messages = sent(agent, *(frame(seq) for seq in range(1, 9)))
    good, content = messages[4]
    forged = replace(good, payload=good.payload.replace(b'"seq":5', b'"seq":6'))
    bad = (forged, wire.decode_frame(forged.payload))
    swapped = (replace(messages[2][0], proof=good.proof), messages[2][1])
    for before in ([], messages[:2], messages):
        made = check(agent)
        assert set(reasons(made, before)) <= {None}
        assert reasons(made, [bad, swapped]) == ["its signature does not hold: it is not what the agent signed"] * 2
        assert reasons(made, [(good, content)]) == [None]


def test_what_was_signed_together_and_comes_together_is_believed(agent: SignedAgent) -> None:
    for many in (1, 2, 3, 11, 32, MOST_TOGETHER):
        messages = sent(agent, *(frame(seq) for seq in range(1, many + 1)))
        for order in (messages, messages[::-1], messages[1:] + messages[:1]):
            made = check(agent)
            assert set(made.faults(order)) == {None}
            assert set(made.faults(order)) == {None}, "and when it comes again"
            assert set(reasons(made, order)) == {None}


def test_a_forged_one_among_those_that_come_together_costs_none_of_the_others(agent: SignedAgent) -> None:
    messages = sent(agent, *(frame(seq) for seq in range(1, 9)))
    good, _ = messages[4]
    forged = replace(good, payload=good.payload.replace(b'"seq":5', b'"seq":6'))
    bad = (forged, wire.decode_frame(forged.payload))
    stranger = SignedAgent()
    for batch in (
        [*messages[:4], bad, *messages[5:]],
        [*messages, bad],
        [bad, *messages],
        [*messages[:7], bad],
        [*messages, *sent(stranger, frame(9), frame(10))],
    ):
        faults = check(agent).faults(batch)
        assert [fault is None for fault in faults] == [each in messages for each in batch]


def test_a_signature_that_is_another_s_proves_nothing_however_whole_its_messages_are(agent: SignedAgent) -> None:
    stranger = SignedAgent()
    theirs = [replace(message, proof=_under_the_name_of(agent, message)) for message, _ in sent(stranger, *_EIGHT)]
    faults = check(agent).faults([(message, content) for message, content in zip(theirs, _EIGHT, strict=True)])
    assert [fault.reason if fault else None for fault in faults] == [NOT_SIGNED] * 8


def test_none_is_believed_whose_own_proof_would_convince_nobody(agent: SignedAgent) -> None:
    messages = sent(agent, *_EIGHT)
    shorn = [(replace(message, proof=(message.proof or "")[:104]), content) for message, content in messages]
    assert None not in check(agent).faults(shorn)
    first = [(replace(messages[0][0], proof=(messages[0][0].proof or "") + "AAAA"), messages[0][1]), *messages[1:]]
    faults = check(agent).faults(first)
    assert faults[0] is not None
    assert set(faults[1:]) == {None}


def test_proofs_that_begin_alike_and_are_of_another_tree_prove_nothing(agent: SignedAgent) -> None:
    """A message whose proof differs from one beside it in its last characters only is proven or not for itself."""
    messages = sent(agent, *_EIGHT)
    own = [Proof.parsed(message.proof or "") for message, _ in messages]
    last = own[3].signature[-1]
    strange = [
        own[3]._replace(together=9),
        own[3]._replace(together=4),
        own[3]._replace(place=7),
        own[3]._replace(signature=own[3].signature[:-1] + bytes([last ^ 1])),
    ]
    texts = [each.text for each in strange]
    texts += [texts[0][:-1] + "!", (messages[3][0].proof or "")[:100] + "A!AA", (messages[3][0].proof or "")[:98]]
    texts += [(messages[3][0].proof or "")[:103] + "B" + own[3].tail, (messages[3][0].proof or "") + "A" * 400]
    for text in texts:
        bad = (replace(messages[3][0], proof=text), messages[3][1])
        for batch in ([*messages, bad], [bad, *messages], [*messages[:3], bad, *messages[4:]], [messages[0], bad, bad]):
            faults = check(agent).faults(batch)
            assert [fault is None for fault in faults] == [each in messages for each in batch], text


def _under_the_name_of(agent: SignedAgent, message: Message) -> str:
    return Proof.parsed(message.proof or "")._replace(key=key_name(agent.signer.public)).text


def test_a_forged_one_makes_nothing_known(agent: SignedAgent) -> None:
    stranger = SignedAgent()
    made = check(agent)
    theirs = sent(stranger, frame(1), frame(2))
    proof = agent.proofs([frame(1)])[0]
    assert reasons(made, [(replace(message, proof=proof), content) for message, content in theirs]) != [None, None]
    assert None not in reasons(made, theirs)


def test_a_birth_is_signed_like_a_frame(agent: SignedAgent) -> None:
    said = birth()
    message = Message(agent.topic("birth"), wire.encode(said), 1, True, 1, now_us(), proof=agent.proofs([said])[0])
    assert check(agent).fault(message, said) is None
    assert check(agent).fault(replace(message, topic=agent.topic("frame")), said) is not None


def test_without_a_key_it_is_said_that_newer_ones_may_tell(agent: SignedAgent) -> None:
    (one,) = sent(agent, frame(1))
    made = SignatureCheck()
    fault = made.fault(*one)
    assert fault is not None
    assert fault.unknown_key
    assert made.fault(replace(one[0], proof=None), one[1]) == Unproven("it is not signed")


def test_two_keys_are_good_during_a_renewal(agent: SignedAgent) -> None:
    renewed = SignedAgent()
    made = check(agent)
    made.ring = {WHO: [*made.ring[WHO], VerifyingKey(renewed.signer.public, 0, 2**62)]}
    assert reasons(made, [*sent(agent, frame(1)), *sent(renewed, frame(2))]) == [None, None]


def test_a_revoked_key_counts_for_nothing_from_the_next_message_on(agent: SignedAgent) -> None:
    made = check(agent)
    messages = sent(agent, frame(1), frame(2))
    assert reasons(made, messages[:1]) == [None]
    made.ring = {WHO: [made.ring[WHO][0]._replace(revoked=now_us())]}
    assert reasons(made, messages) == ["its key is revoked"] * 2


def test_what_counts_is_when_it_was_signed(agent: SignedAgent) -> None:
    now = now_us()
    assert reasons(check(agent, not_after=now - 60_000_000), sent(agent, frame(1))) == [
        "its key had ended when it was sent"
    ]
    assert reasons(check(agent, not_before=now + HOUR_US), sent(agent, frame(1))) == ["it is older than its key"]
    waited = sent(agent, frame(1, sent=now - HOUR_US))
    assert reasons(check(agent, not_after=now - 60_000_000, not_before=0), waited) == [None]
    ages = [(replace(message, received=now + LATEST_US + HOUR_US), content) for message, content in waited]
    assert reasons(check(agent, not_after=now, not_before=0), ages) == ["its key ended long ago"]
