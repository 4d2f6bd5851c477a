"""What people do with an alarm on its page, by the same functions as the API and the commands.

A refusal is said in words, with what has happened to the alarm meanwhile.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response

from hubwatch_alarms import acts, suppressing, views
from hubwatch_alarms.people import check_duration, parse_adjudication, parse_duration_s, parse_note, parse_reason
from hubwatch_alarms.views import AlarmDetails
from hubwatch_console.access import Parts, SharedParts
from hubwatch_console.pages.rendering import Page, render
from hubwatch_console.pages.trouble import status_in_place
from hubwatch_console.pages.visiting import VisitorWho
from hubwatch_console.routes.bodies import AlarmNumber
from hubwatch_core.alarm import Action, JournalEntry
from hubwatch_core.errors import BadCall, Permanent
from hubwatch_core.permission import UserAct, shelving
from hubwatch_core.words import Priority
from hubwatch_store.alarms import ExpectedKind, Telling, alarms, notifications
from hubwatch_store.console import behind
from hubwatch_store.database import DatabaseConnection, translated
from hubwatch_store.users import KnownCaller

router = APIRouter(prefix="/alarms", include_in_schema=False)

SHELVES = ("30m", "1h", "2h", "8h")
OUT_OF_SERVICE = ("1h", "8h", "1d", "7d", "30d")
LATEST = 5
"""Entries of its journal that a refusal shows."""
MOST_DIGITS = 18

Shelving = Annotated[KnownCaller, Depends(VisitorWho(UserAct.ALARM_SHELVE))]
Unshelving = Annotated[KnownCaller, Depends(VisitorWho(UserAct.ALARM_UNSHELVE))]
Closing = Annotated[KnownCaller, Depends(VisitorWho(UserAct.ALARM_CLOSE))]
Adjudicating = Annotated[KnownCaller, Depends(VisitorWho(UserAct.ALARM_ADJUDICATE))]
Suppressing = Annotated[KnownCaller, Depends(VisitorWho(UserAct.ALARM_SUPPRESS))]
Lifting = Annotated[KnownCaller, Depends(VisitorWho(UserAct.ALARM_LIFT))]

Form = Mapping[str, str]
Act = Callable[[DatabaseConnection, Form], Awaitable[object]]
"""Does something as a form says; a number that it returns is that of the approval it waits for."""


@dataclass(frozen=True, slots=True)
class AlarmOffer:
    """What can be done with an alarm besides taking it, and what has been done."""

    shelve_act: str
    second: bool
    """Whether to shelve it always waits for a second person."""
    shelves: Sequence[str]
    """For how long it may be shelved."""
    out_of_service: Sequence[str]
    """For how long its sensor may be out of service."""
    shelved: JournalEntry | None
    """Who has shelved it, where it is."""
    expected: Sequence[Mapping[str, Any]]
    """What is expected of its sensor, now or later."""
    telling: Telling


async def offered(connection: DatabaseConnection, parts: Parts, whole: AlarmDetails) -> AlarmOffer:
    """Return what can be done with an alarm, within the limits of the settings."""
    alarm, act = whole.alarm, shelving(whole.alarm.type)
    limits = parts.settings.shelving
    longest = min(limits.max_s, limits.critical_max_s) if alarm.priority == Priority.CRITICAL else limits.max_s
    most = parts.settings.expecting.max_s(ExpectedKind.OUT_OF_SERVICE, critical=False)
    entries = [each for each in whole.journal if each.action is Action.SHELVED]
    telling = await notifications.telling(connection, [alarm.id])
    return AlarmOffer(
        str(act),
        act is not UserAct.ALARM_SHELVE,
        [each for each in SHELVES if parse_duration_s(each) <= longest],
        [each for each in OUT_OF_SERVICE if parse_duration_s(each) <= most],
        entries[-1] if entries and alarm.state == "shelved" else None,
        await behind.expected_of(connection, alarm.hub, alarm.zone, alarm.sensor),
        telling.get(alarm.id, Telling()),
    )


@router.post("/{alarm}/shelve")
async def shelve(request: Request, alarm: AlarmNumber, caller: Shelving, parts: SharedParts) -> Response:
    """Set an alarm aside for a time; where that needs a second person, it waits for one."""

    async def act(connection: DatabaseConnection, form: Form) -> object:
        duration_s = parse_duration_s(form.get("for", ""))
        check_duration(parts.settings.shelving, duration_s)
        return await acts.shelve(
            connection, caller.person, alarm, duration_s, parse_reason(form.get("note", ""), "note"),
            parts.settings.login.approval_s, parts.settings.shelving.critical_max_s,
        )  # fmt: skip

    return await _do(request, caller, parts, alarm, act)


@router.post("/{alarm}/unshelve")
async def unshelve(request: Request, alarm: AlarmNumber, caller: Unshelving, parts: SharedParts) -> Response:
    """Take an alarm off the shelf."""

    async def act(connection: DatabaseConnection, form: Form) -> object:
        return await acts.unshelve(connection, caller.person, alarm, parse_note(form.get("note"), "note"))

    return await _do(request, caller, parts, alarm, act)


@router.post("/{alarm}/close")
async def close(request: Request, alarm: AlarmNumber, caller: Closing, parts: SharedParts) -> Response:
    """End an alarm whatever its condition does."""

    async def act(connection: DatabaseConnection, form: Form) -> object:
        return await acts.close(connection, caller.person, alarm, parse_reason(form.get("note", ""), "note"))

    return await _do(request, caller, parts, alarm, act)


@router.post("/{alarm}/adjudicate")
async def adjudicate(request: Request, alarm: AlarmNumber, caller: Adjudicating, parts: SharedParts) -> Response:
    """Say what an alarm was."""

    async def act(connection: DatabaseConnection, form: Form) -> object:
        note = parse_note(form.get("note"), "note")
        verdict = parse_adjudication(form.get("verdict", ""), note, "note")
        return await acts.adjudicate(connection, caller.person, alarm, verdict, note)

    return await _do(request, caller, parts, alarm, act)


@router.post("/{alarm}/out-of-service")
async def take_out(request: Request, alarm: AlarmNumber, caller: Suppressing, parts: SharedParts) -> Response:
    """Take the sensor of an alarm out of service for a time; where that needs a second person, it waits for one."""

    async def act(connection: DatabaseConnection, form: Form) -> object:
        found = await acts.existing(connection, alarm, caller.person)
        wish = suppressing.Wish(
            ExpectedKind.OUT_OF_SERVICE, found.hub, parse_reason(form.get("note", ""), "note"),
            parse_duration_s(form.get("for", "")), sensor=found.sensor, critical=form.get("critical") == "yes",
        )  # fmt: skip
        return await suppressing.expect(
            connection, caller.person, wish, parts.settings.expecting, approval_s=parts.settings.login.approval_s
        )

    return await _do(request, caller, parts, alarm, act)


@router.post("/{alarm}/lift")
async def lift(request: Request, alarm: AlarmNumber, caller: Lifting, parts: SharedParts) -> Response:
    """End before its time what is expected of the sensor of an alarm."""

    async def act(connection: DatabaseConnection, form: Form) -> object:
        number = form.get("suppression", "")
        if not (number.isascii() and number.isdigit() and len(number) <= MOST_DIGITS):
            raise BadCall("say which")
        await suppressing.lift(connection, caller.person, int(number))
        return None

    return await _do(request, caller, parts, alarm, act)


async def _do(request: Request, caller: KnownCaller, parts: Parts, alarm: int, act: Act) -> Response:
    """Do it, or say that it waits for a second person, or why not and what the alarm has become."""
    try:
        async with alarms.moving(parts.pool) as connection:
            done = await act(connection, request.state.form)
    except Permanent as error:
        return await _refused(request, caller, parts, alarm, str(error), status_in_place(error))
    if isinstance(done, int):
        return render(request, "waits.html", caller, status=202, approval=done, alarm=alarm, live=False)
    return RedirectResponse(Page(request, caller).path(f"/alarms/{alarm}"), 303)


async def _refused(
    request: Request, caller: KnownCaller, parts: Parts, alarm: int, refused: str, status: int
) -> Response:
    with translated():
        async with parts.pool.connection() as connection:
            whole = await views.details(connection, alarm, caller.person)
    return render(
        request, "alarm_refused.html", caller, status=status, here=f"/alarms/{alarm}", alarm=whole.alarm,
        latest=whole.journal[-LATEST:], refused=refused, live=False,
        instruction=parts.instructions.of(whole.alarm.type, whole.alarm.hub),
    )  # fmt: skip
