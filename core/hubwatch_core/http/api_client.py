"""Asks a hub's API, as commands do: answers are JSON, what goes wrong is an error of ours with its words."""

from __future__ import annotations

import json
import ssl
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from hubwatch_core.config.addresses import is_loopback
from hubwatch_core.errors import BadCall, Permanent, Transient
from hubwatch_core.plain_text import one_line

ANSWER_WITHIN_S = 30.0
MOST_ANSWER_BYTES = 16 << 20
KIND = "urn:hubwatch:problem:"


class ApiRefused(Permanent):
    """The API did not do it; `status` and `kind` say why to a program."""

    def __init__(self, text: str, status: int, kind: str = "") -> None:
        self.status, self.kind = status, kind
        super().__init__(text)


def checked_address(text: str, *, allow_plain: bool = False) -> str:
    """Return the address of an API without a final slash.

    Raises BadCall for one that would show passwords and tokens to others, unless `allow_plain`.
    """
    try:
        parts = urlsplit(text)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError:
        raise BadCall("that is no address of an API: write it like https://hub.example:8443") from None
    if parts.scheme not in {"http", "https"} or not host or parts.query or parts.fragment or parts.username:
        raise BadCall("that is no address of an API: write it like https://hub.example:8443")
    if parts.scheme == "http" and not is_loopback(host) and not allow_plain:
        raise BadCall(
            "a login over http:// can be read on the way: the address must begin with https:// (or, where nobody else "
            "can reach the network, give --allow-plain)"
        )
    return text.rstrip("/")


@dataclass(frozen=True, slots=True)
class ApiClient:
    """An API at an address, asked with a token or without."""

    address: str
    token: str | None = None
    ca_file: str | None = None

    async def ask(self, method: str, path: str, body: object = None) -> Any:
        """Send a request and return its answer as JSON values, None where there is none.

        Raises ApiRefused, BadCall when what was asked is not understood, Transient when there is no answer.
        """
        headers = {} if self.token is None else {"Authorization": f"Bearer {self.token}"}
        limit = aiohttp.ClientTimeout(total=ANSWER_WITHIN_S)
        try:
            async with (
                aiohttp.ClientSession(timeout=limit) as session,
                session.request(
                    method, f"{self.address}/api/v1{path}", json=body, headers=headers, allow_redirects=False,
                    ssl=self._trust(),
                ) as response,
            ):  # fmt: skip
                return _answer(response.status, response.content_type, await _text_of(response))
        except aiohttp.ClientConnectorCertificateError as error:
            raise Permanent(self._not_trusted(error.certificate_error)) from None
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            why = one_line(str(error)) or type(error).__name__
            raise Transient(f"{self.address} does not answer: {why}") from None

    def _not_trusted(self, error: Exception) -> str:
        why = one_line(getattr(error, "verify_message", "")) or type(error).__name__
        by = "the authorities of this system" if self.ca_file is None else self.ca_file
        return f"{self.address} has a certificate that {by} do not vouch for ({why}): nothing was sent; see --ca-file"

    def _trust(self) -> ssl.SSLContext | bool:
        if self.ca_file is None:
            return True
        try:
            return ssl.create_default_context(cafile=self.ca_file)
        except (OSError, ssl.SSLError):
            raise Permanent(f"CA file {self.ca_file} cannot be used") from None


async def _text_of(response: aiohttp.ClientResponse) -> bytes:
    """Return a whole answer, which comes in pieces when it is large."""
    text = bytearray()
    async for piece in response.content.iter_any():
        text += piece
        if len(text) > MOST_ANSWER_BYTES:
            raise Permanent(f"the answer has more than {MOST_ANSWER_BYTES >> 20} MiB")
    return bytes(text)


def _answer(status: int, kind: str, text: bytes) -> Any:
    if status == 204:
        return None
    try:
        body = json.loads(text)
    except ValueError:
        body = None
    if status < 300 and body is not None:
        return body
    if kind != "application/problem+json" or not isinstance(body, dict):
        raise Permanent(f"that is no API of hubwatch: it answered {status}")
    words = one_line(str(body.get("detail") or body.get("title") or status))
    mistakes = body.get("errors")
    if isinstance(mistakes, list) and mistakes:
        words += ": " + "; ".join(one_line(f"{each.get('at')} {each.get('message')}") for each in mistakes)
    if status in {400, 422}:
        raise BadCall(words)
    if status == 503:
        raise Transient(words)
    raise ApiRefused(words, status, str(body.get("type", "")).removeprefix(KIND))
