"""A Grafana server as grafana-client speaks to it, with our errors in place of the library's."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import niquests
from grafana_client.api import GrafanaApi
from grafana_client.client import GrafanaClientError, GrafanaException, GrafanaTimeoutError

from hubwatch_core.errors import BadCall, Permanent, Transient
from hubwatch_core.plain_text import one_line
from hubwatch_core.secret_text import carries_password, origin, split_url

TIMEOUT_S = 10.0


@contextlib.contextmanager
def connected(url: str, token: str) -> Iterator[Any]:
    """Give the client of a server.

    Raises Transient when Grafana is away, Permanent when it refuses, BadCall when `url` is no address.
    """
    _check(url)
    with _translated(origin(url)):
        # The library is typed in part only, and joins a path without a slash at its end to its own.
        grafana: Any = GrafanaApi.from_url(url.rstrip("/") + "/", credential=token, timeout=TIMEOUT_S)
        try:
            yield grafana
        finally:
            grafana.client.s.close()


def found(asked: Callable[[], Any]) -> Any:
    """Return what was asked for, None when it is not there."""
    try:
        return asked()
    except GrafanaClientError as error:
        if error.status_code == 404:
            return None
        raise


def _check(url: str) -> None:
    try:
        parts = split_url(url)
    except ValueError as error:
        raise BadCall(f"--url {error}, such as https://grafana.example.org") from None
    if carries_password(url) or parts.username is not None:
        raise BadCall("--url must not carry a user or password: give --token-file")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise BadCall("--url is not an address of a Grafana server, such as https://grafana.example.org")


@contextlib.contextmanager
def _translated(server: str) -> Iterator[None]:
    try:
        yield
    except GrafanaTimeoutError as error:
        raise Transient(f"Grafana at {server} did not answer in time") from error
    except GrafanaException as error:
        # 0 stands for "no answer that could be understood".
        kind = Transient if error.status_code == 0 or error.status_code >= 500 else Permanent
        raise kind(f"Grafana at {server} refused: {error.status_code} {one_line(str(error.message))}") from error
    except niquests.exceptions.RequestException as error:
        raise Transient(f"Grafana at {server} cannot be reached: {error}") from error
