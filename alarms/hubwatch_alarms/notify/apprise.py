"""The Apprise route: one address for each of many services of mail, SMS and chat (https://github.com/caronc/apprise).

Its addresses hold tokens and passwords, so each comes from a file or the environment, and no error, log line or table
shows any part of it. Apprise blocks: it is called in a thread of its own, of which a route has one at a time. What it
logs repeats what services answer, and is left out.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field

from hubwatch_alarms.message import AlarmMessage
from hubwatch_alarms.notify.route import RouteSection
from hubwatch_alarms.notify.webhook import LOOPBACK, judge
from hubwatch_core.config import ConfigId, Conflict, SecretFile
from hubwatch_core.config.secret_file import secret_in
from hubwatch_core.delivery import DeliveryOutcome, DeliveryResult
from hubwatch_core.errors import Permanent
from hubwatch_core.plain_text import is_text

if TYPE_CHECKING:
    from apprise.plugins.base import NotifyBase

PLAIN = str.maketrans({"\N{EN DASH}": "-", "\N{HORIZONTAL ELLIPSIS}": "."})
"""A text message has 160 characters only of the GSM alphabet (3GPP TS 23.038), which lacks these two of ours."""
MISSING = "apprise is not installed: pip install 'hubwatch[apprise]'"


class AppriseRouteSection(RouteSection):
    """Settings of an Apprise route."""

    name: ConfigId = Field(description="Name of the route in records, logs and metrics; unique.", examples=["chat"])
    kind: Literal["apprise"] = Field(description="apprise: one of the services that Apprise reaches.")
    url_file: SecretFile | None = Field(None, description="File that holds the service's Apprise address: a secret.")
    url_env: str | None = Field(None, description="Environment variable that holds it, instead of url_file.")
    timeout_s: Annotated[float, Field(gt=0, le=60)] = Field(15.0, description="Seconds one attempt may take in all.")
    allow_http: bool = Field(False, description="Send in the clear to another machine: only inside a closed network.")

    def conflicts(self) -> Iterator[Conflict]:
        """The address comes from one place."""
        if (self.url_file is None) == (self.url_env is None):
            yield ("url_file",), "give one of url_file and url_env"

    def read_url(self) -> str:
        """Return the address; raises Permanent when it cannot be read or is empty."""
        if self.url_env is None:
            assert self.url_file is not None, "the settings demand one of the two"
            return secret_in(self.url_file).strip()
        url = os.environ.get(self.url_env, "").strip()
        if not url or not is_text(url):
            raise Permanent(f"route {self.name}: the environment variable {self.url_env} holds no address")
        return url

    def open(self) -> AppriseRoute:
        """Make the route; raises Permanent when its address cannot be read or used."""
        return AppriseRoute(self)


class AppriseRoute:
    """Delivers through Apprise; one thread at a time, which nothing waits for once its time is over."""

    def __init__(self, settings: AppriseRouteSection) -> None:
        self._settings = settings
        self._busy = threading.Lock()
        service_of(settings)

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
        """Tell the service once, in a thread; a call that hangs is left to itself, and the next waits for its end."""
        if not self._busy.acquire(blocking=False):
            return DeliveryOutcome(DeliveryResult.TRANSIENT, error="the call before this one has not ended yet")
        loop = asyncio.get_running_loop()
        done: asyncio.Future[DeliveryOutcome] = loop.create_future()

        def tell() -> None:
            try:
                outcome = deliver(self._settings, message)
            finally:
                self._busy.release()
            _hand_over(loop, lambda: None if done.done() else done.set_result(outcome))

        # A daemon: the process ends although a service hangs.
        threading.Thread(target=tell, name=f"alarms.apprise.{self._settings.name}", daemon=True).start()
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                return await done
        except TimeoutError:
            error = f"no answer within {self._settings.timeout_s:g} s"
            return DeliveryOutcome(DeliveryResult.TRANSIENT, error=error)


def _hand_over(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    try:
        loop.call_soon_threadsafe(call)
    except RuntimeError:  # the loop has ended meanwhile, and nobody waits for this any more
        return


def deliver(settings: AppriseRouteSection, message: AlarmMessage) -> DeliveryOutcome:
    """Tell the service once, in this thread; never raises."""
    from hubwatch_alarms.notify.bounded_requests import bounded_requests

    try:
        service = service_of(settings)  # each time: it may have been changed
    except Permanent as error:
        return DeliveryOutcome(DeliveryResult.TRANSIENT, error=str(error))
    title, body = words_of(message, service.body_maxlen)
    with bounded_requests(settings.timeout_s) as answer:
        try:
            taken = bool(service.notify(body=body, title=title))
        except Exception as error:  # noqa: BLE001 - a hundred services; of the error only its kind, it may hold the address
            return DeliveryOutcome(DeliveryResult.TRANSIENT, answer.status, type(error).__name__)
    if taken:
        return DeliveryOutcome(DeliveryResult.DELIVERED, answer.status)
    if answer.status is None or 200 <= answer.status < 300:
        return DeliveryOutcome(DeliveryResult.TRANSIENT, answer.status, "the service has not taken it")
    return judge(answer.status, answer.retry_after, time.time())


def words_of(message: AlarmMessage, most: int) -> tuple[str, str]:
    """Return title and body: all of it, or the short text where a service takes at most so many characters.

    Of a longer one it would refuse the whole, or leave out the end. The link goes with it where there is room.
    """
    if len(message.text) < most:
        title, _, body = message.text.partition("\n")
        return title, body
    short = message.short.translate(PLAIN)
    linked = f"{short}\n{message.link}"
    return "", linked if message.link is not None and len(linked) <= most else short


def service_of(settings: AppriseRouteSection) -> NotifyBase:
    """Return the service of a route's address; raises Permanent, which repeats nothing of the address."""
    url = settings.read_url()
    try:
        import apprise
    except ModuleNotFoundError:
        raise Permanent(f"route {settings.name}: {MISSING}") from None
    _silence()
    asset = apprise.AppriseAsset(http_redirects=False, secure_logging=True, async_mode=False, plugin_paths=[])
    service = apprise.Apprise.instantiate(url, asset=asset)
    if service is None:
        raise Permanent(f"route {settings.name}: what should be its address is none that Apprise knows")
    if not service.verify_certificate:
        raise Permanent(f"route {settings.name}: its address switches the check of certificates off (verify=no)")
    if _in_the_clear(url, service) and not settings.allow_http:
        raise Permanent(
            f"route {settings.name}: its address would send alarms in the clear; "
            "take the kind with TLS (most end in s), or set allow_http"
        )
    service.redirects = False  # also where the address says otherwise
    service.socket_connect_timeout = service.socket_read_timeout = settings.timeout_s
    return service


def _in_the_clear(url: str, service: NotifyBase) -> bool:
    """Return whether an address is of a kind without TLS, and leads to another machine."""
    kind = url.partition("://")[0].lower()
    clear = _kinds(service.protocol) - _kinds(service.secure_protocol)
    host = getattr(service, "host", None)
    return kind in clear and bool(host) and host not in LOOPBACK


def _kinds(protocol: object) -> frozenset[str]:
    if isinstance(protocol, str):
        return frozenset({protocol})
    return frozenset(protocol) if isinstance(protocol, tuple | list | set | frozenset) else frozenset()


def _silence() -> None:
    """Leave out what Apprise logs: it repeats what services answer, and at times the address."""
    log = logging.getLogger("apprise")
    log.propagate, log.disabled = False, True
