"""What `hubwatch dashboards push` puts into a Grafana, and what it refuses to overwrite."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from hubwatch_core.errors import BadCall, Permanent
from hubwatch_dashboards import push
from hubwatch_dashboards.alert_rules import RULES
from hubwatch_dashboards.boards import BOARDS, built
from support.grafana_standin import ADMIN, EDITOR, GrafanaStandIn, other_than_grafana, running

DATABASE = "postgresql://grafana@db.example.org/hubwatch?sslmode=verify-full"


@pytest.fixture
async def grafana() -> AsyncIterator[GrafanaStandIn]:
    async with running() as standin:
        yield standin


async def _push(
    grafana: GrafanaStandIn,
    *,
    force: bool = False,
    token: str = ADMIN,
    database: str | None = DATABASE,
    password: str | None = "secret",
    alerts_to: str | None = "guard@example.org",
) -> list[str]:
    """Push everything; return the lines that are said."""
    server = push.GrafanaServer(grafana.url, token, database, password, alerts_to)
    return await asyncio.to_thread(lambda: list(push.push(server, force=force)))


async def _differences(grafana: GrafanaStandIn, alerts_to: str = "guard@example.org") -> list[str]:
    server = push.GrafanaServer(grafana.url, ADMIN, DATABASE, None, alerts_to)
    return await asyncio.to_thread(lambda: list(push.pull(server)))


async def test_everything_is_sent_once_and_then_nothing(grafana: GrafanaStandIn) -> None:
    lines = await _push(grafana)
    assert [line.split(":")[0] for line in lines] == [
        "data source", *(f"board {name!r}" for name in BOARDS), "contact point", "alert rules",
    ]  # fmt: skip
    source = grafana.sources["hubwatch"]
    assert (source["url"], source["user"], source["jsonData"]["database"]) == (
        "db.example.org:5432", "grafana", "hubwatch",
    )  # fmt: skip
    assert source["jsonData"]["sslmode"] == "verify-full"
    assert grafana.passwords == ["secret"]
    assert grafana.contacts["hubwatch-contact"]["settings"]["addresses"] == "guard@example.org"
    rules = grafana.groups["hubwatch"]["rules"]
    assert [rule["uid"] for rule in rules] == ["hubwatch-" + name.replace("_", "-") for name in RULES]
    written = list(grafana.writes)
    assert {line.split(": ")[1] for line in await _push(grafana, password=None)} == {"unchanged"}
    assert grafana.writes == written
    assert await _differences(grafana) == []


@pytest.mark.parametrize("version", [(10, 4), (12, 0)])
async def test_board_that_a_person_changed_is_not_overwritten_and_nothing_else_is_sent(
    grafana: GrafanaStandIn, version: tuple[int, int]
) -> None:
    await _push(grafana)
    grafana.version = version
    grafana.retitled("hubwatch-zone", "Sensors", "My sensors")
    del grafana.boards["hubwatch-access"]
    written = list(grafana.writes)
    with pytest.raises(Permanent) as refused:
        await _push(grafana)
    text = str(refused.value)
    assert "board 'zone' was changed in Grafana (by kim, 2026-11-30T12:00:00Z): panels 'My sensors', 'Sensors'" in text
    assert "--force" in text
    assert grafana.writes == written
    assert len(await _differences(grafana)) == 2
    lines = await _push(grafana, force=True)
    assert [line for line in lines if "unchanged" not in line and line.startswith("board")] == [
        f"board 'zone': panels 'My sensors', 'Sensors' {grafana.url}/d/hubwatch-zone/zone",
        f"board 'access': new {grafana.url}/d/hubwatch-access/access",
    ]
    assert {k: v for k, v in grafana.boards["hubwatch-zone"].items() if k not in {"id", "version"}} == built("zone")


async def test_older_version_of_ours_is_replaced_and_what_changes_is_said(grafana: GrafanaStandIn) -> None:
    await _push(grafana)
    older = copy.deepcopy(grafana.boards["hubwatch-zone"])
    older["refresh"] = "1m"
    older["panels"] = older["panels"][1:]
    grafana.save(older, "hubwatch dashboards push 0123456789abcdef", "sa-hubwatch")
    lines = await _push(grafana)
    (line,) = [line for line in lines if line.startswith("board 'zone'")]
    assert line.startswith("board 'zone': panels 'Zones', refresh ")


async def test_board_that_grafana_writes_down_in_another_way_is_not_taken_for_changed(grafana: GrafanaStandIn) -> None:
    await _push(grafana)
    grafana.boards["hubwatch-zone"]["schemaVersion"] = 42
    written = list(grafana.writes)
    assert "board 'zone': unchanged" in await _push(grafana, password=None)
    assert grafana.writes == written


async def test_board_that_is_moved_to_another_folder_and_changed_counts_as_changed(grafana: GrafanaStandIn) -> None:
    await _push(grafana)
    grafana.board_folder["hubwatch-zone"] = "mine"
    grafana.boards["hubwatch-zone"]["refresh"] = ""
    with pytest.raises(Permanent, match="moved to the folder 'mine'"):
        await _push(grafana)


async def test_board_that_somebody_saves_meanwhile_is_not_overwritten(grafana: GrafanaStandIn) -> None:
    await _push(grafana)
    grafana.save(grafana.boards["hubwatch-zone"] | {"refresh": ""}, "hubwatch dashboards push 0", "sa-hubwatch")
    grafana.before_save = lambda: grafana.retitled("hubwatch-zone", "Sensors", "My sensors")
    with pytest.raises(Permanent, match="board 'zone' was saved by somebody while this ran"):
        await _push(grafana)
    assert "My sensors" in {panel["title"] for panel in grafana.boards["hubwatch-zone"]["panels"]}


async def test_data_source_that_a_person_changed_is_not_overwritten(grafana: GrafanaStandIn) -> None:
    await _push(grafana)
    grafana.sources["hubwatch"] |= {"user": "postgres", "version": 2}
    with pytest.raises(Permanent, match=r"data source was changed in Grafana \(not what was sent\): user"):
        await _push(grafana)
    (difference,) = await _differences(grafana)
    assert '-  "user": "postgres"' in difference
    assert "data source: user" in await _push(grafana, force=True)
    assert grafana.sources["hubwatch"]["user"] == "grafana"


async def test_other_database_or_address_asked_for_is_no_change_by_hand(grafana: GrafanaStandIn) -> None:
    await _push(grafana)
    lines = await _push(grafana, database="postgresql://grafana@other/hubwatch", alerts_to="https://hook.example.org/x")
    assert (lines[0], lines[-2]) == ("data source: url", "contact point: settings, type")
    assert grafana.contacts["hubwatch-contact"]["settings"]["url"] == "https://hook.example.org/x"


async def test_alert_rule_that_was_changed_or_added_by_hand_is_not_overwritten(grafana: GrafanaStandIn) -> None:
    await _push(grafana)
    rules = grafana.groups["hubwatch"]["rules"]
    rules[0]["for"] = "10m"
    rules.append(copy.deepcopy(rules[1]) | {"uid": "mine", "title": "Mine"})
    rules[-1]["annotations"] = {}
    with pytest.raises(Permanent) as refused:
        await _push(grafana)
    assert "rule 'Data stopped' is not what was sent, rule 'Mine' is not what was sent" in str(refused.value)
    assert "alert rules: rules 'Data stopped', 'Mine'" in await _push(grafana, force=True)
    assert [rule["title"] for rule in grafana.groups["hubwatch"]["rules"]] == [rule.title for rule in RULES.values()]


async def test_contact_point_of_a_person_under_our_name_is_not_overwritten(grafana: GrafanaStandIn) -> None:
    await _push(grafana)
    grafana.contacts["hubwatch-contact"] |= {"provenance": "", "settings": {"addresses": "kim@example.org"}}
    with pytest.raises(Permanent, match="contact point was changed in Grafana"):
        await _push(grafana)


async def test_what_is_provisioned_from_files_beside_the_boards_is_left_alone(grafana: GrafanaStandIn) -> None:
    await _push(grafana)
    grafana.sources["hubwatch"] |= {"readOnly": True, "user": "other"}
    grafana.contacts["hubwatch-contact"] |= {"provenance": "file", "settings": {"addresses": "kim@example.org"}}
    for rule in grafana.groups["hubwatch"]["rules"]:
        rule |= {"provenance": "file", "for": "9m"}
    lines = await _push(grafana)
    said = [line for line in lines if line.endswith("left alone, it is provisioned from files (ops/grafana/README.md)")]
    assert [line.split(":")[0] for line in said] == ["data source", "contact point", "alert rules"]


async def test_editor_sends_the_boards_and_is_told_which_right_the_rest_needs(grafana: GrafanaStandIn) -> None:
    lines = await _push(grafana, token=EDITOR, database=None, alerts_to=None)
    assert lines[-2:] == [
        "data source: left alone, no --database given",
        "contact point, alert rules: left alone, no --alerts-to given",
    ]
    with pytest.raises(Permanent, match=r"alert\.provisioning"):
        await _push(grafana, token=EDITOR, database=None)
    with pytest.raises(Permanent, match="datasources:read"):
        await _push(grafana, token=EDITOR, alerts_to=None)


@pytest.mark.parametrize(
    ("database", "words"),
    [
        ("postgresql://grafana:x@db/hubwatch", "must not carry a password"),
        ("postgresql://db/hubwatch", "lacks login"),
        ("mysql://grafana@db/hubwatch", "lacks login"),
        ("postgresql://grafana@db:x/hubwatch", "its port is a number"),
        ("postgresql://grafana@db/hubwatch?options=-c", "only sslmode"),
    ],
)
async def test_address_of_the_database_that_is_none_is_refused_before_anything_is_sent(
    grafana: GrafanaStandIn, database: str, words: str
) -> None:
    with pytest.raises(BadCall, match=words):
        await _push(grafana, database=database)
    assert grafana.writes == []


async def test_first_data_source_needs_a_password(grafana: GrafanaStandIn) -> None:
    with pytest.raises(BadCall, match="HUBWATCH_GRAFANA_DATABASE_PASSWORD"):
        await _push(grafana, password=None)
    assert grafana.boards == {}


@pytest.mark.parametrize("address", ["nobody", "ftp://hook", "https://a:b@hook.example.org", "a@b, c@d"])
async def test_address_for_alerts_that_is_none_is_refused_before_anything_is_sent(
    grafana: GrafanaStandIn, address: str
) -> None:
    with pytest.raises(BadCall, match="--alerts-to"):
        await _push(grafana, alerts_to=address)
    assert grafana.writes == []


async def test_grafana_that_sends_elsewhere_is_not_followed(grafana: GrafanaStandIn) -> None:
    def elsewhere(request: web.Request) -> web.StreamResponse:
        raise web.HTTPTemporaryRedirect(f"{grafana.url.removesuffix('/grafana')}{request.path}?key=hidden")

    async with other_than_grafana(elsewhere) as url:
        server = push.GrafanaServer(url + "/grafana", ADMIN, DATABASE, "secret", None)
        with pytest.raises(Permanent, match=r"sends on to http://127\.0\.0\.1:\d+ \(307\), which is not followed"):
            await asyncio.to_thread(lambda: list(push.push(server)))
    assert (grafana.asked, grafana.passwords) == (0, [])


@pytest.mark.parametrize("kind", ["text/html", "application/json"])
async def test_what_answers_with_no_json_is_no_grafana_in_one_line(kind: str) -> None:
    page = "<html>\n<p>Log in</p>\n</html>\n" * 99
    async with other_than_grafana(lambda _: web.Response(text=page, content_type=kind)) as url:
        server = push.GrafanaServer(url, ADMIN, DATABASE, "secret", None)
        with pytest.raises(Permanent, match=f"is no Grafana: 200 with {kind}") as refused:
            await asyncio.to_thread(lambda: list(push.push(server)))
    assert "\n" not in str(refused.value)
    async with other_than_grafana(lambda _: web.Response(text=page, content_type=kind, status=403)) as url:
        server = push.GrafanaServer(url, ADMIN, DATABASE, "secret", None)
        with pytest.raises(Permanent, match="refused: 403") as refused:
            await asyncio.to_thread(lambda: list(push.push(server)))
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 400


async def test_grafana_before_10_4_is_sent_boards_and_told_that_the_rules_need_a_newer_one(
    grafana: GrafanaStandIn,
) -> None:
    grafana.version = (10, 3)
    with pytest.raises(Permanent, match=r"the alert rules need Grafana 10\.4 or newer, this one is 10\.3"):
        await _push(grafana)
    assert grafana.writes == []
    assert "data source: new" in await _push(grafana, alerts_to=None)


async def test_contact_point_of_our_name_that_a_person_made_is_not_joined_by_ours(grafana: GrafanaStandIn) -> None:
    theirs = {"uid": "mine", "name": "hubwatch", "type": "email", "settings": {"addresses": "kim@example.org"}}
    grafana.contacts["mine"] = theirs | {"provenance": ""}
    with pytest.raises(Permanent, match=r"contact point was changed in Grafana \(somebody made one .* uid 'mine'"):
        await _push(grafana)
    assert grafana.writes == []
    assert "contact point: new" in await _push(grafana, force=True)
    assert set(grafana.contacts) == {"mine", "hubwatch-contact"}


async def test_contact_point_of_ours_that_has_another_name_now_counts_as_changed(grafana: GrafanaStandIn) -> None:
    await _push(grafana)
    grafana.contacts["hubwatch-contact"] |= {"provenance": "", "name": "guards"}
    with pytest.raises(Permanent, match=r"contact point was changed in Grafana \(not sent by this command\): name"):
        await _push(grafana)


async def test_data_source_that_a_person_made_the_default_stays_it(grafana: GrafanaStandIn) -> None:
    await _push(grafana)
    grafana.sources["hubwatch"]["isDefault"] = True
    await _push(grafana, database="postgresql://grafana@other/hubwatch")
    assert (grafana.sources["hubwatch"]["url"], grafana.sources["hubwatch"]["isDefault"]) == ("other:5432", True)


async def test_other_data_source_of_our_name_is_found_before_anything_is_sent(grafana: GrafanaStandIn) -> None:
    grafana.sources["P1"] = {"uid": "P1", "name": "hubwatch", "version": 1, "readOnly": False}
    with pytest.raises(Permanent, match="another data source named 'hubwatch', with the uid 'P1'"):
        await _push(grafana, force=True)
    assert grafana.writes == []


async def test_address_of_a_web_service_is_shown_as_its_origin_only(grafana: GrafanaStandIn) -> None:
    first, second = "https://hook.example.org/T0/first-secret", "https://hook.example.org/T0/second-secret"
    grafana.refuses_webhooks = True
    with pytest.raises(Permanent, match="hook") as refused:
        await _push(grafana, alerts_to=first)
    assert "secret" not in str(refused.value)
    grafana.refuses_webhooks = False
    lines = await _push(grafana, alerts_to=first)
    (difference,) = await _differences(grafana, second)
    assert "https://hook.example.org/… (not as given)" in difference
    assert "secret" not in difference + "".join(lines)
    assert "contact point: settings" in await _push(grafana, alerts_to=second)
    assert grafana.contacts["hubwatch-contact"]["settings"]["url"] == second
    assert await _differences(grafana, second) == []
