"""TLS towards a server: the context made of the files a configuration names."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

from hubwatch_core.config.secret_file import demand_private
from hubwatch_core.config.sections import ServerTlsSection, TlsSection
from hubwatch_core.errors import Permanent


class ClientContext(ssl.SSLContext):
    """A context that checks the server's certificate for `server_name` instead of its address, where one is set."""

    server_name: str | None = None

    def wrap_socket(
        self,
        sock: socket.socket,
        server_side: bool = False,
        do_handshake_on_connect: bool = True,
        suppress_ragged_eofs: bool = True,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLSocket:
        """Wrap a socket, as `ssl.SSLContext` does."""
        name = self.server_name or server_hostname
        return super().wrap_socket(sock, server_side, do_handshake_on_connect, suppress_ragged_eofs, name, session)

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """Wrap a pair of buffers, as `ssl.SSLContext` does for asyncio."""
        return super().wrap_bio(incoming, outgoing, server_side, self.server_name or server_hostname, session)


def client_context(settings: TlsSection) -> ClientContext:
    """Make the context: TLS 1.2 or later, the server's name checked, only `ca_file` trusted.

    Raises Permanent, naming the file, when one cannot be used; nobody is asked for a passphrase.
    """
    context = ClientContext(ssl.PROTOCOL_TLS_CLIENT)
    context.server_name = settings.server_name
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_verify_locations(settings.ca_file)
    except OSError as error:
        raise _unusable("ca_file", settings.ca_file, error) from None
    if settings.cert_file is not None:
        _load_own(context, settings.cert_file, settings.key_file)
    return context


def server_context(settings: ServerTlsSection) -> ssl.SSLContext:
    """Make the context of a server: TLS 1.2 or later with forward secrecy, and who may connect.

    Raises Permanent, naming the file, when one cannot be used; nobody is asked for a passphrase.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")
    _load_own(context, settings.cert_file, settings.key_file)
    if settings.client_ca_file is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        try:
            context.load_verify_locations(settings.client_ca_file)
        except OSError as error:
            raise _unusable("client_ca_file", settings.client_ca_file, error) from None
    return context


def unusable_key(settings: TlsSection | ServerTlsSection) -> tuple[str, str] | None:
    """Return the key whose file cannot be used, and why; None when all can."""
    try:
        if isinstance(settings, ServerTlsSection):
            server_context(settings)
        else:
            client_context(settings)
    except UnusableTlsFile as error:
        return error.key, str(error)
    return None


class UnusableTlsFile(Permanent):
    """A certificate or key that cannot be used; `key` names it in the configuration."""

    def __init__(self, key: str, text: str) -> None:
        self.key = key
        super().__init__(text)


def _load_own(context: ssl.SSLContext, cert_file: Path, key_file: Path | None) -> None:
    for key, file in (("cert_file", cert_file), ("key_file", key_file or cert_file)):
        try:
            file.open("rb").close()  # OpenSSL does not say which of the two it cannot read
        except OSError as error:
            raise _unusable(key, file, error) from None
    try:
        demand_private(key_file or cert_file)
    except Permanent as error:
        raise UnusableTlsFile("key_file", f"TLS: {error}") from None
    asked: list[bool] = []

    def passphrase() -> bytes:  # without it OpenSSL asks on the terminal, and waits
        asked.append(True)
        return b""

    try:
        context.load_cert_chain(cert_file, key_file, password=passphrase)
    except OSError as error:
        if asked:
            text = f"TLS: key_file ({key_file}) is encrypted: give a key without a passphrase"
            raise UnusableTlsFile("key_file", text) from None
        raise _unusable("cert_file or key_file", cert_file, error) from None


def _unusable(key: str, file: Path, error: OSError) -> UnusableTlsFile:
    # ssl.SSLError is an OSError; for a file that is not there OpenSSL leaves out its name.
    text = f"TLS: {key} ({file}) cannot be used: {error.strerror or error}"
    return UnusableTlsFile(key.partition(" ")[0], text)
