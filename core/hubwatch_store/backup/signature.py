"""Who made a backup: an Ed25519 signature over its manifest, which holds the digest of every table.

Keys are PEM files as OpenSSL writes them: `openssl genpkey -algorithm ed25519 -out backup.key`, and for who restores
`openssl pkey -in backup.key -pubout -out backup.pub`.
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import msgspec

from hubwatch_core.errors import Permanent
from hubwatch_core.signing_key import key_in, public_key_in

CONTEXT = b"hubwatch backup 1\x00"
"""Before what is signed, so that the signature is worth nothing anywhere else."""


class BackupSignature(msgspec.Struct, frozen=True):
    """The member `manifest.sig` of a backup: which key (the start of its digest), and the signature in base64."""

    key: str
    signature: str


def sign(manifest: bytes, key_file: Path) -> bytes:
    """Return the signature of a manifest; raises Permanent when the key cannot be used."""
    key = key_in(key_file)
    signed = base64.b64encode(key.sign(CONTEXT + manifest)).decode()
    return msgspec.json.encode(BackupSignature(_name(key.public_key().public_bytes_raw()), signed))


def check(manifest: bytes, signature: bytes | None, trusted: Path) -> None:
    """Raise Permanent unless a manifest was signed with the key whose public half `trusted` holds."""
    from cryptography.exceptions import InvalidSignature

    key = public_key_in(trusted)
    if signature is None:
        raise Permanent("the backup is not signed")
    try:
        said = msgspec.json.decode(signature, type=BackupSignature)
        key.verify(base64.b64decode(said.signature, validate=True), CONTEXT + manifest)
    except (InvalidSignature, msgspec.DecodeError, ValueError):
        raise Permanent(f"the backup was not signed with the key of {trusted}, or was changed afterwards") from None


def _name(public: bytes) -> str:
    return hashlib.sha256(public).hexdigest()[:16]
