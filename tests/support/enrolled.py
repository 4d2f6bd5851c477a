"""An agent that is enrolled in a test: its key is registered, without an authority."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

from hubwatch_store.database import DatabaseSection, connect
from hubwatch_store.enrolment import NewCertificate, make_token, redeem


async def enrolled(dsn: str, hub: str, agent: str) -> str:
    """Enrol an agent, and return the serial of its key."""
    key, begin = os.urandom(32), datetime.now(UTC) - timedelta(days=1)
    made = NewCertificate(os.urandom(8).hex().upper(), begin, begin + timedelta(days=90), key, b"c")
    async with await connect(DatabaseSection(dsn=dsn)) as connection:
        token, _ = await make_token(connection, hub, agent, by="ann", valid_s=60)
        await redeem(connection, token, hub, agent, key, source="test", issue=lambda *_: made)
    return made.serial
