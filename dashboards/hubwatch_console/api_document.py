"""The description of the API (OpenAPI 3.1): what FastAPI knows of the routes, and what every answer of ours may be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from hubwatch_console.access import Allowed
from hubwatch_console.api_fields import meaning
from hubwatch_console.api_words import IDEMPOTENCY_KEY, MEANING, PARAMETERS, REPLAYED, example_of
from hubwatch_console.routes.answers.described import MODELS, REF
from hubwatch_console.routes.answers.problem import ProblemAnswer
from hubwatch_core.permission import LEAST_ROLE, UserAct

ABOUT = """What the console's pages do, for programs: the same acts by the same rules.

Send `Authorization: Bearer` with the token of a login (`POST /api/v1/login`) or an API token (`POST /api/v1/tokens`).
Times are ISO 8601 in UTC. What goes wrong is a problem of RFC 9457: its `detail` says what to do, and the last word of
its `type` tells a program which problem it is."""

PROBLEM = {"$ref": f"{REF}ProblemAnswer"}
SAFE = frozenset({"get", "head"})

BAD, UNKNOWN, FORBIDDEN, ABSENT, REFUSED, LARGE, INVALID, MANY = 400, 401, 403, 404, 409, 413, 422, 429
FAULT, AWAY = 500, 503


def document(app: FastAPI, prefix: str) -> dict[str, Any]:
    """Return the description of an application that is reached below a path `prefix`."""
    made = get_openapi(
        title="hubwatch", version=app.version, description=ABOUT, routes=app.routes, servers=[{"url": prefix or "/"}]
    )
    schemas = made.setdefault("components", {}).setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas |= _schemas()
    for name, schema in schemas.items():
        for key, each in schema.get("properties", {}).items():
            each.setdefault("description", meaning(name, key))
    acts = {
        (method.lower(), route.path): act_of(route.dependant) for route in routes(app) for method in route.methods or ()
    }
    for path, operations in made["paths"].items():
        for method, operation in operations.items():
            act = acts.get((method, path))
            if act is not None:
                operation["x-hubwatch-act"], operation["x-hubwatch-role"] = str(act), str(LEAST_ROLE[act])
            _complete(method, operation, schemas)
    return made


def routes(app: FastAPI) -> Iterator[APIRoute]:
    """Yield every route, those of routers below the application, too."""
    for route in app.routes:
        inner = getattr(route, "effective_route_contexts", None)
        if inner is not None:
            yield from inner()
        elif isinstance(route, APIRoute):
            yield route


def act_of(dependant: Dependant) -> UserAct | None:
    """Return what one must be allowed to do for a route; None where that is no such thing."""
    if isinstance(dependant.call, Allowed):
        return dependant.call.act
    return next(filter(None, map(act_of, dependant.dependencies)), None)


def _schemas() -> dict[str, Any]:
    """Return what FastAPI does not find: bodies that routes read by themselves, and answers."""
    wanted: set[type[BaseModel]] = {ProblemAnswer, *MODELS}
    models = sorted(wanted, key=lambda each: each.__name__)
    _, found = models_json_schema([(model, "validation") for model in models], ref_template=REF + "{model}")
    defined: dict[str, Any] = found["$defs"]
    return defined


def _complete(method: str, operation: dict[str, Any], schemas: Mapping[str, Any]) -> None:
    parameters = operation.setdefault("parameters", [])
    _add_statuses(method, operation)
    if method not in SAFE and "security" in operation:
        parameters.append(IDEMPOTENCY_KEY)
    for each in parameters:
        each.setdefault("description", PARAMETERS.get(each["name"], ""))
    for status, response in operation["responses"].items():
        content = response.get("content", {}).values()
        for each in content:
            if "schema" in each and status[0] == "2":
                each["example"] = example_of(each["schema"], schemas)
        if response["description"] == "Successful Response":
            response["description"] = next((_said(each, schemas) for each in content), "It is done.")
        if status[0] == "2" and method not in SAFE and "security" in operation:
            response.setdefault("headers", {})["Idempotency-Replayed"] = REPLAYED
    for each in operation.get("requestBody", {}).get("content", {}).values():
        each["example"] = example_of(each["schema"], schemas)
    operation["summary"] = operation["summary"].capitalize()


def _said(media: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    described = schemas.get(media.get("schema", {}).get("$ref", "").removeprefix(REF), {})
    return str(described.get("description", "A page for people."))


def _add_statuses(method: str, operation: dict[str, Any]) -> None:
    parameters = operation["parameters"]
    in_path = any(each["in"] == "path" for each in parameters)
    statuses = {MANY, FAULT, AWAY}
    if "security" in operation:
        statuses |= {UNKNOWN, FORBIDDEN}
    if in_path:
        statuses |= {ABSENT, REFUSED}
    if method not in SAFE:
        # A key that was sent with another request is invalid, whatever the request.
        statuses |= {BAD, REFUSED, LARGE, INVALID}
    if parameters or "requestBody" in operation:
        statuses |= {BAD, INVALID}
    responses = operation["responses"]
    responses.pop(str(INVALID), None)
    for status in statuses:
        responses.setdefault(str(status), {"description": MEANING[status]})
    for status, response in responses.items():
        if status[0] in "45" and "content" not in response:
            response["content"] = {"application/problem+json": {"schema": PROBLEM}}
    operation["responses"] = dict(sorted(responses.items()))
