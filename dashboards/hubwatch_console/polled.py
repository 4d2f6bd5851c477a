"""Answers that programs ask for again and again: one that has not changed since is 304 and has no body (RFC 9110)."""

from __future__ import annotations

import hashlib
import json

from fastapi import Request
from fastapi.responses import Response

MOST_TAGS = 50
"""Of one request; a program sends the one that it has."""


def polled(request: Request, facts: object) -> Response:
    """Return an answer with a tag that changes whenever it does; without a body where the caller has it already."""
    text = json.dumps(facts, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    tag = f'"{hashlib.sha256(text).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Vary": "Authorization"}
    if has(request.headers.get("if-none-match", ""), tag):
        return Response(status_code=304, headers=headers)
    return Response(text, media_type="application/json", headers=headers)


def has(given: str, tag: str) -> bool:
    """Return whether `If-None-Match` names a tag, as a weak one too: a proxy may have packed the answer."""
    tags = [each.strip().removeprefix("W/") for each in given.split(",", MOST_TAGS)[:MOST_TAGS]]
    return tag in tags or given.strip() == "*"
