"""The server of the API: uvicorn, with the bounds on connections and the TLS that every server of ours has."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from functools import partial

import uvicorn
from fastapi import FastAPI
from prometheus_client import CollectorRegistry, Counter

from hubwatch_console.settings import ApiSection, ConsoleSettings
from hubwatch_console.time_limits import WITHIN_S, TimedProtocol
from hubwatch_core.config.addresses import with_port
from hubwatch_core.errors import Permanent
from hubwatch_core.http import RateLimit
from hubwatch_core.http.connections import Connections
from hubwatch_core.http.serving import serve_connections
from hubwatch_core.http.serving_certificate import ServingCertificate
from hubwatch_core.logs import get_logger

IDLE_S = 10
"""Between two requests; less than what is waited for headers, so that whoever says nothing leaves in order."""
MOST_HEADER_BYTES = 16_384
STOP_WITHIN_S = 5
"""For requests that are at work when the process ends."""
TOLD_EVERY_S = 60.0
"""Clients that misbehave are counted one by one, and told of so often: nobody can fill the disk with it."""

_log = get_logger("console")


def bound(settings: ConsoleSettings) -> socket.socket:
    """Listen where the settings say; raises Permanent."""
    host, port = settings.api.host, settings.api.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=256)
    except OSError as error:
        reason = f"the API cannot listen on {with_port(host, port)}: {error.strerror}"
        raise Permanent(f"{reason}; change api.host or api.port") from None


class ApiServer(uvicorn.Server):
    """Serves an application on a socket that listens. Raises Permanent when the certificate cannot be used."""

    def __init__(
        self, app: FastAPI, settings: ApiSection, registry: CollectorRegistry, within_s: dict[str, float] = WITHIN_S
    ) -> None:
        super().__init__(_config(app, settings))
        self._settings, self._within_s = settings, within_s
        tls = settings.tls
        self._certificate = None if tls is None else ServingCertificate(tls, "api")
        self._refusals = Counter(
            "hubwatch_console_connections_refused", "Connections beyond api.max_connections or those of one address.",
            registry=registry,
        )  # fmt: skip
        self._cuts = Counter(
            "hubwatch_console_connections_cut", "Connections ended because a client did not send, or take, in time.",
            ["waiting_for"], registry=registry,
        )  # fmt: skip
        self._telling = RateLimit(1 / TOLD_EVERY_S, 1)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone: the process has a handler for all parts."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen as every server of ours does, instead of uvicorn's own way."""
        await self.lifespan.startup()
        (listener,) = sockets or []
        made = partial(
            TimedProtocol, within_s=self._within_s, cut=self._cut,
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state,
        )  # fmt: skip
        bounded = Connections(
            made, life_s=None, most=self._settings.max_connections, per_peer=self._settings.max_connections_per_address,
            refused=self._refused,
        )  # fmt: skip
        self.servers = [await serve_connections(bounded, self._certificate, sock=listener)]
        self.started = True

    def _refused(self, address: str) -> None:
        self._refusals.inc()
        self._tell("too many connections, refused", address=address)

    def _cut(self, waiting_for: str, address: str) -> None:
        self._cuts.labels(waiting_for).inc()
        self._tell("client too slow, connection ended", address=address, waiting_for=waiting_for)

    def _tell(self, what: str, **facts: str) -> None:
        if self._telling.allow(what, time.monotonic()):
            _log.warning(what, **facts, not_told_again_for_s=TOLD_EVERY_S)


def _config(app: FastAPI, api: ApiSection) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        proxy_headers=False,
        http=TimedProtocol,
        ws="none",
        loop="none",
        limit_concurrency=api.max_connections + 1,
        timeout_keep_alive=IDLE_S,
        timeout_graceful_shutdown=STOP_WITHIN_S,
        h11_max_incomplete_event_size=MOST_HEADER_BYTES,
    )
