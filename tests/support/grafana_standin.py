"""A server that answers the calls of `hubwatch dashboards push` as Grafana's published API does, with its memory.

Grafana itself is in no registry of packages. Its paths, codes and answers follow the HTTP API reference of Grafana 10
to 12: folders, dashboards, dashboard versions, data sources, alerting provisioning. Who changes what there by hand is
played by the methods at the end.
"""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

ADMIN, EDITOR = "glsa_admin", "glsa_editor"
PREFIX = "/grafana/api"
_NOW = "2026-11-30T12:00:00Z"
_NOT_ALLOWED = "You'll need additional permissions to perform this action. Permissions needed: "


def _refused(code: int, message: str, **more: str) -> web.Response:
    return web.json_response({"message": message, **more}, status=code)


@dataclass
class GrafanaStandIn:
    """What a Grafana holds, and how it is set up."""

    url: str = ""
    version: tuple[int, int] = (12, 0)
    """Of which version the answers are, where they differ."""
    folders: dict[str, dict[str, Any]] = field(default_factory=dict)
    boards: dict[str, dict[str, Any]] = field(default_factory=dict)
    versions: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    board_folder: dict[str, str] = field(default_factory=dict)
    sources: dict[str, dict[str, Any]] = field(default_factory=dict)
    passwords: list[str] = field(default_factory=list)
    contacts: dict[str, dict[str, Any]] = field(default_factory=dict)
    groups: dict[str, dict[str, Any]] = field(default_factory=dict)
    writes: list[str] = field(default_factory=list)
    """What was written, in order."""
    asked: int = 0
    """How many requests came."""
    broken: int = 0
    hidden_folder: bool = False
    """Whether the folder is there, and the token may not read it."""
    refuses_folders: bool = False
    refuses_webhooks: bool = False
    """Whether a web service is refused, in words that repeat its address."""
    provisioned: bool = False
    """Whether the boards came from files."""
    before_save: Callable[[], None] | None = None
    """What happens just before a board is saved: somebody else was quicker."""

    def app(self) -> web.Application:
        """Return the server."""
        app = web.Application(middlewares=[self._guard])
        for method, path, handler in (
            ("GET", "/folders/{uid}", self._folder),
            ("POST", "/folders", self._new_folder),
            ("GET", "/dashboards/uid/{uid}", self._board),
            ("GET", "/dashboards/uid/{uid}/versions", self._versions),
            ("POST", "/dashboards/db", self._save_board),
            ("GET", "/health", self._health),
            ("GET", "/datasources", self._all_sources),
            ("GET", "/datasources/uid/{uid}", self._source),
            ("POST", "/datasources", self._new_source),
            ("PUT", "/datasources/uid/{uid}", self._change_source),
            ("GET", "/v1/provisioning/contact-points", self._contacts),
            ("POST", "/v1/provisioning/contact-points", self._new_contact),
            ("PUT", "/v1/provisioning/contact-points/{uid}", self._change_contact),
            ("GET", "/v1/provisioning/folder/{folder}/rule-groups/{group}", self._group),
            ("PUT", "/v1/provisioning/folder/{folder}/rule-groups/{group}", self._change_group),
        ):
            app.router.add_route(method, PREFIX + path, handler)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.asked += 1
        if self.broken:
            return _refused(self.broken, "out of order")
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if token not in {ADMIN, EDITOR}:
            return _refused(401, "Invalid API key")
        path = request.path.removeprefix(PREFIX)
        if token == EDITOR and path.startswith(("/datasources", "/v1/provisioning")):
            return _refused(
                403, _NOT_ALLOWED + ("datasources:read" if "datasources" in path else "alert.provisioning:read")
            )
        answer: web.StreamResponse = await handler(request)
        if request.method != "GET" and answer.status < 300:
            self.writes.append(path)
        return answer

    async def _folder(self, request: web.Request) -> web.Response:
        if folder := self.folders.get(request.match_info["uid"]):
            return web.json_response(folder)
        if self.hidden_folder or request.headers["Authorization"].endswith(EDITOR):
            return _refused(403, _NOT_ALLOWED + "folders:read", title="Access denied")
        return _refused(404, "folder not found", status="not-found")

    async def _new_folder(self, request: web.Request) -> web.Response:
        if self.refuses_folders:
            return _refused(403, _NOT_ALLOWED + "folders:create")
        if self.hidden_folder:
            return _refused(412, "the folder has been changed by someone else")
        folder = await request.json()
        self.folders[folder["uid"]] = folder
        return web.json_response(folder)

    async def _board(self, request: web.Request) -> web.Response:
        uid = request.match_info["uid"]
        if uid not in self.boards:
            return _refused(404, "Dashboard not found")
        folder = self.board_folder[uid]
        meta = {"provisioned": self.provisioned, "folderUid": folder, "folderTitle": folder, "version": 1}
        return web.json_response({"dashboard": self.boards[uid], "meta": meta})

    async def _versions(self, request: web.Request) -> web.Response:
        listed = self.versions[request.match_info["uid"]][::-1]
        return web.json_response({"continueToken": "", "versions": listed} if self.version >= (12, 0) else listed)

    async def _save_board(self, request: web.Request) -> web.Response:
        sent = await request.json()
        if self.before_save:
            self.before_save()
        board = sent["dashboard"]
        uid = board["uid"]
        if self.provisioned:
            return _refused(400, "Cannot save provisioned dashboard")
        if sent["folderUid"] not in self.folders:
            return _refused(400, "folder not found")
        there = self.boards.get(uid)
        if there and there["version"] != board.get("version") and not sent["overwrite"]:
            return _refused(412, "The dashboard has been changed by someone else", status="version-mismatch")
        self.save(board, sent["message"], "sa-hubwatch")
        self.board_folder[uid] = sent["folderUid"]
        url = f"/grafana/d/{uid}/{uid.removeprefix('hubwatch-')}"
        version = self.boards[uid]["version"]
        return web.json_response({"status": "success", "uid": uid, "url": url, "version": version})

    async def _health(self, _: web.Request) -> web.Response:
        version = ".".join(map(str, self.version)) + ".1"
        return web.json_response({"database": "ok", "version": version, "commit": "0"})

    async def _all_sources(self, _: web.Request) -> web.Response:
        return web.json_response(list(self.sources.values()))

    async def _source(self, request: web.Request) -> web.Response:
        source = self.sources.get(request.match_info["uid"])
        return web.json_response(source) if source else _refused(404, "Data source not found")

    async def _new_source(self, request: web.Request) -> web.Response:
        sent = await request.json()
        if self._name_is_taken(sent):
            return _refused(409, "data source with the same name already exists")
        return self._keep_source(sent, 1)

    async def _change_source(self, request: web.Request) -> web.Response:
        sent, there = await request.json(), self.sources.get(request.match_info["uid"])
        if there is None:
            return _refused(404, "Data source not found")
        if there["readOnly"]:
            return _refused(403, "Cannot update read-only data source")
        if sent.get("version", there["version"]) < there["version"]:
            return _refused(409, "Datasource has already been updated by someone else. Please reload and try again")
        if self._name_is_taken(sent):
            return _refused(409, "data source with the same name already exists")
        return self._keep_source(sent, there["version"] + 1)

    def _name_is_taken(self, sent: dict[str, Any]) -> bool:
        return any(each["name"] == sent["name"] and each["uid"] != sent["uid"] for each in self.sources.values())

    def _keep_source(self, sent: dict[str, Any], version: int) -> web.Response:
        secrets = sent.pop("secureJsonData", {})
        self.passwords += secrets.values()
        kept = {"id": 7, "orgId": 1, "isDefault": False, "basicAuth": False, "readOnly": False, "secureJsonFields": {}}
        self.sources[sent["uid"]] = kept | sent | {"version": version}
        return web.json_response({"id": 7, "name": sent["name"], "message": "Datasource added", "datasource": sent})

    async def _contacts(self, request: web.Request) -> web.Response:
        name = request.query.get("name")
        return web.json_response([each for each in self.contacts.values() if name in {None, each["name"]}])

    async def _new_contact(self, request: web.Request) -> web.Response:
        sent = await request.json()
        if sent["type"] == "email" and not sent["settings"].get("addresses"):
            return _refused(400, "could not find addresses in settings")
        if sent["type"] == "webhook" and self.refuses_webhooks:
            return _refused(400, f'invalid settings: "{sent["settings"]["url"]}" is not allowed')
        if sent["uid"] in self.contacts:
            return _refused(409, "a contact point with this uid already exists")
        self.contacts[sent["uid"]] = sent | {"provenance": "api"}
        return web.json_response(self.contacts[sent["uid"]], status=202)

    async def _change_contact(self, request: web.Request) -> web.Response:
        uid = request.match_info["uid"]
        if uid not in self.contacts:
            return _refused(404, "contact point not found")
        if self.contacts[uid]["provenance"] == "file":
            return self._other_origin("file")
        self.contacts[uid] = (await request.json()) | {"provenance": "api"}
        return web.json_response({"message": "contactpoint updated"}, status=202)

    async def _group(self, request: web.Request) -> web.Response:
        group = self.groups.get(request.match_info["group"])
        return web.json_response(group) if group else _refused(404, "rule group not found")

    async def _change_group(self, request: web.Request) -> web.Response:
        sent, name = await request.json(), request.match_info["group"]
        if request.match_info["folder"] not in self.folders:
            return _refused(400, "invalid alert rule: folder does not exist")
        known = {each["name"] for each in self.contacts.values()}
        for rule in sent["rules"]:
            if rule["notification_settings"]["receiver"] not in known:
                return _refused(400, "invalid alert rule: receiver does not exist")
            if rule["condition"] not in {part["refId"] for part in rule["data"]}:
                return _refused(400, "invalid alert rule: condition does not exist")
        if any(rule["provenance"] == "file" for rule in self.groups.get(name, {"rules": []})["rules"]):
            return self._other_origin("file")
        self.groups[name] = sent | {"rules": [self._completed(rule) for rule in sent["rules"]]}
        return web.json_response(self.groups[name])

    def _other_origin(self, origin: str) -> web.Response:
        text = f"cannot update with provided provenance 'api', needs '{origin}'"
        return _refused(409, text, messageId="alerting.provenanceMismatch")

    def _completed(self, rule: dict[str, Any]) -> dict[str, Any]:
        """Return a rule as Grafana gives it back, with what it adds, and without what its version does not know."""
        done = copy.deepcopy(rule) | {"id": 3, "orgID": 1, "updated": _NOW, "provenance": "api", "record": None}
        for part in done["data"]:
            part["queryType"] = ""
            part["model"] |= {"intervalMs": 1000, "maxDataPoints": 43200}
        if self.version < (10, 4):
            del done["notification_settings"]
        return done

    def save(self, board: dict[str, Any], note: str, by: str) -> None:
        """Keep a board as a new version."""
        uid = board["uid"]
        version = self.boards.get(uid, {"version": 0})["version"] + 1
        self.boards[uid] = copy.deepcopy(board) | {"id": 40, "version": version}
        line = {"version": version, "created": _NOW, "createdBy": by, "message": note}
        self.versions.setdefault(uid, []).append(line)
        self.board_folder.setdefault(uid, "hubwatch")

    def retitled(self, uid: str, old: str, new: str, by: str = "kim") -> None:
        """Let a person give a panel another title."""
        board = copy.deepcopy(self.boards[uid])
        for panel in board["panels"]:
            panel["title"] = new if panel["title"] == old else panel["title"]
        self.save(board, "", by)


@asynccontextmanager
async def running() -> AsyncIterator[GrafanaStandIn]:
    """Give a server on a free port of loopback."""
    grafana = GrafanaStandIn()
    async with serving(grafana.app()) as url:
        grafana.url = url + "/grafana"
        yield grafana


@asynccontextmanager
async def other_than_grafana(answer: Callable[[web.Request], web.StreamResponse]) -> AsyncIterator[str]:
    """Give the address of something else that answers everything, such as a proxy or a page to log in."""

    async def handler(request: web.Request) -> web.StreamResponse:
        return answer(request)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    async with serving(app) as url:
        yield url


@asynccontextmanager
async def serving(app: web.Application) -> AsyncIterator[str]:
    """Give the address of an application on a free port of loopback."""
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
