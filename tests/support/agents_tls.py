"""A real certificate authority, made for one test."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True)
class Authority:
    """An authority with a server's certificate for 127.0.0.1 and a client's."""

    ca: trustme.CA
    server: trustme.LeafCert
    folder: Path

    def client_section(self) -> dict[str, str]:
        """Return the `tls` table of a connection that trusts this authority and shows a certificate of its own."""
        return {
            "ca_file": str(self.folder / "ca.pem"),
            "cert_file": str(self.folder / "client.pem"),
            "key_file": str(self.folder / "client.key"),
        }


def write_authority(folder: Path) -> Authority:
    """Make an authority and write what a client needs."""
    folder.mkdir(parents=True, exist_ok=True)
    ca = trustme.CA()
    server, client = ca.issue_cert("127.0.0.1"), ca.issue_cert("agent@hubwatch")
    ca.cert_pem.write_to_path(str(folder / "ca.pem"))
    client.cert_chain_pems[0].write_to_path(str(folder / "client.pem"))
    client.private_key_pem.write_to_path(str(folder / "client.key"))
    return Authority(ca, server, folder)


def server_context(authority: Authority) -> ssl.SSLContext:
    """Return the context of a server that asks its clients for a certificate of the same authority."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.server.configure_cert(context)
    authority.ca.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    return context
