"""The boards and their folder in a Grafana."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urljoin

from grafana_client.client import GrafanaClientError

from hubwatch_core.errors import Permanent
from hubwatch_dashboards.boards import BOARDS, built
from hubwatch_dashboards.grafana_server import found
from hubwatch_dashboards.links import UID_PREFIX
from hubwatch_dashboards.pushed import Pushed, digest

FOLDER_UID = "hubwatch"
FOLDER_TITLE = "hubwatch"
MESSAGE = "hubwatch dashboards push"
"""With this the note on each version begins that we sent: the newest without it was saved by a person."""
_GRAFANAS_OWN = ("id", "version")


def folder_is_there(grafana: Any) -> bool:
    """Return whether the folder can be read."""
    try:
        return found(lambda: grafana.folder.get_folder(FOLDER_UID)) is not None
    except GrafanaClientError as unread:
        # An editor is answered 403, not 404, for a folder that is missing: Grafana finds no permission on it.
        if unread.status_code == 403:
            return False
        raise


def make_folder(grafana: Any) -> None:
    """Create the folder where it is missing."""
    if folder_is_there(grafana):
        return
    try:
        grafana.folder.create_folder(FOLDER_TITLE, uid=FOLDER_UID)
    except GrafanaClientError as error:
        # The folder is there, so the token really may not read it: this answer names the permission.
        if error.status_code in {409, 412}:
            grafana.folder.get_folder(FOLDER_UID)
        raise


def boards(grafana: Any, url: str) -> Iterator[Pushed]:
    """Yield every board."""
    for name in BOARDS:
        yield _board(grafana, name, url)


def _board(grafana: Any, name: str, url: str) -> Pushed:
    wanted, uid = built(name), UID_PREFIX + name
    note = f"{MESSAGE} {digest(wanted)}"
    try:
        answer = found(lambda: grafana.dashboard.get_dashboard(uid))
    except GrafanaClientError as error:
        # As with the folder: where there is none, or nothing in it, nothing of it may be read.
        if error.status_code != 403:
            raise
        answer = None
    there, version, last, by_hand, fixed = None, 0, "", "", ""
    if answer is not None:
        meta, there = answer["meta"], {k: v for k, v in answer["dashboard"].items() if k not in _GRAFANAS_OWN}
        version = int(answer["dashboard"].get("version", 0))
        last, by_hand = _last(grafana, uid, meta)
        fixed = _provisioned(name) if meta.get("provisioned") else ""

    def send(force: bool) -> str:
        sent = {
            "dashboard": wanted | {"version": version},
            "folderUid": FOLDER_UID,
            "overwrite": force,
            "message": note,
        }
        # Grafana answers with a path from the root of its host.
        return urljoin(url, str(_saved(grafana, name, sent)["url"]))

    return Pushed(f"board {name!r}", there, wanted, send, known=last == note, by_hand=by_hand, fixed=fixed)


def _saved(grafana: Any, name: str, sent: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        answer: Mapping[str, Any] = grafana.dashboard.update_dashboard(sent)
    except GrafanaClientError as error:
        if "provisioned" in str(error.message).lower():
            raise Permanent(_provisioned(name)) from error
        status = error.response.get("status") if isinstance(error.response, dict) else None
        if status == "version-mismatch":
            raise Permanent(
                f"board {name!r} was saved by somebody while this ran: see `hubwatch dashboards pull --diff`, and"
                " push again"
            ) from error
        raise
    return answer


def _provisioned(name: str) -> str:
    return (
        f"the board {name!r} is provisioned from files, and Grafana lets nobody push over it: copy the files of"
        " dashboards/generated/ to its machine, or take the provisioning away (ops/grafana/README.md)"
    )


def _last(grafana: Any, uid: str, meta: Mapping[str, Any]) -> tuple[str, str]:
    """Return the note on the newest version, and who saved it or moved the board where that was not us."""
    # The list itself up to Grafana 11, under a name since; the order is not promised.
    listed = grafana.dashboard_versions.get_dashboard_versions(dashboard_uid=uid)
    versions = listed["versions"] if isinstance(listed, dict) else listed
    newest: Mapping[str, Any] = max(versions, key=lambda version: version["version"], default={})
    note = str(newest.get("message", ""))
    if (folder := meta.get("folderUid", FOLDER_UID)) != FOLDER_UID:
        return "", f"moved to the folder {meta.get('folderTitle') or folder!r}"
    if note.split(" ")[:3] == MESSAGE.split(" "):
        return note, ""
    return note, f"by {newest.get('createdBy') or 'somebody'}, {newest.get('created') or 'at no known time'}"
