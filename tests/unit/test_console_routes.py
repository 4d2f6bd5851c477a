"""No route of the API without a word about who may use it, no settings that send credentials in the clear."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute
from typer.testing import CliRunner

from hubwatch_alarms.instructions import Instructions
from hubwatch_console.access import Allowed, Public, SignedIn
from hubwatch_console.app import application
from hubwatch_console.cli import app
from hubwatch_console.pages.visiting import Visitor, VisitorWho
from hubwatch_console.settings import ConsoleSettings
from hubwatch_store.database import Pool

PUBLIC = {"/api/v1/notice", "/api/v1/login", "/api/v1/oidc/start", "/api/v1/oidc/finish", "/api/v1/acknowledge/{token}"}
PUBLIC_PAGES = {"/login", "/login/provider", "/login/back", "/static/{version}/{name}", "/show/{what}/{value}"}
OWN_PAGES = {"/logout", "/setup", "/setup/second-factor", "/alive"}
"""The same of pages."""
OWN = ("/logout", "/me", "/password", "/second-factor", "/tokens", "/tokens/{token}", "/openapi.json")
"""What concerns only whoever is logged in."""


def routes() -> list[APIRoute]:
    settings = ConsoleSettings()
    made = application(settings, Pool(settings.database, "test"), Instructions.load())
    found = list(flat(made.routes))
    assert [route for route in found if not isinstance(route, APIRoute)] == []
    return [route for route in found if isinstance(route, APIRoute)]


def flat(found: list[BaseRoute]) -> Iterator[BaseRoute]:
    for route in found:
        inner = getattr(route, "effective_route_contexts", None)
        yield from [each.original_route for each in inner()] if inner is not None else [route]


def guards(dependant: Dependant) -> Iterator[object]:
    if isinstance(dependant.call, Public | SignedIn):
        yield dependant.call
    for inner in dependant.dependencies:
        yield from guards(inner)


@pytest.mark.parametrize("route", routes(), ids=lambda route: f"{min(route.methods)} {route.path}")
def test_route_says_who_may_use_it(route: APIRoute) -> None:
    (guard,) = guards(route.dependant)
    is_page = not route.include_in_schema and not route.path.endswith("/openapi.json")
    path = route.path.removeprefix("/api/v1")
    if isinstance(guard, Public):
        assert path in PUBLIC_PAGES if is_page else f"/api/v1{path}" in PUBLIC
    elif not isinstance(guard, Allowed):
        assert type(guard) is (Visitor if is_page else SignedIn)
        assert path in (OWN_PAGES if is_page else OWN)
    # A session of a cookie is good for pages only, where each form is checked; a token of a header for the API only.
    assert isinstance(guard, Visitor | VisitorWho | Public) or not is_page
    assert not (isinstance(guard, Visitor | VisitorWho) and not is_page)


def test_there_are_routes_to_look_at() -> None:
    assert len(routes()) > 35


def run(*words: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, list(words))
    assert result.exit_code == code, result.output
    return result.output


def test_sample_is_a_configuration_that_is_valid(tmp_path: Path) -> None:
    file = tmp_path / "console.toml"
    file.write_text(run("sample-config"), encoding="utf-8")
    assert f"{file} is valid; listens on 127.0.0.1:8443 without TLS" in run("check-config", str(file))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('[api]\nhost = "0.0.0.0"', "listening on 0.0.0.0 needs cert_file and key_file"),
        ('[api]\ncert_file = "pyproject.toml"', "cert_file and key_file go together"),
        ("[login]\nidle_s = 7200\nabsolute_s = 3600", "must not be longer than absolute_s"),
        ('[oidc]\nissuer = "http://login.example.org"\nclient_id = "x"', "must be an address with https://"),
        ('[oidc]\nissuer = "https://u:p@login.example.org"\nclient_id = "x"', "must hold no user and no password"),
        (
            '[oidc]\nissuer = "https://a.example"\nclient_id = "x"\nclient_secret = "s"',
            "a secret must not stand in the TOML",
        ),
        ("[api]\nprot = 1", "prot"),
    ],
)
def test_what_is_wrong_is_told_before_anything_listens(tmp_path: Path, text: str, line: str) -> None:
    file = tmp_path / "console.toml"
    file.write_text(text, encoding="utf-8")
    output = run("check-config", str(file), code=2)
    assert line in output
    assert ":p@" not in output


def test_plain_listening_for_others_has_to_be_wanted(tmp_path: Path) -> None:
    file = tmp_path / "console.toml"
    file.write_text('[api]\nhost = "0.0.0.0"\nallow_plain = true', encoding="utf-8")
    assert "without TLS" in run("check-config", str(file))
