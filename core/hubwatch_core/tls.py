"""TLS towards a server: the context made of the files a configuration names."""

from __future__ import annotations

import ssl
from pathlib import Path

from hubwatch_core.config import TlsSection
from hubwatch_core.errors import Permanent


def client_context(settings: TlsSection) -> ssl.SSLContext:
    """Make the context: TLS 1.2 or later, the server's name checked, only `ca_file` trusted.

    Raises Permanent, naming the file, when one cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_verify_locations(settings.ca_file)
    except OSError as error:
        raise _unusable("ca_file", settings.ca_file, error) from None
    if settings.cert_file is not None:
        try:
            # Without this OpenSSL asks for the passphrase of an encrypted key on the terminal, and waits.
            context.load_cert_chain(settings.cert_file, settings.key_file, password=lambda: b"")
        except OSError as error:
            raise _unusable("cert_file or key_file", settings.cert_file, error) from None
    return context


def _unusable(key: str, file: Path, error: OSError) -> Permanent:
    # ssl.SSLError is an OSError; for a file that is not there OpenSSL leaves out its name.
    return Permanent(f"TLS: {key} ({file}) cannot be used: {error.strerror or error}")
