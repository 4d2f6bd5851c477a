"""A mail server on loopback that fails in the ways mail servers fail."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any, cast

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword


@dataclass
class MailServer:
    """Keeps the mails that it took; answers RCPT and DATA with the next of its script, then takes everything."""

    data: list[str] = field(default_factory=list)
    """Answers to DATA; `hang` never answers."""
    refuses: dict[str, str] = field(default_factory=dict)
    """Answers to RCPT, by recipient."""
    received: list[tuple[list[str], EmailMessage]] = field(default_factory=list)
    port: int = 0

    async def handle_RCPT(self, _: Any, __: Any, envelope: Any, address: str, ___: Any) -> str:  # noqa: N802
        if address in self.refuses:
            return self.refuses[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _: Any, __: Any, envelope: Any) -> str:  # noqa: N802
        answer = self.data.pop(0) if self.data else "250 OK"
        if answer == "hang":
            await asyncio.sleep(60)
        if answer.startswith("250"):
            mail = message_from_bytes(envelope.content, policy=default)
            self.received.append((list(envelope.rcpt_tos), mail))
        return answer


@asynccontextmanager
async def mail_server(*data: str, password: str | None = None, tls: Any = None) -> AsyncIterator[MailServer]:
    """Listen on loopback; with `password` only who logs in as `hubwatch` may send, with `tls` after STARTTLS."""
    made = MailServer(list(data))

    def let_in(_: Any, __: Any, ___: Any, ____: Any, given: Any) -> AuthResult:
        good = isinstance(given, LoginPassword) and (given.login, given.password) == (b"hubwatch", _bytes(password))
        return AuthResult(success=good, handled=False)

    sessions: list[SMTP] = []

    def session() -> SMTP:
        made_session = SMTP(
            made, hostname="mail.test", tls_context=tls, require_starttls=tls is not None, authenticator=let_in,
            auth_required=password is not None, loop=asyncio.get_running_loop(),
        )  # fmt: skip
        sessions.append(made_session)
        return made_session

    server = await asyncio.get_running_loop().create_server(session, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        await _close(sessions)
        await server.wait_closed()


async def _close(sessions: Sequence[SMTP]) -> None:
    for each in sessions:
        if each.transport is not None:
            cast("asyncio.Transport", each.transport).abort()
        handler = each._handler_coroutine
        if handler is not None:
            handler.cancel()
            await asyncio.gather(handler, return_exceptions=True)


def _bytes(text: str | None) -> bytes:
    return (text or "").encode()
