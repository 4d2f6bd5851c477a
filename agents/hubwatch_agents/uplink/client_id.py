"""The agent's client id at the broker of its hub."""

from __future__ import annotations

import hashlib
from contextlib import suppress

from hubwatch_agents.settings import AgentSettings

PURPOSE = b"hubwatch client id\0"
DIGITS = 16


def client_id(settings: AgentSettings) -> str:
    """Return a name that another agent can neither have by chance nor guess.

    A broker ends a session when somebody else begins one of the same client id. Mosquitto takes it from the certificate
    and nobody can; NATS takes what a client says (measured with 2.9), so with a key the id ends in what only its holder
    can compute. Without a key of its own an agent has none to hide it behind.
    """
    name, tls = f"hubwatch-{settings.hub}-{settings.agent}", settings.mqtt.tls
    if tls is not None and tls.key_file is not None:
        with suppress(OSError):  # the session says what is wrong with the file
            digest = hashlib.sha256(PURPOSE + tls.key_file.read_bytes()).hexdigest()
            return f"{name}-{digest[:DIGITS]}"
    return name
