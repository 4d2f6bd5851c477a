"""Acknowledge from a message: a page with one button for whoever has the link, and what the button does."""

from __future__ import annotations

import html
import time
from dataclasses import dataclass

from fastapi import APIRouter, Depends
from fastapi.responses import HTMLResponse

from hubwatch_alarms import acts
from hubwatch_alarms.message import where
from hubwatch_alarms.oncall.link import parse_token
from hubwatch_console.access import Parts, Public, SharedParts
from hubwatch_core.alarm import Alarm, mark
from hubwatch_core.clock import clock_text
from hubwatch_core.errors import Permanent
from hubwatch_core.permission import Actor, UserAct, may
from hubwatch_core.plain_text import one_line
from hubwatch_core.words import AlarmState, Priority
from hubwatch_store.alarms import alarms, notifications
from hubwatch_store.database import DatabaseConnection, translated
from hubwatch_store.users import NotAllowed, find_user, has_directory

router = APIRouter(prefix="/acknowledge", tags=["acknowledge"], dependencies=[Depends(Public())])

NO_LINK = "This link is not valid. Log in to see the alarm."


@dataclass(frozen=True, slots=True)
class Linked:
    """A message whose link was opened, with its alarm."""

    message: str
    person: str
    alarm: Alarm
    refusal: str | None
    """Why its button would do nothing."""


@router.get("/{token}", response_class=HTMLResponse)
async def show(token: str, parts: SharedParts) -> HTMLResponse:
    """Show the alarm and one button; nothing changes, whoever opens the link."""
    linked = await _looked_up(parts, token)
    if linked is None:
        return _page(404, "Not valid", NO_LINK)
    title = parts.instructions.of(linked.alarm.type).title
    if linked.refusal is not None:
        return _page(409, title, linked.refusal)
    button = f"Acknowledge as {linked.person}"
    return _page(200, title, *_facts(linked.alarm), button=button)


@router.post("/{token}", response_class=HTMLResponse)
async def acknowledge(token: str, parts: SharedParts) -> HTMLResponse:
    """Take the alarm as the recipient of the message; the link is used up."""
    # Whoever has no good link must not even wait for the lock of all moves.
    if await _looked_up(parts, token) is None:
        return _page(404, "Not valid", NO_LINK)
    try:
        async with alarms.moving(parts.pool) as connection:
            linked = await _linked(connection, parts, token)
            if linked is None:
                return _page(404, "Not valid", NO_LINK)
            if linked.refusal is not None or not await notifications.answer(connection, linked.message):
                return _page(409, "Nothing changed", linked.refusal or "This link was used before.")
            await _check(connection, linked)
            # Who has the link has a message that went to them; that they have logged in nobody has seen.
            person = Actor(linked.person, verified=False)
            change = await acts.acknowledge(connection, person, linked.alarm.id, f"by the link of {linked.message}")
    except Permanent as error:
        return _page(409, "Nothing changed", str(error))
    done = "You have it now." if change.entries else "It was yours already."
    return _page(200, "Acknowledged", done, *_facts(change.alarm))


async def _looked_up(parts: Parts, token: str) -> Linked | None:
    with translated():
        async with parts.pool.connection() as connection:
            return await _linked(connection, parts, token)


async def _linked(connection: DatabaseConnection, parts: Parts, token: str) -> Linked | None:
    """Return the message of a link; None when the link is none of ours or its time is over."""
    section, found = parts.settings.acknowledge, parse_token(token)
    if section is None or found is None:
        return None
    message = await notifications.addressed(connection, found.message)
    if message is None or not found.is_sealed(section.key(), message.alarm, message.person):
        return None
    alarm = await acts.existing(connection, message.alarm)
    refusal = _refusal(message, found.until_s) or _held(alarm)
    return Linked(found.message, message.person, alarm, refusal)


def _refusal(message: notifications.Addressed, until_s: int) -> str | None:
    if until_s < time.time():
        return "The time of this link is over. Log in to see the alarm."
    if message.answered:
        return "This link was used before."
    return "The alarm has become more urgent since: use the newest message." if message.surpassed else None


def _held(alarm: Alarm) -> str | None:
    """Return why a link does not reset an alarm: that is done by somebody who is logged in."""
    if alarm.state is not AlarmState.ACKNOWLEDGED or alarm.returned is None:
        return None
    return f"{one_line(alarm.acknowledged_by or 'Somebody')} has it already. Log in to reset it."


async def _check(connection: DatabaseConnection, linked: Linked) -> None:
    """Raise NotAllowed where there is a directory in which the person may not take the alarm."""
    if not await has_directory(connection):
        return
    user = await find_user(connection, linked.person)
    if user is None or user.disabled is not None or not may(user.person(), UserAct.ALARM_ACKNOWLEDGE, linked.alarm.hub):
        raise NotAllowed(f"{linked.person} may not acknowledge alarms at this hub")


def _facts(alarm: Alarm) -> list[str]:
    holder = "nobody yet" if alarm.acknowledged_by is None else one_line(alarm.acknowledged_by)
    return [
        f"{mark(alarm)}{Priority(alarm.priority).name}: {one_line(alarm.why)}",
        f"Where: {one_line(where(alarm))}",
        f"Since: {clock_text(alarm.opened)}",
        f"Who has it: {holder}",
        f"Alarm {alarm.id}",
    ]


def _page(status: int, title: str, *lines: str, button: str | None = None) -> HTMLResponse:
    """Return a page without style or script, which any browser shows."""
    body = "".join(f"<p>{html.escape(line)}</p>" for line in lines)
    form = "" if button is None else f'<form method="post"><button type="submit">{html.escape(button)}</button></form>'
    head = f'<meta name="viewport" content="width=device-width"><title>{html.escape(title)}</title>'
    shown = f"<h1>{html.escape(title)}</h1>{body}{form}"
    return HTMLResponse(f'<!doctype html><html lang="en"><head>{head}</head><body>{shown}</body></html>', status)
