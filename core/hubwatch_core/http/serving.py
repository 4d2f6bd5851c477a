"""What every HTTP server of ours has: bounds on connections, headers and their time, TLS that follows its files.

A crowd of connections would take from a process what the broker and the database need of it.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from aiohttp import web

from hubwatch_core.errors import Permanent
from hubwatch_core.http.connections import LIFE_S, Connections
from hubwatch_core.http.serving_certificate import ServingCertificate

MAX_LINE = 2048
MAX_HEADER = 4096
"""Bytes of a request's first line, and of one header."""


def bounded_runner(app: web.Application) -> web.AppRunner:
    """Return the runner of an application: short lines and headers, and no word of a stranger in the log."""
    return web.AppRunner(
        app,
        access_log=None,
        logger=unheard(),
        shutdown_timeout=1,
        lingering_time=0,
        max_line_size=MAX_LINE,
        max_field_size=MAX_HEADER,
    )


async def serve(
    runner: web.AppRunner,
    what: str,
    host: str,
    port: int,
    certificate: ServingCertificate | None,
    life_s: float = LIFE_S,
) -> asyncio.Server:
    """Listen for a runner that is set up; an empty `host` is every address of this machine.

    `what` is the section of the configuration. Raises Permanent when the address cannot be listened on.
    """
    assert runner.server is not None, "the runner is set up"
    bounded = Connections(runner.server, life_s=life_s)
    try:
        return await serve_connections(bounded, certificate, host=host or None, port=port, reuse_address=True)
    except OSError as error:
        reason = f"{what} cannot listen on {host or '*'}:{port}: {error.strerror}"
        raise Permanent(f"{reason}; change {what}.port") from None


async def serve_connections(
    bounded: Connections, certificate: ServingCertificate | None, **where: Any
) -> asyncio.Server:
    """Listen for connections within their limits, `where` `asyncio.loop.create_server` is told. Raises OSError."""

    def following() -> asyncio.Protocol:
        if certificate is None:
            return bounded()
        certificate.refresh()
        return bounded.over_tls(certificate.context)

    return await asyncio.get_running_loop().create_server(following, **where)


def unheard() -> logging.Logger:
    """Return a logger for what libraries say of requests that are no HTTP: a line or a traceback each, at a stranger's
    will.
    """
    logger = logging.getLogger("hubwatch.http.unheard")
    logger.propagate = False
    logger.handlers = [logging.NullHandler()]
    return logger
