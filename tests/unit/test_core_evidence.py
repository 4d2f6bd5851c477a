"""What signed frames prove to somebody who has only the public key."""

from __future__ import annotations

from hubwatch_core import wire
from hubwatch_core.clock import now_us
from hubwatch_core.evidence import account, line_of
from hubwatch_core.message import Message
from support.signed_agent import SignedAgent
from support.store_examples import EPOCH, OTHER_EPOCH, event, frame


def lines(agent: SignedAgent, *frames: wire.Frame) -> list[bytes]:
    proofs = agent.proofs(frames)
    topic = agent.topic("frame")
    return [
        line_of(Message(topic, agent.encoded(each), 1, False, 0, 0, proof=proof))
        for each, proof in zip(frames, proofs, strict=True)
    ]


def test_whole_epochs_hold() -> None:
    agent = SignedAgent()
    found = account(
        [*lines(agent, *(frame(seq) for seq in range(1, 50))), *lines(agent, frame(1, epoch=OTHER_EPOCH))],
        [agent.signer.public],
    )
    assert found.holds
    assert [(each.epoch, len(each.seqs), each.missing) for each in found.epochs] == [
        (EPOCH, 49, []),
        (OTHER_EPOCH, 1, []),
    ]


def test_packed_frames_hold_beside_others_and_show_what_is_changed_in_them() -> None:
    agent = SignedAgent()
    agent.mixed = True
    kept = lines(agent, *(frame(seq) for seq in range(1, 8)))
    assert account(kept, [agent.signer.public]).holds
    assert b'"packed":' in kept[1]
    changed = kept[1].replace(kept[1][-20:-10], kept[1][-19:-9])
    assert list(account([kept[0], changed, *kept[2:]], [agent.signer.public]).faults) == [2]


def test_line_that_shows_another_text_beside_what_was_signed_does_not_hold() -> None:
    agent = SignedAgent()
    agent.mixed = True
    kept = lines(agent, *(frame(seq) for seq in range(1, 4)))
    told = kept[1].replace(b'"packed":', b'"payload":"{\\"calm\\":true}","packed":')
    assert told != kept[1]
    assert list(account([kept[0], told, kept[2]], [agent.signer.public]).faults) == [2]


def test_what_is_left_out_shows() -> None:
    agent = SignedAgent()
    kept = lines(agent, *(frame(seq) for seq in range(1, 10)))
    found = account(kept[:3] + kept[5:], [agent.signer.public])
    assert not found.holds
    assert found.epochs[0].missing == [4, 5]


def test_what_is_changed_or_of_another_does_not_hold() -> None:
    agent, stranger = SignedAgent(), SignedAgent()
    good = lines(agent, frame(1), frame(2), frame(3))
    changed = good[1].replace(b"gamma.1", b"gamma.2")
    found = account([good[0], changed, *lines(stranger, frame(2)), b"{}", b"no json"], [agent.signer.public])
    assert sorted(found.faults) == [2, 3, 4, 5]
    assert account(good, [stranger.signer.public, agent.signer.public]).holds


def test_what_the_agent_itself_gave_up_is_not_missing() -> None:
    agent = SignedAgent()
    lost = {"epoch": EPOCH, "first_seq": 2, "last_seq": 3, "readings": 1, "events": 0, "reason": "spool full"}
    told = event("agent.evicted", sensor=agent.agent, attrs=lost, t=now_us())
    assert account(lines(agent, frame(1), frame(4, events=[told])), [agent.signer.public]).holds
    other = event("agent.evicted", sensor="door-3", attrs=lost, t=now_us())
    assert not account(lines(agent, frame(1), frame(4, events=[other])), [agent.signer.public]).holds
