"""Asks the hub over HTTPS: whom to trust, for a first certificate, for another one."""

from __future__ import annotations

import asyncio
import ssl
from typing import TypeVar

import aiohttp
import msgspec

from hubwatch_agents.identity.folder import EnrolledIdentity, IdentityFolder, signing_request
from hubwatch_core.enrolment import (
    MAX_BYTES,
    PATH,
    EnrolmentAnswer,
    EnrolmentRequest,
    EnrolmentToken,
    RenewalDue,
    RenewalQuestion,
    RenewalRequest,
)
from hubwatch_core.errors import BadCall, Permanent, Transient
from hubwatch_core.plain_text import one_line

WITHIN_S = 20.0
R = TypeVar("R", bound=msgspec.Struct)


async def enrol(url: str, folder: IdentityFolder, token: EnrolmentToken, hub: str, agent: str) -> EnrolmentAnswer:
    """Ask for the first certificate. The token goes only to the hub whose root it names.

    Raises Transient when the hub is away, Permanent when it refuses or is another.
    """
    ca = (await _said("GET", f"{checked(url)}{PATH}/ca", _unverified())).decode("ascii", "replace")
    token.check(ca)
    request = EnrolmentRequest(hub, agent, token.secret, signing_request(folder.pending_key(), hub, agent))
    answer = await _asked(url, "enrol", request, _verified(ca), EnrolmentAnswer)
    token.check(answer.ca)
    return answer


async def renew(folder: IdentityFolder, identity: EnrolledIdentity) -> EnrolmentAnswer:
    """Ask for a certificate for another key, signed by the key in use. Raises as `enrol` does."""
    csr = signing_request(folder.pending_key(), identity.hub, identity.agent)
    request = RenewalRequest(identity.serial, csr, folder.key().sign(csr.encode()))
    answer = await _asked(identity.url, "renew", request, _verified_by(folder), EnrolmentAnswer)
    # Whom the agent trusts is changed by nobody who is trusted already.
    return msgspec.structs.replace(answer, ca=folder.ca_file.read_text(encoding="ascii"))


async def is_due(folder: IdentityFolder, identity: EnrolledIdentity) -> bool:
    """Return whether the hub wants the key renewed. Raises as `enrol` does."""
    question = RenewalQuestion(identity.serial)
    return (await _asked(identity.url, "due", question, _verified_by(folder), RenewalDue)).due


def checked(url: str) -> str:
    """Return the address of enrolment without a final slash. Raises BadCall when it is none over TLS."""
    if not url.startswith("https://") or len(url) == len("https://"):
        raise BadCall(f"{one_line(url)}: say https://HOST:PORT")
    return url.rstrip("/")


async def _asked(url: str, what: str, request: msgspec.Struct, context: ssl.SSLContext, kind: type[R]) -> R:
    said = await _said("POST", f"{url}{PATH}/{what}", context, msgspec.json.encode(request))
    try:
        return msgspec.json.decode(said, type=kind)
    except msgspec.DecodeError:
        raise Permanent(f"{url} does not answer as a hub does") from None


async def _said(method: str, url: str, context: ssl.SSLContext, body: bytes | None = None) -> bytes:
    try:
        async with asyncio.timeout(WITHIN_S), aiohttp.ClientSession() as session:  # noqa: SIM117
            async with session.request(method, url, data=body, ssl=context, allow_redirects=False) as answer:
                said = await answer.content.read(MAX_BYTES)
                if answer.status == 200:
                    return said
                reason = _reason(said) or f"status {answer.status}"
                kind = Transient if answer.status in (429, 503) else Permanent
                raise kind(f"the hub says: {reason}")
    except aiohttp.ClientConnectorCertificateError as error:
        raise Permanent(f"{url} is not our hub: {error.certificate_error}") from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise Transient(f"{url} cannot be asked: {one_line(str(error) or type(error).__name__)}") from None
    except TimeoutError:
        raise Transient(f"{url} did not answer within {WITHIN_S:g} s") from None


def _reason(said: bytes) -> str:
    try:
        return one_line(str(msgspec.json.decode(said).get("detail", "")))
    except (msgspec.DecodeError, AttributeError):
        return ""


def _unverified() -> ssl.SSLContext:
    """Return a context that believes anybody: what is fetched over it is checked by its fingerprint."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _verified(ca: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_verify_locations(cadata=ca)
    except ssl.SSLError as error:
        raise Permanent(f"the hub's root cannot be used: {error}") from None
    return context


def _verified_by(folder: IdentityFolder) -> ssl.SSLContext:
    try:
        return _verified(folder.ca_file.read_text(encoding="ascii"))
    except OSError as error:
        raise Permanent(f"{folder.ca_file} cannot be read: {error.strerror}") from None
