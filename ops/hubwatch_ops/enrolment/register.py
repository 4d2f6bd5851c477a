"""Gives out the certificates of agents: what is asked is checked here, what is known stands in the store."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding

from hubwatch_core.config import read_secret
from hubwatch_core.enrolment import EnrolmentAnswer, EnrolmentRequest, RenewalRequest
from hubwatch_core.errors import Permanent
from hubwatch_core.ids import is_id
from hubwatch_ops.enrolment.settings import EnrolmentSection
from hubwatch_ops.pki.authority import Authority
from hubwatch_ops.pki.issuer import Issuer, Subject, serial_of
from hubwatch_ops.pki.roles import agent_name
from hubwatch_store.database import DatabaseConnection
from hubwatch_store.enrolment import AgentKey, KeyRefused, NewCertificate, redeem, renew


class Register:
    """The hub's side of enrolment; knows nothing of how a request came."""

    def __init__(self, settings: EnrolmentSection) -> None:
        """Open the issuing key. Raises Permanent when it does not open."""
        self._settings = settings
        self.authority = Authority(settings.pki_folder)
        self.issuer: Issuer = self.authority.open(read_secret(None, settings.passphrase_file) or "")
        self.ca = self.issuer.root.public_bytes(Encoding.PEM).decode()

    async def enrol(self, connection: DatabaseConnection, request: EnrolmentRequest, source: str) -> EnrolmentAnswer:
        """Enrol an agent that has leave. Raises KeyRefused or TokenRefused with what is wrong, Transient or Permanent
        when the database is away.
        """
        if not is_id(request.hub) or not is_id(request.agent):
            raise KeyRefused("hub and agent must be ids")
        key = _key_in(request.csr)
        made = await redeem(
            connection, request.token, request.hub, request.agent, key.public_bytes_raw(),
            source=source, issue=self._issue(key),
        )  # fmt: skip
        return self._answer(made)

    async def renew(self, connection: DatabaseConnection, request: RenewalRequest) -> EnrolmentAnswer:
        """Give an agent a certificate for a new key, at the word of its old one. Raises as `enrol` does."""
        key = _key_in(request.csr)

        def proven(old: bytes) -> bool:
            try:
                Ed25519PublicKey.from_public_bytes(old).verify(request.signature, request.csr.encode())
            except InvalidSignature:
                return False
            return True

        issue = self._issue(key)
        return self._answer(await renew(connection, request.serial, key.public_bytes_raw(), proven, issue))

    def _issue(self, key: Ed25519PublicKey) -> Callable[[str, str], NewCertificate]:
        def issue(hub: str, agent: str) -> NewCertificate:
            valid = timedelta(days=self._settings.valid_days)
            made = self.issuer.issue(Subject(agent_name(hub, agent)), key, valid)
            return NewCertificate(
                serial_of(made), made.not_valid_before_utc, made.not_valid_after_utc, key.public_bytes_raw(),
                made.public_bytes(Encoding.DER),
            )  # fmt: skip

        return issue

    def _answer(self, key: AgentKey) -> EnrolmentAnswer:
        certificate = x509.load_der_x509_certificate(bytes(key.certificate)).public_bytes(Encoding.PEM)
        return EnrolmentAnswer(
            hub=key.hub,
            agent=key.agent,
            serial=key.serial,
            certificate=(certificate + self.issuer.chain).decode(),
            ca=self.ca,
            broker=self._settings.broker,
            not_before=round(key.not_before.timestamp() * 1_000_000),
            not_after=round(key.not_after.timestamp() * 1_000_000),
            pseudonym_key_version=self._settings.pseudonym_key_version,
            mqtt=self._settings.protocol,
        )


def _key_in(csr: str) -> Ed25519PublicKey:
    """Return the key of a signing request, whose holder has signed it; nothing else of the request counts."""
    try:
        request = x509.load_pem_x509_csr(csr.encode())
        key = request.public_key()
        signed = request.is_signature_valid
    except (ValueError, TypeError, Permanent):
        raise KeyRefused("the signing request cannot be read") from None
    if not isinstance(key, Ed25519PublicKey):
        raise KeyRefused("the key of an agent must be Ed25519")
    if not signed:
        raise KeyRefused("the signing request is not signed by its key")
    return key
