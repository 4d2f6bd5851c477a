"""Certificates made in a test."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass
class Certificates:
    """Two authorities, and files signed by the first."""

    folder: Path

    def __post_init__(self) -> None:
        self.ours, self.strangers = trustme.CA(), trustme.CA()
        self.ours.cert_pem.write_to_path(str(self.ca))
        self.strangers.cert_pem.write_to_path(str(self.strange_ca))

    @property
    def ca(self) -> Path:
        return self.folder / "ca.pem"

    @property
    def strange_ca(self) -> Path:
        return self.folder / "strange-ca.pem"

    def issue(self, name: str, *, by: trustme.CA | None = None) -> tuple[Path, Path]:
        """Make a certificate for a name or address; gives the files of certificate and key."""
        made = (by or self.ours).issue_cert(name)
        cert, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        made.cert_chain_pems[0].write_to_path(str(cert))
        made.private_key_pem.write_to_path(str(key))
        return cert, key
