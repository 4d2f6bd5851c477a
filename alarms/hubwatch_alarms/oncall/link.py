"""The link in a message with which its recipient acknowledges what it tells of: signed, once, for a time.

The signature binds the message, the attempt that brought it, its alarm, its recipient and the time at which it ends. A
later attempt may tell of more: whoever answers this one has not seen that. Whoever opens the link sees a
page with one button; only the button acknowledges, because scanners of mail open every link.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from hubwatch_core.config import SecretFile, Section
from hubwatch_core.config.addresses import is_loopback
from hubwatch_core.config.secret_file import secret_in
from hubwatch_core.errors import Permanent

PATH = "/api/v1/acknowledge/"
MIN_KEY_CHARACTERS = 32
"""Of a key made by `openssl rand -base64 24` or longer: at least 128 bits."""
_TOKEN = re.compile(r"([0-9A-HJKMNP-TV-Z]{26})\.([1-9][0-9]{0,8})\.([0-9]{10,12})\.([A-Za-z0-9_-]{43})")


def _base(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname or "")):
        raise ValueError("must be the address of the console with https://")
    if parts.username is not None or parts.query or parts.fragment or parts.path not in {"", "/"}:
        raise ValueError("must be scheme, host and port only")
    return url.rstrip("/")


class LinkKeySection(Section):
    """The key of links with which people acknowledge from a message."""

    key_file: SecretFile = Field(
        description="File with the key, the same for the alarms and the console: openssl rand -base64 24 makes one."
    )

    def key(self) -> bytes:
        """Return the key; raises Permanent when it cannot be read or is too short."""
        text = secret_in(self.key_file)
        if len(text) < MIN_KEY_CHARACTERS:
            raise Permanent(
                f"{self.key_file} holds a key of fewer than {MIN_KEY_CHARACTERS} characters: openssl rand -base64 24"
            )
        return text.encode()


class LinkSection(LinkKeySection):
    """Links with which people acknowledge from a message; the console answers them."""

    url: Annotated[str, AfterValidator(_base)] = Field(
        description="Where people reach the console.", examples=["https://console.port.example:8443"]
    )
    valid_s: Annotated[float, Field(ge=60, le=7 * 86_400)] = Field(
        12 * 3600.0, description="Seconds for which a link is good: a shift and its hand-over."
    )

    def link(self, message: str, attempt: int, alarm: int, person: str, now_s: float) -> str:
        """Return the link in an attempt of a message to a person; raises Permanent when the key cannot be read."""
        until_s = int(now_s + self.valid_s)
        sealed = seal(self.key(), message, attempt, alarm, person, until_s)
        return f"{self.url}{PATH}{message}.{attempt}.{until_s}.{sealed}"


@dataclass(frozen=True, slots=True)
class LinkToken:
    """What a link says of itself, before its seal is checked."""

    message: str
    attempt: int
    until_s: int
    seal: str

    def is_sealed(self, key: bytes, alarm: int, person: str) -> bool:
        """Return whether it was made for this alarm and person with that key."""
        return hmac.compare_digest(self.seal, seal(key, self.message, self.attempt, alarm, person, self.until_s))


def parse_token(text: str) -> LinkToken | None:
    """Read the last part of a link; None when it is none of ours."""
    found = _TOKEN.fullmatch(text)
    return None if found is None else LinkToken(found[1], int(found[2]), int(found[3]), found[4])


def seal(key: bytes, message: str, attempt: int, alarm: int, person: str, until_s: int) -> str:
    """Return the signature of a link, as text for an address; no part of it can hold a line break."""
    signed = f"hubwatch acknowledge 2\n{message}\n{attempt}\n{alarm}\n{person}\n{until_s}".encode()
    return base64.urlsafe_b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode().rstrip("=")
