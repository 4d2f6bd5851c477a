"""A Grafana server as grafana-client speaks to it, with our errors in place of the library's."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urljoin

import niquests
from grafana_client.api import GrafanaApi
from grafana_client.client import GrafanaClientError, GrafanaException, GrafanaTimeoutError

from hubwatch_core.errors import BadCall, Permanent, Transient
from hubwatch_core.plain_text import one_line
from hubwatch_core.secret_text import carries_password, origin, split_url

TIMEOUT_S = 10.0
SHOWN_CHARS = 300
"""So much is shown of why Grafana refuses: a proxy before it may answer with a whole page."""


@contextlib.contextmanager
def connected(url: str, token: str, secret_address: str | None = None) -> Iterator[Any]:
    """Give the client of a server. What it says of `secret_address` is shown as its origin only.

    Raises Transient when Grafana is away, Permanent when it refuses or what answers is no Grafana, BadCall when `url`
    is no address.
    """
    _check(url)
    with _translated(origin(url), secret_address):
        # The library is typed in part only, and joins a path without a slash at its end to its own.
        grafana: Any = GrafanaApi.from_url(url.rstrip("/") + "/", credential=token, timeout=TIMEOUT_S)
        # Whoever is redirected sends token and body again, and a body may hold the database's password.
        grafana.client.s.max_redirects = 0
        grafana.client.s.hooks["response"].append(_check_answer)
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


def _check_answer(answer: niquests.Response, **_: Any) -> None:
    status, server = answer.status_code or 0, origin(str(answer.url))
    if 300 <= status < 400:
        elsewhere = origin(urljoin(str(answer.url), str(answer.headers.get("Location", ""))))
        raise Permanent(
            f"what answers at {server} sends on to {elsewhere} ({status}), which is not followed: what is sent may"
            " hold a password: give Grafana's own address as --url"
        )
    if status >= 400 or status == 204:
        return
    try:
        is_answer = isinstance(answer.json(), dict | list)
    except ValueError:
        is_answer = False
    if not is_answer:
        raise Permanent(
            f"what answers at {server} is no Grafana: {status} with {_kind(answer)} in place of JSON; give Grafana's"
            " own address as --url, with its path if it has one"
        )


def _kind(answer: niquests.Response) -> str:
    return one_line(str(answer.headers.get("Content-Type", "no type")))[:SHOWN_CHARS]


@contextlib.contextmanager
def _translated(server: str, secret_address: str | None) -> Iterator[None]:
    def shown(text: object) -> str:
        line = one_line(str(text))
        return (line.replace(secret_address, origin(secret_address)) if secret_address else line)[:SHOWN_CHARS]

    try:
        yield
    except GrafanaTimeoutError as error:
        raise Transient(f"Grafana at {server} did not answer in time") from error
    except GrafanaException as error:
        # 0 stands for "no answer that could be understood".
        kind = Transient if error.status_code == 0 or error.status_code >= 500 else Permanent
        raise kind(f"Grafana at {server} refused: {error.status_code} {shown(error.message)}") from error
    except niquests.exceptions.RequestException as error:
        raise Transient(f"Grafana at {server} cannot be reached: {shown(error)}") from error
