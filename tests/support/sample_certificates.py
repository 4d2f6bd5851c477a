"""The samples of configuration files, with certificates of a test in place of those they name."""

from __future__ import annotations

import shutil

from support.pki_folder import PkiFolder


def with_certificates(text: str, pki: PkiFolder) -> str:
    """Return a sample whose certificates and keys are there."""
    if "/etc/hubwatch/identity" in text:
        tls, _ = pki.agent("rotterdam/gate-7")
        current = pki.folder / "identity" / "current"
        current.mkdir(parents=True)
        shutil.copy(tls.ca_file, current.parent / "ca.pem")
        shutil.copy(str(tls.cert_file), current / "agent.pem")
        shutil.copy(str(tls.key_file), current / "agent.key")
        text = text.replace("/etc/hubwatch/identity", str(current.parent))
    for kind in ("collector", "detectors"):
        if f"/etc/hubwatch/certs/{kind}.pem" in text:
            pki.service(kind)
    return text.replace("/etc/hubwatch/certs", str(pki.certs))
