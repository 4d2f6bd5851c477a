"""The private keys that we sign with: Ed25519, in files that nobody else may read; and their public halves.

cryptography is imported when a key is read or made, and not before: most commands need none.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from hubwatch_core.config.secret_file import secret_in
from hubwatch_core.errors import Permanent

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey


def make_key(file: Path) -> Ed25519PrivateKey:
    """Make a key and its file; raises Permanent when the file is there or cannot be made."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = Ed25519PrivateKey.generate()
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as made:
            made.write(text)
    except OSError as error:
        raise Permanent(f"key file {file} cannot be made: {error.strerror}") from None
    return key


def key_in(file: Path) -> Ed25519PrivateKey:
    """Return the key in a file (PEM, PKCS 8). Raises Permanent when it holds none, or others may read it."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(secret_in(file).encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):  # TypeError: it has a passphrase
        raise Permanent(f"key file {file} holds no Ed25519 key (PEM without a passphrase)") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise Permanent(f"key file {file} holds another kind of key than Ed25519")
    return key


def public_key_in(file: Path) -> Ed25519PublicKey:
    """Return the Ed25519 key in a public key's file (PEM); raises Permanent when there is none."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(file.read_bytes())
    except OSError as error:
        raise Permanent(f"{file} cannot be read: {error.strerror}") from None
    except ValueError:
        raise Permanent(f"{file} holds no public key (PEM)") from None
    if not isinstance(key, Ed25519PublicKey):
        raise Permanent(f"{file} holds another kind of key than Ed25519")
    return key
