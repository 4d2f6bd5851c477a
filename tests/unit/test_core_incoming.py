from __future__ import annotations

import pytest

from hubwatch_core import wire
from hubwatch_core.errors import Poison
from hubwatch_core.ids import new_ulid
from hubwatch_core.incoming import AgentState, read
from hubwatch_core.topics import Leaf, Topic

T = 1_795_284_000_000_000
FRAME = wire.Frame(v=1, hub="rotterdam", agent="gate-7", epoch=new_ulid(), seq=1, sent=T)
BIRTH = wire.Birth(1, "rotterdam", "gate-7", new_ulid(), T, "hubwatch 0.1.0", "sha256:0", [])


def topic(leaf: Leaf, hub: str = "rotterdam", agent: str = "gate-7") -> Topic:
    return Topic(hub, agent, leaf)


def test_each_leaf_is_read_as_what_it_carries() -> None:
    assert read(topic(Leaf.FRAME), wire.encode(FRAME)) == FRAME
    assert read(topic(Leaf.BIRTH), wire.encode(BIRTH)) == BIRTH
    assert read(topic(Leaf.STATE), wire.ONLINE) is AgentState.ONLINE
    assert read(topic(Leaf.STATE), wire.OFFLINE) is AgentState.OFFLINE


@pytest.mark.parametrize("leaf", [Leaf.FRAME, Leaf.BIRTH])
@pytest.mark.parametrize(("hub", "agent"), [("antwerp", "gate-7"), ("rotterdam", "gate-8")])
def test_message_on_the_topic_of_another_agent_is_forged(leaf: Leaf, hub: str, agent: str) -> None:
    payload = wire.encode(FRAME if leaf is Leaf.FRAME else BIRTH)
    with pytest.raises(Poison, match=f"topic of {hub}/{agent} but says rotterdam/gate-7"):
        read(topic(leaf, hub, agent), payload)


@pytest.mark.parametrize("payload", [b"", b"ONLINE", b"online\n", b"\xff", b"0"])
def test_any_other_state_is_poison_and_not_online(payload: bytes) -> None:
    with pytest.raises(Poison, match="neither online nor offline"):
        read(topic(Leaf.STATE), payload)


def test_birth_on_the_frame_topic_is_poison() -> None:
    with pytest.raises(Poison):
        read(topic(Leaf.FRAME), wire.encode(BIRTH))
