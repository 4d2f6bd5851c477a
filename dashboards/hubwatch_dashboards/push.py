"""Sends the boards to a Grafana server."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import urljoin

import niquests
from grafana_client.api import GrafanaApi
from grafana_client.client import GrafanaClientError, GrafanaException, GrafanaTimeoutError

from hubwatch_core.errors import BadCall, Permanent, Transient
from hubwatch_core.plain_text import one_line
from hubwatch_core.secret_text import carries_password, origin, split_url
from hubwatch_dashboards.boards import BOARDS, built

FOLDER_UID = "hubwatch"
FOLDER_TITLE = "hubwatch"
TIMEOUT_S = 10.0


def push(url: str, token: str) -> list[str]:
    """Create or replace every board in the folder `hubwatch`; gives their addresses.

    Raises Transient when Grafana is away, Permanent when it refuses the token or a board, BadCall when `url` is
    no address.
    """
    _check(url)
    with _translated(origin(url)):
        # The library is typed in part only, and joins a path without a slash at its end to its own.
        grafana: Any = GrafanaApi.from_url(url.rstrip("/") + "/", credential=token, timeout=TIMEOUT_S)
        _ensure_folder(grafana)
        return [_push_one(grafana, name, url) for name in BOARDS]


def _check(url: str) -> None:
    try:
        parts = split_url(url)
    except ValueError as error:
        raise BadCall(f"--url {error}, such as https://grafana.example.org") from None
    if carries_password(url) or parts.username is not None:
        raise BadCall("--url must not carry a user or password: give --token-file")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise BadCall("--url is not an address of a Grafana server, such as https://grafana.example.org")


def _ensure_folder(grafana: Any) -> None:
    try:
        grafana.folder.get_folder(FOLDER_UID)
    except GrafanaClientError as unread:
        # An editor is answered 403, not 404, for a folder that is missing: Grafana finds no permission on it.
        if unread.status_code not in {403, 404}:
            raise
        _create_folder(grafana, unread)


def _create_folder(grafana: Any, unread: GrafanaClientError) -> None:
    try:
        grafana.folder.create_folder(FOLDER_TITLE, uid=FOLDER_UID)
    except GrafanaClientError as error:
        # The folder is there, so the token really may not read it.
        if error.status_code in {409, 412}:
            raise unread from error
        raise


def _push_one(grafana: Any, name: str, url: str) -> str:
    wanted = {
        "dashboard": built(name), "folderUid": FOLDER_UID, "overwrite": True, "message": "hubwatch dashboards push",
    }  # fmt: skip
    try:
        answer = grafana.dashboard.update_dashboard(wanted)
    except GrafanaClientError as error:
        if "provisioned" in str(error.message).lower():
            raise Permanent(
                f"the board {name!r} is provisioned from files, and Grafana lets nobody push over it: copy the files of"
                " dashboards/generated/ to its machine, or take the provisioning away (ops/grafana/README.md)"
            ) from error
        raise
    # Grafana answers with a path from the root of its host.
    return urljoin(url, str(answer["url"]))


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
