"""The service that strangers reach: what it refuses, and how little it says."""

from __future__ import annotations

import asyncio
import base64
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import CertificateSigningRequestBuilder

from hubwatch_agents.identity import asking
from hubwatch_agents.identity.folder import IdentityFolder, signing_request
from hubwatch_agents.identity.renewal import Renewal
from hubwatch_core.config import MqttSection
from hubwatch_core.enrolment import PATH, EnrolmentToken
from hubwatch_core.errors import Permanent, Transient
from hubwatch_core.health import Health
from hubwatch_core.http.connections import MOST_CONNECTIONS, MOST_PER_PEER
from hubwatch_ops.enrolment import web
from hubwatch_ops.enrolment.publishing import BrokerNews
from hubwatch_ops.enrolment.register import Register
from hubwatch_ops.enrolment.settings import EnrolmentSection
from hubwatch_ops.pki.issuer import common_name
from hubwatch_store.database import DatabaseSection, Pool, open_pool
from hubwatch_store.enrolment import ask_renewal, make_token, revoke
from support.pki_folder import PASSPHRASE, PkiFolder

HUB, AGENT = "rotterdam", "gate-7"


@dataclass
class Served:
    """Enrolment, served."""

    url: str
    pool: Pool
    pki: PkiFolder
    settings: EnrolmentSection
    register: Register
    changed: asyncio.Event

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    async def token(self, agent: str = AGENT) -> EnrolmentToken:
        async with self.pool.connection() as connection:
            secret, _ = await make_token(connection, HUB, agent, by="ann", valid_s=60)
        return EnrolmentToken(secret, self.pki.authority.fingerprint())

    async def post(self, what: str, body: bytes) -> tuple[int, dict[str, Any]]:
        context = ssl.create_default_context(cafile=str(self.pki.authority.ca_file))
        url = f"{self.url}{PATH}/{what}"
        async with aiohttp.ClientSession() as session, session.post(url, data=body, ssl=context) as answer:
            return answer.status, msgspec.json.decode(await answer.read())


def section(folder: Path, pki: PkiFolder, **more: object) -> EnrolmentSection:
    own = pki.service("enrolment")
    (folder / "passphrase").write_text(PASSPHRASE, encoding="utf-8")
    values = {
        "host": "127.0.0.1", "port": 0, "cert_file": own.cert_file, "key_file": own.key_file,
        "pki_folder": pki.authority.folder, "passphrase_file": folder / "passphrase", "broker": "hub.example:8883",
    }  # fmt: skip
    return EnrolmentSection.model_validate(values | more)


@asynccontextmanager
async def serving(folder: Path, dsn: str, **more: object) -> AsyncIterator[Served]:
    pki = PkiFolder(folder)
    settings = section(folder, pki, **more)
    register, changed = Register(settings), asyncio.Event()
    async with (
        open_pool(DatabaseSection(dsn=dsn)) as pool,
        web.listening(settings, register, pool, changed) as port,
    ):
        yield Served(f"https://localhost:{port}", pool, pki, settings, register, changed)


@pytest.fixture
async def served(tmp_path: Path, migrated_plain_dsn: str) -> AsyncIterator[Served]:
    async with serving(tmp_path, migrated_plain_dsn) as made:
        yield made


def request(given: EnrolmentToken, /, **changed: object) -> bytes:
    csr = signing_request(Ed25519PrivateKey.generate(), HUB, AGENT)
    return msgspec.json.encode({"hub": HUB, "agent": AGENT, "token": given.secret, "csr": csr} | changed)


def ec_request() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    made = CertificateSigningRequestBuilder().subject_name(common_name("x")).sign(key, SHA256())
    return made.public_bytes(Encoding.PEM).decode()


def forged_request() -> str:
    """Return a request whose signature is not by its key."""
    lines = signing_request(Ed25519PrivateKey.generate(), HUB, AGENT).splitlines()
    der = bytearray(base64.b64decode("".join(lines[1:-1])))
    der[-1] ^= 1
    text = base64.encodebytes(bytes(der)).decode()
    return f"{lines[0]}\n{text}{lines[-1]}\n"


async def test_what_is_no_request_gets_no_certificate_and_spends_no_token(served: Served) -> None:
    token = await served.token()
    bad = {
        b"": 400,
        b"{}": 400,
        b"\xff": 400,
        b'{"hub": 1}': 400,
        request(token, hub="#"): 403,
        request(token, hub="antwerp"): 403,
        request(token, agent="gate-8"): 403,
        request(token, token="x" * 5000): 403,
        request(token, token="\0"): 403,
        request(token, csr="none"): 403,
        request(token, csr=ec_request()): 403,
        request(token, csr=forged_request()): 403,
        request(token, csr="x" * 70_000): 413,
    }
    for body, status in bad.items():
        got, told = await served.post("enrol", body)
        assert got == status, (body[:80], told)
        assert token.secret not in str(told)
    assert (await served.post("enrol", request(token)))[0] == 200


async def test_guessing_is_slowed_down(served: Served) -> None:
    token = EnrolmentToken("x" * 43, served.pki.authority.fingerprint())
    began, guesses = time.monotonic(), 0
    while (await served.post("enrol", request(token)))[0] == 403:
        guesses += 1
    may_be = web.PEER_BURST + web.PEER_PER_S * (time.monotonic() - began)
    assert web.PEER_BURST <= guesses <= may_be


def unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


async def connected(served: Served, source: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(
        "127.0.0.1", served.port, ssl=unverified(), local_addr=(source, 0), ssl_handshake_timeout=20
    )


async def answered(served: Served, source: str) -> bytes:
    """Return what is answered to one request from an address; nothing where it is let in no more."""
    try:
        reader, writer = await connected(served, source)
    except OSError:
        return b""
    try:
        writer.write(f"GET {PATH}/ca HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        async with asyncio.timeout(60):
            return await reader.read()
    except OSError:
        return b""
    finally:
        writer.close()


async def test_crowd_from_one_address_leaves_room_for_others(served: Served) -> None:
    crowd = [await connected(served, "127.0.0.1") for _ in range(MOST_PER_PEER)]
    try:
        assert await answered(served, "127.0.0.1") == b""
        assert (await answered(served, "127.0.0.2")).startswith(b"HTTP/1.1 200")
    finally:
        for _, writer in crowd:
            writer.close()


async def test_handshakes_that_do_not_end_from_many_addresses_leave_room_for_another(served: Served) -> None:
    crowd = []
    try:
        for i in range(MOST_CONNECTIONS + 10):
            source = f"127.0.0.{1 + i // MOST_PER_PEER}"
            crowd.append(await asyncio.open_connection("127.0.0.1", served.port, local_addr=(source, 0)))
        assert (await answered(served, "127.0.0.9")).startswith(b"HTTP/1.1 200")
    finally:
        for _, writer in crowd:
            writer.transport.abort()


async def test_what_is_no_http_leaves_no_trace_in_the_log(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    reader, writer = await connected(served, "127.0.0.1")
    writer.write(b"\x00\xff no HTTP \x1b[2J\r\n\r\n")
    async with asyncio.timeout(60):
        answer = await reader.read()
    writer.close()
    assert b"Traceback" not in answer
    assert not [record for record in caplog.records if record.exc_info]


async def test_gateway_sends_no_token_to_a_hub_that_the_token_does_not_name(served: Served, tmp_path: Path) -> None:
    home = IdentityFolder(tmp_path / "identity")
    token = EnrolmentToken((await served.token()).secret, "0" * 64)
    with pytest.raises(Permanent, match="another fingerprint"):
        await asking.enrol(served.url, home, token, HUB, AGENT)
    assert not home.folder.exists(), "no key is made for nothing"


async def test_gateway_sends_no_token_to_a_machine_of_the_hub_that_is_not_the_service(
    served: Served, tmp_path: Path
) -> None:
    # Somebody in between can show the root, which is public, but has no server's certificate under it.
    stolen, _ = served.pki.agent("rotterdam/gate-9")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    assert stolen.cert_file is not None
    context.load_cert_chain(stolen.cert_file, stolen.key_file)
    heard: list[bytes] = []

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read(4096))
        ca = served.pki.authority.ca_file.read_bytes()
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(ca), ca))
        await writer.drain()
        writer.close()

    token = await served.token()
    server = await asyncio.start_server(relay, "127.0.0.1", 0, ssl=context)
    async with server:
        url = f"https://localhost:{server.sockets[0].getsockname()[1]}"
        with pytest.raises(Permanent, match="is not our hub"):
            await asking.enrol(url, IdentityFolder(tmp_path / "identity"), token, HUB, AGENT)
    assert len(heard) == 1
    assert token.secret.encode() not in b"".join(heard)


async def test_lost_answer_is_asked_for_again(served: Served, tmp_path: Path) -> None:
    home, token = IdentityFolder(tmp_path / "identity"), await served.token()
    first = await asking.enrol(served.url, home, token, HUB, AGENT)
    again = await asking.enrol(served.url, home, token, HUB, AGENT)
    assert again == first
    home.install(again, served.url)
    with pytest.raises(Permanent, match="used before"):
        await asking.enrol(served.url, home, token, HUB, AGENT)


async def enrolled(served: Served, folder: Path) -> IdentityFolder:
    home = IdentityFolder(folder)
    home.install(await asking.enrol(served.url, home, await served.token(), HUB, AGENT), served.url)
    return home


async def test_agent_renews_when_asked_and_keeps_its_key_when_the_hub_refuses(served: Served, tmp_path: Path) -> None:
    home, health = await enrolled(served, tmp_path / "identity"), Health()
    renewal, first = Renewal(home, health), home.read()
    await renewal.look()
    assert home.read() == first
    async with served.pool.connection() as connection:
        await ask_renewal(connection, HUB, AGENT, by="ann")
    await renewal.look()
    second = home.read()
    assert second.serial != first.serial
    assert home.key_file.stat().st_mode & 0o077 == 0
    assert (home.folder / "keys" / first.serial / "agent.key").exists(), "a connection may just be made with it"
    async with served.pool.connection() as connection:
        await ask_renewal(connection, HUB, AGENT, by="ann")
        await revoke(connection, HUB, AGENT, by="ann", reason="stolen")
    await renewal.look()
    assert home.read() == second
    with pytest.raises(Permanent, match="revoked"):
        await asking.renew(home, second)


async def test_stranger_renews_nobodys_key(served: Served, tmp_path: Path) -> None:
    home = await enrolled(served, tmp_path / "identity")
    csr = signing_request(Ed25519PrivateKey.generate(), HUB, AGENT)
    for signer, text in ((Ed25519PrivateKey.generate(), csr), (home.key(), f"{csr} ")):
        body = {"serial": home.read().serial, "csr": csr, "signature": signer.sign(text.encode())}
        status, told = await served.post("renew", msgspec.json.encode(body))
        assert (status, "not signed by a key" in told["detail"]) == (403, True)


async def test_hub_that_is_away_is_asked_again(tmp_path: Path, migrated_plain_dsn: str) -> None:
    async with serving(tmp_path, migrated_plain_dsn) as served:
        home = await enrolled(served, tmp_path / "identity")
    with pytest.raises(Transient, match="cannot be asked"):
        await asking.is_due(home, home.read())


async def test_users_of_nats_follow_who_is_enrolled(tmp_path: Path, migrated_plain_dsn: str) -> None:
    users, told = tmp_path / "users.conf", tmp_path / "told"
    command = ["sh", "-c", f"echo >> {told}"]
    async with serving(tmp_path, migrated_plain_dsn, nats_users=users, reload_command=command) as served:
        news = BrokerNews(served.settings, MqttSection(), served.register, served.pool, Health())
        await news.look()
        assert f"CN={HUB}/{AGENT}" not in users.read_text(encoding="utf-8")
        await enrolled(served, tmp_path / "identity")
        assert served.changed.is_set()
        await news.look()
        assert f"CN={HUB}/{AGENT}" in users.read_text(encoding="utf-8")
        await news.look()
        async with served.pool.connection() as connection:
            await revoke(connection, HUB, AGENT, by="ann", reason="stolen")
        await news.look()
        assert f"CN={HUB}/{AGENT}" not in users.read_text(encoding="utf-8")
    assert told.read_text(encoding="utf-8").count("\n") == 3, "told only of what is new"


def test_command_that_is_not_there_is_refused_with_its_key(tmp_path: Path) -> None:
    pki = PkiFolder(tmp_path)
    assert list(section(tmp_path, pki, reload_command=["sh", "-c", "true"]).conflicts_of_files()) == []
    (conflict,) = section(tmp_path, pki, reload_command=["no-such-program", "x"]).conflicts_of_files()
    assert conflict == (("reload_command",), "there is no program 'no-such-program' here; give its full path")


async def test_broker_that_cannot_be_told_is_told_again(tmp_path: Path, migrated_plain_dsn: str) -> None:
    async with serving(tmp_path, migrated_plain_dsn, reload_command=["sh", "-c", "echo why >&2; exit 3"]) as served:
        news = BrokerNews(served.settings, MqttSection(), served.register, served.pool, Health())
        for _ in range(2):
            with pytest.raises(Transient, match="ended with 3: why"):
                await news.look()
