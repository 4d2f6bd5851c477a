"""Whatever is sent to the API: no fault of the server, answers as they are described, and what is wrong is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from hubwatch_core.permission import Grant, Role
from hubwatch_store.database import DatabaseSection, connect
from hubwatch_store.users import begin_session, directory, existing_user
from support.alarms_database import hands_on
from support.console_document import document
from support.console_hub import HUB, a_bad_morning, alarmed, hub_there
from support.console_running import ROOT, add_person, running_api

CHECKS = [
    not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance,
    response_headers_conformance, negative_data_rejection,
]  # fmt: skip
EXAMPLES = 3
"""Of each operation and each kind of request."""
ENDLESS = "/api/v1/alarms/stream"
"""Its answer has no end; tests/integration/test_console_pages.py reads it."""
ANY_TEXT = "/api/v1/acknowledge/{token}"
"""Whatever stands there is a token that may be one: no request is wrong by its form."""
THERE = {"hub": HUB, "agent": "quay", "sensor": "door-1", "alarm": 1, "incident": 1, "number": 1, "name": "robin"}
"""What is there, for the places of a path: else all that is found is that there is none."""


def described() -> Any:
    """Return the description, without what it says of credentials: every request here has one."""
    made = {name: each for name, each in document().items() if name != "security"}
    made["components"] = {name: each for name, each in made["components"].items() if name != "securitySchemes"}
    made["paths"] = {
        path: {
            method: {name: each for name, each in operation.items() if name != "security"}
            for method, operation in item.items()
        }
        for path, item in made["paths"].items()
    }
    return schemathesis.openapi.from_dict(made)


def known(operation: Any) -> dict[str, Any]:
    return {each.name: THERE[each.name] for each in operation.path_parameters if each.name in THERE}


def strategies(operation: Any) -> Iterator[tuple[GenerationMode, Any]]:
    yield GenerationMode.POSITIVE, operation.as_strategy(GenerationMode.POSITIVE, path_parameters=known(operation))
    yield GenerationMode.POSITIVE, operation.as_strategy(GenerationMode.POSITIVE)
    if operation.path != ANY_TEXT and (operation.body or _asks(operation)):
        yield GenerationMode.NEGATIVE, operation.as_strategy(GenerationMode.NEGATIVE)


def _asks(operation: Any) -> bool:
    return any(each.location.value in {"path", "query"} for each in operation.iter_parameters())


def try_all(operation: Any, address: str, token: str) -> None:
    """Send requests of every kind to an operation, and check each answer."""
    with requests.Session() as session:
        for _, strategy in strategies(operation):

            @settings(
                max_examples=EXAMPLES, deadline=None, database=None, phases=(Phase.explicit, Phase.generate),
                suppress_health_check=list(HealthCheck),
            )  # fmt: skip
            @given(case=strategy)
            def once(case: Any) -> None:
                # Sent by ourselves: what it does of its own accord needs a urllib3 that no other package replaces.
                wanted = case.as_transport_kwargs(base_url=address)
                wanted["headers"] = {**wanted.get("headers", {}), "Authorization": f"Bearer {token}"}
                case.validate_response(session.request(**wanted, timeout=60, allow_redirects=False), checks=CHECKS)

            once()


@pytest.mark.timeout(600)
async def test_no_request_is_a_fault_and_every_answer_is_described(migrated_plain_dsn: str) -> None:
    dsn = migrated_plain_dsn
    hub_there(dsn)
    with hands_on(dsn) as hands:
        await alarmed(dsn, hands, *a_bad_morning())
    await add_person(dsn, "robin", Role.ADMINISTRATOR)
    tried, faults = 0, []
    async with running_api(dsn, api={"requests_per_s": 10_000, "requests_burst": 100_000}) as client:
        for found in described().get_all_operations():
            operation = found.ok()
            if operation.path == ENDLESS:
                continue
            # One for each: some of them end it.
            try:
                await asyncio.to_thread(try_all, operation, client.address, await token_of(dsn, "robin"))
            except (FailureGroup, AssertionError, Unsatisfiable) as error:
                faults.append(f"{operation.label}: {error}")
            tried += 1
    assert tried > 60
    assert faults == [], "\n\n".join(faults)


async def token_of(dsn: str, name: str) -> str:
    """Begin a session of somebody who may do everything; what was done to them before is undone."""
    async with await connect(DatabaseSection(dsn=dsn)) as connection:
        async with directory.changing(connection):
            user = await existing_user(connection, name)
            await directory.set_grants(connection, user, [Grant(Role.ADMINISTRATOR, frozenset({"*"}))], by=ROOT)
        await connection.execute("UPDATE hubwatch.users SET disabled = NULL")
        await connection.execute(
            "UPDATE hubwatch.user_secrets SET second_factor_confirmed = now(), one_time_until = NULL"
        )
        return (await begin_session(connection, user.id, valid_s=3600, idle_s=600)).token
