"""Sends to a Grafana what it lacks of ours, unless a person changed it there; and shows what differs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hubwatch_core.errors import Permanent
from hubwatch_dashboards.grafana_server import connected
from hubwatch_dashboards.pushed import Pushed
from hubwatch_dashboards.pushed_alerts import check_version, contact, rule_group
from hubwatch_dashboards.pushed_boards import boards, make_folder
from hubwatch_dashboards.pushed_source import source


@dataclass(frozen=True, slots=True)
class GrafanaServer:
    """A Grafana, and what is needed beside the boards; what is not given is left as it is."""

    url: str
    token: str
    database: str | None = None
    database_password: str | None = None
    alerts_to: str | None = None
    """An address of mail or of a web service; the latter may be a secret."""


def push(server: GrafanaServer, *, force: bool = False) -> Iterator[str]:
    """Put data source, boards, contact point and alert rules there, yielding a line for each.

    Nothing is sent if anything of it was changed by a person, unless forced. Raises Transient when Grafana is away,
    Permanent when it refuses or a person changed something, BadCall for an address that is none.
    """
    with connected(server.url, server.token, _secret(server)) as grafana:
        planned = list(_things(grafana, server))
        refused = [] if force else [text for each in planned if (text := each.refusal())]
        if refused:
            raise Permanent(
                "\n".join(refused)
                + "\nnothing was sent; `hubwatch dashboards pull --diff` shows it, --force overwrites it"
            )
        fixed = [each for each in planned if each.fixed and each.what.startswith("board")]
        if fixed:
            raise Permanent(fixed[0].fixed)
        make_folder(grafana)
        for each in planned:
            yield _sent(each, server, force)
    yield from _left(server)


def pull(server: GrafanaServer) -> Iterator[str]:
    """Yield a unified diff of everything that is not in Grafana as we would have it."""
    with connected(server.url, server.token, _secret(server)) as grafana:
        for each in _things(grafana, server):
            if difference := each.difference():
                yield difference


def _things(grafana: Any, server: GrafanaServer) -> Iterator[Pushed]:
    if server.database is not None:
        yield source(grafana, server.database, server.database_password)
    yield from boards(grafana, server.url)
    if server.alerts_to is not None:
        check_version(grafana)
        yield contact(grafana, server.alerts_to)
        yield rule_group(grafana)


def _secret(server: GrafanaServer) -> str | None:
    return server.alerts_to if server.alerts_to is not None and "://" in server.alerts_to else None


def _sent(each: Pushed, server: GrafanaServer, force: bool) -> str:
    if each.fixed:
        return f"{each.what}: left alone, {each.fixed}"
    anew = each.what == "data source" and server.database_password is not None
    if each.same and not anew:
        return f"{each.what}: unchanged"
    changes = "password" if each.same else each.changes()
    return f"{each.what}: {changes} {each.send(force)}".rstrip()


def _left(server: GrafanaServer) -> Iterator[str]:
    if server.database is None:
        yield "data source: left alone, no --database given"
    if server.alerts_to is None:
        yield "contact point, alert rules: left alone, no --alerts-to given"
