"""The data source in a Grafana: the database, read with the login of a reader."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, unquote

from hubwatch_core.errors import BadCall, Permanent
from hubwatch_core.secret_text import carries_password, split_url
from hubwatch_dashboards.grafana_server import found
from hubwatch_dashboards.postgres_query import DATASOURCE
from hubwatch_dashboards.pushed import Pushed, digest

SOURCE = "hubwatch"
"""Name and uid of the data source; ops/grafana/provisioning has the same."""
_EXAMPLE = "such as postgresql://grafana@db.example.org/hubwatch?sslmode=verify-full"
_MARK = "hubwatchPushed"
"""Under this key of its settings stands by what we know what we sent."""
_OURS = ("name", "type", "access", "url", "user")


def source(grafana: Any, database: str, password: str | None) -> Pushed:
    """Return the data source for a database.

    Raises BadCall when its address is none, Permanent when another data source has its name.
    """
    wanted = _wanted(database)
    answer = found(lambda: grafana.datasource.get_datasource_by_uid(SOURCE))
    there, by_hand, fixed = None, "", ""
    if answer is not None:
        settings = dict(answer.get("jsonData") or {})
        mark = settings.pop(_MARK, None)
        there = {key: answer.get(key) for key in _OURS} | {"jsonData": settings}
        by_hand = "" if mark == digest(there) else "not what was sent"
        fixed = "it is provisioned from files (ops/grafana/README.md)" if answer.get("readOnly") else ""

    if not fixed:
        _check_name(grafana)

    def send(_force: bool) -> str:
        sent = dict(wanted) | {"uid": SOURCE, "jsonData": {**wanted["jsonData"], _MARK: digest(wanted)}}
        if password is not None:
            sent["secureJsonData"] = {"password": password}
        elif answer is None:
            raise BadCall(
                "Grafana has no data source hubwatch yet, and needs a password for it: set"
                " HUBWATCH_GRAFANA_DATABASE_PASSWORD or give --database-password-file"
            )
        if answer is None:
            grafana.datasource.create_datasource(sent)
        else:
            # With the version read, what came in between is refused by Grafana. Which one is the default is a person's.
            kept = {key: answer[key] for key in ("version", "isDefault") if key in answer}
            grafana.datasource.update_datasource_by_uid(SOURCE, sent | kept)
        return ""

    return Pushed("data source", there, wanted, send, by_hand=by_hand, fixed=fixed)


def _check_name(grafana: Any) -> None:
    other = next(
        (each for each in grafana.datasource.list_datasources() if each["name"] == SOURCE and each["uid"] != SOURCE),
        None,
    )
    if other is not None:
        raise Permanent(
            f"Grafana has another data source named {SOURCE!r}, with the uid {other['uid']!r}, and takes no second one"
            f" of that name: rename it, or push without --database and give it the uid {SOURCE!r}; nothing was sent"
        )


def _wanted(database: str) -> dict[str, Any]:
    if carries_password(database):
        raise BadCall("--database must not carry a password: give --database-password-file")
    try:
        parts = split_url(database)
    except ValueError as error:
        raise BadCall(f"--database {error}, {_EXAMPLE}") from None
    name = unquote(parts.path.removeprefix("/"))
    if parts.scheme not in {"postgresql", "postgres"} or not parts.hostname or not parts.username or not name:
        raise BadCall(f"--database lacks login, host or name of the database, {_EXAMPLE}")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return {
        "name": SOURCE,
        "type": str(DATASOURCE.type_val),
        "access": "proxy",
        "url": f"{host}:{parts.port or 5432}",
        "user": unquote(parts.username),
        "jsonData": _settings(name, parse_qs(parts.query)),
    }


def _settings(name: str, asked: Mapping[str, list[str]]) -> dict[str, Any]:
    unknown = sorted(set(asked) - {"sslmode"})
    if unknown:
        raise BadCall(f"--database has {', '.join(unknown)}, of which only sslmode is known here, {_EXAMPLE}")
    return {
        "database": name,
        "sslmode": asked.get("sslmode", ["verify-full"])[-1],
        # Off, so that Grafana groups times without time_bucket and the boards also run on plain PostgreSQL.
        "timescaledb": False,
        "maxOpenConns": 10,
        "maxIdleConns": 5,
        "connMaxLifetime": 14400,
    }
