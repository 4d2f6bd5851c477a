"""An agent with good credentials of its own tries whatever is another's, on both brokers.

Nothing of it counts, all of it is told, and the other agent goes on.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from hubwatch_collector.service import parts
from hubwatch_collector.settings import BrokerLogSection, CollectorSettings, IntakeSection
from hubwatch_core import wire
from hubwatch_core.clock import now_us
from hubwatch_core.config import MqttSection, NatsSection, TlsSection
from hubwatch_core.process import Context
from hubwatch_core.signing import wrapped
from hubwatch_store.database import DatabaseSection
from support.certified_nats import configure_certified
from support.eventually import eventually
from support.fix_mqtt import MakeMosquitto
from support.hostile_mqtt import HostileMqtt
from support.own_nats import OwnNats, nats_program
from support.pki_folder import PkiFolder
from support.sample_mosquitto import start_sample
from support.signed_agent import SignedAgent
from support.store_examples import EPOCH, OTHER_EPOCH, birth, frame, one, rows, series

pytestmark = pytest.mark.timeout(400)

WITHIN_S = 100.0
THIEF, OWNER = "gate-7", "gate-8"
THIEFS_ID, OWNERS_ID = f"hubwatch-harbour-{THIEF}-0123456789abcdef", f"hubwatch-harbour-{OWNER}-0123456789abcdef"
TOPICS = (
    *(f"hubwatch/1/harbour/{OWNER}/{leaf}" for leaf in ("frame", "birth", "state")),
    f"hubwatch/1/antwerp/{THIEF}/frame",
    f"hubwatch/1/harbour/{THIEF}/command",
    "hubwatch/1/harbour/alarms/1",
    f"hubwatch/rollcall/harbour/{OWNER}",
    f"hubwatch/rollcall/harbour/{OWNER}/answer",
    f"hubwatch/rollcall/harbour/{THIEF}/answer",
)
PATTERNS = ("hubwatch/#", "hubwatch/1/+/+/frame", f"hubwatch/rollcall/harbour/{OWNER}/answer")
OTHERS_STATE, THIEFS_STATE = f"hubwatch/1/harbour/{OWNER}/state", f"hubwatch/1/harbour/{THIEF}/state"


@dataclass
class Hub:
    """A broker with a collector that takes from it, and two agents whose keys are known."""

    broker: str
    port: int
    dsn: str
    tls: dict[str, TlsSection]
    agents: dict[str, SignedAgent]
    made: list[HostileMqtt] = field(default_factory=list)

    def connect(self, agent: str, client_id: str, will: tuple[str, bytes] | None = None) -> HostileMqtt:
        self.made.append(HostileMqtt(self.port, self.tls[agent], client_id, will))
        return self.made[-1]

    def signed(self, agent: str, *contents: wire.Frame | wire.Birth) -> list[bytes]:
        """Return messages that are signed by an agent, whatever they say."""
        made = self.agents[agent]
        return [wrapped(wire.encode(each), proof) for each, proof in zip(contents, made.proofs(contents), strict=True)]

    def seqs(self, agent: str) -> list[int]:
        return [seq for (seq,) in rows(self.dsn, f"SELECT seq FROM frames WHERE agent = '{agent}' ORDER BY seq")]

    def kept(self) -> Counter[str]:
        """Return how many dead letters there are of each kind."""
        return Counter(kind for (kind,) in rows(self.dsn, "SELECT kind FROM dead_letters"))

    def told(self) -> dict[tuple[str, str], int]:
        """Return how often each kind of finding was counted, by whom it is told of."""
        found = rows(self.dsn, "SELECT kind, sensor, subject, count FROM intake_finding")
        return {(kind, subject or sensor): count for kind, sensor, subject, count in found}


@asynccontextmanager
async def collecting(settings: CollectorSettings) -> AsyncIterator[None]:
    """Run a whole collector, with the part that follows the broker's log."""
    context, stop = Context.make("collector"), asyncio.Event()
    tasks = [asyncio.ensure_future(part.run(stop)) for part in parts(settings, context)]
    try:
        await eventually(lambda: context.health.ok and "broker-log" in context.health.checks(), WITHIN_S)
        yield
    finally:
        stop.set()
        await asyncio.gather(*tasks)


@pytest.fixture(params=["mosquitto", "nats"])
async def hub(
    request: pytest.FixtureRequest, tmp_path: Path, make_mosquitto: MakeMosquitto, migrated_plain_dsn: str
) -> AsyncIterator[Hub]:
    pki, agents = PkiFolder(tmp_path), {name: SignedAgent(agent=name) for name in (THIEF, OWNER)}
    for each in agents.values():
        each.enrol(migrated_plain_dsn)
    tls = {name: pki.agent(f"harbour/{name}")[0] for name in agents}
    way: dict[str, Any]
    server = OwnNats("nats-1", tmp_path / "nats-1")
    if request.param == "mosquitto":
        broker = start_sample(pki, make_mosquitto, more="log_type debug\n")
        port = broker.port
        way = {"mqtt": MqttSection(host="127.0.0.1", port=port, max_reconnect_s=0.5, tls=pki.service("collector"))}
        log = BrokerLogSection(file=broker.log, hub="harbour")
    else:
        nats_program()
        configure_certified(server, pki, [f"harbour/{name}" for name in agents])
        server.start()
        server.await_healthy(size=1)
        port, collector = server.mqtt_port, pki.service("collector")
        servers = (f"tls://127.0.0.1:{server.port}",)
        way = {"nats": NatsSection(servers=servers, replicas=1, max_reconnect_s=0.5, tls=collector)}
        monitor = f"http://127.0.0.1:{server.monitor_port}"
        log = BrokerLogSection(file=server.folder / "log", hub="harbour", nats_monitor=monitor)
    intake = IntakeSection(client_id="collector", signatures="require", claims="refuse", unannounced="refuse")
    database = DatabaseSection(dsn=migrated_plain_dsn, max_retry_s=0.5)
    settings = CollectorSettings(database=database, intake=intake, broker_log=log, **way)
    try:
        async with collecting(settings):
            yield (made := Hub(request.param, port, migrated_plain_dsn, tls, agents))
        for connection in made.made:
            connection.cut()
    finally:
        server.stop()


async def test_nothing_of_another_is_an_agents_and_every_try_is_told(hub: Hub) -> None:
    owner = Owner(hub)
    await asyncio.to_thread(owner.say, "birth", birth(agent=OWNER))
    await asyncio.to_thread(owner.say, "frame", frame(1, agent=OWNER))
    await eventually(lambda: hub.seqs(OWNER) == [1], WITHIN_S)

    tried = await asyncio.to_thread(try_the_broker, hub, owner)
    await asyncio.to_thread(try_the_collector, hub)
    await asyncio.to_thread(owner.say, "frame", frame(3, agent=OWNER))

    def settled() -> bool:
        assert hub.seqs(OWNER) == [1, 2, 3]
        assert hub.kept() == {"forged": FORGED, "claimed": 2, "unannounced": 1}
        # Nobody else is told of.
        assert hub.told() == {("topic", THIEF): tried, ("claimed", THIEF): 2, ("forged", THIEF): FORGED}
        return True

    await eventually(settled, WITHIN_S)
    assert rows(hub.dsn, "SELECT DISTINCT type FROM detections ORDER BY 1") == [
        ("integrity.frame_forged",), ("integrity.sensor_claimed",), ("integrity.topic_refused",),
    ]  # fmt: skip
    assert one(hub.dsn, f"SELECT state FROM agents WHERE agent = '{OWNER}'") == "online"
    assert rows(hub.dsn, "SELECT agent FROM sensors WHERE sensor = 'rpm-2'") == [(OWNER,)]
    assert one(hub.dsn, "SELECT count(*) FROM readings") == 6, "two of each frame of the owner"
    assert rows(hub.dsn, f"SELECT seq, readings FROM frames WHERE agent = '{THIEF}' ORDER BY seq") == [(1, 0), (2, 0)]


class Owner:
    """The other agent, which goes on as if there were no thief."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.link = hub.connect(OWNER, OWNERS_ID)
        self.link.publish_and_wait(OTHERS_STATE, wire.ONLINE, retain=True)

    def say(self, leaf: str, content: wire.Frame | wire.Birth) -> None:
        (message,) = self.hub.signed(OWNER, content)
        self.link.publish_and_wait(f"hubwatch/1/harbour/{OWNER}/{leaf}", message, retain=leaf == "birth")


def try_the_broker(hub: Hub, owner: Owner) -> int:
    """Try others' topics, subscriptions, wills and client ids; gives how many tries there are to tell of."""
    thief = hub.connect(THIEF, THIEFS_ID)
    granted = [thief.subscribe(each) for each in PATTERNS]
    assert granted == [hub.broker == "mosquitto"] * len(PATTERNS), "Mosquitto grants all, and withholds what comes"
    for topic in TOPICS:
        thief.publish(topic, b"forged", retain=True)
    owner.say("frame", frame(2, agent=OWNER))
    thief.publish_and_wait(THIEFS_STATE, wire.ONLINE)
    assert thief.heard == []
    thief.cut()

    hub.connect(THIEF, THIEFS_ID, will=(OTHERS_STATE, wire.OFFLINE)).cut()

    others = (OWNERS_ID, f"harbour/{OWNER}", "collector", "hubwatch-collector")
    for client_id in others:
        thief = hub.connect(THIEF, client_id)
        thief.publish_and_wait(THIEFS_STATE, wire.ONLINE)
        thief.cut()
    if hub.broker == "nats":  # it ends the connection of the other, which comes again
        assert owner.link.ended_by_the_broker()
        owner.link = hub.connect(OWNER, OWNERS_ID)
    # Mosquitto takes the client id from the certificate and says nothing of the one that was asked for.
    return len(PATTERNS) + len(TOPICS) + 1 + (len(others) if hub.broker == "nats" else 0)


FORGED = 6


def try_the_collector(hub: Hub) -> None:
    """Say on topics of one's own, with a good signature, what is another's to say."""
    thief = hub.connect(THIEF, THIEFS_ID)
    (others,) = birth().inventory
    mine = wire.Sensor(sensor="rpm-7", kind=others.kind, zone="gate-2", channels=others.channels)
    own = {"agent": THIEF, "epoch": OTHER_EPOCH}
    signed = hub.signed(
        THIEF,
        birth(**own, inventory=[mine, others]),  # another's sensor
        frame(1, **own),
        frame(2, **own, series=[series(now_us(), [1.0], sensor="rpm-9")]),  # one that nobody has listed
        frame(5, agent=THIEF, epoch=EPOCH),  # another's epoch
        birth(agent=THIEF, epoch=EPOCH, inventory=[mine]),
        birth(agent=OWNER),  # in another's name
        frame(6, agent=OWNER),
    )
    recorded = hub.signed(OWNER, birth(agent=OWNER), frame(1, agent=OWNER))
    leaves = ("birth", "frame", "frame", "frame", "birth", "birth", "frame", "birth", "frame")
    for leaf, message in zip(leaves, [*signed, *recorded], strict=True):
        thief.publish_and_wait(f"hubwatch/1/harbour/{THIEF}/{leaf}", message)
    thief.cut()
