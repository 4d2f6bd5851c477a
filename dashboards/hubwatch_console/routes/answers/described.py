"""What a route says of itself beyond its types, for the description of the API."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

REF = "#/components/schemas/"
NOT_KNOWN: dict[int | str, dict[str, Any]] = {
    401: {"description": "What was shown is not theirs, or a code of the second factor is wanted; `type` says which."}
}
"""Of a route with which people show who they are."""
NOT_LET_IN: dict[int | str, dict[str, Any]] = {
    403: {"description": "Whoever is vouched for is not let in; `detail` says why."}
}
"""Of a route where somebody else says who they are."""
MODELS: set[type[BaseModel]] = set()
"""Those that routes name, which the framework does not find by itself."""
TAG = {"description": "Changes whenever the answer does.", "schema": {"type": "string"}}
IF_NONE_MATCH = {
    "name": "If-None-Match", "in": "header", "required": False, "schema": {"type": "string"},
    "description": "The `ETag` of an answer that one has: 304 where it has not changed.",
}  # fmt: skip


def gives(
    model: type[BaseModel], status: int = 200, waits: type[BaseModel] | None = None, *, is_polled: bool = False
) -> dict[str, Any]:
    """Return for the decorator of a route what it answers: a model, or `waits` for what waits for a second person."""
    responses: dict[str, Any] = {str(status): _content(model)}
    if waits is not None:
        responses["202"] = {"description": "It waits for a second person."} | _content(waits)
    extra: dict[str, Any] = {"responses": responses}
    if is_polled:
        responses[str(status)]["headers"] = {"ETag": TAG}
        responses["304"] = {"description": "It has not changed.", "headers": {"ETag": TAG}}
        extra["parameters"] = [IF_NONE_MATCH]
    return {"response_model": None, "status_code": status, "openapi_extra": extra}


def reads(model: type[BaseModel], answer: type[BaseModel]) -> dict[str, Any]:
    """Return the same of a route that reads its body by itself."""
    made = gives(answer)
    made["openapi_extra"]["requestBody"] = {"required": True} | _content(model)
    return made


def _content(model: type[BaseModel]) -> dict[str, Any]:
    MODELS.add(model)
    return {"content": {"application/json": {"schema": {"$ref": REF + model.__name__}}}}
