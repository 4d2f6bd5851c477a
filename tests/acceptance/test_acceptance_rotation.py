"""Every secret of a hub is changed while an enrolled agent sends: each reading it has promised is stored, once."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from pathlib import Path

import pytest
from cryptography.x509 import load_pem_x509_certificate

from hubwatch_ops.pki.authority import fingerprint_of
from support.certified_nats import configure_certified
from support.chaos_checker import check
from support.eventually import eventually
from support.fix_mqtt import MakeMosquitto
from support.own_mosquitto import OwnMosquitto, mosquitto_program
from support.own_nats import OwnNats, nats_program
from support.pki_folder import HERE, PkiFolder
from support.ports import free_port
from support.rotation_rig import FIRST, SECOND, WITHIN_S, Rotation, rotation
from support.sample_mosquitto import start_sample

pytestmark = pytest.mark.timeout(600)


def check_account(hub: Rotation) -> None:
    """Every promise was kept once, and nothing was refused on the way."""
    verdict = check(hub.database.dsn, [hub.journal])
    assert verdict.clean, verdict
    assert (verdict.evicted, verdict.detail) == (0, ""), verdict


async def test_mosquitto_certificate_and_passwords_are_changed_under_load(
    tmp_path: Path, make_mosquitto: MakeMosquitto
) -> None:
    mosquitto_program()
    pki, login_port = PkiFolder(tmp_path), free_port()
    # A listener as hubs have it that give their own programs passwords.
    listener = f"""
listener {login_port} 127.0.0.1
cafile {pki.certs}/ca.pem
certfile {pki.certs}/broker.pem
keyfile {pki.certs}/broker.key
use_username_as_clientid true
password_file {broker_passwords(tmp_path, FIRST)}
"""
    broker = start_sample(pki, make_mosquitto, more=listener)
    async with rotation(tmp_path, pki, broker.port, login_port) as hub:
        (tmp_path / "broker.pid").write_text(f"{broker.pid}\n", encoding="utf-8")
        intake = f"""
[mqtt]
host = "127.0.0.1"
port = {hub.intake.address[1]}
username = "collector"
password_file = "{hub.write_secret("broker", FIRST)}"
max_reconnect_s = 0.5
[mqtt.tls]
ca_file = "{pki.authority.ca_file}"
"""
        hub.write(f"{HERE[0]}:{broker.port}", intake, f'broker_pid = "{tmp_path / "broker.pid"}"')
        await hub.begin()
        await hub.renew_agent()
        await rotate_broker_password(hub, broker)
        await hub.rotate_database_password()
        await hub.end()
        check_account(hub)


def broker_passwords(folder: Path, password: str) -> Path:
    """Write the broker's file of passwords, as its own program does."""
    file = folder / "mosquitto.passwords"
    command = ["mosquitto_passwd", "-c", "-b", str(file), "collector", password]
    subprocess.run(command, check=True, capture_output=True)
    return file


async def rotate_broker_password(hub: Rotation, broker: OwnMosquitto) -> None:
    """Change it at the broker first: until the collector's file is new, it is refused."""
    broker_passwords(hub.folder, SECOND)
    broker.reload()
    hub.intake.cut()
    await eventually(lambda: "disconnected, not authorised" in broker.log.read_text(encoding="utf-8"), WITHIN_S)
    hub.write_secret("broker", SECOND)
    await hub.flows()


async def test_nats_certificates_and_password_are_changed_under_load(tmp_path: Path) -> None:
    nats_program()
    pki, server = PkiFolder(tmp_path), OwnNats("nats-1", tmp_path / "nats-1")
    configure_certified(server, pki)
    server.start()
    try:
        server.await_healthy(size=1)
        async with rotation(tmp_path, pki, server.mqtt_port, server.port, "3.1.1") as hub:
            tls = pki.service("collector")
            intake = f"""
[nats]
servers = ["tls://127.0.0.1:{hub.intake.address[1]}"]
replicas = 1
max_reconnect_s = 0.5
[nats.tls]
ca_file = "{tls.ca_file}"
cert_file = "{tls.cert_file}"
key_file = "{tls.key_file}"
"""
            users = f'protocol = "3.1.1"\nnats_users = "{server.folder / "users.conf"}"\n'
            reload = f'reload_command = ["{nats_program()}", "--signal", "reload={server.pid}"]'
            hub.write(f"{HERE[0]}:{server.mqtt_port}", intake, users + reload)
            await hub.begin()
            await hub.renew_agent()
            pki.service("collector")
            hub.intake.cut()
            await hub.flows()
            await hub.rotate_database_password()
            # A connection that was just being made when its certificate was renewed has the former one.
            hub.uplink.cut()
            hub.intake.cut()
            await hub.flows()
            wanted = {fingerprint(hub.identity.cert_file), fingerprint(tls.cert_file)}
            await eventually(lambda: wanted <= certificates_at(server), WITHIN_S)
            await hub.end()
            check_account(hub)
    finally:
        server.stop()


def certificates_at(server: OwnNats) -> set[str]:
    """Return the digests of the certificates that clients have shown on the connections of now."""
    with urllib.request.urlopen(f"http://127.0.0.1:{server.monitor_port}/connz?auth=1", timeout=10) as answer:
        connections = json.load(answer)["connections"]
    return {peer["cert_sha256"] for each in connections for peer in each.get("tls_peer_certs", [])[:1]}


def fingerprint(file: Path | None) -> str:
    """Return the digest of the first certificate in a file."""
    assert file is not None
    return fingerprint_of(load_pem_x509_certificate(file.read_bytes()))
