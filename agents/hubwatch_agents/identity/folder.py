"""The folder in which a gateway keeps who it is.

    current/agent.key, current/agent.pem   the key (Ed25519, 0600) and its certificate with what vouches for it
    current/identity.json                  what the hub said when it gave the certificate
    ca.pem                                 the hub's root, the only one that is trusted
    pending.key                            a key for which no certificate has come yet

`current` is a link to a folder in `keys/`: key and certificate change in one step, also when the power goes.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import NameOID

from hubwatch_core import whole_files
from hubwatch_core.enrolment import EnrolmentAnswer
from hubwatch_core.errors import Permanent


class EnrolledIdentity(msgspec.Struct, frozen=True):
    """What the hub said of this agent; without the certificates, which have files of their own."""

    hub: str
    agent: str
    serial: str
    broker: str
    not_before: int
    not_after: int
    pseudonym_key_version: int
    url: str = ""
    """Where enrolment is served; empty where requests go by file."""


@dataclass(frozen=True, slots=True)
class IdentityFolder:
    """One gateway's folder."""

    folder: Path

    @property
    def key_file(self) -> Path:
        """The key that is in use."""
        return self.folder / "current" / "agent.key"

    @property
    def cert_file(self) -> Path:
        """Its certificate."""
        return self.folder / "current" / "agent.pem"

    @property
    def ca_file(self) -> Path:
        """Whom the agent trusts."""
        return self.folder / "ca.pem"

    def read(self) -> EnrolledIdentity:
        """Return who the agent is. Raises Permanent when it was never enrolled."""
        file = self.folder / "current" / "identity.json"
        try:
            return msgspec.json.decode(whole_files.read(file), type=EnrolledIdentity)
        except msgspec.DecodeError as error:
            raise Permanent(f"{file} cannot be read: {error}") from None

    def key(self) -> Ed25519PrivateKey:
        """Return the key that is in use. Raises Permanent when there is none."""
        return _key_in(self.key_file)

    def pending_key(self) -> Ed25519PrivateKey:
        """Return the key to ask a certificate for: made once, so that a lost answer can be asked for again."""
        file = self.folder / "pending.key"
        if not file.exists():
            whole_files.make_folder(self.folder)
            made = Ed25519PrivateKey.generate()
            plain = made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            whole_files.write(file, plain, whole_files.SECRET)
        return _key_in(file)

    def drop_pending(self) -> None:
        """Forget a key that the hub wants no more."""
        (self.folder / "pending.key").unlink(missing_ok=True)

    def install(self, answer: EnrolmentAnswer, url: str) -> EnrolledIdentity:
        """Put the pending key and its certificate in force. Raises Permanent when they do not belong together."""
        pending, mine = self.folder / "pending.key", self.pending_key()
        _check(answer, mine)
        home = self.folder / "keys" / answer.serial
        whole_files.make_folder(home)
        whole_files.write(home / "agent.key", whole_files.read(pending), whole_files.SECRET)
        whole_files.write(home / "agent.pem", answer.certificate.encode())
        whole_files.write(self.ca_file, answer.ca.encode())
        identity = EnrolledIdentity(
            answer.hub, answer.agent, answer.serial, answer.broker, answer.not_before, answer.not_after,
            answer.pseudonym_key_version, url,
        )  # fmt: skip
        whole_files.write(home / "identity.json", msgspec.json.encode(identity))
        former = os.path.realpath(self.folder / "current")
        link = self.folder / ".current"
        link.unlink(missing_ok=True)
        link.symlink_to(Path("keys") / answer.serial)
        os.replace(link, self.folder / "current")
        pending.unlink(missing_ok=True)
        self._remove_older(keep={os.path.realpath(home), former})
        return identity

    def _remove_older(self, keep: set[str]) -> None:
        """Remove keys before the former one, which a connection that is just being made may still read."""
        for each in (self.folder / "keys").iterdir():
            if os.path.realpath(each) not in keep:
                with suppress(OSError):
                    shutil.rmtree(each)


def signing_request(key: Ed25519PrivateKey, hub: str, agent: str) -> str:
    """Return the request for a certificate (PEM); what it is called is for people, the hub goes by the token."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{hub}/{agent}"[:64])])
    made = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, None)
    return made.public_bytes(Encoding.PEM).decode()


def _key_in(file: Path) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(whole_files.read(file), None)
    except (ValueError, TypeError):
        raise Permanent(f"{file} holds no key") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise Permanent(f"{file} holds no Ed25519 key")
    return key


def _check(answer: EnrolmentAnswer, key: Ed25519PrivateKey) -> None:
    try:
        certificate = x509.load_pem_x509_certificate(answer.certificate.encode())
    except ValueError:
        raise Permanent("the hub's answer holds no certificate") from None
    if certificate.public_key() != key.public_key():
        raise Permanent("the hub's answer is for another key")
