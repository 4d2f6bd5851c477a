"""The hub's own authority: what its files let nobody do, what its certificates are good for, and its commands."""

from __future__ import annotations

import ssl
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import ExtendedKeyUsageOID
from typer.testing import CliRunner

from hubwatch_core.errors import BadCall, Permanent
from hubwatch_ops.pki import roles
from hubwatch_ops.pki.app import app
from hubwatch_ops.pki.issuer import RevokedCertificate, Subject, serial_of
from hubwatch_ops.pki.nats_users import nats_users
from support.pki_folder import PASSPHRASE, PkiFolder


@pytest.fixture
def pki(tmp_path: Path) -> PkiFolder:
    return PkiFolder(tmp_path)


def purposes(certificate: x509.Certificate) -> set[object]:
    return set(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)


def test_keys_are_encrypted_and_for_their_owner_alone(pki: PkiFolder) -> None:
    folder = pki.authority.folder
    for key in (folder / "root" / "root.key", folder / "issuing" / "issuing.key"):
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
        assert b"ENCRYPTED" in key.read_bytes()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    with pytest.raises(Permanent, match="does not open with this passphrase"):
        pki.authority.open("another passphrase")


def test_authority_is_not_overwritten_and_short_passphrases_are_refused(pki: PkiFolder, tmp_path: Path) -> None:
    with pytest.raises(Permanent, match="holds an authority already"):
        pki.authority.make("again", PASSPHRASE, PASSPHRASE)
    empty = type(pki.authority)(tmp_path / "other")
    with pytest.raises(Permanent, match="at least 12 characters"):
        empty.make("x", "short", PASSPHRASE)
    assert not empty.folder.exists()


def test_certificates_are_issued_without_the_root(pki: PkiFolder) -> None:
    for each in (pki.authority.folder / "root").iterdir():
        each.unlink()
    pki.service("broker")
    pki.authority.write_crl(pki.authority.open(PASSPHRASE))


def test_machine_is_good_for_what_it_is_and_nothing_else(pki: PkiFolder) -> None:
    pki.service("broker"), pki.service("collector"), pki.service("nats")
    issued = {roles.role_of(str(_name(each))): purposes(each) for each in pki.authority.issued()}
    server, client = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH
    assert issued == {
        roles.role("broker"): {server},
        roles.COLLECTOR: {client},
        roles.role("nats"): {server, client},
    }
    agent, _ = pki.agent("rotterdam/gate-7")
    assert agent.cert_file is not None
    assert purposes(x509.load_pem_x509_certificate(agent.cert_file.read_bytes())) == {client}


def _name(certificate: x509.Certificate) -> object:
    return certificate.subject.rfc4514_string().removeprefix("CN=")


def test_chain_is_what_tls_libraries_check(pki: PkiFolder) -> None:
    section = pki.service("broker")
    context = ssl.create_default_context(cafile=str(section.ca_file))
    assert [each["subject"] for each in context.get_ca_certs()] == [((("commonName", "test root"),),)]
    issuing = x509.load_pem_x509_certificate(pki.issuer.chain)
    issuing.verify_directly_issued_by(pki.authority.root())
    pki.authority.issued()[0].verify_directly_issued_by(issuing)
    constraints = issuing.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert (constraints.ca, constraints.path_length) == (True, 0)


def test_certificate_ends_with_its_issuer(pki: PkiFolder) -> None:
    made = pki.issuer.issue(Subject("collector"), Ed25519PrivateKey.generate().public_key(), timedelta(days=36_500))
    assert made.not_valid_after_utc == pki.issuer.certificate.not_valid_after_utc


def test_every_list_is_newer_than_the_one_before(pki: PkiFolder) -> None:
    pki.service("collector")
    serial = serial_of(pki.authority.issued()[0])
    pki.authority.revoke(serial)
    made = [x509.load_pem_x509_crl(pki.authority.write_crl(pki.issuer)) for _ in range(3)]
    times = [each.last_update_utc for each in made]
    assert times == sorted(set(times))
    assert all(each.get_revoked_certificate_by_serial_number(int(serial, 16)) is not None for each in made)
    assert all(each.is_signature_valid(pki.issuer.key.public_key()) for each in made)
    agents = pki.authority.write_crl(pki.issuer, [RevokedCertificate("AB", datetime.now(UTC))])
    assert len(list(x509.load_pem_x509_crl(agents))) == 2


@pytest.mark.parametrize("name", ["detectors", "collector/x", "Collector", "collector-", "x", "collector-#", ""])
def test_name_of_a_service_says_its_role_and_is_no_agents(name: str) -> None:
    if name == "collector-":  # an id may end in a hyphen
        assert roles.service_name(roles.COLLECTOR, name) == name
        return
    with pytest.raises(BadCall):
        roles.service_name(roles.COLLECTOR, name)


@pytest.mark.parametrize("name", ["x", "a/b/c", "/a", "a/", "#/+", "+/b", "other-1", "collectors"])
def test_name_of_nobody_has_no_role(name: str) -> None:
    assert roles.role_of(name) is None


def test_detectors_of_some_hubs_get_consumers_of_these(pki: PkiFolder) -> None:
    text = nats_users(["detectors-north"], hubs=["rotterdam", "a.b"])
    assert "CONSUMER.INFO.$MQTT_msgs.hubwatch-detectors-north-rotterdam_a" in text
    assert "CONSUMER.INFO.$MQTT_msgs.hubwatch-detectors-north-a~b_b" in text
    assert "hubwatch-detectors-north_a" not in text


def test_commands_make_show_and_revoke(tmp_path: Path) -> None:
    runner, folder, secret = CliRunner(), tmp_path / "pki", tmp_path / "passphrase"
    secret.write_text(f"{PASSPHRASE}\n", encoding="utf-8")

    def run(*words: object, code: int = 0) -> str:
        ended = runner.invoke(app, [str(each) for each in words])
        assert ended.exit_code == code, ended.output
        return ended.output

    files = ("--passphrase-file", secret, "--root-passphrase-file", secret)
    assert "fingerprint" in run("init", folder, *files)
    run("issue", folder, "collector", "--out", tmp_path / "out", *files[:2])
    run("issue", folder, "broker", "--host", "hub.example", "--out", tmp_path / "out", *files[:2])
    run("issue", folder, "broker", "--out", tmp_path / "out", *files[:2], code=2)
    run("issue", folder, "agent", "--out", tmp_path / "out", *files[:2], code=2)
    assert stat.S_IMODE((tmp_path / "out" / "collector.key").stat().st_mode) == 0o600
    serial = next(line.split()[0] for line in run("show", folder).splitlines() if " collector " in line)
    run("revoke", folder, serial)
    run("crl", folder, *files[:2])
    assert f"{serial}" in next(line for line in run("show", folder).splitlines() if line.endswith("revoked"))
    crl = x509.load_pem_x509_crl((folder / "crl.pem").read_bytes())
    assert [f"{each.serial_number:X}" for each in crl] == [serial]
    assert "pattern write hubwatch/1/%u/frame" in run("acl", "mosquitto")
    run("acl", "nats", "--agent", "x", code=2)
