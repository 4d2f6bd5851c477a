"""The folder of an authority.

    root/root.key, root/root.pem            vouches for issuing keys; its folder belongs on a medium in a safe
    issuing/issuing.key, issuing/issuing.pem
    ca.pem                                  what every machine trusts: the root
    crl.pem                                 what brokers refuse
    issued/SERIAL.pem, revoked/SERIAL       services' certificates; those of agents stand in the database

Both keys are encrypted with a passphrase.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from hubwatch_core import whole_files as files
from hubwatch_core.errors import Permanent
from hubwatch_ops.pki import issuer
from hubwatch_ops.pki.issuer import CaKey, Issuer, RevokedCertificate, Subject

ROOT_VALID = timedelta(days=20 * 365)
ISSUING_VALID = timedelta(days=5 * 365)
SHORTEST_PASSPHRASE = 12


@dataclass(frozen=True, slots=True)
class Authority:
    """An authority in its folder."""

    folder: Path

    @property
    def ca_file(self) -> Path:
        """What every machine trusts."""
        return self.folder / "ca.pem"

    @property
    def crl_file(self) -> Path:
        """What brokers refuse."""
        return self.folder / "crl.pem"

    def make(self, name: str, passphrase: str, root_passphrase: str) -> None:
        """Make root and issuing key. Raises Permanent when there is an authority already or a passphrase is short."""
        for each in (passphrase, root_passphrase):
            if len(each) < SHORTEST_PASSPHRASE:
                raise Permanent(f"a passphrase must have at least {SHORTEST_PASSPHRASE} characters")
        if self.ca_file.exists() or (self.folder / "root").exists():
            raise Permanent(f"{self.folder} holds an authority already; nothing was changed")
        for folder in (self.folder, *(self.folder / each for each in ("root", "issuing", "issued", "revoked"))):
            files.make_folder(folder)
        root, root_key = issuer.make_root(name, ROOT_VALID)
        issuing, issuing_key = issuer.make_issuing(name, root, root_key, ISSUING_VALID)
        for part, certificate, key, secret in (
            ("root", root, root_key, root_passphrase),
            ("issuing", issuing, issuing_key, passphrase),
        ):
            files.write(self.folder / part / f"{part}.key", _encrypted(key, secret), files.SECRET)
            files.write(self.folder / part / f"{part}.pem", certificate.public_bytes(Encoding.PEM))
        files.write(self.crl_file, Issuer(root, issuing, issuing_key).revocations([]))
        files.write(self.ca_file, root.public_bytes(Encoding.PEM))  # last: with it the authority is there

    def open(self, passphrase: str) -> Issuer:
        """Return the issuing key at work. Raises Permanent when there is none, or the passphrase is another."""
        file = self.folder / "issuing" / "issuing.key"
        try:
            key = load_pem_private_key(files.read(file), passphrase.encode())
        except (ValueError, TypeError):
            raise Permanent(f"{file} does not open with this passphrase") from None
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise Permanent(f"{file} holds no EC key")
        return Issuer(self.root(), certificate_in(self.folder / "issuing" / "issuing.pem"), key)

    def root(self) -> x509.Certificate:
        """Return the certificate that everybody trusts. Raises Permanent when there is none."""
        return certificate_in(self.ca_file)

    def fingerprint(self) -> str:
        """Return the SHA-256 of the root's certificate, by which a gateway knows it."""
        return fingerprint_of(self.root())

    def issue(self, opened: Issuer, subject: Subject, folder: Path, stem: str, valid: timedelta) -> x509.Certificate:
        """Make key and certificate of a service in a folder: `stem.key`, `stem.pem` with its chain, `ca.pem`.

        Raises Permanent when they cannot be written.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        made = opened.issue(subject, key.public_key(), valid)
        pem = made.public_bytes(Encoding.PEM)
        files.make_folder(folder)
        plain = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        files.write(self.folder / "issued" / f"{issuer.serial_of(made)}.pem", pem)
        files.write(folder / f"{stem}.key", plain, files.SECRET)
        files.write(folder / f"{stem}.pem", pem + opened.chain)
        files.write(folder / "ca.pem", files.read(self.ca_file))
        return made

    def issued(self) -> list[x509.Certificate]:
        """Return the certificates of services, the newest last."""
        found = [certificate_in(file) for file in (self.folder / "issued").glob("*.pem")]
        return sorted(found, key=lambda each: each.not_valid_before_utc)

    def revoke(self, serial: str) -> None:
        """Note that the certificate of a service is good no more. Raises Permanent when there is no such one."""
        if not (self.folder / "issued" / f"{serial}.pem").is_file():
            raise Permanent(f"there is no certificate {serial} here; `hubwatch pki show` lists them")
        mark = self.folder / "revoked" / serial
        if not mark.exists():
            files.write(mark, datetime.now(UTC).isoformat(timespec="seconds").encode())

    def revoked(self) -> list[RevokedCertificate]:
        """Return the certificates of services that are good no more."""
        marks = sorted((self.folder / "revoked").glob("[0-9A-F]*"))
        return [RevokedCertificate(each.name, datetime.fromisoformat(files.read(each).decode())) for each in marks]

    def write_crl(self, opened: Issuer, agents: Iterable[RevokedCertificate] = ()) -> bytes:
        """Write the list of what is revoked, services and agents, and return it."""
        before = None
        if self.crl_file.exists():
            before = x509.load_pem_x509_crl(files.read(self.crl_file)).last_update_utc
        text = opened.revocations([*self.revoked(), *agents], before)
        files.write(self.crl_file, text)
        return text


def certificate_in(file: Path) -> x509.Certificate:
    """Return the first certificate of a file; raises Permanent when there is none."""
    try:
        return x509.load_pem_x509_certificate(files.read(file))
    except ValueError:
        raise Permanent(f"{file} holds no certificate") from None


def fingerprint_of(certificate: x509.Certificate) -> str:
    """Return the SHA-256 of a certificate."""
    return certificate.fingerprint(SHA256()).hex()


def _encrypted(key: CaKey, passphrase: str) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(passphrase.encode()))
