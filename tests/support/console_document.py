"""The description of the API: what its operations are, and whether an answer is one that it knows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

import jsonschema_rs
from fastapi import FastAPI

from hubwatch_alarms.instructions import Instructions
from hubwatch_console.app import application, described
from hubwatch_console.settings import ConsoleSettings
from hubwatch_core.permission import UserAct
from hubwatch_store.database import Pool

PREFIX = "/api/v1"


@dataclass(frozen=True)
class Operation:
    """One operation of the API; `act` is what one must be allowed to do for it, None where that is no such thing."""

    method: str
    path: str
    act: UserAct | None
    description: dict[str, Any]


@cache
def app() -> FastAPI:
    """Return the application, over no database."""
    settings = ConsoleSettings()
    return application(settings, Pool(settings.database, "test"), Instructions.load())


@cache
def document() -> dict[str, Any]:
    """Return the description."""
    return described(app(), "")


@cache
def operations() -> tuple[Operation, ...]:
    """Return every operation that is described."""
    return tuple(
        Operation(method.upper(), path.removeprefix(PREFIX), _act(operation), operation)
        for path, item in document()["paths"].items()
        for method, operation in item.items()
    )


def _act(operation: dict[str, Any]) -> UserAct | None:
    act = operation.get("x-hubwatch-act")
    return None if act is None else UserAct(act)


@cache
def _schemas() -> dict[str, Any]:
    """Return the schemas as tests hold answers to them: with nothing beside what is described."""
    found: dict[str, Any] = {}
    for name, schema in document()["components"]["schemas"].items():
        closed = {"additionalProperties": False} if "properties" in schema else {}
        found[name] = {**closed, **schema}
    return found


@cache
def _validator(method: str, path: str, status: int, kind: str) -> Any:
    operation = document()["paths"][path][method]
    response = operation["responses"].get(str(status))
    assert response is not None, f"{method} {path} answered {status}, which is not described"
    content = response.get("content", {})
    assert kind in content, f"{method} {path} answered {status} as {kind}, described are {list(content)}"
    schema = content[kind].get("schema")
    if schema is None or "json" not in kind:
        return None
    return jsonschema_rs.validator_for({**schema, "components": {"schemas": _schemas()}})


@cache
def _template(method: str, path: str) -> str | None:
    """Return the path of the operation that answers; a path without a place goes before one with."""
    found = [
        each.path
        for each in operations()
        if each.method == method and re.fullmatch(re.sub(r"{\w+}", "[^/]+", re.escape(each.path).replace(r"\{", "{")
                                                        .replace(r"\}", "}")), path)
    ]  # fmt: skip
    return min(found, key=lambda each: each.count("{")) if found else None


def check_answer(method: str, path: str, status: int, kind: str, body: Any) -> None:
    """Fail for an answer that the description does not have."""
    template = _template(method, path.partition("?")[0])
    if template is None:
        return
    if status in {204, 304}:
        assert str(status) in document()["paths"][PREFIX + template][method.lower()]["responses"]
        return
    validator = _validator(method.lower(), PREFIX + template, status, kind)
    if validator is not None:
        errors = [f"{'/'.join(map(str, each.instance_path))}: {each.message}" for each in validator.iter_errors(body)]
        assert errors == [], f"{method} {path}: {errors}"
