"""What the description of the API says of statuses and parameters, and an example of whatever has a schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hubwatch_console.routes.answers.described import REF
from hubwatch_store.users import acts_once

MEANING = {
    400: "What was asked for makes no sense; `detail` says why.",
    401: "No token, or one that is no good.",
    403: "Whoever asks may not do that; `detail` names the role that may.",
    404: "There is none, or it is of a hub that one does not see.",
    409: "As things stand it cannot be done; `detail` says why. Nothing has changed.",
    413: "The request is larger than is taken.",
    422: "The request is not what it must be; `errors` names each mistake and its place.",
    429: "Too many requests; `Retry-After` says when to come back.",
    500: "A fault of the server's, which it has logged.",
    503: "The database, or the identity provider, does not answer just now; try again.",
}
PARAMETERS = {
    "agent": "The name of an agent.",
    "alarm": "The number of an alarm.",
    "after": "The number of the last event that was heard; `Last-Event-ID` goes before it.",
    "closed": "Those that are closed, too.",
    "decided": "Those that were decided, too.",
    "hold": "The number of a legal hold.",
    "hub": "The name of a hub; in a list, only what is of that hub.",
    "incident": "The number of an incident.",
    "item": "The id of a check in the site's file.",
    "kind": "A kind of sensor, such as `radiation_portal`.",
    "most": "How many a page holds at most.",
    "name": "The name of a user.",
    "number": "The number of what is meant.",
    "reason": "Only those whose reason contains this text.",
    "replayed": "Those that were stored after all, too.",
    "sensor": "The name of a sensor.",
    "token": "The number of a token, or the token of a link.",
}
IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key", "in": "header", "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 200},
    "description": "Any text that is of this request only, such as a UUID: sent again with the same request it is done "
    "once and answered as the first time; with another request it is 422. "
    f"Kept for {acts_once.KEPT_S / 3600:g} h, {acts_once.MOST_KEPT} of one person.",
}  # fmt: skip
REPLAYED = {"description": "`true` for an answer that was given before.", "schema": {"type": "string"}}
PLAIN = {"string": "text", "integer": 1, "number": 1.5, "boolean": True, "null": None}


def example_of(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Any:
    """Return a value that a schema describes, as its fields say by their examples."""
    if "$ref" in schema:
        return example_of(schemas[schema["$ref"].removeprefix(REF)], schemas)
    for name in ("examples", "enum"):
        if schema.get(name):
            return schema[name][0]
    if "anyOf" in schema:
        return example_of(schema["anyOf"][0], schemas)
    return _whole(schema, schemas) if schema.get("type") in {"object", "array"} else _plain(schema)


def _whole(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Any:
    if schema["type"] == "array":
        return [example_of(schema["items"], schemas)] if schema.get("items") else []
    if "properties" in schema:
        wanted = schema["properties"].items()
        return {name: example_of(each, schemas) for name, each in wanted if "default" not in each}
    more = schema.get("additionalProperties")
    return {"name": example_of(more, schemas)} if isinstance(more, dict) else {}


def _plain(schema: Mapping[str, Any]) -> Any:
    for name in ("default", "const"):
        if name in schema:
            return schema[name]
    if schema.get("format") == "date-time":
        return "2026-11-30T06:00:00Z"
    if schema.get("type") in {"integer", "number"} and "minimum" in schema:
        return schema["minimum"]
    if schema.get("minLength", 0) > 4:
        return "0" * int(schema["minLength"])
    return PLAIN.get(str(schema.get("type", "")))
