"""Acknowledge from a message: a page with one button for whoever has the link, and what the button does.

One message may tell of several alarms: the button takes those that this message told of, and no other one.
"""

from __future__ import annotations

import html
import time
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Depends
from fastapi.responses import HTMLResponse

from hubwatch_alarms import acts
from hubwatch_alarms.message import where
from hubwatch_alarms.mover import AlarmChange
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
USED = "This link was used before."
NO_BUTTON: dict[int | str, dict[str, Any]] = {
    404: {"description": "The link is none of ours, as a page.", "content": {"text/html": {}}},
    409: {"description": "The link does nothing any more; the page says why.", "content": {"text/html": {}}},
}


@dataclass(frozen=True, slots=True)
class LinkedAlarm:
    """An alarm that the message told of, as it stands."""

    alarm: Alarm
    refusal: str | None
    """Why the button leaves it as it is."""


@dataclass(frozen=True, slots=True)
class Linked:
    """A message whose link was opened, with every alarm that it told of; its own is the first."""

    message: str
    person: str
    alarms: tuple[LinkedAlarm, ...]
    used: str | None
    """Why the link does nothing any more."""

    @property
    def refusal(self) -> str | None:
        """Return why its button would do nothing; where several alarms differ in that, the page says it of each."""
        if self.used is not None or not all(each.refusal for each in self.alarms):
            return self.used
        return self.alarms[0].refusal if len(self.alarms) == 1 else "None of these alarms waits for you."

    @property
    def open(self) -> int:
        """Return how many alarms its button takes."""
        return sum(each.refusal is None for each in self.alarms)


@router.get("/{token}", response_class=HTMLResponse, responses=NO_BUTTON)
async def show(token: str, parts: SharedParts) -> HTMLResponse:
    """Show every alarm of the message and one button; nothing changes, whoever opens the link."""
    linked = await _looked_up(parts, token)
    if linked is None:
        return _page(404, "Not valid", NO_LINK)
    title = _title(parts, linked)
    if linked.refusal is not None:
        return _page(409, title, linked.refusal, *_every(parts, linked, alone=False))
    all_of = f" all {linked.open}" if linked.open > 1 else ""
    return _page(200, title, *_every(parts, linked), button=f"Acknowledge{all_of} as {linked.person}")


@router.post("/{token}", response_class=HTMLResponse, responses=NO_BUTTON)
async def acknowledge(token: str, parts: SharedParts) -> HTMLResponse:
    """Take the alarms that the message told of as its recipient, and say which; the link is used up."""
    # Whoever has no good link must not even wait for the lock of all moves.
    if await _looked_up(parts, token) is None:
        return _page(404, "Not valid", NO_LINK)
    try:
        async with alarms.moving(parts.pool) as connection:
            linked = await _linked(connection, parts, token)
            if linked is None:
                return _page(404, "Not valid", NO_LINK)
            if linked.refusal is not None or not await notifications.answer(connection, linked.message):
                return _page(409, "Nothing changed", linked.refusal or USED)
            done = await _take(connection, linked)
    except Permanent as error:
        return _page(409, "Nothing changed", str(error))
    return _page(200, "Acknowledged", *_said(parts, linked, done))


async def _take(connection: DatabaseConnection, linked: Linked) -> dict[int, AlarmChange | str]:
    """Take each alarm that can be taken; return by alarm what came of it. Raises Permanent when none could be."""
    # Who has the link has a message that went to them; that they have logged in nobody has seen.
    person = Actor(linked.person, verified=False)
    done: dict[int, AlarmChange | str] = {}
    for each in linked.alarms:
        if each.refusal is not None:
            done[each.alarm.id] = each.refusal
            continue
        await _check(connection, linked.person, each.alarm.hub)
        note = f"by the link of {linked.message}"
        done[each.alarm.id] = await acts.acknowledge_or_say(connection, person, each.alarm.id, note)
    refusals = [said for said in done.values() if isinstance(said, str)]
    if len(refusals) == len(done):
        raise Permanent(refusals[0])
    return done


async def _looked_up(parts: Parts, token: str) -> Linked | None:
    with translated():
        async with parts.pool.connection() as connection:
            return await _linked(connection, parts, token)


async def _linked(connection: DatabaseConnection, parts: Parts, token: str) -> Linked | None:
    """Return the message of a link; None when the link is none of ours."""
    section, found = parts.settings.acknowledge, parse_token(token)
    if section is None or found is None:
        return None
    message = await notifications.addressed(connection, found.message)
    if message is None or not found.is_sealed(section.key(), message.alarm, message.person):
        return None
    told = [
        await _standing(connection, each)
        for each in await notifications.named(connection, found.message, found.attempt)
    ]
    used = "The time of this link is over. Log in to see the alarm." if found.until_s < time.time() else None
    return Linked(found.message, message.person, tuple(told), USED if message.answered and used is None else used)


async def _standing(connection: DatabaseConnection, named: notifications.NamedAlarm) -> LinkedAlarm:
    alarm = await acts.existing(connection, named.alarm)
    surpassed = "The alarm has become more urgent since: use the newest message."
    return LinkedAlarm(alarm, surpassed if named.surpassed else _held(alarm))


def _held(alarm: Alarm) -> str | None:
    """Return why a link does not reset an alarm: that is done by somebody who is logged in."""
    if alarm.state is not AlarmState.ACKNOWLEDGED or alarm.returned is None:
        return None
    return f"{one_line(alarm.acknowledged_by or 'Somebody')} has it already. Log in to reset it."


async def _check(connection: DatabaseConnection, person: str, hub: str) -> None:
    """Raise NotAllowed where there is a directory in which the person may not take alarms of a hub."""
    if not await has_directory(connection):
        return
    user = await find_user(connection, person)
    if user is None or user.disabled is not None or not may(user.person(), UserAct.ALARM_ACKNOWLEDGE, hub):
        raise NotAllowed(f"{person} may not acknowledge alarms at this hub")


def _title(parts: Parts, linked: Linked) -> str:
    first = linked.alarms[0].alarm
    title = f"{mark(first)}{parts.instructions.of(first.type).title}"
    return title if len(linked.alarms) == 1 else f"{title}, and {len(linked.alarms) - 1} more"


def _every(parts: Parts, linked: Linked, *, alone: bool = True) -> list[str]:
    """Return the facts of the message's alarm where it is `alone`, or a line for each of its alarms."""
    if len(linked.alarms) == 1:
        return _facts(linked.alarms[0].alarm) if alone else []
    return [_line(parts, each.alarm, each.refusal) for each in linked.alarms]


def _said(parts: Parts, linked: Linked, done: dict[int, AlarmChange | str]) -> list[str]:
    """Return what came of each alarm."""
    results = [done[each.alarm.id] for each in linked.alarms]
    changes = [result for result in results if isinstance(result, AlarmChange)]
    if len(results) == 1:
        (change,) = changes
        return ["You have it now." if change.entries else "It was yours already.", *_facts(change.alarm)]
    yours = f"You have {len(changes)} of the {len(results)} alarms of this message now."
    return [
        yours,
        *(
            _line(parts, each.alarm, result if isinstance(result, str) else "You have it now.")
            for each, result in zip(linked.alarms, results, strict=True)
        ),
    ]


def _line(parts: Parts, alarm: Alarm, note: str | None) -> str:
    title = parts.instructions.of(alarm.type).title
    said = "" if note is None else f" – {note}"
    return f"{mark(alarm)}Alarm {alarm.id}, {Priority(alarm.priority).name}: {title}, {one_line(where(alarm))}{said}"


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
