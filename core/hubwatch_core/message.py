"""A message as it was received, from an MQTT broker or a JetStream stream."""

from __future__ import annotations

from dataclasses import dataclass

PROOF_PROPERTY = "hubwatch-proof"
"""User property of MQTT 5 that holds the signature of a message (`signing.py`)."""


@dataclass(frozen=True, slots=True)
class Message:
    """A received message; `received` is when it was taken (µs UTC), `mid` names it for the acknowledgement.

    `subscriptions` holds the identifiers of the subscriptions it came for, where those have one and the broker speaks
    MQTT 5. Some brokers send a message once for each subscription that matches, others once with all identifiers.
    `proof` is its signature as it came, where it has one beside the payload. `redelivered` says that the broker sent it
    before and had no acknowledgement.
    """

    topic: str
    payload: bytes
    qos: int
    retain: bool
    mid: int
    received: int
    subscriptions: tuple[int, ...] = ()
    proof: str | None = None
    redelivered: bool = False
