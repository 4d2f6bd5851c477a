"""Logins at a real identity provider on loopback."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import sys
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
from playwright.async_api import expect

from hubwatch_console.oidc import grants_of, may_come_back_to
from hubwatch_console.settings import OidcSection, RoleClaimSection
from hubwatch_core.permission import Grant, Role
from hubwatch_store.users import NotAllowed
from support import services
from support.alarms_database import hands_on
from support.console_browser import CHROMIUM, chromium, visiting
from support.console_running import Client, add_person, running_api
from support.eventually import eventually
from support.ports import free_port

BACK = "http://127.0.0.1:9/callback"
PEOPLE = (
    {"sub": "u1", "preferred_username": "Kim", "groups": ["port-guards", "other"], "name": "Kim\u202e K."},
    {"sub": "u2", "preferred_username": "robin", "groups": ["port-bosses"]},
    {"sub": "u3", "preferred_username": "alex", "groups": ["port-bosses"], "amr": ["pwd", "otp"]},
    {"sub": "u4", "preferred_username": "nobody-special", "groups": []},
    {"sub": "u5", "preferred_username": "local", "groups": ["port-guards"]},
)
ROLES = (
    {"claim": "groups", "value": "port-guards", "role": "guard", "hubs": ["rotterdam"]},
    {"claim": "groups", "value": "port-bosses", "role": "supervisor"},
)


@pytest.fixture
async def issuer() -> AsyncIterator[str]:
    port = free_port()
    users = [word for each in PEOPLE for word in ("--user-claims", json.dumps(each))]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "--port", str(port), *users,
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL, env={**os.environ, "NO_COLOR": "1"},
    )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    try:
        async with aiohttp.ClientSession() as http:

            async def there() -> bool:
                try:
                    async with http.get(f"{address}/jwks") as response:
                        return response.status == 200
                except aiohttp.ClientError:
                    return False

            await eventually(there, within_s=60)
        yield address
    finally:
        process.kill()
        await process.wait()


@pytest.fixture
async def api(migrated_plain_dsn: str, issuer: str) -> AsyncIterator[Client]:
    oidc = {
        "issuer": issuer, "client_id": "hubwatch", "client_secret": "s3cret", "roles": ROLES,
        "scopes": ["openid", "profile"],
    }  # fmt: skip
    async with running_api(migrated_plain_dsn, oidc=oidc) as client:
        yield client


async def gone_through(api: Client, url: str, subject: str) -> dict[str, str]:
    """Log in at the provider as a browser does; return what it sends back."""
    async with api.http.post(url, data={"sub": subject}, allow_redirects=False) as response:
        assert response.status == 302, await response.text()
        query = parse_qs(urlsplit(response.headers["Location"]).query)
    return {name: values[0] for name, values in query.items()}


async def logged_in(api: Client, subject: str) -> tuple[int, Any]:
    begun = (await api.post("/oidc/start", redirect_uri=BACK)).body
    back = await gone_through(api, begun["url"], subject)
    assert back["state"] == begun["state"]
    answer = await api.post("/oidc/finish", state=back["state"], code=back["code"], binding=begun["binding"])
    return answer.status, answer.body


async def test_person_whom_the_provider_vouches_for_has_the_roles_it_gives(
    api: Client, migrated_plain_dsn: str, issuer: str
) -> None:
    status, body = await logged_in(api, "u1")
    assert status == 200
    assert body["user"]["grants"] == [{"role": "guard", "hubs": ["rotterdam"]}]
    me = (await api.with_token(body["token"]).get("/me")).body
    assert (me["name"], me["full_name"], me["issuer"], me["needs"]) == ("kim", "Kim K.", issuer, [])
    assert (await logged_in(api, "u1"))[0] == 200
    with hands_on(migrated_plain_dsn) as hands:
        acts = [row["act"] for row in hands.rows("SELECT act FROM audit WHERE subject = 'kim' ORDER BY id")]
        assert acts == ["user.add", "login", "login"]
        stored = hands.rows("SELECT t::text AS line FROM oidc_logins t")
    assert stored == []


async def test_role_that_needs_a_second_factor_is_given_only_where_the_provider_says_of_one(api: Client) -> None:
    status, body = await logged_in(api, "u2")
    assert (status, body["type"]) == (403, "urn:hubwatch:problem:not-allowed")
    assert (await logged_in(api, "u3"))[1]["user"]["grants"] == [{"role": "supervisor", "hubs": ["*"]}]


async def test_person_without_a_role_and_name_of_a_local_user_are_not_let_in(
    api: Client, migrated_plain_dsn: str
) -> None:
    await add_person(migrated_plain_dsn, "local", Role.SUPERVISOR)
    assert (await logged_in(api, "u4"))[0] == 409
    status, body = await logged_in(api, "u5")
    assert (status, body["detail"]) == (409, "there is a user local already")


async def test_login_that_somebody_else_began_or_that_came_back_before_is_refused(api: Client) -> None:
    begun, other = [(await api.post("/oidc/start", redirect_uri=BACK)).body for _ in range(2)]
    back = await gone_through(api, begun["url"], "u1")
    stolen = {"state": back["state"], "code": back["code"], "binding": other["binding"]}
    assert (await api.post("/oidc/finish", **stolen)).status == 401
    assert (await api.post("/oidc/finish", **stolen | {"binding": begun["binding"]})).status == 401
    fresh = {"state": other["state"], "binding": other["binding"], "code": "made-up"}
    assert (await api.post("/oidc/finish", **fresh)).status == 401


async def test_code_of_another_login_is_refused_by_its_nonce(api: Client) -> None:
    mine, theirs = [(await api.post("/oidc/start", redirect_uri=BACK)).body for _ in range(2)]
    back = await gone_through(api, theirs["url"], "u3")
    answer = await api.post("/oidc/finish", state=mine["state"], binding=mine["binding"], code=back["code"])
    assert (answer.status, answer.body["type"]) == (401, "urn:hubwatch:problem:login-refused")


async def test_provider_gets_a_challenge_of_a_verifier_that_stays_with_us(api: Client, migrated_plain_dsn: str) -> None:
    begun = (await api.post("/oidc/start", redirect_uri=BACK)).body
    asked = parse_qs(urlsplit(begun["url"]).query)
    with hands_on(migrated_plain_dsn) as hands:
        (row,) = hands.rows("SELECT verifier, nonce FROM oidc_logins")
    challenge = base64.urlsafe_b64encode(hashlib.sha256(row["verifier"].encode()).digest()).rstrip(b"=").decode()
    assert (asked["code_challenge"], asked["code_challenge_method"]) == ([challenge], ["S256"])
    assert (asked["nonce"], asked["response_type"]) == ([row["nonce"]], ["code"])
    assert row["verifier"] not in json.dumps(begun)


async def test_people_are_sent_back_to_their_own_machine_or_where_the_settings_say(api: Client) -> None:
    for address in ("https://evil.example/callback", "http://127.0.0.1:9/other", "javascript:alert(1)"):
        assert (await api.post("/oidc/start", redirect_uri=address)).status == 400


async def test_provider_that_is_away_is_said_and_a_hub_without_one_says_so(migrated_plain_dsn: str) -> None:
    oidc = {"issuer": f"http://127.0.0.1:{free_port()}", "client_id": "hubwatch"}
    async with running_api(migrated_plain_dsn, oidc=oidc) as client:
        answer = await client.post("/oidc/start", redirect_uri=BACK)
    assert (answer.status, "identity provider" in answer.body["detail"]) == (503, True)
    async with running_api(migrated_plain_dsn) as client:
        assert (await client.post("/oidc/start", redirect_uri=BACK)).status == 409


def settings() -> OidcSection:
    roles = tuple(RoleClaimSection.model_validate(each) for each in ROLES)
    return OidcSection(
        issuer="https://a.example", client_id="x", roles=roles, redirect_uris=("https://hub.example/in",)
    )


def test_claims_of_any_shape_give_roles_or_none() -> None:
    guard = (Grant(Role.GUARD, frozenset({"rotterdam"})),)
    assert grants_of(settings(), {"groups": "port-guards"}) == guard
    assert grants_of(settings(), {"groups": ["port-guards", 7, None]}) == guard
    for odd in ({}, {"groups": None}, {"groups": {"port-guards": 1}}, {"groups": 7}, {"groups": ["PORT-GUARDS"]}):
        assert grants_of(settings(), odd) == ()
    for amr in (None, "otp", ["pwd"], {"otp": 1}):
        with pytest.raises(NotAllowed):
            grants_of(settings(), {"groups": "port-bosses", "amr": amr})


@pytest.mark.parametrize(
    ("address", "good"),
    [
        ("https://hub.example/in", True),
        ("https://hub.example/in/x", False),
        ("http://127.0.0.1:4711/callback", True),
        ("http://[::1]:4711/callback", True),
        ("http://127.0.0.1/callback", False),
        ("http://localhost:4711/callback", False),
        ("http://127.0.0.1:4711/callback?next=x", False),
        ("http://kim@127.0.0.1:4711/callback", False),
        ("http://[", False),
    ],
)
def test_where_people_may_come_back_to(address: str, good: bool) -> None:
    assert may_come_back_to(settings(), address) is good


async def test_browser_goes_to_the_provider_and_comes_back_logged_in(migrated_plain_dsn: str, issuer: str) -> None:
    if CHROMIUM is None:
        services.not_run("chromium", "there is none; `make services` installs it")
    port = free_port()
    oidc = {
        "issuer": issuer, "client_id": "hubwatch", "client_secret": "s3cret", "roles": ROLES,
        "redirect_uris": [f"http://127.0.0.1:{port}/login/back"],
    }  # fmt: skip
    async with (
        running_api(migrated_plain_dsn, oidc=oidc, api={"port": port}) as api,
        chromium() as browser,
        visiting(browser, api.address) as kim,
    ):
        page = await kim.open("/login")
        await page.get_by_role("button", name="Log in at").click()
        await page.wait_for_url(f"{issuer}/**")
        await page.locator('[name="sub"]').first.fill("u1")
        await page.locator('[name="sub"]').first.press("Enter")
        await page.wait_for_url(f"{api.address}/")
        await expect(page.locator(".who")).to_contain_text("kim")
