"""`hubwatch up` with `[console]` and `[enrolment]`: one process serves a hub's health, its people and its gateways."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from hubwatch_core.enrolment import PATH
from support.children import Children
from support.eventually import eventually
from support.fix_mqtt import Address
from support.pki_folder import PASSPHRASE, PkiFolder
from support.ports import free_port

TOKEN = "9f8c1b7e5d3a4c6f9f8c1b7e5d3a4c6e"


@pytest.fixture
def children(tmp_path: Path) -> Iterator[Children]:
    made = Children(tmp_path)
    yield made
    made.end_all()


def secret(file: Path, text: str) -> Path:
    file.touch(0o600)
    file.write_text(text, encoding="utf-8")
    return file


@dataclass(frozen=True)
class Hub:
    """What a hub's file says, and who trusts it."""

    config: Path
    pki: PkiFolder
    telemetry: int
    api: int
    enrolment: int


@pytest.fixture
def hub(mosquitto: Address, migrated_plain_dsn: str, tmp_path: Path) -> Hub:
    pki = PkiFolder(tmp_path)
    telemetry, api, enrolment = (free_port() for _ in range(3))
    console, enrols = pki.service("console"), pki.service("enrolment")
    config = tmp_path / "hub.toml"
    config.write_text(f"""
[mqtt]
host = "{mosquitto[0]}"
port = {mosquitto[1]}
[database]
dsn = "{migrated_plain_dsn}"

[telemetry]
host = "127.0.0.1"
port = {telemetry}
token_file = "{secret(tmp_path / "token", TOKEN)}"
[telemetry.tls]
cert_file = "{console.cert_file}"
key_file = "{console.key_file}"

[console.api]
port = {api}
cert_file = "{console.cert_file}"
key_file = "{console.key_file}"

[enrolment]
host = "127.0.0.1"
port = {enrolment}
cert_file = "{enrols.cert_file}"
key_file = "{enrols.key_file}"
pki_folder = "{pki.authority.folder}"
passphrase_file = "{secret(tmp_path / "passphrase", PASSPHRASE)}"
broker = "hub.example:8883"

[[alarms.routes]]
name = "watch"
kind = "log"
""", encoding="utf-8")  # fmt: skip
    return Hub(config, pki, telemetry, api, enrolment)


async def is_well(http: aiohttp.ClientSession, hub: Hub, *names: str) -> bool:
    """Return whether these parts have done their work, as `/healthz` says."""
    try:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with http.get(f"https://localhost:{hub.telemetry}/healthz", headers=headers) as answer:
            checks = (await answer.json())["checks"]
    except (aiohttp.ClientError, TimeoutError):
        return False
    return all(checks.get(name, {}).get("ok") and checks[name].get("last") for name in names)


async def test_hub_serves_health_logins_and_enrolment_over_tls(children: Children, hub: Hub) -> None:
    children.start("up", "up", "-c", str(hub.config))
    trusted = ssl.create_default_context(cafile=str(hub.pki.authority.ca_file))
    connector = aiohttp.TCPConnector(ssl=trusted)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(30)) as http:
        try:
            await eventually(lambda: is_well(http, hub, "console", "enrolment"), 120)
        except AssertionError:
            pytest.fail(children.log("up"))
        password = re.search(r"one-time password (\S+)", children.log("up"))
        assert password is not None
        login = f"https://localhost:{hub.api}/api/v1/login"
        asked = {"user": "administrator", "password": password[1]}
        async with http.post(login, json=asked) as answer:
            assert (answer.status, (await answer.json())["user"]["needs"][0]) == (200, "password")
        async with http.post(login, json={**asked, "password": "x"}) as answer:
            assert answer.status == 401
        async with http.get(f"https://localhost:{hub.enrolment}{PATH}/ca") as answer:
            assert "BEGIN CERTIFICATE" in await answer.text()
        with pytest.raises(aiohttp.ClientError):
            await http.get(f"http://localhost:{hub.api}/api/v1/me")
    assert children.stop("up") == 0
