"""An agent that signs, for tests: its key, its enrolment, and messages as it would send them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from hubwatch_core import wire
from hubwatch_core.mqtt import MqttLink
from hubwatch_core.packed_frame import encode_packed
from hubwatch_core.packing import packed
from hubwatch_core.signing import MessageSigner, Signed

ENROL = """
INSERT INTO hubwatch.agent_keys (hub, agent, not_before, not_after, public_key, serial, certificate)
VALUES (%s, %s, %s, %s, %s, %s, '')
"""
REVOKE = """
UPDATE hubwatch.agent_keys SET revoked_at = clock_timestamp(), revoked_by = 'test', reason = 'test'
WHERE public_key = %s
"""


class SignedAgent:
    """One agent with one key."""

    def __init__(self, hub: str = "harbour", agent: str = "gate-7") -> None:
        self.hub, self.agent = hub, agent
        self.mixed = False
        """Whether frames of even numbers are packed."""
        self.key = Ed25519PrivateKey.generate()
        self.signer = MessageSigner(self.key)

    def enrol(self, dsn: str, days: int = 30) -> None:
        """Have the key known, good from an hour ago."""
        now = datetime.now(UTC)
        good = (now - timedelta(hours=1), now + timedelta(days=days))
        with psycopg.connect(dsn, autocommit=True) as connection:
            serial = self.signer.public[:8].hex().upper()
            connection.execute(ENROL, (self.hub, self.agent, *good, self.signer.public, serial))

    def revoke(self, dsn: str) -> None:
        """Have the key revoked."""
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(REVOKE, (self.signer.public,))

    def key_file(self, folder: Path) -> Path:
        """Return a file with the key, as enrolment leaves it."""
        file = folder / "agent.key"
        file.touch(0o600)
        file.write_bytes(self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return file

    def topic(self, leaf: str) -> str:
        """Return one of the agent's topics."""
        return f"hubwatch/1/{self.hub}/{self.agent}/{leaf}"

    def proofs(self, contents: Sequence[wire.Frame | wire.Birth]) -> list[str]:
        """Sign messages together."""
        return self.signer.sign([self._signed(each) for each in contents])

    async def send(self, link: MqttLink, *contents: wire.Frame | wire.Birth) -> None:
        """Send messages that share a signature."""
        for content, proof in zip(contents, self.proofs(contents), strict=True):
            birth = isinstance(content, wire.Birth)
            topic = self.topic("birth" if birth else "frame")
            await link.publish(topic, self.encoded(content), retain=birth, proof=proof)

    def encoded(self, content: wire.Frame | wire.Birth) -> bytes:
        """Return a message as it is sent."""
        if self.mixed and isinstance(content, wire.Frame) and content.seq % 2 == 0:
            return encode_packed(packed(content))
        return wire.encode(content)

    def _signed(self, content: wire.Frame | wire.Birth) -> Signed:
        if isinstance(content, wire.Birth):
            return Signed(self.topic("birth"), content.epoch, 0, self.encoded(content))
        return Signed(self.topic("frame"), content.epoch, content.seq, self.encoded(content))
