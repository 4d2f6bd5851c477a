"""Only what an agent has signed is stored as its word: over MQTT 5, MQTT 3.1.1 and JetStream, with a real database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from typer.testing import CliRunner

from hubwatch_agents.settings import AgentSettings
from hubwatch_agents.uplink.frame_store import FrameStore
from hubwatch_agents.uplink.frames import Batch
from hubwatch_agents.uplink.publisher import Publisher
from hubwatch_core import wire
from hubwatch_core.clock import now_us
from hubwatch_core.config import MqttSection
from hubwatch_core.health import Health
from hubwatch_core.mqtt import MqttLink, MqttSession
from hubwatch_ops.database import ledger
from hubwatch_store.devices import keys
from support.eventually import eventually
from support.jetstream_agents import mqtt_of
from support.jetstream_chaos import settings_on
from support.own_mosquitto import OwnMosquitto
from support.own_nats import OwnNats
from support.signed_agent import SignedAgent
from support.store_collector import running_collector, settings_for
from support.store_examples import OTHER_EPOCH, birth, frame, one, rows

MINUTE_US = 60_000_000
LONG_S = 60.0


@pytest.fixture
def dsn(migrated_plain_dsn: str) -> str:
    return migrated_plain_dsn


@pytest.fixture
def address(own_mosquitto: OwnMosquitto) -> tuple[str, int]:
    return own_mosquitto.host, own_mosquitto.port


@pytest.fixture
def agent(dsn: str) -> SignedAgent:
    made = SignedAgent()
    made.enrol(dsn)
    return made


@asynccontextmanager
async def linked(settings: MqttSection, name: str = "agent-test") -> AsyncIterator[MqttLink]:
    made: asyncio.Future[MqttLink] = asyncio.get_running_loop().create_future()
    done = asyncio.Event()

    async def use(link: MqttLink) -> None:
        made.set_result(link)
        await done.wait()

    task = asyncio.create_task(MqttSession(settings, client_id=name).run(use))
    try:
        yield await made
    finally:
        done.set()
        await task


def at(address: tuple[str, int], protocol: Literal["auto", "5", "3.1.1"] = "auto") -> MqttSection:
    return MqttSection(host=address[0], port=address[1], protocol=protocol)


def seqs(dsn: str) -> list[int]:
    return [seq for (seq,) in rows(dsn, "SELECT seq FROM frames ORDER BY seq")]


def letters(dsn: str) -> list[tuple[str, str]]:
    return rows(dsn, "SELECT kind, reason FROM dead_letters ORDER BY id")


def told(dsn: str) -> list[str]:
    return [kind for (kind,) in rows(dsn, "SELECT type FROM detections ORDER BY detected")]


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_what_is_signed_is_stored(
    protocol: Literal["5", "3.1.1"], address: tuple[str, int], dsn: str, agent: SignedAgent
) -> None:
    agent.mixed = True
    settings = settings_for(address, dsn, signatures="require")
    async with running_collector(settings), linked(at(address, protocol)) as link:
        await agent.send(link, birth(), *(frame(seq) for seq in range(1, 8)))
        await agent.send(link, frame(8))
        await eventually(lambda: seqs(dsn) == list(range(1, 9)), LONG_S)
        assert one(dsn, "SELECT count(*) FROM sensors") == 1
        assert letters(dsn) == []


async def test_whatever_is_forged_is_refused_kept_and_told_once(
    address: tuple[str, int], dsn: str, agent: SignedAgent
) -> None:
    stranger, other = SignedAgent(), SignedAgent(agent="gate-8")
    other.enrol(dsn)
    good = frame(1)
    proof = agent.proofs([good])[0]
    settings = settings_for(address, dsn, signatures="require")
    async with running_collector(settings), linked(at(address)) as link:
        await agent.send(link, birth())
        await link.publish(agent.topic("frame"), wire.encode(good))
        await stranger.send(link, frame(2))
        other.agent = agent.agent  # signs for another with a key that is good for itself
        await other.send(link, frame(3))
        await link.publish(agent.topic("frame"), wire.encode(good).replace(b'"seq":1', b'"seq":4'), proof=proof)
        await link.publish(agent.topic("frame"), wire.encode(good), proof="nonsense")
        await stranger.send(link, birth(inventory=[]))
        await eventually(lambda: len(letters(dsn)) == 6, LONG_S)
        await agent.send(link, good)
        await eventually(lambda: seqs(dsn) == [1], LONG_S)
        assert {kind for kind, _ in letters(dsn)} == {"forged"}
        assert sorted({reason for _, reason in letters(dsn)}) == [
            "it is not signed",
            "it is signed with a key that is none of this agent's",
            "its signature cannot be read",
            "its signature does not hold: it is not what the agent signed",
        ]
        assert told(dsn) == ["integrity.frame_forged"]
        assert one(dsn, "SELECT count FROM intake_finding") == 6
        assert one(dsn, "SELECT count(*) FROM sensors") == 1, "the forged birth has taken nothing away"
        assert one(dsn, "SELECT count(*) FROM dead_letters WHERE seq IS NOT NULL") == 0, "no agent is told it is kept"


async def test_a_dead_letter_keeps_the_signature(address: tuple[str, int], dsn: str) -> None:
    late = SignedAgent()
    settings = settings_for(address, dsn, signatures="require")
    async with running_collector(settings), linked(at(address)) as link:
        await late.send(link, frame(1))
        await eventually(lambda: len(letters(dsn)) == 1, LONG_S)
    kept = one(dsn, "SELECT payload FROM dead_letters")
    assert kept.startswith(b"hubwatch-signed " + late.proofs([frame(1)])[0][:10].encode()), kept[:60]


async def test_a_replayed_frame_is_told_and_changes_nothing(
    address: tuple[str, int], dsn: str, agent: SignedAgent
) -> None:
    old = frame(1, sent=now_us() - 10 * MINUTE_US)
    settings = settings_for(address, dsn, signatures="require")
    async with running_collector(settings), linked(at(address)) as link:
        await agent.send(link, birth(), old)
        await agent.send(link, frame(2))
        await agent.send(link, frame(2))
        await eventually(lambda: seqs(dsn) == [1, 2], LONG_S)
        assert letters(dsn) == [], "an agent may send twice what it does not know to be stored"
        await agent.send(link, old)
        await agent.send(link, frame(3))
        await eventually(lambda: [kind for kind, _ in letters(dsn)] == ["replayed"], LONG_S)
        assert told(dsn) == ["integrity.frame_replayed"]
        await eventually(lambda: seqs(dsn) == [1, 2, 3], LONG_S)
        assert one(dsn, "SELECT count(*) FROM readings") == 6


async def test_an_older_birth_that_comes_again_is_refused(
    address: tuple[str, int], dsn: str, agent: SignedAgent
) -> None:
    first, second = birth(sent=now_us() - MINUTE_US), birth()
    settings = settings_for(address, dsn, signatures="require")
    async with running_collector(settings), linked(at(address)) as link:
        await agent.send(link, first)
        await agent.send(link, second)
        await agent.send(link, first)
        await eventually(lambda: [kind for kind, _ in letters(dsn)] == ["replayed"], LONG_S)
        assert told(dsn) == ["integrity.frame_replayed"]


async def test_the_epoch_of_another_agent_is_refused(address: tuple[str, int], dsn: str, agent: SignedAgent) -> None:
    other = SignedAgent(agent="gate-8")
    other.enrol(dsn)
    settings = settings_for(address, dsn, signatures="require")
    async with running_collector(settings), linked(at(address)) as link:
        await agent.send(link, birth(), frame(1))
        await eventually(lambda: seqs(dsn) == [1], LONG_S)
        await other.send(link, birth(agent="gate-8", epoch=OTHER_EPOCH), frame(9, agent="gate-8"))
        await eventually(lambda: [kind for kind, _ in letters(dsn)] == ["forged"], LONG_S)
        assert "is that of agent gate-7" in letters(dsn)[0][1]
        assert seqs(dsn) == [1]


async def test_a_revoked_key_is_out_once_the_keys_are_read_again(
    address: tuple[str, int], dsn: str, agent: SignedAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "KEYS_EVERY_S", 1.0)
    settings = settings_for(address, dsn, signatures="require")
    async with running_collector(settings), linked(at(address)) as link:
        await agent.send(link, birth(), frame(1))
        await eventually(lambda: seqs(dsn) == [1], LONG_S)
        agent.revoke(dsn)
        await asyncio.sleep(keys.KEYS_EVERY_S)
        await agent.send(link, frame(2))
        await eventually(lambda: letters(dsn) == [("forged", "its key is revoked")], LONG_S)
        assert seqs(dsn) == [1]


async def test_an_agent_that_is_enrolled_now_is_believed_at_once(address: tuple[str, int], dsn: str) -> None:
    agent = SignedAgent()
    settings = settings_for(address, dsn, signatures="require")
    async with running_collector(settings), linked(at(address)) as link:
        await agent.send(link, frame(1))
        await eventually(lambda: len(letters(dsn)) == 1, LONG_S)
        agent.enrol(dsn)
        # No second one: what is signed with a key that is not known makes the collector read that key.
        await agent.send(link, frame(1))
        await eventually(lambda: seqs(dsn) == [1], LONG_S)


async def test_with_report_it_is_stored_and_told(address: tuple[str, int], dsn: str) -> None:
    settings = settings_for(address, dsn, signatures="report")
    async with running_collector(settings), linked(at(address)) as link:
        await link.publish("hubwatch/1/harbour/gate-7/birth", wire.encode(birth()), retain=True)
        await link.publish("hubwatch/1/harbour/gate-7/frame", wire.encode(frame(1)))
        await eventually(lambda: seqs(dsn) == [1] and len(letters(dsn)) == 2, LONG_S)
        assert told(dsn) == ["integrity.frame_forged"]


async def test_what_was_signed_is_proven_offline(
    address: tuple[str, int], dsn: str, agent: SignedAgent, tmp_path: Path
) -> None:
    agent.mixed = True
    settings = settings_for(address, dsn, signatures="require", keep_signed=True)
    async with running_collector(settings), linked(at(address)) as link:
        await agent.send(link, birth(), *(frame(seq) for seq in range(1, 30)))
        await eventually(lambda: seqs(dsn) == list(range(1, 30)), LONG_S)
    key, file = tmp_path / "agent.pem", tmp_path / "frames.ndjson"
    key.write_bytes(agent.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    asked = ["prove", "harbour/gate-7", "-o", str(file), "--from", "2020-01-01", "--to", "2090-01-01", "--dsn", dsn]
    assert CliRunner().invoke(ledger.app, asked).exit_code == 0
    checked = CliRunner().invoke(ledger.app, ["verify", str(file), "--key", str(key)])
    assert checked.exit_code == 0, checked.output
    assert "29 frames, 1 to 29" in checked.output
    kept = file.read_bytes().splitlines()
    file.write_bytes(b"\n".join(kept[:10] + kept[11:]))
    checked = CliRunner().invoke(ledger.app, ["verify", str(file), "--key", str(key)])
    assert checked.exit_code == 1
    assert "1 missing" in checked.output


async def test_over_jetstream_the_same_holds(own_nats: OwnNats, dsn: str, agent: SignedAgent) -> None:
    plain = settings_on([own_nats], dsn)
    settings = plain.model_copy(update={"intake": plain.intake.model_copy(update={"signatures": "require"})})
    old = frame(1, sent=now_us() - 10 * MINUTE_US)
    async with running_collector(settings), linked(mqtt_of([own_nats])) as link:
        await agent.send(link, birth(), old, frame(2), frame(3))
        await link.publish(agent.topic("frame"), wire.encode(frame(4)))
        await agent.send(link, old)
        await eventually(lambda: seqs(dsn) == [1, 2, 3] and len(letters(dsn)) == 2, LONG_S)
        assert sorted(kind for kind, _ in letters(dsn)) == ["forged", "replayed"]
        assert sorted(told(dsn)) == ["integrity.frame_forged", "integrity.frame_replayed"]


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_an_agent_with_a_key_signs_live_frames_backlog_and_birth(
    protocol: str, address: tuple[str, int], dsn: str, agent: SignedAgent, tmp_path: Path
) -> None:
    host, port = address
    settings = AgentSettings.model_validate(
        {
            "hub": "harbour",
            "agent": "gate-7",
            "signing_key_file": agent.key_file(tmp_path),
            "mqtt": {"host": host, "port": port, "protocol": protocol, "max_reconnect_s": 0.3},
            "spool": {"directory": tmp_path / "spool"},
        }
    )
    (tmp_path / "spool").mkdir()
    store, stop = FrameStore(settings, Health()), asyncio.Event()
    for _ in range(40):
        store.keep(batch())
    epoch = store.spool.epoch
    publisher = Publisher(settings, store, lambda: wire.encode(birth(epoch=epoch)), Health())
    async with running_collector(settings_for(address, dsn, signatures="require")):
        running = asyncio.create_task(publisher.run(stop))
        try:
            for _ in range(10):
                publisher.offer(store.keep(batch()))
            await eventually(lambda: seqs(dsn) == list(range(1, 51)), LONG_S)
            await eventually(lambda: store.spool.waiting == 0, LONG_S)
        finally:
            stop.set()
            await running
            store.close()
    assert letters(dsn) == []
    assert one(dsn, "SELECT count(*) FROM frames WHERE late") == 40


def batch() -> Batch:
    """One event in a frame."""
    return Batch([], [wire.Event(sensor="door-3", t=now_us(), type="door.opened")], 0, late=False)
