"""What a gateway and its hub say to each other when an agent is enrolled, over HTTPS or in files on a stick.

The key is made on the gateway and stays there: the hub sees a certificate signing request (PKCS #10). Leave to enrol is
a token for one agent. Its text carries the fingerprint of the hub's root too, so that the gateway knows whom to trust
before it sends anything.
"""

from __future__ import annotations

import hashlib
import re
import ssl
from dataclasses import dataclass

import msgspec

from hubwatch_core.errors import Permanent

PATH = "/enrolment/1"
"""Below it: `ca` (GET), `enrol`, `renew` and `due` (POST)."""
MAX_BYTES = 65_536
"""Of a request or an answer; each has at most a few KiB."""

MOST_TOKEN_S = 7 * 86_400
"""Leave to enrol ends by then at the latest."""

_TOKEN = re.compile(r"hw1\.([A-Za-z0-9_-]{43})\.([0-9a-f]{64})")


class EnrolmentRequest(msgspec.Struct, frozen=True):
    """An agent asks for its first certificate."""

    hub: str
    agent: str
    token: str
    csr: str


class RenewalRequest(msgspec.Struct, frozen=True):
    """An agent asks for a certificate for a new key; `signature` is over `csr`, by the key of certificate `serial`."""

    serial: str
    csr: str
    signature: bytes


class RenewalQuestion(msgspec.Struct, frozen=True):
    """An agent asks whether the hub wants it to renew."""

    serial: str


class RenewalDue(msgspec.Struct, frozen=True):
    """Whether it does."""

    due: bool


class EnrolmentAnswer(msgspec.Struct, frozen=True):
    """What an agent gets: its certificate with what vouches for it, whom it trusts, and where it sends."""

    hub: str
    agent: str
    serial: str
    certificate: str
    ca: str
    broker: str
    not_before: int
    not_after: int
    """µs since 1970, as everywhere."""
    pseudonym_key_version: int
    mqtt: str = "auto"
    """Version of MQTT that the broker speaks, as in `mqtt.protocol`."""


@dataclass(frozen=True, slots=True)
class EnrolmentToken:
    """Leave to enrol, as it is handed to whoever sets up a gateway."""

    secret: str
    fingerprint: str
    """SHA-256 of the root's certificate."""

    def __str__(self) -> str:
        """Return the text that stands in a token file."""
        return f"hw1.{self.secret}.{self.fingerprint}"

    @classmethod
    def parse(cls, text: str) -> EnrolmentToken:
        """Read a token's text; raises Permanent when it is none."""
        found = _TOKEN.fullmatch(text.strip())
        if found is None:
            raise Permanent("this is no enrolment token: `hubwatch enrol token` at the hub makes one")
        return cls(found[1], found[2])

    def check(self, ca: str) -> None:
        """Raise Permanent unless a certificate (PEM) is the root that the token names."""
        try:
            seen = fingerprint_of(ca)
        except ValueError:
            raise Permanent("the hub gave no certificate") from None
        if seen != self.fingerprint:
            raise Permanent("the hub is not the one that the token names: its root has another fingerprint")


def fingerprint_of(ca: str) -> str:
    """Return the SHA-256 of a root's certificate (PEM), by which a gateway knows it; raises ValueError for none."""
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(ca)).hexdigest()
