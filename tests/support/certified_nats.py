"""One NATS server that demands certificates and maps them to users, as the sample does for three."""

from __future__ import annotations

from collections.abc import Iterable

from hubwatch_ops.pki.nats_users import nats_users
from support.own_nats import OwnNats
from support.pki_folder import PkiFolder


def configure_certified(server: OwnNats, pki: PkiFolder, agents: Iterable[str] = ()) -> None:
    """Write the configuration of a server, with these agents as `hub/agent`; its users stand in `users.conf`."""
    pki.service("nats")
    names = {"cert_file": "nats.pem", "key_file": "nats.key", "ca_file": "ca.pem"}
    files = "\n".join(f'{key}: "{pki.certs / name}"' for key, name in names.items())
    tls = f"tls {{ {files}\nverify_and_map: true }}"
    server.folder.mkdir()
    (server.folder / "users.conf").write_text(nats_users(agents=agents), encoding="utf-8")
    (server.folder / "nats.conf").write_text(
        f"""
        server_name: "{server.name}"
        listen: "127.0.0.1:{server.port}"
        {tls}
        http: "127.0.0.1:{server.monitor_port}"
        jetstream {{ store_dir: "{server.folder / "jetstream"}" }}
        mqtt {{ listen: "127.0.0.1:{server.mqtt_port}"
        {tls} }}
        authorization {{ include "users.conf" }}
        """,
        encoding="utf-8",
    )
