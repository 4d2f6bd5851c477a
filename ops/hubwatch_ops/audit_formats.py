"""The journal of what was done, in the words of systems that watch over security: CEF over syslog, and OCSF."""

from __future__ import annotations

import json
import socket
from datetime import UTC, datetime
from typing import Any

import msgspec

from hubwatch_core import __version__
from hubwatch_core.audit_chain import AuditRow

# RFC 5424: facility 13 is "log audit", severity 6 is "informational".
_PRIORITY = 13 * 8 + 6
_OCSF_VERSION = "1.1.0"
_API_ACTIVITY = 6003
_OTHER = 99


def as_lines(row: AuditRow) -> str:
    """Return a row as `hubwatch audit verify --file` reads it: nothing is left out."""
    return msgspec.json.encode(row).decode()


def as_cef(row: AuditRow) -> str:
    """Return a row as a syslog message (RFC 5424) that holds CEF version 0."""
    moment = datetime.fromtimestamp(row.at / 1e6, UTC)
    head = ["CEF:0", "hubwatch", "hubwatch", __version__, row.act, row.act, "3"]
    facts = {
        "rt": str(row.at // 1000),
        "externalId": str(row.id),
        "suser": row.who,
        "duser": row.subject,
        "msg": row.details,
        "cs1Label": "hub",
        "cs1": row.hub,
        "cs2Label": "verified",
        "cs2": str(row.verified).lower(),
        "cs3Label": "login",
        "cs3": row.role,
        "cs4Label": "hash",
        "cs4": row.hash,
    }
    known = " ".join(f"{key}={_extension(value)}" for key, value in facts.items() if value is not None)
    text = "|".join([head[0], *map(_header, head[1:]), known])
    name = socket.gethostname() or "-"
    return f"<{_PRIORITY}>1 {moment:%Y-%m-%dT%H:%M:%S.%fZ} {name} hubwatch - audit - {text}"


def as_ocsf(row: AuditRow) -> str:
    """Return a row as an event of OCSF's class API Activity."""
    event: dict[str, Any] = {
        "category_uid": 6,
        "category_name": "Application Activity",
        "class_uid": _API_ACTIVITY,
        "class_name": "API Activity",
        "activity_id": _OTHER,
        "activity_name": row.act,
        "type_uid": _API_ACTIVITY * 100 + _OTHER,
        "severity_id": 1,
        "status_id": 1,
        "time": row.at // 1000,
        "message": row.act,
        "metadata": {
            "version": _OCSF_VERSION,
            "uid": str(row.id),
            "product": {"name": "hubwatch", "vendor_name": "hubwatch", "version": __version__},
        },
        "actor": {"user": {"name": row.who or "erased"}, "invoked_by": row.role},
        "api": {"operation": row.act, "service": {"name": "hubwatch"}},
        "src_endpoint": {"svc_name": row.role},
        "unmapped": {"verified": row.verified, "details": row.details, "hash": row.hash},
    }
    if row.hub is not None:
        event["metadata"]["labels"] = [f"hub:{row.hub}"]
    if row.subject is not None:
        event["resources"] = [{"name": row.subject}]
    return json.dumps(event, ensure_ascii=False, separators=(",", ":"))


FORMATS = {"lines": as_lines, "cef": as_cef, "ocsf": as_ocsf}


def _header(text: str) -> str:
    return _plain(text).replace("\\", "\\\\").replace("|", "\\|")


def _extension(text: str) -> str:
    lines = text.replace("\\", "\\\\").replace("=", "\\=").replace("\r", "\\r").replace("\n", "\\n")
    return _plain(lines)


def _plain(text: str) -> str:
    """Return text without what would end or hide a part of a line."""
    return "".join(c if c.isprintable() else " " for c in text)
