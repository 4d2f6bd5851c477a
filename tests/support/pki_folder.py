"""An authority made for one test, with what its machines are given."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from hubwatch_core.config import TlsSection
from hubwatch_ops.pki import roles
from hubwatch_ops.pki.authority import Authority
from hubwatch_ops.pki.issuer import Issuer, RevokedCertificate, Subject, serial_of

PASSPHRASE = "correct horse battery"
HERE = ("127.0.0.1", "localhost")


@dataclass
class PkiFolder:
    """An authority in a folder, and the certificates of services and agents beside it."""

    folder: Path
    authority: Authority = field(init=False)
    issuer: Issuer = field(init=False)

    def __post_init__(self) -> None:
        self.authority = Authority(self.folder / "pki")
        self.authority.make("test", PASSPHRASE, f"{PASSPHRASE} staple")
        self.issuer = self.authority.open(PASSPHRASE)

    @property
    def certs(self) -> Path:
        return self.folder / "certs"

    def service(self, kind: str, name: str | None = None, *, days: int = 10) -> TlsSection:
        """Make a certificate of a service; gives what a client of that name is configured with."""
        role = roles.role(kind)
        common_name = name or kind
        subject = roles.subject_for(role, common_name, HERE if role.serves else ())
        self.authority.issue(self.issuer, subject, self.certs, common_name, timedelta(days=days))
        return self._section(common_name)

    def agent(self, name: str) -> tuple[TlsSection, str]:
        """Make key and certificate of an agent as enrolment does; gives its settings and the serial."""
        key = Ed25519PrivateKey.generate()
        made = self.issuer.issue(Subject(name), key.public_key(), timedelta(days=1))
        stem = name.replace("/", "_")
        self.certs.mkdir(exist_ok=True)
        plain = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (self.certs / f"{stem}.key").write_bytes(plain)
        (self.certs / f"{stem}.pem").write_bytes(made.public_bytes(Encoding.PEM) + self.issuer.chain)
        return self._section(stem), serial_of(made)

    def revoke(self, *revoked: RevokedCertificate) -> None:
        """Write the list of revoked certificates anew."""
        self.authority.write_crl(self.issuer, revoked)

    def _section(self, stem: str) -> TlsSection:
        certs = self.certs
        return TlsSection(
            ca_file=self.authority.ca_file, cert_file=certs / f"{stem}.pem", key_file=certs / f"{stem}.key"
        )
