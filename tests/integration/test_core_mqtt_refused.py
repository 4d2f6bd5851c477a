"""What a real Mosquitto refuses: passwords, publishes, subscriptions; and what is then said and done."""

from __future__ import annotations

import asyncio
import json
import subprocess
from pathlib import Path

import pytest
from pydantic import ValidationError
from structlog.testing import capture_logs

from hubwatch_core.concurrency import drain
from hubwatch_core.config import MqttSection
from hubwatch_core.errors import Permanent, Transient
from hubwatch_core.health import Health
from hubwatch_core.mqtt import MqttLink, MqttSession
from hubwatch_core.mqtt.session import STEADY_S
from support.eventually import eventually
from support.fix_mqtt import MakeMosquitto
from support.kept_link import kept, outage, reaching
from support.own_mosquitto import OwnMosquitto, mosquitto_program
from support.services import not_run

SOON_S = 60.0
PROTOCOLS = ["auto", "5", "3.1.1"]


def _passwords(folder: Path) -> Path:
    """Make a password file in which `gate` has the password `open sesame`."""
    mosquitto_program()
    file = folder / "passwords"
    subprocess.run(["mosquitto_passwd", "-b", "-c", str(file), "gate", "open sesame"], check=True)
    return file


@pytest.fixture
def guarded(make_mosquitto: MakeMosquitto, tmp_path: Path) -> OwnMosquitto:
    """A broker that knows `gate`, who may write below `mine/` and read everything."""
    rights = tmp_path / "acl"
    rights.write_text("user gate\ntopic readwrite mine/#\ntopic read #\n", encoding="utf-8")
    return make_mosquitto(
        ["allow_anonymous false", f"password_file {_passwords(tmp_path)}", f"acl_file {rights}"],
    )


def _section(own: OwnMosquitto, password: str = "open sesame", **more: object) -> MqttSection:
    return reaching((own.host, own.port), username="gate", password=password, **more)


async def _never(_: MqttLink) -> None:
    raise AssertionError("the broker let us in")


async def _outage(section: MqttSection) -> str:
    """Return what health says when the broker refuses a session, which goes on trying."""
    health = Health()
    return await outage(MqttSession(section, client_id="a", health=health).run(_never), health, "refuses us")


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_wrong_password_is_an_outage_told_in_one_clear_line(guarded: OwnMosquitto, protocol: str) -> None:
    with capture_logs() as logged:
        said = await _outage(_section(guarded, "wrong", protocol=protocol))
    assert f"broker {guarded.host}:{guarded.port} refuses us: Not authorized (code 0x87)" in said
    assert [line["event"] for line in logged] == ["connection lost, trying again"]
    assert "wrong" not in said + str(logged)


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_no_password_where_one_is_wanted_is_an_outage(guarded: OwnMosquitto, protocol: str) -> None:
    await _outage(reaching((guarded.host, guarded.port), protocol=protocol))


async def test_refused_login_ends_a_command_before_which_a_person_waits(guarded: OwnMosquitto) -> None:
    session = MqttSession(_section(guarded, "wrong"), client_id="a", refusal_ends=True)
    with pytest.raises(Permanent, match="refuses us: Not authorized"):
        async with asyncio.timeout(SOON_S):
            await session.run(_never)


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_login_refused_for_a_while_is_told_once_and_tried_ever_more_seldom(
    guarded: OwnMosquitto, tmp_path: Path, protocol: str
) -> None:
    health, secret = Health(), tmp_path / "secret"
    secret.write_text("old\n", encoding="utf-8")
    section = reaching(
        (guarded.host, guarded.port), username="gate", password_file=str(secret), protocol=protocol, max_reconnect_s=2
    )
    with capture_logs() as logged:
        async with kept(MqttSession(section, client_id="a", health=health)) as links:
            await eventually(lambda: guarded.log.read_text(encoding="utf-8").count("not authorised") >= 3)
            assert links.made == 0
            assert not health.ok
            secret.unlink()  # as where a secret is replaced
            await eventually(lambda: "cannot be read" in str(health.report()))
            secret.write_text("open sesame\n", encoding="utf-8")
            await links.next()
            assert health.ok
    assert [line["event"] for line in logged if line["log_level"] == "warning"][:1] == ["connection lost, trying again"]
    assert [line["event"] for line in logged].count("connection lost, trying again") == 1
    assert [line["event"] for line in logged].count("connection back") == 1


async def test_access_taken_away_and_given_back_needs_no_restart(make_mosquitto: MakeMosquitto, tmp_path: Path) -> None:
    rights = tmp_path / "acl"
    rights.write_text("topic read #\n", encoding="utf-8")
    own = make_mosquitto(["allow_anonymous true", f"acl_file {rights}"])
    health, tries = Health(), [0]
    published = asyncio.Event()

    async def use(link: MqttLink) -> None:
        tries[0] += 1
        await link.publish("mine/a", b"x")
        published.set()
        await asyncio.Event().wait()

    with capture_logs() as logged:
        running = asyncio.create_task(
            MqttSession(reaching((own.host, own.port)), client_id="a", health=health).run(use)
        )
        try:
            await eventually(lambda: tries[0] >= 4)
            assert "broker refused a message on mine/a: Not authorized" in str(health.report())
            rights.write_text("topic readwrite #\n", encoding="utf-8")
            own.reload()
            await eventually(published.is_set)
            await eventually(lambda: health.ok, STEADY_S + SOON_S)
        finally:
            await drain([running])
    assert [line["event"] for line in logged] == ["connected", "connection lost, trying again", "connection back"]


async def test_right_password_from_its_file_lets_us_in(guarded: OwnMosquitto, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("open sesame\n", encoding="utf-8")
    section = reaching((guarded.host, guarded.port), username="gate", password_file=str(file))
    async with kept(MqttSession(section, client_id="a")) as links:
        await (await links.next()).publish("mine/a", b"x")


async def test_password_file_that_is_not_there_is_permanent_before_any_connect(
    guarded: OwnMosquitto, tmp_path: Path
) -> None:
    section = reaching((guarded.host, guarded.port), username="gate", password_file=str(tmp_path / "gone"))
    with pytest.raises(Permanent, match=r"secret file .*gone cannot be read"):
        await MqttSession(section, client_id="a").run(_never)
    assert "New client connected" not in guarded.log.read_text(encoding="utf-8")


async def test_publish_the_broker_refuses_is_transient_says_why_and_costs_no_link(guarded: OwnMosquitto) -> None:
    async with kept(MqttSession(_section(guarded), client_id="a")) as links:
        link = await links.next()
        with pytest.raises(Transient, match="broker refused a message on not/mine: Not authorized"):
            await link.publish("not/mine", b"x")
        await link.publish("mine/a", b"x")
        assert links.made == 1


async def test_refused_publish_among_others_is_the_only_one_that_fails(guarded: OwnMosquitto) -> None:
    async with kept(MqttSession(_section(guarded), client_id="a")) as links:
        link = await links.next()
        topics = ["mine/a", "not/mine", "mine/b"] * 20
        ends = await asyncio.gather(*(link.publish(topic, b"x") for topic in topics), return_exceptions=True)
    assert [isinstance(end, Transient) for end in ends] == [topic == "not/mine" for topic in topics]


async def test_mqtt_3_cannot_tell_us_of_a_refused_publish(guarded: OwnMosquitto) -> None:
    """Why MQTT 5 is tried first and kept: here the broker throws the message away and acknowledges it."""
    async with kept(MqttSession(_section(guarded, protocol="3.1.1"), client_id="a")) as links:
        link = await links.next()
        await link.subscribe("#")
        await link.publish("not/mine", b"x")
        assert await link.receive(1, 0.5) == []


def _dynamic_security() -> Path:
    """Return Mosquitto's plugin for dynamic security, which refuses subscriptions: an ACL file only hides messages."""
    for folder in ("/usr/lib", "/usr/local/lib"):
        for found in Path(folder).rglob("mosquitto_dynamic_security.so"):
            return found
    raise not_run("mosquitto", "its plugin for dynamic security is not installed")


def _rights() -> dict[str, object]:
    kinds = ("publishClientSend", "publishClientReceive", "subscribe", "unsubscribe")
    return {
        "defaultACLAccess": dict.fromkeys(kinds, False),
        "anonymousGroup": "everybody",
        "groups": [{"groupname": "everybody", "roles": [{"rolename": "reader"}]}],
        "roles": [{"rolename": "reader", "acls": [_right(kind) for kind in kinds if kind != "subscribe"] + SUBSCRIBE}],
    }


def _right(kind: str, topic: str = "#") -> dict[str, object]:
    return {"acltype": kind, "topic": topic, "allow": True}


SUBSCRIBE = [_right("subscribePattern", "open/#"), _right("unsubscribePattern", "open/#")]


@pytest.fixture
def choosy(make_mosquitto: MakeMosquitto, tmp_path: Path) -> OwnMosquitto:
    """A broker that lets everybody subscribe below `open/` only."""
    file = tmp_path / "rights.json"
    file.write_text(json.dumps(_rights()), encoding="utf-8")
    return make_mosquitto(
        ["allow_anonymous true", "log_type all", f"plugin {_dynamic_security()}", f"plugin_opt_config_file {file}"],
    )


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_refused_subscription_is_an_outage_that_names_the_filter(choosy: OwnMosquitto, protocol: str) -> None:
    async def use(link: MqttLink) -> None:
        await link.subscribe("open/a")
        await link.subscribe("open/b", "closed/c")

    health = Health()
    session = MqttSession(reaching((choosy.host, choosy.port), protocol=protocol), client_id="a", health=health)
    said = await outage(session.run(use), health, "broker refuses the subscription to closed/c (code 0x8")
    assert "check its ACL" in said


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_refused_subscription_costs_the_others_nothing_and_is_asked_for_again(
    choosy: OwnMosquitto, tmp_path: Path, protocol: str
) -> None:
    health = Health()
    section = reaching((choosy.host, choosy.port), protocol=protocol)
    with capture_logs() as logged:
        async with kept(MqttSession(section, client_id="a", name="site", health=health)) as links:
            link = await links.next()
            await link.subscribe("open/a", "closed/b", "closed/c", identifier=3, keep_asking=True)
            assert sorted(link.refused) == ["closed/b", "closed/c"]
            await link.publish("open/a", b"x")
            (message,) = await link.receive(1, SOON_S)
            assert message.payload == b"x"
            assert "broker refuses the subscription to closed/b" in str(health.report())
            asked = choosy.log.read_text(encoding="utf-8").count("closed/b")
            await eventually(lambda: choosy.log.read_text(encoding="utf-8").count("closed/b") > asked)
            await link.unsubscribe("closed/b", "closed/c")
            assert health.ok
            await link.subscribe("open/d", keep_asking=True)
            assert health.ok
            assert links.made == 1
    events = [line["event"] for line in logged]
    assert events == ["connected", "broker refuses subscriptions, asking again", "broker takes all subscriptions"]


@pytest.mark.parametrize("host", ["a..b", "x" * 64 + ".example"])
def test_host_that_is_no_name_is_refused_with_the_configuration(host: str) -> None:
    with pytest.raises(ValidationError, match=r"(?s)host.*can be no host name and is no address"):
        reaching((host, 1883))


async def test_host_that_nobody_knows_is_tried_again() -> None:
    health = Health()
    async with kept(MqttSession(reaching(("no-such-host.invalid", 1883)), client_id="a", health=health)) as links:
        await eventually(lambda: "cannot connect to broker no-such-host.invalid:1883" in str(health.report()))
        assert not links.task.done()
