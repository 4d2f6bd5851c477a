"""A frame leaves an agent's spool only when a collector has said that it is stored, whatever a broker withholds."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import psycopg
import pytest

import hubwatch_collector.hearing
from hubwatch_agents.uplink import collectors, frame_store
from hubwatch_collector.settings import CollectorSettings, IntakeSection
from hubwatch_core import topics
from hubwatch_core.concurrency import drain
from hubwatch_core.config import MqttSection, NatsSection
from hubwatch_core.process import Context
from hubwatch_store.database import DatabaseSection
from support.agents_sender import AGENT, HUB, Sender, sender_settings, sending
from support.eventually import eventually
from support.fix_mqtt import MakeMosquitto
from support.own_mosquitto import OwnMosquitto
from support.own_nats import OwnNats, nats_program
from support.store_collector import running_collector

SAMPLE = Path(__file__).parents[2] / "ops" / "mosquitto" / "acl"
WITHIN_S = 60.0
SECRET = "p"


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Judge silence after seconds: what is tested is the judgement."""
    monkeypatch.setattr(hubwatch_collector.hearing, "SILENT_S", 2.0)
    monkeypatch.setattr(collectors, "SILENT_AFTER_S", 3.0)
    monkeypatch.setattr(collectors, "EVERY_S", 0.5)
    monkeypatch.setattr(frame_store, "RESEND_AFTER_S", 1.0)


class Broker:
    """A Mosquitto with users and an ACL that can be mended while it runs."""

    def __init__(self, make: MakeMosquitto, folder: Path, acl: str, users: Sequence[str] = ("collector",)) -> None:
        self._acl = folder / "acl"
        self._acl.write_text(acl, encoding="utf-8")
        self.secret = folder / "secret"
        self.secret.write_text(SECRET, encoding="utf-8")
        self.secret.chmod(0o600)
        passwords = folder / "passwd"
        passwords.touch(mode=0o600)
        for user in (*users, f"{HUB}/{AGENT}"):
            subprocess.run(["mosquitto_passwd", "-b", str(passwords), user, SECRET], check=True, capture_output=True)
        lines = ["allow_anonymous false", f"password_file {passwords}", f"acl_file {self._acl}"]
        self.own: OwnMosquitto = make(lines)

    def reach(self, user: str) -> dict[str, object]:
        """Return how a user reaches it."""
        return {
            "host": self.own.host, "port": self.own.port, "username": user, "password_file": self.secret,
            "max_reconnect_s": 0.3,
        }  # fmt: skip

    def mend(self, acl: str) -> None:
        """Take another ACL."""
        self._acl.write_text(acl, encoding="utf-8")
        self.own.reload()

    def agent(self, folder: Path, **spool: object) -> object:
        return sender_settings(folder / "spool", self.reach(f"{HUB}/{AGENT}"), **spool)


def collector(broker: Broker, dsn: str, user: str = "collector") -> CollectorSettings:
    return CollectorSettings(
        mqtt=MqttSection.model_validate(broker.reach(user)),
        database=DatabaseSection(dsn=dsn, max_retry_s=0.3, connect_timeout_s=5),
        intake=IntakeSection(client_id=f"collector-{user}"),
    )


def stored(dsn: str) -> int:
    with psycopg.connect(dsn) as connection:
        row = connection.execute("SELECT coalesce(sum(committed), 0) FROM hubwatch.ledger_account").fetchone()
    return int(row[0]) if row is not None else 0


@asynccontextmanager
async def counting(sender: Sender) -> AsyncIterator[None]:
    """Keep frames inside the context."""
    task = asyncio.create_task(sender.keep_for_ever())
    try:
        yield
    finally:
        await drain([task])


async def all_stored(sender: Sender, dsn: str) -> None:
    """Wait until the database has every frame, and the spool none.

    An agent with nothing to say sends a frame now and then; that a later one is stored shows which others are not.
    """
    async with asyncio.timeout(WITHIN_S):
        while sender.store.spool.waiting:
            sender.keep()
            with contextlib.suppress(AssertionError):
                await eventually(lambda: sender.store.spool.waiting == 0, 1.5)
    assert stored(dsn) == sender.store.spool.reserve().seq - 1


def oldest_kept(sender: Sender) -> int:
    """Return the number of the first frame that is still in the spool."""
    spool = sender.store.spool
    return min((entry.number.seq for each in spool.segments() for entry in spool.read(each)), default=1 << 62)


def without(*lines: str) -> str:
    """Return the sample's ACL without some of its lines."""
    text = SAMPLE.read_text(encoding="utf-8")
    for line in lines:
        assert f"\n{line}\n" in text
        text = text.replace(f"\n{line}\n", "\n")
    return text


def deaf(context: Context) -> bool:
    return "nothing has come" in str(context.health.report())


def refused(context: Context) -> bool:
    return "must be allowed to write" in str(context.health.report())


FROM_AGENTS = [f"topic read hubwatch/1/+/+/{leaf}" for leaf in ("frame", "birth", "state")]
WITHHELD = {
    "everything from the collector": (without(*FROM_AGENTS, "topic read hubwatch/rollcall/+/+"), deaf),
    "frames from the collector": (without(*FROM_AGENTS), None),
    "the collector's answers": (without("topic write hubwatch/rollcall/+/+/answer"), refused),
    "answers from the agent": (without("pattern read hubwatch/rollcall/%u/answer"), None),
}


@pytest.mark.parametrize("what", WITHHELD)
async def test_whatever_the_acl_withholds_no_frame_is_given_up_and_all_come_when_it_is_mended(
    tmp_path: Path, make_mosquitto: MakeMosquitto, migrated_plain_dsn: str, what: str
) -> None:
    acl, collector_says = WITHHELD[what]
    broker = Broker(make_mosquitto, tmp_path, acl)
    async with (
        running_collector(collector(broker, migrated_plain_dsn)) as context,
        sending(broker.agent(tmp_path)) as agent,  # type: ignore[arg-type]
    ):
        async with counting(agent):
            await eventually(lambda: agent.says("no collector answers") or agent.says("stores no frame"), WITHIN_S)
            if collector_says is not None:
                await eventually(lambda: collector_says(context), WITHIN_S)
            assert agent.store.spool.waiting == agent.store.spool.reserve().seq - 1, "a frame was given up"
            broker.mend(SAMPLE.read_text(encoding="utf-8"))
        await all_stored(agent, migrated_plain_dsn)
        await eventually(lambda: agent.health.ok and context.health.ok, WITHIN_S)


OLD_ACL = without("topic write hubwatch/rollcall/+/+/answer", "pattern read hubwatch/rollcall/%u/answer")


async def test_where_answers_are_never_allowed_frames_reach_the_database_and_stay_on_disk(
    tmp_path: Path, make_mosquitto: MakeMosquitto, migrated_plain_dsn: str
) -> None:
    """An ACL of an older version, first for another user than the collector's."""
    broker = Broker(make_mosquitto, tmp_path, OLD_ACL.replace("user collector", "user another"))
    async with (
        running_collector(collector(broker, migrated_plain_dsn)) as context,
        sending(broker.agent(tmp_path)) as agent,  # type: ignore[arg-type]
    ):
        async with counting(agent):
            await eventually(lambda: deaf(context) and agent.says("no collector answers"), WITHIN_S)
        count = agent.store.spool.reserve().seq - 1
        broker.mend(OLD_ACL)
        await eventually(lambda: stored(migrated_plain_dsn) == count, WITHIN_S)
        assert agent.store.spool.waiting == count
        assert not agent.health.ok


async def test_of_two_collectors_one_is_deaf_and_the_other_gets_everything(
    tmp_path: Path, make_mosquitto: MakeMosquitto, migrated_plain_dsn: str
) -> None:
    """The broker gives the deaf one its share of the frames and of the roll calls, and says that it was delivered."""
    broker = Broker(make_mosquitto, tmp_path, SAMPLE.read_text(encoding="utf-8"), users=("collector", "stranger"))
    async with AsyncExitStack() as stack:
        good = await stack.enter_async_context(running_collector(collector(broker, migrated_plain_dsn)))
        bad = await stack.enter_async_context(running_collector(collector(broker, migrated_plain_dsn, "stranger")))
        agent = await stack.enter_async_context(sending(broker.agent(tmp_path)))  # type: ignore[arg-type]
        async with counting(agent):
            await eventually(lambda: deaf(bad) and agent.store.spool.reserve().seq > 30, WITHIN_S)
        # Half of what is sent again goes to the deaf one, too: what counts is that every frame gets through in the end.
        last = agent.store.spool.reserve().seq
        async with counting(agent):
            await eventually(lambda: oldest_kept(agent) > last, WITHIN_S)
        assert stored(migrated_plain_dsn) >= last
        assert not deaf(good)


async def test_lost_answers_cost_nothing_but_a_frame_sent_twice(
    tmp_path: Path, make_mosquitto: MakeMosquitto, migrated_plain_dsn: str
) -> None:
    """For a while answers do not come back; what was stored meanwhile is sent again, and stored once."""
    whole = SAMPLE.read_text(encoding="utf-8")
    broker = Broker(make_mosquitto, tmp_path, whole)
    async with (
        running_collector(collector(broker, migrated_plain_dsn)) as context,
        sending(broker.agent(tmp_path)) as agent,  # type: ignore[arg-type]
    ):
        async with counting(agent):
            await eventually(lambda: stored(migrated_plain_dsn) > 5, WITHIN_S)
            broker.mend(without("pattern read hubwatch/rollcall/%u/answer"))
            kept = agent.store.spool.waiting
            await eventually(lambda: agent.store.spool.waiting > kept + 20, WITHIN_S)
            broker.mend(whole)
        await all_stored(agent, migrated_plain_dsn)
        twice = context.registry.get_sample_value("hubwatch_collector_duplicate_frames_total")
        assert twice
    with psycopg.connect(migrated_plain_dsn) as connection:
        rows = connection.execute("SELECT count(*), count(DISTINCT value) FROM hubwatch.readings").fetchone()
    assert rows == (agent.readings, agent.readings)


async def test_nats_that_drops_what_an_agent_may_not_publish_loses_nothing(
    tmp_path: Path, migrated_plain_dsn: str
) -> None:
    """A NATS server acknowledges such a message and drops it: only the collector's answer tells."""
    from support.jetstream_chaos import settings_on

    nats_program()
    server = OwnNats("nats", tmp_path / "nats")
    server.configure([server])
    config = server.folder / "nats.conf"
    plain = config.read_text(encoding="utf-8")
    right = (
        'authorization { users: [ { user: "agent", password: "p", permissions: '
        '{ publish: ["%s"], subscribe: ["hubwatch.rollcall.*.*.answer"] } }, { user: "hub", password: "p" } ] }\n'
    )
    config.write_text(plain + right % "nothing", encoding="utf-8")
    server.start()
    try:
        server.await_healthy(1)
        made = settings_on([server], migrated_plain_dsn)
        assert made.nats is not None
        values = made.nats.model_dump() | {"username": "hub", "password": "p"}
        settings = made.model_copy(update={"nats": NatsSection.model_validate(values)})
        reach: dict[str, object] = {
            "host": "127.0.0.1", "port": server.mqtt_port, "protocol": "3.1.1", "username": "agent", "password": "p",
        }  # fmt: skip
        async with (
            running_collector(settings),
            sending(sender_settings(tmp_path / "spool", reach)) as agent,
        ):
            async with counting(agent):
                await eventually(lambda: agent.publisher.sent > 20 and agent.says("no collector answers"), WITHIN_S)
                assert agent.store.spool.waiting >= agent.publisher.sent, "a frame was given up"
            config.write_text(plain + right % "hubwatch.1.>", encoding="utf-8")
            server.stop()
            server.start()
            await all_stored(agent, migrated_plain_dsn)
            await eventually(lambda: agent.health.ok, WITHIN_S)
    finally:
        server.stop()


def test_answers_have_a_topic_of_their_own_that_no_collector_takes() -> None:
    assert topics.answer(HUB, AGENT) == f"hubwatch/rollcall/{HUB}/{AGENT}/answer"
    assert topics.called_by(topics.rollcall(HUB, AGENT)) == (HUB, AGENT)
    assert topics.called_by(topics.answer(HUB, AGENT)) is None
    assert topics.called_by("hubwatch/rollcall/a/B") is None
