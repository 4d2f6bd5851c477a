"""Telemetry over TLS, with a token that cannot be guessed."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from hubwatch_core.config import ServerTlsSection, TelemetrySection
from hubwatch_core.config.load import load
from hubwatch_core.config.sections import token_bits
from hubwatch_core.errors import ConfigError, Permanent
from hubwatch_core.health import Health
from hubwatch_core.http import telemetry
from support.certificates import Certificates

GOOD = "Zm9yIHRoZSBmaXJzdCBzY3JhcGVy"


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)


@asynccontextmanager
async def serving(**tls: Path) -> AsyncIterator[int]:
    section = TelemetrySection(port=0, tls=ServerTlsSection(**tls))
    async with telemetry.listening(section, CollectorRegistry(), Health()) as port:
        assert port is not None
        yield port


async def ask(port: int, context: ssl.SSLContext) -> int:
    async with (
        aiohttp.ClientSession() as client,
        client.get(f"https://127.0.0.1:{port}/healthz", ssl=context) as response,
    ):
        return response.status


def trusting(file: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(file))


async def test_health_is_served_over_tls_and_not_in_the_clear(certificates: Certificates) -> None:
    cert, key = certificates.issue("127.0.0.1")
    async with serving(cert_file=cert, key_file=key) as port:
        assert await ask(port, trusting(certificates.ca)) == 200
        with pytest.raises(aiohttp.ClientError):
            await ask(port, trusting(certificates.strange_ca))
        async with aiohttp.ClientSession() as client:
            with pytest.raises(aiohttp.ClientError):
                await client.get(f"http://127.0.0.1:{port}/healthz")


async def test_old_versions_and_weak_ciphers_are_refused(certificates: Certificates) -> None:
    cert, key = certificates.issue("127.0.0.1")
    async with serving(cert_file=cert, key_file=key) as port:
        without_secrecy = trusting(certificates.ca)
        without_secrecy.maximum_version = ssl.TLSVersion.TLSv1_2
        without_secrecy.set_ciphers("AES256-GCM-SHA384")
        with pytest.raises(aiohttp.ClientError):
            await ask(port, without_secrecy)


async def test_certificate_of_the_scraper_is_demanded_where_that_is_said(certificates: Certificates) -> None:
    cert, key = certificates.issue("127.0.0.1")
    mine, my_key = certificates.issue("scraper")
    async with serving(cert_file=cert, key_file=key, client_ca_file=certificates.ca) as port:
        context = trusting(certificates.ca)
        with pytest.raises(aiohttp.ClientError):
            await ask(port, context)
        context.load_cert_chain(mine, my_key)
        assert await ask(port, context) == 200


async def test_new_certificate_is_served_without_a_restart_and_a_bad_one_is_not(certificates: Certificates) -> None:
    cert, key = certificates.issue("127.0.0.1")
    async with serving(cert_file=cert, key_file=key) as port:
        assert await ask(port, trusting(certificates.ca)) == 200
        await asyncio.to_thread(cert.write_text, "no certificate", encoding="utf-8")
        assert await ask(port, trusting(certificates.ca)) == 200, "the former one"
        strange, strange_key = certificates.issue("127.0.0.1", by=certificates.strangers)
        await asyncio.to_thread(os.utime, strange, (1, 1))
        assert (strange, strange_key) == (cert, key)
        assert await ask(port, trusting(certificates.strange_ca)) == 200


@pytest.mark.parametrize(
    "token",
    ["a" * 64, "abababab" * 8, "1234567890123456789012", "0123456789abcdef0123456789abcde", "correct-horse", "x"],
)
def test_token_that_can_be_guessed_is_refused(token: str, tmp_path: Path) -> None:
    with pytest.raises(Permanent, match="can be guessed"):
        TelemetrySection(port=0, token=SecretStr(token)).given_token()
    (tmp_path / "token").write_text(token, encoding="utf-8")
    (tmp_path / "t.toml").write_text(f'port = 0\ntoken_file = "{tmp_path}/token"\n', encoding="utf-8")
    with pytest.raises(ConfigError, match="token_file: the telemetry token can be guessed") as refused:
        load(TelemetrySection, tmp_path / "t.toml", env={}, check_files=True)
    assert token not in str(refused.value) or len(token) < 2


@pytest.mark.parametrize("token", [GOOD, "0123456789abcdef0123456789abcdef", "6f1c1b2f-2f6f-4a53-9d55-6c1f1c2f3a4b"])
def test_token_of_128_bits_is_good(token: str) -> None:
    assert token_bits(token) >= 128
    assert TelemetrySection(port=0, token=SecretStr(token)).given_token() == token


def test_key_of_the_server_that_others_can_read_is_refused(certificates: Certificates, tmp_path: Path) -> None:
    cert, key = certificates.issue("127.0.0.1")
    key.chmod(0o644)
    (tmp_path / "t.toml").write_text(f'[tls]\ncert_file = "{cert}"\nkey_file = "{key}"\n', encoding="utf-8")
    with pytest.raises(ConfigError, match="chmod 600"):
        load(TelemetrySection, tmp_path / "t.toml", env={}, check_files=True)
