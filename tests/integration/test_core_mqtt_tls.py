"""TLS towards a real Mosquitto, with certificates made in the test."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from structlog.testing import capture_logs

from hubwatch_core.config import MqttSection, TlsSection
from hubwatch_core.errors import Permanent
from hubwatch_core.health import Health
from hubwatch_core.mqtt import Link, Session
from hubwatch_core.tls import client_context
from support.fix_mqtt import MakeMosquitto
from support.kept_link import kept, reaching
from support.own_mosquitto import OwnMosquitto

SOON_S = 10.0


@dataclass
class Certificates:
    """Two authorities, and files signed by the first."""

    folder: Path

    def __post_init__(self) -> None:
        self.ours, self.strangers = trustme.CA(), trustme.CA()
        self.ours.cert_pem.write_to_path(str(self.ca))
        self.strangers.cert_pem.write_to_path(str(self.strange_ca))

    @property
    def ca(self) -> Path:
        return self.folder / "ca.pem"

    @property
    def strange_ca(self) -> Path:
        return self.folder / "strange-ca.pem"

    def issue(self, name: str, *, by: trustme.CA | None = None) -> tuple[Path, Path]:
        """Make a certificate for a name or address; gives the files of certificate and key."""
        made = (by or self.ours).issue_cert(name)
        cert, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        made.cert_chain_pems[0].write_to_path(str(cert))
        made.private_key_pem.write_to_path(str(key))
        return cert, key


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
        async with kept(Session(section, client_id="a", health=health)) as links:
            await asyncio.sleep(2.5)  # some tries
            assert links.made == 0
            assert not links.task.done()
            assert said in str(health.report())
    assert [line["event"] for line in logged] == ["link lost, will go on trying"]


async def test_broker_of_our_authority_is_trusted(make_mosquitto: MakeMosquitto, certificates: Certificates) -> None:
    own = make_mosquitto(_lines(certificates))
    async with kept(Session(_section(own, ca_file=certificates.ca), client_id="a")) as links:
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
    async with kept(Session(_section(own, ca_file=certificates.ca), client_id="a", health=health)) as links:
        await asyncio.sleep(1)
        assert "CERTIFICATE_VERIFY_FAILED" in str(health.report())
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
    async with kept(Session(section, client_id="a")) as links:
        await (await links.next()).publish("t", b"x")


async def test_broker_that_wants_our_certificate_and_gets_none_refuses(
    make_mosquitto: MakeMosquitto, certificates: Certificates
) -> None:
    own = make_mosquitto([*_lines(certificates), "require_certificate true", f"cafile {certificates.ca}"])
    section = _section(own, ca_file=certificates.ca)
    health = Health()
    async with kept(Session(section, client_id="a", health=health)) as links:
        await asyncio.sleep(2)
        assert links.made == 0
    assert not health.ok


async def test_tls_towards_a_port_without_it_is_told(own_mosquitto: OwnMosquitto, certificates: Certificates) -> None:
    section = reaching(
        (own_mosquitto.host, own_mosquitto.port), tls={"ca_file": str(certificates.ca)}, connect_timeout_s=1
    )
    await _never_in(section, "cannot connect to broker")


async def test_ca_file_that_is_not_there_is_permanent_before_any_connect(tmp_path: Path) -> None:
    async def use(_: Link) -> None:
        raise AssertionError

    section = MqttSection(host="127.0.0.1", port=1, tls=TlsSection(ca_file=tmp_path / "gone.pem"))
    with pytest.raises(Permanent, match=r"TLS: ca_file \(.*gone.pem\) cannot be used: No such file or directory"):
        await asyncio.wait_for(Session(section, client_id="a").run(use), SOON_S)


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


def test_encrypted_key_is_permanent_and_asks_nobody(certificates: Certificates) -> None:
    cert, key = certificates.issue("one")
    plain = load_pem_private_key(key.read_bytes(), None)
    form = (Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"open sesame"))
    key.write_bytes(plain.private_bytes(*form))
    with pytest.raises(Permanent, match=r"TLS: cert_file or key_file .* cannot be used"):
        client_context(TlsSection(ca_file=certificates.ca, cert_file=cert, key_file=key))


def test_only_the_named_authority_is_trusted_and_only_tls_from_1_2_on(certificates: Certificates) -> None:
    context = client_context(TlsSection(ca_file=certificates.ca))
    assert len(context.get_ca_certs()) == 1
    assert context.check_hostname
    assert context.minimum_version.name == "TLSv1_2"
