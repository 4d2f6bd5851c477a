"""TLS towards a real Mosquitto, with certificates made in the test."""

from __future__ import annotations

import asyncio
import socket
import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from structlog.testing import capture_logs

from hubwatch_core.config import MqttSection, TlsSection, client_context
from hubwatch_core.errors import Permanent
from hubwatch_core.health import Health
from hubwatch_core.mqtt import MqttLink, MqttSession
from support.certificates import Certificates
from support.eventually import eventually
from support.fix_mqtt import MakeMosquitto
from support.kept_link import kept, reaching
from support.own_mosquitto import OwnMosquitto
from support.proxy import Proxy

SOON_S = 60.0


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)


def _lines(certificates: Certificates, name: str = "127.0.0.1") -> list[str]:
    cert, key = certificates.issue(name)
    return ["allow_anonymous true", f"certfile {cert}", f"keyfile {key}"]


def _section(own: OwnMosquitto, **tls: Path) -> MqttSection:
    return reaching((own.host, own.port), tls={name: str(path) for name, path in tls.items()}, connect_timeout_s=5)


async def _never_in(section: MqttSection, said: str) -> None:
    """See that a session goes on trying, that health says why, and that the log says it once."""
    health = Health()
    with capture_logs() as logged:
        async with Proxy(section.host, section.port) as proxy:
            through = section.model_copy(update={"port": proxy.address[1]})
            async with kept(MqttSession(through, client_id="a", health=health)) as links:
                await eventually(lambda: proxy.accepted >= 4)
                assert links.made == 0
                assert not links.task.done()
                assert said in str(health.report())
    assert [line["event"] for line in logged] == ["connection lost, trying again"]


async def test_broker_of_our_authority_is_trusted(make_mosquitto: MakeMosquitto, certificates: Certificates) -> None:
    own = make_mosquitto(_lines(certificates))
    async with kept(MqttSession(_section(own, ca_file=certificates.ca), client_id="a")) as links:
        link = await links.next()
        await link.subscribe("t")
        await asyncio.gather(*(link.publish("t", b"x" * 50_000) for _ in range(20)))
        assert sum([len(each.payload) for each in await link.receive(20, SOON_S)]) > 0


async def test_broker_of_a_strange_authority_is_not_and_health_says_why(
    make_mosquitto: MakeMosquitto, certificates: Certificates
) -> None:
    own = make_mosquitto(_lines(certificates))
    await _never_in(_section(own, ca_file=certificates.strange_ca), "CERTIFICATE_VERIFY_FAILED")


async def test_broker_of_another_name_is_not_and_health_says_why(
    make_mosquitto: MakeMosquitto, certificates: Certificates
) -> None:
    own = make_mosquitto(_lines(certificates, "broker.example"))
    await _never_in(_section(own, ca_file=certificates.ca), "certificate is not valid for '127.0.0.1'")


async def test_broker_that_gets_its_right_certificate_is_met_without_a_restart(
    make_mosquitto: MakeMosquitto, certificates: Certificates
) -> None:
    cert, key = certificates.issue("127.0.0.1", by=certificates.strangers)
    own = make_mosquitto(["allow_anonymous true", f"certfile {cert}", f"keyfile {key}"])
    health = Health()
    async with kept(MqttSession(_section(own, ca_file=certificates.ca), client_id="a", health=health)) as links:
        await eventually(lambda: "CERTIFICATE_VERIFY_FAILED" in str(health.report()))
        own.stop()
        certificates.issue("127.0.0.1")
        own.start()
        await links.next()


async def test_broker_that_wants_our_certificate_gets_it(
    make_mosquitto: MakeMosquitto, certificates: Certificates
) -> None:
    own = make_mosquitto([*_lines(certificates), "require_certificate true", f"cafile {certificates.ca}"])
    cert, key = certificates.issue("gate-7")
    section = _section(own, ca_file=certificates.ca, cert_file=cert, key_file=key)
    async with kept(MqttSession(section, client_id="a")) as links:
        await (await links.next()).publish("t", b"x")


async def test_broker_that_wants_our_certificate_and_gets_none_refuses(
    make_mosquitto: MakeMosquitto, certificates: Certificates
) -> None:
    own = make_mosquitto([*_lines(certificates), "require_certificate true", f"cafile {certificates.ca}"])
    section = _section(own, ca_file=certificates.ca)
    health = Health()
    async with Proxy(section.host, section.port) as proxy:
        through = section.model_copy(update={"port": proxy.address[1], "connect_timeout_s": 60})
        async with kept(MqttSession(through, client_id="a", health=health)) as links:
            await eventually(lambda: proxy.accepted >= 4)
            assert links.made == 0
            assert not health.ok
            assert "refuses us at TLS: certificate required; check cert_file" in str(health.report())
            assert "not connected yet" not in str(health.report()), "the tries that ended are told"


async def test_tls_towards_a_port_without_it_is_told(own_mosquitto: OwnMosquitto, certificates: Certificates) -> None:
    section = reaching(
        (own_mosquitto.host, own_mosquitto.port), tls={"ca_file": str(certificates.ca)}, connect_timeout_s=1
    )
    await _never_in(section, "cannot connect to broker")


async def test_ca_file_that_is_not_there_is_permanent_before_any_connect(tmp_path: Path) -> None:
    async def use(_: MqttLink) -> None:
        raise AssertionError

    section = MqttSection(host="127.0.0.1", port=1, tls=TlsSection(ca_file=tmp_path / "gone.pem"))
    with pytest.raises(Permanent, match=r"TLS: ca_file \(.*gone.pem\) cannot be used: No such file or directory"):
        async with asyncio.timeout(SOON_S):
            await MqttSession(section, client_id="a").run(use)


def test_ca_file_that_holds_no_certificate_is_permanent(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    for content in (b"", b"hello", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"):
        file.write_bytes(content)
        with pytest.raises(Permanent, match=r"TLS: ca_file \(.*ca.pem\) cannot be used"):
            client_context(TlsSection(ca_file=file))


def test_key_of_another_certificate_is_permanent(certificates: Certificates) -> None:
    (cert, _), (_, key) = certificates.issue("one"), certificates.issue("two")
    with pytest.raises(Permanent, match=r"TLS: cert_file or key_file .* cannot be used.*KEY_VALUES_MISMATCH"):
        client_context(TlsSection(ca_file=certificates.ca, cert_file=cert, key_file=key))


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_encrypted_key_is_refused_by_name_and_asks_nobody(certificates: Certificates, form: PrivateFormat) -> None:
    cert, key = certificates.issue("one")
    plain = load_pem_private_key(key.read_bytes(), None)
    key.write_bytes(plain.private_bytes(Encoding.PEM, form, BestAvailableEncryption(b"open sesame")))
    with pytest.raises(Permanent, match=r"TLS: key_file \(.*one.key\) is encrypted: give a key without a passphrase"):
        client_context(TlsSection(ca_file=certificates.ca, cert_file=cert, key_file=key))


def test_only_the_named_authority_is_trusted_and_only_tls_from_1_2_on(certificates: Certificates) -> None:
    context = client_context(TlsSection(ca_file=certificates.ca))
    assert len(context.get_ca_certs()) == 1
    assert context.check_hostname
    assert context.minimum_version.name == "TLSv1_2"


@pytest.mark.parametrize("gone", ["cert_file", "key_file"])
def test_file_of_our_own_that_is_not_there_is_named(certificates: Certificates, gone: str) -> None:
    cert, key = certificates.issue("one")
    (cert if gone == "cert_file" else key).unlink()
    with pytest.raises(Permanent, match=rf"TLS: {gone} \(.*one\.\w+\) cannot be used: No such file"):
        client_context(TlsSection(ca_file=certificates.ca, cert_file=cert, key_file=key))


@pytest.mark.parametrize(("name", "trusted"), [("gateway.example", True), ("another.example", False), (None, False)])
async def test_certificate_is_checked_for_the_name_given_where_we_connect_to_an_address(
    certificates: Certificates, name: str | None, trusted: bool
) -> None:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(*certificates.issue("gateway.example"))
    context = client_context(TlsSection(ca_file=certificates.ca, server_name=name))

    def blocking(address: tuple[str, int]) -> None:
        with socket.create_connection(address) as plain, context.wrap_socket(plain, server_hostname=address[0]):
            pass

    async def as_asyncio(address: tuple[str, int]) -> None:
        _, writer = await asyncio.open_connection(*address, ssl=context)
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=server) as listening:
        address = listening.sockets[0].getsockname()
        for connect in (as_asyncio, lambda address: asyncio.to_thread(blocking, address)):
            if trusted:
                await connect(address)
            else:
                with pytest.raises(ssl.SSLCertVerificationError):
                    await connect(address)
