"""The issuing key at work: certificates for machines and the list of those that are revoked.

Keys of authorities and servers are EC P-256, which every TLS library speaks. Keys of agents are Ed25519, because they
also sign what the agent says. What a certificate is for stands in its extended key usage: no agent can pass for a
server, and no broker for a client.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

BACKDATED = timedelta(minutes=5)
"""How far back certificates begin, for machines whose clocks are a little behind."""
CRL_VALID = timedelta(days=30)
"""A broker that is given no newer list for so long refuses everybody (OpenSSL)."""

CaKey = ec.EllipticCurvePrivateKey
MachineKey = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom a certificate is for: its common name, hosts it serves, and whether it serves or calls."""

    common_name: str
    hosts: Sequence[str] = ()
    server: bool = False
    client: bool = True


@dataclass(frozen=True, slots=True)
class RevokedCertificate:
    """One entry of the list of revoked certificates."""

    serial: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Issuer:
    """The issuing certificate with its key, and the root above it."""

    root: x509.Certificate
    certificate: x509.Certificate
    key: CaKey

    @property
    def chain(self) -> bytes:
        """What follows a certificate in its file, so that whoever trusts the root can check it."""
        return self.certificate.public_bytes(Encoding.PEM)

    def issue(self, subject: Subject, key: MachineKey, valid: timedelta) -> x509.Certificate:
        """Return a certificate; it ends no later than the issuing one."""
        now = _now()
        made = (
            _builder(common_name(subject.common_name), self.certificate.subject, key)
            .not_valid_before(now - BACKDATED)
            .not_valid_after(min(now + valid, self.certificate.not_valid_after_utc))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(digital_signature=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage(list(_purposes(subject))), critical=True)
            .add_extension(_issuer_id(self.key), critical=False)
        )
        if subject.hosts:
            made = made.add_extension(x509.SubjectAlternativeName([_host(each) for each in subject.hosts]), False)
        return made.sign(self.key, SHA256())

    def revocations(self, revoked: Iterable[RevokedCertificate], after: datetime | None = None) -> bytes:
        """Return the list of revoked certificates (PEM), newer than one made at `after`.

        OpenSSL, told to read a newer list, keeps the one it has unless the new one says a later second.
        """
        now = _now().replace(microsecond=0)
        if after is not None and now <= after:
            now = after + timedelta(seconds=1)
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.certificate.subject)
        builder = builder.last_update(now).next_update(now + CRL_VALID)
        for each in sorted(set(revoked), key=lambda one: (one.at, one.serial)):
            entry = x509.RevokedCertificateBuilder().serial_number(int(each.serial, 16)).revocation_date(each.at)
            builder = builder.add_revoked_certificate(entry.build())
        number = x509.CRLNumber(int(now.timestamp()))
        made = builder.add_extension(number, critical=False).add_extension(_issuer_id(self.key), critical=False)
        return made.sign(self.key, SHA256()).public_bytes(Encoding.PEM)


def make_root(name: str, valid: timedelta) -> tuple[x509.Certificate, CaKey]:
    """Return a root that vouches for itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = common_name(f"{name} root")
    return _authority(_builder(subject, subject, key.public_key()), key, key, valid, path_length=1), key


def make_issuing(
    name: str, root: x509.Certificate, root_key: CaKey, valid: timedelta
) -> tuple[x509.Certificate, CaKey]:
    """Return an issuing certificate under a root, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _builder(common_name(f"{name} issuing"), root.subject, key.public_key())
    return _authority(builder, key, root_key, valid, path_length=0), key


def serial_of(certificate: x509.Certificate) -> str:
    """Return the serial number as it is written here and by openssl."""
    return f"{certificate.serial_number:X}"


def common_name(text: str) -> x509.Name:
    """Return a subject that consists of a common name alone: brokers compare the whole of it."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def name_in(certificate: x509.Certificate) -> str:
    """Return the common name of a certificate."""
    return str(certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


def _authority(
    builder: x509.CertificateBuilder, key: CaKey, signing: CaKey, valid: timedelta, path_length: int
) -> x509.Certificate:
    now = _now()
    builder = builder.not_valid_before(now - BACKDATED).not_valid_after(now + valid)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
    builder = builder.add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    return builder.add_extension(_issuer_id(signing), critical=False).sign(signing, SHA256())


def _builder(subject: x509.Name, issuer: x509.Name, key: MachineKey) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer)
    return builder.public_key(key).serial_number(x509.random_serial_number())


def _usage(**wanted: bool) -> x509.KeyUsage:
    names = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
        "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    )  # fmt: skip
    return x509.KeyUsage(**{name: wanted.get(name, False) for name in names})


def _purposes(subject: Subject) -> Iterable[Any]:
    if subject.server:
        yield ExtendedKeyUsageOID.SERVER_AUTH
    if subject.client:
        yield ExtendedKeyUsageOID.CLIENT_AUTH


def _issuer_id(key: CaKey) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())


def _host(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _now() -> datetime:
    return datetime.now(UTC)
