"""The API over TLS: who it is must be vouched for before a password is sent, and a renewed certificate is served."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from hubwatch_alarms.cli import app as alarms_app
from hubwatch_core.errors import BadCall
from hubwatch_core.http.api_client import checked_address
from hubwatch_ops.login import login, logout, whoami
from support.alarms_database import Hands, hands_on
from support.certificates import Certificates
from support.console_running import Client, one_time, running_api
from support.eventually import eventually

GOOD = "four tall quay cranes"
LOGGED = "SELECT act FROM audit WHERE act LIKE 'login%%' ORDER BY id"

people = typer.Typer()
for each in (login, logout, whoami):
    people.command(each.__name__)(each)


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)


@pytest.fixture
def served(certificates: Certificates) -> dict[str, object]:
    cert, key = certificates.issue("127.0.0.1")
    key.chmod(0o600)
    return {"cert_file": cert, "key_file": key}


@pytest.fixture
async def hands(migrated_plain_dsn: str) -> AsyncIterator[Hands]:
    with hands_on(migrated_plain_dsn) as made:
        yield made


@pytest.fixture
async def api(
    migrated_plain_dsn: str, served: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Client]:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
    async with running_api(migrated_plain_dsn, api=served) as client:
        yield client


async def said(app: typer.Typer, *words: str, given: str = "", code: int = 0) -> str:
    result = await asyncio.to_thread(CliRunner().invoke, app, list(words), input=given)
    assert result.exit_code == code, result.output
    return result.output.replace("\n", " ")


async def test_person_logs_in_over_tls_and_every_command_goes_on_over_it(
    api: Client, migrated_plain_dsn: str, certificates: Certificates
) -> None:
    password = await one_time(migrated_plain_dsn, "kim")
    assert api.address.startswith("https://")
    words = ("login", api.address, "--user", "kim", "--ca-file", str(certificates.ca))
    assert f"you are kim at {api.address}" in await said(people, *words, given=f"{password}\n{GOOD}\n{GOOD}\n")
    assert await said(people, "whoami") == f"kim at {api.address}: guard at every hub "
    assert await said(alarms_app, "list") == "no open alarms "
    assert await said(people, "logout") == "kim is logged out "


@pytest.mark.parametrize("trusted", ["strangers", "system"])
async def test_hub_of_another_authority_gets_no_password(
    api: Client, migrated_plain_dsn: str, hands: Hands, certificates: Certificates, trusted: str
) -> None:
    password = await one_time(migrated_plain_dsn, "kim")
    given = ("--ca-file", str(certificates.strange_ca)) if trusted == "strangers" else ()
    told = await said(people, "login", api.address, "--user", "kim", *given, given=f"{password}\n", code=1)
    by = str(certificates.strange_ca) if trusted == "strangers" else "the authorities of this system"
    assert f"has a certificate that {by} do not vouch for" in told
    assert "nothing was sent; see --ca-file" in told
    assert hands.rows(LOGGED) == []


async def test_hub_of_another_name_gets_no_password(
    api: Client, migrated_plain_dsn: str, hands: Hands, certificates: Certificates
) -> None:
    password = await one_time(migrated_plain_dsn, "kim")
    address = api.address.replace("127.0.0.1", "localhost")
    words = ("login", address, "--user", "kim", "--ca-file", str(certificates.ca))
    told = await said(people, *words, given=f"{password}\n", code=1)
    assert "do not vouch for" in told
    assert "localhost" in told
    assert hands.rows(LOGGED) == []


async def test_browser_that_was_here_comes_by_tls_only(
    api: Client, migrated_plain_dsn: str, certificates: Certificates
) -> None:
    context = ssl.create_default_context(cafile=certificates.ca)
    for path in ("/login", "/api/v1/notice", "/nowhere"):
        async with api.http.get(api.address + path, ssl=context) as answer:
            assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
    async with running_api(migrated_plain_dsn) as plain:
        assert "strict-transport-security" not in (await plain.get("/notice")).headers


async def test_cipher_without_forward_secrecy_is_refused(api: Client, certificates: Certificates) -> None:
    port = int(api.address.rpartition(":")[2])
    context = ssl.create_default_context(cafile=certificates.ca)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    writer.close()
    context.set_ciphers("AES256-GCM-SHA384:AES128-GCM-SHA256")
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        await asyncio.open_connection("127.0.0.1", port, ssl=context)


async def test_renewed_certificate_is_served_without_a_restart(
    api: Client, migrated_plain_dsn: str, served: dict[str, object], certificates: Certificates
) -> None:
    certificates.issue("127.0.0.1", by=certificates.strangers)
    port = int(api.address.rpartition(":")[2])
    context = ssl.create_default_context(cafile=certificates.strange_ca)

    async def reached() -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        except ssl.SSLError:
            return False
        writer.close()
        await writer.wait_closed()
        return True

    await eventually(reached)


@pytest.mark.parametrize("host", ["hub.example", "192.0.2.7", "[2001:db8::7]"])
def test_plain_link_to_another_machine_has_to_be_wanted(host: str) -> None:
    address = f"http://{host}:8443"
    with pytest.raises(BadCall, match="can be read on the way"):
        checked_address(address)
    assert checked_address(f"{address}/", allow_plain=True) == address
    assert checked_address("http://127.0.0.1:8443") == "http://127.0.0.1:8443"
