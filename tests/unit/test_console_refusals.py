"""What a page refuses is said in the reader's language: every refusal that a page can show is one that it knows."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import hubwatch_alarms
import hubwatch_console
import hubwatch_core
import hubwatch_store
from hubwatch_alarms.acts import NoSuchAlarm
from hubwatch_alarms.handover import NoSuchHandover
from hubwatch_alarms.incident_acts import NoSuchIncident, check_taken
from hubwatch_alarms.lifecycle import MoveRefused
from hubwatch_alarms.people import parse_adjudication, parse_duration_s, parse_id, parse_kind
from hubwatch_console.bounds import TooLarge
from hubwatch_console.pages import refusals as pages_refusals
from hubwatch_console.pages.language import LANGUAGES, catalogue
from hubwatch_console.pages.refusals import LONGEST, REFUSALS, STATES, in_language
from hubwatch_console.pages.rendering import environment, without_commands
from hubwatch_console.pages.visiting import FromElsewhere, LoginWanted
from hubwatch_console.problems import DATABASE_AWAY, PROVIDER_AWAY
from hubwatch_core.alarm import Alarm
from hubwatch_core.errors import BadCall
from hubwatch_core.permission import Actor, Grant, Role, UserAct, refusal
from hubwatch_core.words import AlarmState
from hubwatch_store.login import CodeWanted, LoginLocked, LoginRefused, OneTimeOver
from support.doubling import assert_linear

ALARMS, CONSOLE, CORE, STORE = (
    Path(str(each.__file__)).parent for each in (hubwatch_alarms, hubwatch_console, hubwatch_core, hubwatch_store)
)
ACTING = (
    *(ALARMS / f"{name}.py" for name in ("acts", "checklist", "handover", "incident_acts", "incident_views",
                                         "lifecycle", "suppressing")),
    *(CONSOLE / f"{name}.py" for name in ("access", "bounds", "oidc", "problems")),
    *sorted((CONSOLE / "pages").glob("*.py")),
    *(CONSOLE / "routes" / f"{name}.py" for name in ("acknowledge", "oidc")),
    CORE / "credentials" / "passwords.py",
    *(STORE / "login" / f"{name}.py" for name in ("login", "oidc_logins", "second_factors")),
    STORE / "users" / "approvals.py",
)  # fmt: skip
"""Where a page's request is refused."""
REFUSING = frozenset({"Permanent", "BadCall", "NotAllowed", "MoveRefused", "HTTPException", "SetUpFirst", "problem"})
FOR_PROGRAMS = re.compile(r"--agreed-by|--zone|redirect_uri must|Authorization: Bearer|this token is no good")
"""What no page meets: options of commands, and what only programs send."""
FROM_PEOPLE = (
    "note must say why", "note may have at most 1000 characters, of UTF-8 text",
    "x is no duration: write it like 30m, 2h or 90s", "x is no adjudication: it may be true, false",
    "note must say what the alarm was when it was none of the other words",
    "an alarm may be shelved for at most 8 h (shelving.max_s)", "the level of h has changed meanwhile: it is 2 now",
    "there is no hub h", "hub h has no zone z", "hub h has no sensor s",
)  # fmt: skip
VIEWER = Grant(Role.VIEWER, frozenset({"h"}))
KIM, LEE, NEW = Actor("kim", (VIEWER,)), Actor("lee", (VIEWER,), scope=VIEWER), Actor("new", needs=("password",))
MADE = (
    *(each(7) for each in (NoSuchAlarm, NoSuchHandover, NoSuchIncident, LoginLocked)), CodeWanted(), LoginRefused(),
    OneTimeOver(), LoginWanted(), FromElsewhere(), TooLarge(9).detail, DATABASE_AWAY, PROVIDER_AWAY,
    *(refusal(who, UserAct.ALARM_CLOSE, hub) for who in (KIM, LEE) for hub in ("h", None)),
    refusal(NEW, UserAct.ALARM_CLOSE, "h"),
    *(f"approval 7 was {each} already" for each in ("approved", "refused")), *FROM_PEOPLE,
)  # fmt: skip


def refusals() -> Iterator[str]:
    """Yield what the code that pages run refuses with, `x` in place of what is filled in."""
    for file in ACTING:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in REFUSING:
                for argument in node.args:
                    yield from (text for text in said(argument) if text.strip("x ") and not FOR_PROGRAMS.search(text))


def said(node: ast.expr) -> list[str]:
    """Return the texts that an expression may be; none where it is no text that stands in the code."""
    if isinstance(node, ast.Constant):
        return [node.value] if isinstance(node.value, str) else []
    if isinstance(node, ast.IfExp):
        return said(node.body) + said(node.orelse)
    if isinstance(node, ast.BoolOp):
        return [text for each in node.values for text in said(each)]
    if not isinstance(node, ast.JoinedStr):
        return []
    texts = [""]
    for part in node.values:
        choices = said(part.value if isinstance(part, ast.FormattedValue) else part) or ["x"]
        texts = [text + choice for text in texts for choice in choices]
    return texts


SAID = sorted({without_commands(str(each)) for each in (*refusals(), *MADE)})


def test_there_are_refusals_to_look_at() -> None:
    assert len(SAID) > 90
    assert {"alarm x is shelved until x: unshelve it first", "say which", "there is no alarm 7"} <= set(SAID)


def test_every_refusal_of_a_page_is_known() -> None:
    assert [text for text in SAID if in_language(text, lambda message: "known") != "known"] == []


def test_every_refusal_that_is_known_is_one() -> None:
    met: list[str] = []

    def meet(message: str) -> str:
        met.append(message)
        return message

    for text in SAID:
        in_language(text, meet)
    assert sorted(set(REFUSALS) - set(met)) == []


@pytest.mark.parametrize("language", sorted(set(LANGUAGES) - {"en"}))
def test_refusal_keeps_what_is_filled_in(language: str) -> None:
    told = in_language("alarm 7 is with %(who)s <b>, who acknowledged it at 09:41", catalogue(language).gettext)
    assert "acknowledged" not in told
    assert all(each in told for each in ("7", "%(who)s <b>", "09:41"))


def test_pages_say_a_refusal_in_their_language_and_without_commands() -> None:
    said = environment("nl").filters["refusal"]("there is no alarm 7; `hubwatch alarms list` shows those that are open")
    assert said == "er is geen alarm 7"


@pytest.mark.parametrize("language", sorted(set(LANGUAGES) - {"en"}))
def test_states_of_alarms_are_said_in_the_language(language: str) -> None:
    gettext = catalogue(language).gettext
    assert {str(each).replace("_", " ") for each in AlarmState} == set(STATES)
    for state in STATES:
        assert gettext(state) in in_language(f"alarm 7 is not shelved, it is {state}", gettext)
    assert "out of service" not in in_language("alarm 7 is out of service", gettext)


def test_closing_an_incident_is_refused_with_nothing_but_numbers_filled_in() -> None:
    opened = [Alarm(id=n, hub="h", zone=None, sensor="s", type="t", subject="", priority=1, state=AlarmState.RETURNED,
                    opened=0, last_active=0, detections=1, active=0, why="", score=1.0, late=False)
              for n in range(1, 9)]  # fmt: skip
    with pytest.raises(MoveRefused) as refused:
        check_taken(3, opened)
    told = in_language(without_commands(str(refused.value)), catalogue("nl").gettext)
    assert told == "niemand heeft alarm 1, 2, 3, 4, 5 (+3): neem het eerst"


def test_what_a_person_wrote_is_cut_in_a_refusal() -> None:
    for parse in (parse_duration_s, parse_kind, parse_id, lambda text: parse_adjudication(text, None)):
        with pytest.raises(BadCall) as refused:
            parse("x of " * 10_000)
        assert len(str(refused.value)) < 200


def test_long_text_is_no_refusal() -> None:
    assert in_language(f"{'x' * LONGEST} may not acknowledge alarms at this hub", lambda message: "known") != "known"


@pytest.mark.parametrize("message", ["approval 1 does not allow ", "x was quicker: ", "alarm 1 is with "])
def test_finding_a_refusal_looks_once_at_what_people_wrote(message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages_refusals, "LONGEST", 1 << 20)
    part = " does not allow of : was quicker: , who acknowledged it at "
    assert_linear(lambda size: message + part * size, lambda text: in_language(text, str), 2048)


def test_refusal_that_is_not_known_stays_as_it_is() -> None:
    assert (
        in_language("nothing of %(this)s 100% is known", catalogue("nl").gettext) == "nothing of %(this)s 100% is known"
    )
