"""What a real Mosquitto refuses: passwords, publishes, subscriptions; and what is then said and done."""

from __future__ import annotations

import asyncio
import json
import subprocess
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from hubwatch_core.config import MqttSection
from hubwatch_core.errors import Permanent, Transient
from hubwatch_core.health import Health
from hubwatch_core.mqtt import Link, Session
from support.fix_mqtt import MakeMosquitto
from support.kept_link import kept, reaching
from support.own_mosquitto import OwnMosquitto, mosquitto_program
from support.services import not_run

SOON_S = 10.0
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


async def _end_of(section: MqttSection, health: Health | None = None) -> None:
    async def use(_: Link) -> None:
        raise AssertionError("the broker let us in")

    await asyncio.wait_for(Session(section, client_id="a", health=health).run(use), SOON_S)


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_wrong_password_is_permanent_with_one_clear_line(guarded: OwnMosquitto, protocol: str) -> None:
    with capture_logs() as logged, pytest.raises(Permanent) as caught:
        await _end_of(_section(guarded, "wrong", protocol=protocol))
    assert f"broker {guarded.host}:{guarded.port} refuses us: [code:135] Not authorized" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "wrong" not in str(caught.value)
    assert logged == []  # whoever ran the session says it


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_no_password_where_one_is_wanted_is_permanent(guarded: OwnMosquitto, protocol: str) -> None:
    with pytest.raises(Permanent, match="refuses us"):
        await _end_of(reaching((guarded.host, guarded.port), protocol=protocol))


async def test_right_password_from_its_file_lets_us_in(guarded: OwnMosquitto, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("open sesame\n", encoding="utf-8")
    section = reaching((guarded.host, guarded.port), username="gate", password_file=str(file))
    async with kept(Session(section, client_id="a")) as links:
        await (await links.next()).publish("mine/a", b"x")


async def test_password_file_that_is_not_there_is_permanent_before_any_connect(
    guarded: OwnMosquitto, tmp_path: Path
) -> None:
    section = reaching((guarded.host, guarded.port), username="gate", password_file=str(tmp_path / "gone"))
    with pytest.raises(Permanent, match=r"secret file .*gone cannot be read"):
        await _end_of(section)
    assert "New client connected" not in guarded.log.read_text(encoding="utf-8")


async def test_publish_the_broker_refuses_is_transient_says_why_and_costs_no_link(guarded: OwnMosquitto) -> None:
    async with kept(Session(_section(guarded), client_id="a")) as links:
        link = await links.next()
        with pytest.raises(Transient, match="broker refused a message on not/mine: Not authorized"):
            await link.publish("not/mine", b"x")
        await link.publish("mine/a", b"x")
        assert links.made == 1


async def test_refused_publish_among_others_is_the_only_one_that_fails(guarded: OwnMosquitto) -> None:
    async with kept(Session(_section(guarded), client_id="a")) as links:
        link = await links.next()
        topics = ["mine/a", "not/mine", "mine/b"] * 20
        ends = await asyncio.gather(*(link.publish(topic, b"x") for topic in topics), return_exceptions=True)
    assert [isinstance(end, Transient) for end in ends] == [topic == "not/mine" for topic in topics]


async def test_mqtt_3_cannot_tell_us_of_a_refused_publish(guarded: OwnMosquitto) -> None:
    """Why MQTT 5 is tried first and kept: here the broker throws the message away and acknowledges it."""
    async with kept(Session(_section(guarded, protocol="3.1.1"), client_id="a")) as links:
        link = await links.next()
        await link.subscribe("#")
        await link.publish("not/mine", b"x")
        assert await link.receive(1, 0.5) == []


def _dynamic_security() -> Path:
    """Give Mosquitto's plugin for dynamic security, which refuses subscriptions: an ACL file only hides messages."""
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


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_refused_subscription_is_permanent_and_names_the_filter(
    make_mosquitto: MakeMosquitto, tmp_path: Path, protocol: str
) -> None:
    file = tmp_path / "rights.json"
    file.write_text(json.dumps(_rights()), encoding="utf-8")
    own = make_mosquitto(
        ["allow_anonymous true", f"plugin {_dynamic_security()}", f"plugin_opt_config_file {file}"],
    )

    async def use(link: Link) -> None:
        await link.subscribe("open/a")
        await link.subscribe("open/b", "closed/c")

    session = Session(reaching((own.host, own.port), protocol=protocol), client_id="a")
    with pytest.raises(Permanent, match=r"broker refuses the subscription to closed/c \(code 0x8[07]\); check its ACL"):
        await asyncio.wait_for(session.run(use), SOON_S)


async def test_host_that_is_no_name_is_permanent_and_names_the_key() -> None:
    for host in ("a..b", "x" * 64 + ".example"):
        with pytest.raises(Permanent, match=r"is no host name \(mqtt.host\)"):
            await _end_of(reaching((host, 1883)))


async def test_host_that_nobody_knows_is_tried_again() -> None:
    health = Health()
    async with kept(Session(reaching(("no-such-host.invalid", 1883)), client_id="a", health=health)) as links:
        await asyncio.sleep(1)
        assert not links.task.done()
    assert "cannot connect to broker no-such-host.invalid:1883" in str(health.report())
