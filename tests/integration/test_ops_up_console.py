"""`hubwatch up` with `[console]` and `[enrolment]`: one process serves a hub's health, its people and its gateways."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
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


async def test_hub_serves_health_logins_and_enrolment_over_tls(
    children: Children, mosquitto: Address, migrated_plain_dsn: str, tmp_path: Path
) -> None:
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
    children.start("up", "up", "-c", str(config))
    trusted = ssl.create_default_context(cafile=str(pki.authority.ca_file))
    connector = aiohttp.TCPConnector(ssl=trusted)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(20)) as http:

        async def well() -> bool:
            assert children.alive("up"), children.log("up")
            try:
                headers = {"Authorization": f"Bearer {TOKEN}"}
                async with http.get(f"https://localhost:{telemetry}/healthz", headers=headers) as answer:
                    checks = (await answer.json())["checks"]
            except aiohttp.ClientError:
                return False
            wanted = [checks.get(name, {}) for name in ("console", "enrolment")]
            return all(each.get("ok") and each.get("last") for each in wanted)

        await eventually(well, 120)
        password = re.search(r"one-time password (\S+)", children.log("up"))
        assert password is not None
        asked = {"user": "administrator", "password": password[1]}
        async with http.post(f"https://localhost:{api}/api/v1/login", json=asked) as answer:
            assert answer.status == 200
            assert (await answer.json())["user"]["needs"][0] == "password"
        async with http.post(f"https://localhost:{api}/api/v1/login", json={**asked, "password": "x"}) as answer:
            assert answer.status == 401
        async with http.get(f"https://localhost:{enrolment}{PATH}/ca") as answer:
            assert "BEGIN CERTIFICATE" in await answer.text()
        with pytest.raises(aiohttp.ClientError):
            await http.get(f"http://localhost:{api}/api/v1/me")
    assert children.stop("up") == 0
