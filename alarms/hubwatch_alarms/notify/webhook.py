"""The webhook route: a signed JSON body by HTTP POST.

Only the status line and Retry-After of the answer are looked at; a redirect is a refusal:
whoever may redirect us could otherwise point our alarms at another machine. No refusal is for ever: a receiver whose
key or address is being changed, and a proxy before one that starts, answer so, too.

The path of an address may be its secret: no error, log line or table holds more of it than scheme, host and port.
"""

from __future__ import annotations

import email.utils
import hashlib
import hmac
import os
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Annotated, ClassVar, Literal, Self

import aiohttp
from pydantic import Field, field_validator

from hubwatch_alarms.message import AlarmMessage
from hubwatch_alarms.notify.route import RouteSection
from hubwatch_core import __version__
from hubwatch_core.config import ConfigId, Conflict, SecretFile, read_secret
from hubwatch_core.config.addresses import is_host
from hubwatch_core.config.secret_file import secret_in
from hubwatch_core.delivery import DeliveryOutcome, DeliveryResult
from hubwatch_core.errors import Permanent
from hubwatch_core.plain_text import is_text, one_line
from hubwatch_core.secret_text import origin, split_url

SIGNATURE_VERSION = "v1"

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})

MAX_ANSWER_BYTES = 65_536
"""Of an answer whose body is looked at, where a kind of route looks at it."""

TRY_AGAIN = frozenset({408, 425, 429})
"""Refusals that RFC 9110 (408), RFC 8470 (425) and RFC 6585 (429) define as worth repeating; so is every 5xx."""


class PostedRouteSection(RouteSection):
    """Settings of a route that posts to an address; each kind says what its body is."""

    reads_answer: ClassVar[bool] = False
    """Whether the body of an answer says more than its status."""

    url: str | None = Field(
        None,
        examples=["https://alerts.example.org/hubwatch"],
        description="Where to POST; https, or http on loopback unless allow_http is set.",
    )
    url_file: SecretFile | None = Field(
        None, description="File that holds the address, instead of url: where whoever knows it may post."
    )
    secret_file: SecretFile | None = Field(None, description="File that holds the signing key.")
    secret_env: str | None = Field(None, description="Environment variable that holds it, instead of secret_file.")
    timeout_s: Annotated[float, Field(gt=0, le=15)] = Field(10.0, description="Seconds one attempt may take in all.")
    allow_http: bool = Field(False, description="Send in the clear to another machine: only inside a closed network.")

    @field_validator("url")
    @classmethod
    def _usable(cls, url: str | None) -> str | None:
        return None if url is None else post_address(url)

    def conflicts(self) -> Iterator[Conflict]:
        """Alarms go neither in the clear nor unsigned."""
        if (self.secret_file is None) == (self.secret_env is None):
            yield ("secret_file",), "give one of secret_file and secret_env: every body is signed"
        if (self.url is None) == (self.url_file is None):
            yield ("url",), "give one of url and url_file"
        elif self.url is not None and self._in_the_clear(self.url):
            yield ("url",), f"{origin(self.url)} would send alarms in the clear: use https, or set allow_http"

    def request(self, message: AlarmMessage, key: str) -> tuple[bytes, dict[str, str]]:
        """Return the body of a message and its headers: what docs/howto/receive-webhooks.md says, signed."""
        return signed(message, message.json(), "application/json", key)

    def fault_in(self, answer: bytes) -> str | None:
        """Return why an answer with a good status means that the message was not taken."""
        return None

    def open(self) -> WebhookRoute:
        """Make the route; raises Permanent when its key cannot be read."""
        return WebhookRoute(self)

    def read_url(self) -> str:
        """Return where to POST; raises Permanent when it cannot be read or is no address."""
        if self.url is not None:
            return self.url
        assert self.url_file is not None, "the settings demand one of the two"
        try:
            url = post_address(secret_in(self.url_file).strip())
        except ValueError as error:
            raise Permanent(f"route {self.name}: what {self.url_file} holds {error}") from None
        if self._in_the_clear(url):
            raise Permanent(f"route {self.name}: {origin(url)} would send alarms in the clear: use https")
        return url

    def _in_the_clear(self, url: str) -> bool:
        parts = split_url(url)
        return parts.scheme == "http" and parts.hostname not in LOOPBACK and not self.allow_http

    def read_key(self) -> str:
        """Return the signing key; raises Permanent when it cannot be read or is empty."""
        if self.secret_env is not None:
            secret = os.environ.get(self.secret_env, "")
            if not secret:
                raise Permanent(f"route {self.name}: the environment variable {self.secret_env} is not set")
            if not is_text(secret):
                raise Permanent(f"route {self.name}: the environment variable {self.secret_env} is not UTF-8 text")
            return secret
        secret_of_file = read_secret(None, self.secret_file)
        assert secret_of_file is not None, "the settings demand one of the two"
        return secret_of_file


class WebhookRouteSection(PostedRouteSection):
    """Settings of a webhook route."""

    name: ConfigId = Field(
        description="Name of the route in records, logs and metrics; unique.", examples=["duty-officer"]
    )
    kind: Literal["webhook"] = Field(description="webhook: a signed JSON body by HTTP POST.")


class WebhookRoute:
    """Delivers by POST; one HTTP session for as long as it is open."""

    def __init__(self, settings: PostedRouteSection) -> None:
        self._settings = settings
        settings.read_key()
        settings.read_url()
        self._session: aiohttp.ClientSession | None = None

    @property
    def max_s(self) -> float:
        """Seconds one attempt takes at most."""
        return self._settings.timeout_s

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(total=self._settings.timeout_s)
        # Alarms are rare: a connection kept open would mostly be one that the other side has closed meanwhile.
        connector = aiohttp.TCPConnector(force_close=True)
        self._session = aiohttp.ClientSession(timeout=timeout, connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def deliver(self, message: AlarmMessage) -> DeliveryOutcome:
        """POST the message once; see docs/howto/receive-webhooks.md for what the receiver sees."""
        assert self._session is not None, "deliver belongs inside the route's context"
        try:
            key, url = self._settings.read_key(), self._settings.read_url()  # each time: they may have been changed
        except Permanent as error:  # just being replaced, or replaced by a bad one
            return DeliveryOutcome(DeliveryResult.TRANSIENT, error=one_line(str(error))[:500])
        body, headers = self._settings.request(message, key)
        try:
            async with self._session.post(url, data=body, headers=headers, allow_redirects=False) as response:
                outcome = judge(response.status, response.headers.get("Retry-After"), time.time())
                if outcome.result is DeliveryResult.DELIVERED and self._settings.reads_answer:
                    outcome = await self._read(response)
                response.close()  # the rest unread: an endless body must not hold us
                return outcome
        except (TimeoutError, aiohttp.ClientError, OSError, UnicodeError) as error:
            # UnicodeError: a host name that the resolver's encoding does not take.
            return DeliveryOutcome(DeliveryResult.TRANSIENT, error=describe(error, self._settings.timeout_s))

    async def _read(self, response: aiohttp.ClientResponse) -> DeliveryOutcome:
        """Judge an answer by its body, of which no more is read than an answer has."""
        answer = await response.content.read(MAX_ANSWER_BYTES)
        fault = self._settings.fault_in(answer)
        if fault is None:
            return DeliveryOutcome(DeliveryResult.DELIVERED, response.status)
        return DeliveryOutcome(DeliveryResult.REFUSED, response.status, one_line(fault)[:500])


def signed(message: AlarmMessage, body: bytes, media_type: str, key: str) -> tuple[bytes, dict[str, str]]:
    """Return a body with the headers that prove whose it is."""
    timestamp_s = int(time.time())
    return body, {
        "Content-Type": media_type,
        "User-Agent": f"hubwatch/{__version__}",
        "X-Hubwatch-Id": message.id,
        "X-Hubwatch-Timestamp": str(timestamp_s),
        "X-Hubwatch-Signature": sign(key, timestamp_s, body),
    }


def judge(status: int, retry_after: str | None, now_s: float) -> DeliveryOutcome:
    """Return what an HTTP status means for a message: 2xx delivered, 408, 425, 429 and 5xx try again, else refused.

    Retry-After counts with each of them.
    """
    if 200 <= status < 300:
        return DeliveryOutcome(DeliveryResult.DELIVERED, status)
    asked_s = wait_asked_s(retry_after, now_s)
    if status in TRY_AGAIN or 500 <= status < 600:
        return DeliveryOutcome(DeliveryResult.TRANSIENT, status, f"HTTP {status}", asked_s)
    what = "redirect, which is not followed" if 300 <= status < 400 else "refused"
    return DeliveryOutcome(DeliveryResult.REFUSED, status, f"HTTP {status}: {what}", asked_s)


def wait_asked_s(retry_after: str | None, now_s: float) -> float | None:
    """Read Retry-After, seconds or an HTTP date (RFC 9110 §10.2.3); None when absent or not understood."""
    if retry_after is None:
        return None
    # The length bound keeps int() from chewing on a hostile header.
    if retry_after.isascii() and retry_after.isdigit() and len(retry_after) <= 9:
        return float(retry_after)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(retry_after).timestamp() - now_s)
    except (ValueError, OverflowError):
        return None


def post_address(url: str) -> str:
    """Return an address that can be posted to. Raises ValueError, which repeats nothing of it."""
    parts = split_url(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.port == 0:
        raise ValueError("must be a full http(s) URL, like https://host/path")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not carry a user or password: the signature proves who we are")
    if not is_host(parts.hostname):
        raise ValueError("its host can be no host name")
    return url


def describe(error: BaseException, timeout_s: float) -> str:
    """Say what went wrong. Of most errors only the kind: their texts may repeat the address, or what was answered."""
    if isinstance(error, TimeoutError):
        return f"no answer within {timeout_s:g} s"
    if isinstance(error, aiohttp.ClientConnectorError):
        why = one_line(error.os_error.strerror or type(error.os_error).__name__)
        return f"cannot connect to {error.host}:{error.port}: {why}"[:500]
    if isinstance(error, aiohttp.ClientResponseError):
        return "the answer is not HTTP"
    return type(error).__name__


def sign(secret: str, timestamp_s: int, body: bytes) -> str:
    """Return the value of X-Hubwatch-Signature for a body sent at `timestamp_s` (seconds since 1970).

    It is an HMAC-SHA256 over the decimal seconds, a full stop and the body. The time is inside, so that a recorded
    request cannot be played again later. How a receiver checks it is in docs/howto/receive-webhooks.md.
    """
    signed = str(timestamp_s).encode() + b"." + body
    return f"{SIGNATURE_VERSION}={hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()}"
