"""TLS files of a configuration: what cannot be used is told by its key; another name can be demanded of a server."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from hubwatch_core.config import MqttSection, Section, TlsSection, client_context
from hubwatch_core.config.load import load
from hubwatch_core.errors import ConfigError
from support.certificates import Certificates


class Settings(Section):
    """A broker, and brokers in an array."""

    mqtt: MqttSection = MqttSection()
    brokers: tuple[MqttSection, ...] = ()


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)


def encrypt(key: Path) -> None:
    plain = load_pem_private_key(key.read_bytes(), None)
    form = (Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"open sesame"))
    key.write_bytes(plain.private_bytes(*form))


def problems(folder: Path, text: str) -> dict[str, str]:
    (folder / "c.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(Settings, folder / "c.toml", env={}, check_files=True)
    return {problem.key: problem.message for problem in caught.value.problems}


def tls(certificates: Certificates, cert: Path, key: Path, table: str = "mqtt.tls") -> str:
    return f'[{table}]\nca_file = "{certificates.ca}"\ncert_file = "{cert}"\nkey_file = "{key}"\n'


def test_encrypted_key_is_told_by_its_name_wherever_it_stands(tmp_path: Path, certificates: Certificates) -> None:
    cert, key = certificates.issue("one")
    encrypt(key)
    text = f"colour = 1\n{tls(certificates, cert, key)}[[brokers]]\n{tls(certificates, cert, key, 'brokers.tls')}"
    found = problems(tmp_path, text)
    assert list(found) == ["colour", "mqtt.tls.key_file", "brokers[0].tls.key_file"]
    said = f"TLS: key_file ({key}) is encrypted: give a key without a passphrase"
    assert found["mqtt.tls.key_file"] == said


def test_key_of_another_certificate_and_what_is_no_certificate_are_told(
    tmp_path: Path, certificates: Certificates
) -> None:
    (cert, key), (_, other) = certificates.issue("one"), certificates.issue("two")
    assert list(problems(tmp_path, tls(certificates, cert, other))) == ["mqtt.tls.cert_file"]
    assert list(problems(tmp_path, tls(certificates, key, key))) == ["mqtt.tls.cert_file"]
    certificates.ca.write_text("no certificate", encoding="utf-8")
    assert list(problems(tmp_path, tls(certificates, cert, key))) == ["mqtt.tls.ca_file"]


@pytest.mark.parametrize(
    ("server_name", "trusted"), [("broker.example", True), ("other.example", False), (None, False)]
)
async def test_server_name_is_what_the_certificate_must_carry(
    certificates: Certificates, server_name: str | None, trusted: bool
) -> None:
    cert, key = certificates.issue("broker.example")
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(cert, key)

    async def close(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(close, "127.0.0.1", 0, ssl=serving)
    async with server:
        host, port = server.sockets[0].getsockname()
        context = client_context(TlsSection(ca_file=certificates.ca, server_name=server_name))
        try:
            _, writer = await asyncio.open_connection(host, port, ssl=context)
        except ssl.SSLCertVerificationError:
            assert not trusted
            return
        writer.close()
    assert trusted
