"""Every way to log in to NATS servers, against real ones: name, NKEY, credentials of an account, client certificate."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from hubwatch_core.config import MqttSection, NatsSection, TlsSection
from hubwatch_core.errors import Permanent
from hubwatch_core.health import Health
from hubwatch_core.jetstream import JetStreamSession
from hubwatch_core.jetstream.link import JetStreamLink
from hubwatch_core.mqtt import MqttLink, MqttSession
from support.eventually import eventually
from support.jetstream_session import frames, linked, section, taken
from support.kept_link import outage
from support.nats_accounts import UNLIMITED, Identity, credentials
from support.own_nats import OwnNats

Guarded = Callable[[str], OwnNats]


@pytest.fixture
def guarded(own_nats: OwnNats) -> Guarded:
    """A server that is started again with further configuration."""

    def start(further: str) -> OwnNats:
        config = own_nats.folder / "nats.conf"
        own_nats.stop()
        config.write_text(config.read_text() + further)
        own_nats.start()
        own_nats.await_healthy(1)
        return own_nats

    return start


async def publishes(server: OwnNats, user: str, password: str) -> None:
    """Have one frame confirmed over MQTT."""

    async def use(link: MqttLink) -> None:
        for topic, payload in frames(1, 1):
            await link.publish(topic, payload)

    values = {"host": "127.0.0.1", "port": server.mqtt_port, "protocol": "3.1.1", "username": user}
    mqtt = MqttSection.model_validate(values | {"password": password})
    async with asyncio.timeout(60):
        await MqttSession(mqtt, client_id="gate-7").run(use)


async def takes(server: OwnNats, settings: NatsSection, user: str, password: str) -> None:
    """Publish as an agent, and take it as a collector."""
    async with linked(settings) as link:
        await publishes(server, user, password)
        assert [each.payload for each in await taken(link, 1)] == [b"1"]


async def refused(settings: NatsSection) -> str:
    """Return what health says while servers do not let a session begin."""
    health = Health()
    return await outage(JetStreamSession(settings, durable="x", health=health).run(_never), health, "refuses us")


async def unusable(settings: NatsSection) -> str:
    """Return the line that says why a session cannot begin at all."""
    with pytest.raises(Permanent) as caught:
        await JetStreamSession(settings, durable="x").run(_never)
    return str(caught.value)


async def test_name_and_password_from_a_file_open_the_session(guarded: Guarded, tmp_path: Path) -> None:
    server = guarded('authorization { user: "u", password: "right" }\n')
    (tmp_path / "password").write_text("right\n")
    await takes(server, section(server, username="u", password_file=tmp_path / "password"), "u", "right")
    (tmp_path / "password").write_text("wrong\n")
    await refused(section(server, username="u", password_file=tmp_path / "password"))


async def test_nkey_opens_the_session_and_another_does_not(guarded: Guarded, tmp_path: Path) -> None:
    user, stranger = Identity.make("user"), Identity.make("user")
    server = guarded(f'authorization {{ users: [ {{ nkey: {user.public} }}, {{ user: "a", password: "b" }} ] }}\n')
    seed = tmp_path / "seed"
    seed.write_text(f"{user.seed}\n")
    await takes(server, section(server, nkey_file=seed), "a", "b")
    seed.write_text(f"{stranger.seed}\n")
    await refused(section(server, nkey_file=seed))


async def test_password_and_seed_that_change_are_read_for_the_next_connection(guarded: Guarded, tmp_path: Path) -> None:
    first, second = Identity.make("user"), Identity.make("user")
    server = guarded(
        f'authorization {{ users: [ {{ nkey: {first.public} }}, {{ user: "u", password: "first" }}, '
        '{ user: "a", password: "b" } ] }\n'
    )
    seed, password, health = tmp_path / "seed", tmp_path / "password", Health()
    seed.write_text(f"{first.seed}\n")
    password.write_text("first\n")
    by_seed, by_password = section(server, nkey_file=seed), section(server, username="u", password_file=password)
    async with (
        linked(by_seed, durable="by-seed", health=health, name="by-seed") as one,
        linked(by_password, durable="by-password", health=health, name="by-password") as two,
    ):
        config = server.folder / "nats.conf"
        await asyncio.to_thread(server.stop)
        changed = config.read_text().replace(first.public, second.public).replace('"first"', '"second"')
        config.write_text(changed)
        await asyncio.to_thread(server.start)
        await eventually(lambda: str(health.report()).count("refuses us") == 2)
        seed.write_text(f"{second.seed}\n")
        password.write_text("second\n")
        await eventually(lambda: health.ok)
        await publishes(server, "a", "b")
        assert (
            [each.payload for each in await taken(one, 1)] == [each.payload for each in await taken(two, 1)] == [b"1"]
        )


class Accounts:
    """An operator with an account for hubwatch, as `nsc` makes them, without its program."""

    def __init__(self) -> None:
        self.operator, self.system, self.account = (Identity.make(k) for k in ("operator", "account", "account"))
        limits = UNLIMITED | {"imports": -1, "exports": -1, "wildcards": True, "conn": -1, "leaf": -1}
        stored = {"mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1}
        self.configuration = f"""
            operator: {self.operator.sign(self.operator)}
            system_account: {self.system.public}
            resolver: MEMORY
            resolver_preload: {{
              {self.system.public}: {self.operator.sign(self.system, limits=limits)}
              {self.account.public}: {self.operator.sign(self.account, limits=limits | stored)}
            }}
            """

    def user(self, by: Identity | None = None, **claims: object) -> tuple[Identity, str]:
        """Make a user of the account, or one that somebody else has signed."""
        made = Identity.make("user")
        return made, (by or self.account).sign(made, **UNLIMITED, **claims)


async def test_credentials_of_an_account_open_the_session(guarded: Guarded, tmp_path: Path) -> None:
    accounts = Accounts()
    server = guarded(accounts.configuration)
    hub, token = accounts.user()
    _, bearer = accounts.user(bearer_token=True, allowed_connection_types=["MQTT"])
    path = tmp_path / "hub.creds"
    path.write_text(credentials(token, hub))
    await takes(server, section(server, credentials_file=path), "agent", bearer)


async def test_credentials_that_are_not_the_accounts_are_refused_with_one_line(
    guarded: Guarded, tmp_path: Path
) -> None:
    accounts = Accounts()
    server = guarded(accounts.configuration)
    path = tmp_path / "hub.creds"
    stranger, signed_by_stranger = accounts.user(by=Identity.make("account"))
    _, token = accounts.user()
    for text in (credentials(signed_by_stranger, stranger), credentials(token, Identity.make("user"))):
        path.write_text(text)
        await refused(section(server, credentials_file=path))
    path.write_text("nothing of the kind")
    assert "is not a NATS credentials file" in await unusable(section(server, credentials_file=path))
    path.write_text(credentials(token, stranger).replace(stranger.seed, stranger.seed[:-1] + "!"))
    assert "no valid NKEY seed" in await unusable(section(server, credentials_file=path))
    path.unlink()
    assert "cannot be read" in await unusable(section(server, credentials_file=path))


async def test_certificate_of_a_client_opens_the_session_where_servers_demand_one(
    guarded: Guarded, tmp_path: Path
) -> None:
    authority = trustme.CA()
    for name, made in (("server", authority.issue_cert("127.0.0.1")), ("client", authority.issue_cert("hub"))):
        made.private_key_pem.write_to_path(str(tmp_path / f"{name}.key"))
        made.cert_chain_pems[0].write_to_path(str(tmp_path / f"{name}.pem"))
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    files = ", ".join(f'{key}: "{tmp_path / name}"' for key, name in
                      (("cert_file", "server.pem"), ("key_file", "server.key"), ("ca_file", "ca.pem")))  # fmt: skip
    server = guarded(f'tls {{ {files}, verify: true }}\nauthorization {{ user: "u", password: "p" }}\n')
    tls = {"ca_file": tmp_path / "ca.pem", "cert_file": tmp_path / "client.pem", "key_file": tmp_path / "client.key"}
    secure = (server.url.replace("nats://", "tls://"),)
    who = {"servers": secure, "username": "u", "password": "p"}
    async with linked(section(server, tls=TlsSection.model_validate(tls), **who)) as link:
        assert await link.receive(1, 0.1) == []
    bare, health = section(server, tls=TlsSection(ca_file=tmp_path / "ca.pem"), **who), Health()
    trying = asyncio.create_task(JetStreamSession(bare, durable="bare", health=health).run(_never))
    await eventually(lambda: "cannot connect to NATS server" in str(health.report()))
    trying.cancel()
    await asyncio.gather(trying, return_exceptions=True)


async def _never(_: JetStreamLink) -> None:
    raise AssertionError("let in")
