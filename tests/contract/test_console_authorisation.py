"""Every route of a running API without a credential, with one that is no good, and with a viewer's."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest
from fastapi.routing import APIRoute

from hubwatch_console.api_document import act_of, routes
from hubwatch_console.pages.visiting import COOKIE, csrf_of
from hubwatch_core.permission import INCLUDES, LEAST_ROLE, Role, UserAct
from support.console_document import PREFIX, app, operations
from support.console_hub import HUB, hub_there
from support.console_running import Client, add_person, running_api

OPERATIONS = operations()
STREAM = "/alarms/stream"
BODIES = {"hub": HUB, "level": 2, "reason": "x", "note": "x", "text": "x"}


@pytest.fixture
async def anybody(migrated_plain_dsn: str) -> AsyncIterator[Client]:
    hub_there(migrated_plain_dsn)
    async with running_api(migrated_plain_dsn) as client:
        yield client


def filled(path: str) -> str:
    """Return a path with something in each place."""
    return re.sub(r"{(\w+)}", lambda place: HUB if place[1] == "hub" else "1", path)


def is_page(route: APIRoute) -> bool:
    """Return whether a route is none of the API's."""
    return not route.path.startswith(PREFIX)


def test_there_are_operations_to_try() -> None:
    assert len(OPERATIONS) > 60
    assert {each.act for each in OPERATIONS if each.act is not None} >= {UserAct.ALARM_SEE, UserAct.USER_CHANGE}


@pytest.mark.parametrize("token", [None, "hw_" + "x" * 43], ids=["no token", "a token that is no good"])
async def test_nothing_is_done_or_shown_without_a_credential(anybody: Client, token: str | None) -> None:
    client = anybody if token is None else anybody.with_token(token)
    open_to_all = set()
    for each in OPERATIONS:
        answer = await client.ask(each.method, filled(each.path), None if each.method == "GET" else BODIES)
        if answer.status != 401:
            open_to_all.add(f"{each.method} {each.path}")
            continue
        assert answer.headers["content-type"] == "application/problem+json", each
        assert answer.headers["www-authenticate"] == "Bearer", each
    assert open_to_all == {
        "GET /notice", "POST /login", "POST /oidc/start", "POST /oidc/finish", "GET /acknowledge/{token}",
        "POST /acknowledge/{token}",
    }  # fmt: skip


async def test_viewer_looks_and_does_nothing(anybody: Client, migrated_plain_dsn: str) -> None:
    viewer = anybody.with_token(await add_person(migrated_plain_dsn, "vic", Role.VIEWER))
    looked = set()
    for each in OPERATIONS:
        # A stream has no end; that it asks for the same right is seen without a credential and in its own tests.
        if each.act is None or each.path == STREAM:
            continue
        answer = await viewer.ask(each.method, filled(each.path), None if each.method == "GET" else BODIES)
        if LEAST_ROLE[each.act] in INCLUDES[Role.VIEWER]:
            looked.add(each.path)
            assert answer.status not in {401, 403} or each.method != "GET", each
        else:
            assert answer.status == 403, each
            assert answer.body["type"] == "urn:hubwatch:problem:not-allowed", each
    assert looked >= {"/alarms", "/alarms/{alarm}", "/incidents", "/handovers", "/suppressions", "/approvals"}


OPEN_PAGES = {"/login", "/login/provider", "/login/back", "/static/{version}/{name}", "/show/{what}/{value}"}
PAGES = [(method, route) for route in routes(app()) if is_page(route) for method in sorted(route.methods or ())]


async def test_page_without_a_session_leads_to_the_log_in_and_does_nothing(anybody: Client) -> None:
    for method, route in PAGES:
        url = anybody.address + filled(route.path)
        async with anybody.http.request(method, url, data={"say": "approve"}, allow_redirects=False) as answer:
            if route.path not in OPEN_PAGES:
                assert (answer.status, answer.headers["Location"][:6]) == (303, "/login"), route.path


async def test_viewer_presses_no_button(anybody: Client, migrated_plain_dsn: str) -> None:
    token = await add_person(migrated_plain_dsn, "vic", Role.VIEWER)
    tried = 0
    for method, route in PAGES:
        act = act_of(route.dependant)
        if act is None or method == "GET":
            continue
        form = {"csrf": csrf_of(token), "note": "x", "reason": "x", "say": "approve", "level": "2"}
        for cookie, sent in ((token, form), (token, form | {"csrf": "0"}), ("hw_" + "x" * 43, form)):
            headers = {"Cookie": f"{COOKIE}={cookie}"}
            url = anybody.address + filled(route.path)
            async with anybody.http.post(url, data=sent, headers=headers, allow_redirects=False) as answer:
                allowed = LEAST_ROLE[act] in INCLUDES[Role.VIEWER] and sent is form
                expected = {303} if cookie != token else {303, 403, 404, 409} if allowed else {403}
                assert answer.status in expected, route.path
                tried += 1
    assert tried >= 9
