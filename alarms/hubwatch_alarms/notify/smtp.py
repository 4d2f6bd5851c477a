"""The mail route: one mail a message and recipient, over SMTP.

Every attempt has the same Message-ID, so a mail system that gets one twice can tell. What the server answers is foreign
text: only its code and one line of it are kept.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Iterator
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path
from types import TracebackType
from typing import Annotated, ClassVar, Literal, Self

import aiosmtplib
from pydantic import AfterValidator, Field

from hubwatch_alarms.message import AlarmMessage
from hubwatch_alarms.notify.route import RouteSection
from hubwatch_core.clock import now_us, to_datetime
from hubwatch_core.config import ConfigId, Conflict, SecretFile
from hubwatch_core.config.addresses import Host, is_loopback
from hubwatch_core.config.secret_file import secret_in
from hubwatch_core.delivery import DeliveryOutcome, DeliveryResult
from hubwatch_core.errors import Permanent
from hubwatch_core.plain_text import one_line

AUTHENTICATION_FAILED = frozenset({530, 534, 535, 538})
"""RFC 4954 §6; their texts may repeat what was sent, so they are not shown."""


def _fault(address: str) -> str | None:
    """Return why a text is no mail address: short rules, since the server has the last word."""
    if re.fullmatch(r"[^\s@<>,;:\"()\[\]\\\x00-\x1f\x7f]{1,64}@[A-Za-z0-9.\-]{1,255}", address):
        return None
    return "must be a mail address as in kim@port.example.org"


def _address(address: str) -> str:
    if fault := _fault(address):
        raise ValueError(fault)
    return address


MailAddress = Annotated[str, AfterValidator(_address)]


class SmtpRouteSection(RouteSection):
    """Settings of a mail route."""

    takes_address: ClassVar[bool] = True

    name: ConfigId = Field(description="Name of the route in records, logs and metrics; unique.", examples=["mail"])
    kind: Literal["smtp"] = Field(description="smtp: one mail a message.")
    host: Host = Field(description="The mail server.", examples=["mail.example.org"])
    port: Annotated[int, Field(ge=1, le=65535)] = Field(587, description="Its port; 465 is usual with security = tls.")
    security: Literal["starttls", "tls", "none"] = Field(
        "starttls", description="How the link is encrypted; none only on this machine."
    )
    ca_file: Path | None = Field(None, description="CA certificates for the server (PEM); unset: the system's.")
    username: str | None = Field(None, description="User name, where the server wants one.")
    password_file: SecretFile | None = Field(None, description="File that holds the password.")
    sender: MailAddress = Field(description="Who the mails are from.", examples=["hubwatch@example.org"])
    to: tuple[MailAddress, ...] = Field(
        (), description="Who gets every message of this route; none: only people who have it among their ways."
    )
    timeout_s: Annotated[float, Field(gt=0, le=60)] = Field(15.0, description="Seconds one attempt may take in all.")

    def conflicts(self) -> Iterator[Conflict]:
        """Alarms and passwords do not go in the clear."""
        if self.security == "none" and not is_loopback(self.host):
            yield ("security",), f"{self.host} would be sent alarms in the clear: use starttls or tls"
        if (self.username is None) != (self.password_file is None):
            missing = "username" if self.username is None else "password_file"
            yield (missing,), "username and password_file go together: give both or none"

    @property
    def needs_person(self) -> bool:
        """Return whether it leads only to the people who have it among their ways."""
        return not self.to

    def fault_of(self, address: str) -> str | None:
        """Return why something is no mail address, None when it is one."""
        return _fault(address)

    def open(self) -> SmtpRoute:
        """Make the route; raises Permanent when its password or CA cannot be read."""
        return SmtpRoute(self)

    def read_password(self) -> str | None:
        """Return the password, None where there is none; raises Permanent when it cannot be read."""
        return None if self.password_file is None else secret_in(self.password_file)


class SmtpRoute:
    """Delivers by mail; each attempt is a connection of its own, for alarms are rare."""

    def __init__(self, settings: SmtpRouteSection) -> None:
        self._settings = settings
        settings.read_password()
        try:
            self._tls = ssl.create_default_context(cafile=settings.ca_file)
        except (OSError, ssl.SSLError):
            raise Permanent(f"route {settings.name}: {settings.ca_file} holds no CA certificates") from None

    @property
    def max_s(self) -> float:
        """Seconds one attempt takes at most."""
        return self._settings.timeout_s

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    async def deliver(self, message: AlarmMessage) -> DeliveryOutcome:
        """Send the mail once."""
        recipients = list(self._settings.to) if message.to is None else [message.to]
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                refused = await self._send(message, recipients)
        except (TimeoutError, Permanent, aiosmtplib.SMTPException, OSError, UnicodeError) as error:
            return self._judge(error)
        note = f"{refused} of {len(recipients)} recipients were refused" if refused else None
        return DeliveryOutcome(DeliveryResult.DELIVERED, 250, note)

    async def _send(self, message: AlarmMessage, recipients: list[str]) -> int:
        """Send the mail; return how many recipients the server refused, where it took some."""
        settings = self._settings
        refused, _ = await aiosmtplib.send(
            mail_of(message, settings.sender, recipients),
            sender=settings.sender,
            recipients=recipients,
            hostname=settings.host,
            port=settings.port,
            username=settings.username,
            password=settings.read_password(),  # each time: it may have been changed
            use_tls=settings.security == "tls",
            start_tls=settings.security == "starttls",
            tls_context=None if settings.security == "none" else self._tls,
            timeout=settings.timeout_s,
        )
        return len(refused)

    def _judge(self, error: BaseException) -> DeliveryOutcome:
        if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
            first = error.recipients[0]
            return judge(first.code, first.message)
        if isinstance(error, aiosmtplib.SMTPResponseException):
            return judge(error.code, error.message)
        if isinstance(error, TimeoutError):
            return DeliveryOutcome(DeliveryResult.TRANSIENT, error=f"no answer within {self._settings.timeout_s:g} s")
        # A password that is just being replaced is said whole; of other errors only the kind: foreign text.
        said = one_line(str(error))[:500] if isinstance(error, Permanent) else type(error).__name__
        return DeliveryOutcome(DeliveryResult.TRANSIENT, error=said)


def mail_of(message: AlarmMessage, sender: str, recipients: list[str]) -> EmailMessage:
    """Return a message as mail; mails of one alarm stand in one thread."""
    mail = EmailMessage()
    domain = sender.rpartition("@")[2]
    mail["From"], mail["To"], mail["Subject"] = sender, ", ".join(recipients), one_line(message.short)
    mail["Date"] = format_datetime(to_datetime(now_us()))
    mail["Message-ID"] = f"<{message.id}@{domain}>"
    mail["References"] = f"<alarm-{message.alarm.id}@{domain}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(message.text)
    return mail


def judge(code: int, text: str) -> DeliveryOutcome:
    """Return what an answer means (RFC 5321 §4.2.1): 4yz try again, 5yz refused."""
    said = "" if code in AUTHENTICATION_FAILED else f" {one_line(text)}"
    result = DeliveryResult.REFUSED if code >= 500 else DeliveryResult.TRANSIENT
    return DeliveryOutcome(result, code, f"SMTP {code}{said}"[:500])
