"""An incident on its page: what people do with it, what they may not, and what has happened meanwhile, in words."""

from __future__ import annotations

import re

import pytest

from hubwatch_core.permission import Role
from support.alarms_database import Hands
from support.console_hub import HUB, alarmed, found
from support.console_running import Client
from support.console_visitor import Visitor, person

ACTS = ("comment", "assign", "acknowledge", "merge", "split", "close")

MISTAKES: tuple[tuple[str, dict[str, str], str], ...] = (
    ("comment", {"text": "  "}, "text must say why"),
    ("comment", {"text": "x" * 1001}, "at most 1000 characters"),
    ("assign", {"whom": "other", "to": " "}, "name the person"),
    ("assign", {"whom": "everybody"}, "say whom"),
    ("assign", {"whom": "other", "to": "nobody-knows"}, "no user of that name"),
    ("merge", {"into": "seven"}, "say the number"),
    ("merge", {"into": "99999"}, "there is no incident 99999"),
    ("merge", {"into": "self"}, "cannot be merged with itself"),
    ("split", {}, "tick the alarms"),
    ("split", {"alarm-999": "yes"}, "has no alarm 999"),
    ("close", {"verdict": "maybe"}, "is no adjudication"),
    ("close", {"verdict": "other"}, "must say what the alarm was"),
)


@pytest.fixture
async def fences(dsn: str, hands: Hands) -> int:
    """Return an incident of three alarms along the fence; there is another one of a door, an hour before."""
    crossed = [
        found(i, "perimeter.intrusion", f"fence-{i}", priority=2, why=f"section {i}", ago_s=40 - i) for i in (1, 2, 3)
    ]
    await alarmed(dsn, hands, found(9, "access.held", "door-1", priority=3, why="open for 45 s", ago_s=3600), *crossed)
    assert len({row["incident"] for row in hands.alarms()}) == 2
    return incident_of(hands, "fence-1")


def incident_of(hands: Hands, sensor: str) -> int:
    return int(hands.rows("SELECT incident FROM alarms WHERE sensor = %s", sensor)[0]["incident"])


def alarm_of(hands: Hands, sensor: str) -> int:
    return int(hands.rows("SELECT id FROM alarms WHERE sensor = %s", sensor)[0]["id"])


async def place_of(visitor: Visitor, page: str) -> str:
    _, text, _ = await visitor.get(page)
    return str(re.findall(r'name="seen" form="comment" value="([^"]+)"', text)[0])


async def test_person_handles_an_incident_from_the_first_look_to_the_word_that_ends_it(
    api: Client, dsn: str, hands: Hands, fences: int
) -> None:
    page = f"/incidents/{fences}"
    pat = await person(api, dsn, "pat", Role.RESPONDER, HUB)
    for act, form in (
        ("acknowledge", {}),
        ("assign", {"whom": "me"}),
        ("comment", {"text": "three persons at the quay"}),
    ):
        status, _, headers = await pat.press(page, f"{page}/{act}", **form)
        assert (status, headers["Location"]) == (303, page), act
    _, text, _ = await pat.get(page)
    for said in (
        "three persons at the quay", "given to</b> <b>pat", "only a person closes it.", "1 comment", "section 2",
        "acknowledged</b>",
    ):  # fmt: skip
        assert said in text
    ended = "UPDATE alarms SET state = 'normal', active = 0, closed = now() WHERE incident = %s RETURNING id"
    hands.rows(ended, fences)
    status, _, _ = await pat.press(page, f"{page}/close", verdict="real", note="handed over to the police")
    assert status == 303
    _, text, _ = await pat.get(page)
    assert "handed over to the police" in text
    assert "Say anew what it was" in text
    assert f"{page}/comment" not in text
    assert f"{page}/merge" not in text
    (row,) = hands.rows("SELECT verdict, judged_by, closed FROM incidents WHERE id = %s", fences)
    assert (row["verdict"], row["judged_by"], row["closed"] is None) == ("real", "pat", False)
    _, text, _ = await pat.get("/incidents?closed=true")
    assert f'href="{page}"' in text
    assert f'href="{page}"' not in (await pat.get("/incidents"))[1]


async def test_ticked_alarms_become_an_incident_of_their_own_and_are_merged_again(
    api: Client, dsn: str, hands: Hands, fences: int
) -> None:
    page, third = f"/incidents/{fences}", alarm_of(hands, "fence-3")
    pat = await person(api, dsn, "pat", Role.RESPONDER, HUB)
    assert f'form="split" name="alarm-{third}"' in (await pat.get(page))[1]
    status, _, headers = await pat.press(page, f"{page}/split", **{f"alarm-{third}": "yes", "note": "a fox"})
    made = incident_of(hands, "fence-3")
    assert (status, headers["Location"]) == (303, f"/incidents/{made}")
    assert made != fences
    _, text, _ = await pat.get(f"/incidents/{made}")
    assert f'split off from incident</b> <a href="{page}">{fences}</a>' in text
    # One alarm cannot be split any further, and its page offers no such thing.
    assert 'form="split" name="alarm-' not in text
    status, _, headers = await pat.press(f"/incidents/{made}", f"/incidents/{made}/merge", into=f"#{fences}")
    assert (status, headers["Location"]) == (303, page)
    _, text, _ = await pat.get(f"/incidents/{made}")
    assert "Part of another incident" in text
    assert "<form" not in text.partition("<main")[2].partition("</main>")[0]


async def test_person_is_offered_what_they_may_do_and_refused_the_rest(
    api: Client, dsn: str, hands: Hands, fences: int
) -> None:
    page = f"/incidents/{fences}"
    offered = {
        "vic": (Role.VIEWER, set()),
        "kim": (Role.GUARD, {"comment", "assign", "acknowledge"}),
        "pat": (Role.RESPONDER, set(ACTS)),
    }
    for name, (role, acts) in offered.items():
        visitor = await person(api, dsn, name, role, HUB)
        _, text, _ = await visitor.get(page)
        assert {act for act in ACTS if f'action="{page}/{act}"' in text} == acts, name
        assert 'name="end_alarms"' not in text
        for act in set(ACTS) - acts:
            assert (await visitor.press("/", f"{page}/{act}"))[0] == 403, (name, act)
    ada = await person(api, dsn, "ada", Role.SUPERVISOR, HUB)
    assert 'name="end_alarms"' in (await ada.get(page))[1]
    elsewhere = await person(api, dsn, "eve", Role.SUPERVISOR, "basel")
    for act in ACTS:
        assert (await elsewhere.press("/", f"{page}/{act}", text="x", whom="me"))[0] == 404, act
    assert hands.rows("SELECT action FROM incident_journal WHERE incident = %s", fences) == []


async def test_form_without_the_sessions_proof_changes_nothing(
    api: Client, dsn: str, hands: Hands, fences: int
) -> None:
    pat = await person(api, dsn, "pat", Role.RESPONDER, HUB)
    for act in ACTS:
        assert (await pat.send(f"/incidents/{fences}/{act}", {"text": "x", "whom": "me"}))[0] == 403, act
    assert hands.rows("SELECT action FROM incident_journal WHERE incident = %s", fences) == []


async def test_refusal_is_said_in_words_with_what_others_did_meanwhile(
    api: Client, dsn: str, hands: Hands, fences: int
) -> None:
    page = f"/incidents/{fences}"
    pat, kim = await person(api, dsn, "pat", Role.SUPERVISOR, HUB), await person(api, dsn, "kim", Role.GUARD, HUB)
    await pat.press(page, f"{page}/acknowledge")
    seen = await place_of(pat, page)
    await kim.press(page, f"{page}/comment", text="a fourth one <b>at the crane</b>")
    await alarmed(dsn, hands, found(7, "perimeter.intrusion", "fence-4", priority=2, why="section 4", ago_s=1))
    assert incident_of(hands, "fence-4") == fences
    status, text, _ = await pat.press(
        page, f"{page}/close", seen=seen, verdict="real", note="over", end_alarms="yes"
    )  # fmt: skip
    assert status == 409
    assert f"nobody has taken alarm {alarm_of(hands, 'fence-4')}" in text
    assert "Nothing was changed." in text
    meanwhile = text.partition('id="meanwhile"')[2].partition("</ol>")[0]
    assert "a fourth one &lt;b&gt;at the crane&lt;/b&gt;" in meanwhile
    # It was detected before it became an alarm, and so perhaps before the page was looked at; that it opened is new.
    assert f'/alarms/{alarm_of(hands, "fence-4")}">' in meanwhile
    assert 'value="over"' in text  # what was typed is not lost
    assert hands.rows("SELECT closed FROM incidents WHERE id = %s", fences)[0]["closed"] is None
    # What succeeds says it as well: whoever acts learns what they had not seen.
    status, _, headers = await pat.press(page, f"{page}/comment", seen=seen, text="seen")
    assert status == 303
    _, text, _ = await pat.get(headers["Location"])
    meanwhile = text.partition('id="meanwhile"')[2].partition("</ol>")[0]
    assert "at the crane" in meanwhile
    assert "seen" not in meanwhile.replace("since you looked", "")


async def test_what_cannot_be_is_said_on_the_page(api: Client, dsn: str, hands: Hands, fences: int) -> None:
    page = f"/incidents/{fences}"
    pat = await person(api, dsn, "pat", Role.RESPONDER, HUB)
    for act, form, said in MISTAKES:
        given = {name: str(fences) if value == "self" else value for name, value in form.items()}
        status, text, _ = await pat.press(page, f"{page}/{act}", **given)
        assert status in {400, 409}, said
        assert said in text
        assert 'id="timeline"' in text
    pat.cookies["hubwatch_language"] = "es"
    _, text, _ = await pat.press(page, f"{page}/merge", into=str(fences))
    assert f"el incidente {fences} no se puede unir consigo mismo" in text
    assert hands.rows("SELECT action FROM incident_journal WHERE incident = %s", fences) == []


async def test_machine_closes_no_incident_with_a_comment_and_the_page_says_so(
    api: Client, dsn: str, hands: Hands
) -> None:
    (alarm,) = await alarmed(dsn, hands, found(1, "access.held", "door-1", priority=3, why="open for 45 s"))
    number = incident_of(hands, "door-1")
    page = f"/incidents/{number}"
    ada = await person(api, dsn, "ada", Role.SUPERVISOR, HUB)
    await ada.press(page, f"{page}/comment", text="the hinge is bent")
    assert (await ada.press(f"/alarms/{alarm}", f"/alarms/{alarm}/close", note="shut by hand"))[0] == 303
    assert hands.rows("SELECT closed FROM incidents WHERE id = %s", number)[0]["closed"] is None
    _, text, _ = await ada.get(page)
    assert "Over, waits for a person to close it" in text
    assert "Over, waits for a person to close it" in (await ada.get("/incidents"))[1]


async def test_timeline_goes_back_page_by_page_and_nothing_of_it_is_lost(
    api: Client, dsn: str, hands: Hands, fences: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hubwatch_console.pages.incident.ROWS", 4)
    pat = await person(api, dsn, "pat", Role.RESPONDER, HUB)
    page = f"/incidents/{fences}"
    for i in range(9):
        await pat.press(page, f"{page}/comment", text=f"number {i}.")
    address, told = page, []
    while True:
        _, text, _ = await pat.get(address)
        rows = text.partition('id="timeline"')[2]
        told.append(rows.count("<li class="))
        link = re.findall(r'rel="next" href="([^"]+)"', rows)
        if not link:
            break
        address = link[0].replace("&amp;", "&")
    (row,) = hands.rows("SELECT count(*)::int AS n FROM incident_timeline WHERE incident = %s", fences)
    assert sum(told) == row["n"]
    assert "number 8." in (await pat.get(page))[1]
    assert (await pat.get(f"{page}?before=never"))[0] == 400
