"""Renews the agent's key by itself: after two thirds of its time, or when somebody at the hub asks for it.

The former key stays good until its end: the standing connection goes on with it, and the next one is made with the new.
"""

from __future__ import annotations

import asyncio

from hubwatch_agents.identity import asking
from hubwatch_agents.identity.folder import EnrolledIdentity, IdentityFolder
from hubwatch_core.clock import now_us
from hubwatch_core.concurrency import wait_for_event
from hubwatch_core.condition import Condition
from hubwatch_core.errors import Permanent, Transient
from hubwatch_core.health import Health
from hubwatch_core.logs import get_logger

ASK_EVERY_S = 3600.0
RENEW_AFTER = 2 / 3
"""Share of its time after which a certificate is renewed: of 90 days, 30 are left for what may be in the way."""
DAY_US = 86_400_000_000

_log = get_logger("identity")


class Renewal:
    """Keeps the agent's certificate from ending."""

    def __init__(self, folder: IdentityFolder, health: Health, ask_every_s: float = ASK_EVERY_S) -> None:
        self._folder, self._ask_every_s = folder, ask_every_s
        self._condition = Condition(
            "identity", health, _log, lost="certificate cannot be renewed", back="certificate is good"
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Look, at once and every hour, until `stop` is set."""
        while not stop.is_set():
            await self.look()
            await wait_for_event(stop, self._ask_every_s)

    async def look(self) -> None:
        """Renew where it is due. Where that fails it is tried again the next time, and told once it matters."""
        try:
            identity = await asyncio.to_thread(self._folder.read)
        except Permanent as error:
            self._condition.lost(str(error))
            return
        late = is_late(identity, now_us())
        try:
            if identity.url and (late or await asking.is_due(self._folder, identity)):
                await self._renew(identity)
            elif late:
                self._condition.lost(f"{_left(identity)}; this gateway is renewed by file: hubwatch agent enrol")
                return
        except (Transient, Permanent) as error:
            if late:
                self._condition.lost(f"{_left(identity)}; {error}")
            else:
                _log.info("hub cannot be asked whether to renew", reason=str(error))
            return
        self._condition.back("certificate is good")

    async def _renew(self, identity: EnrolledIdentity) -> None:
        try:
            answer = await asking.renew(self._folder, identity)
        except Permanent:
            self._folder.drop_pending()  # the hub does not want this one
            raise
        made = await asyncio.to_thread(self._folder.install, answer, identity.url)
        _log.info("key renewed", serial=made.serial, former=identity.serial)


def is_late(identity: EnrolledIdentity, at_us: int) -> bool:
    """Return whether so much of a certificate's time has passed that it is to be renewed."""
    return at_us >= identity.not_before + (identity.not_after - identity.not_before) * RENEW_AFTER


def _left(identity: EnrolledIdentity) -> str:
    days = (identity.not_after - now_us()) / DAY_US
    return f"certificate ends in {days:.0f} days" if days >= 0 else "certificate has ended"
