"""The sample of Mosquitto's configuration, started with certificates of a test."""

from __future__ import annotations

from pathlib import Path

from support.fix_mqtt import MakeMosquitto
from support.own_mosquitto import OwnMosquitto
from support.pki_folder import PkiFolder

SAMPLE = Path(__file__).parents[2] / "ops" / "mosquitto"


def start_sample(
    pki: PkiFolder, make_mosquitto: MakeMosquitto, acl: Path = SAMPLE / "acl", more: str = ""
) -> OwnMosquitto:
    """Start Mosquitto with the sample, and further lines; only paths and port are changed."""
    pki.service("broker")
    text = (SAMPLE / "mosquitto.conf").read_text(encoding="utf-8")
    for there, here in {
        "/etc/mosquitto/certs/crl.pem": str(pki.authority.crl_file),
        "/etc/mosquitto/certs": str(pki.certs),
        "/etc/mosquitto/hubwatch.acl": str(acl),
        "log_dest syslog": "log_dest stderr",
        "listener 8883": "listener {port} 127.0.0.1",
        "log_type notice": "log_type notice\nlog_type information",  # says when it has read its files again
        "/var/lib/mosquitto/": "{folder}/",
    }.items():
        assert there in text, there
        text = text.replace(there, here)
    return make_mosquitto(whole=text + more)
